/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/registry_error.h"

#include "base/str.h"

#define MAX_BODY (64 * 1024)
#define MAX_TEXT 200

const char *registry_error_text(struct vk_str body, struct vk_arena *arena)
{
    const struct json *doc, *first;
    const char *said;
    struct vk_err err;
    char *text;

    if (json_parse(body, MAX_BODY, arena, &doc, &err) < 0)
        return NULL;
    first = json_first(json_get(doc, "errors"));
    said = json_string_or(first, "message", "");
    if (vk_str_empty(said))
        said = json_string_or(first, "code", "");
    if (vk_str_empty(said))
        return NULL;
    text = vk_arena_printf(arena, "%.*s", MAX_TEXT, said);
    for (char *p = text; *p; p++) {
        if (*p < ' ' || *p > '~')
            *p = '?';
    }
    return text;
}
