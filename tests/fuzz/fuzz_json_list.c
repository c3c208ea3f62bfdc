/* SPDX-License-Identifier: Apache-2.0 */
/* room: base */
/*
 * The first byte chooses where the text is cut; whole, cut and byte by byte must give the same
 * elements, the same rest and the same verdict. A list that is JSON must be read, and completely.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

#define MAX_ITEM 256
#define MAX_TEXT ((size_t)1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct taken {
    struct vk_buf text;
    size_t items;
};

static int take(void *user, struct vk_str raw, struct vk_err *err)
{
    struct taken *t = user;

    (void)err;
    if (raw.n == 0)
        abort();
    t->items++;
    vk_buf_addstr(&t->text, raw);
    vk_buf_addc(&t->text, '\n');
    return 0;
}

/* In pieces of `step` bytes; the code of the error, or 0. */
static int run(struct vk_str text, size_t step, struct taken *t)
{
    struct json_list_reader *reader = json_list_reader_new("items", MAX_ITEM, take, t);
    struct vk_err err = {0};
    struct vk_str rest;
    int result = 0;

    while (text.n > 0 && result == 0) {
        size_t n = text.n < step ? text.n : step;

        result = json_list_reader_feed(reader, (struct vk_str){.p = text.p, .n = n}, &err);
        text.p += n;
        text.n -= n;
    }
    if (result == 0)
        result = json_list_reader_end(reader, &rest, &err);
    if (result == 0)
        vk_buf_addstr(&t->text, rest);
    json_list_reader_free(reader);
    return result == 0 ? 0 : (int)err.code;
}

static void compare_with_parser(struct vk_str text, const struct taken *t, int code)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *v, *items;
    struct vk_err err;

    if (json_parse(text, MAX_TEXT, arena, &v, &err) < 0 || json_type_of(v) != JSON_OBJECT)
        return;
    if (code == VK_TOO_LARGE)
        return;
    if (code != 0)
        abort();
    items = json_get(v, "items");
    /* A member name spelled with escapes is not seen: its array stays in the rest. */
    if (json_type_of(items) == JSON_ARRAY && t->items != json_len(items) &&
        (t->items != 0 || !memchr(text.p, '\\', text.n)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_str text = {.p = (const char *)data + 1, .n = size ? size - 1 : 0};
    size_t steps[3] = {MAX_TEXT, 1, size ? (size_t)data[0] + 1 : 1};
    struct taken taken[3] = {0};
    int codes[3];

    if (size < 1 || size > MAX_TEXT)
        return 0;
    for (int i = 0; i < 3; i++) {
        vk_buf_init(&taken[i].text, 4 * MAX_TEXT);
        codes[i] = run(text, steps[i], &taken[i]);
        if (codes[i] != codes[0] ||
            !vk_str_eq(vk_buf_str(&taken[i].text), vk_buf_str(&taken[0].text)))
            abort();
    }
    compare_with_parser(text, &taken[0], codes[0]);
    for (int i = 0; i < 3; i++)
        vk_buf_release(&taken[i].text);
    return 0;
}
