/* SPDX-License-Identifier: Apache-2.0 */
/* room: base */
/* The parts of an accepted URL must make a URL with the same parts; coding must be reversible. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_twice(const char *text, struct vk_arena *arena)
{
    struct url a, b;
    struct vk_err err;
    const char *again;

    if (url_parse(text, arena, &a, &err) < 0)
        return;
    if (a.port < 1 || a.port > 65535 || a.path[0] != '/' || !*a.host)
        abort();
    again = vk_arena_printf(arena, strchr(a.host, ':') ? "%s://[%s]:%d%s%s%s" : "%s://%s:%d%s%s%s",
                            a.scheme, a.host, a.port, a.path, *a.query ? "?" : "", a.query);
    if (url_parse(again, arena, &b, &err) < 0 || a.port != b.port ||
        !vk_streq(a.scheme, b.scheme) || !vk_streq(a.host, b.host) || !vk_streq(a.path, b.path) ||
        !vk_streq(a.query, b.query))
        abort();
    for (size_t i = 0; i < 3; i++)
        (void)url_query_get(a.query, "a", i, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text = {.p = (const char *)data, .n = size};
    struct vk_buf out VK_BUF_AUTO;
    const char *copy, *back;

    if (size > 4096)
        return 0;
    copy = vk_arena_str(arena, text);
    parse_twice(copy, arena);
    vk_buf_init(&out, 65536);
    vk_buf_adds(&out, "/x");
    url_query_add(&out, copy, copy);
    if (out.failed)
        abort();
    /* What was added is found again, by its name. */
    back = url_query_get(vk_buf_peek(&out) + 3, copy, 0, arena);
    if (!back || !vk_streq(back, copy))
        abort();
    if (url_decode(text, size % 2, arena, &back) && strlen(back) > size)
        abort();
    return 0;
}
