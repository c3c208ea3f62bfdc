/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/ignored_fields.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/str.h"

/* Kubernetes' limit of an Event's message. */
#define MESSAGE_MAX 1024ul
#define MAX_FIELDS 256
#define FIELD_MAX 512

void ignored_fields_init(struct ignored_fields *fields, struct vk_arena *arena)
{
    *fields = (struct ignored_fields){.v = vk_arena_array(arena, MAX_FIELDS, sizeof(*fields->v))};
}

void ignored_fields_add(struct ignored_fields *fields, struct vk_arena *arena, const char *fmt, ...)
{
    char text[FIELD_MAX];
    va_list args;
    if (fields->n == MAX_FIELDS)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fields->v[fields->n++] = vk_arena_strdup(arena, text);
}

const char *ignored_fields_message(const struct ignored_fields *fields, struct vk_arena *arena)
{
    if (fields->n == 0)
        return NULL;
    const char *head = "Azure Container Instances does not honour these fields of spec: ";
    struct vk_buf text;
    vk_buf_init(&text, 2 * MESSAGE_MAX);
    vk_buf_adds(&text, head);
    for (size_t i = 0; i < fields->n; i++) {
        if (vk_buf_len(&text) + strlen(fields->v[i]) + 32 > MESSAGE_MAX) {
            vk_buf_printf(&text, " and %zu more", fields->n - i);
            break;
        }
        vk_buf_printf(&text, "%s%s", i ? ", " : "", fields->v[i]);
    }
    const char *out = vk_arena_str(arena, vk_buf_str(&text));
    vk_buf_release(&text);
    return out;
}
