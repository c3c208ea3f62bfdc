/* SPDX-License-Identifier: Apache-2.0 */
/* room: base */
/* What is accepted must survive being written and read again, to the byte. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json_writer.h"

#define MAX_BYTES ((size_t)1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pair {
    const char *name;
    int64_t number;
};
struct thing {
    const char *name;
    int64_t number, time_ns;
    bool flag;
    struct json_strs strings;
    struct json_pairs map;
    struct json_array array;
    struct pair *pointer;
};

static const struct json_field pair_fields[] = {
    JSON_STR(struct pair, name, "n", JSON_REQUIRED),
    JSON_INT(struct pair, number, "i", JSON_OPTIONAL, -5, INT64_MAX),
    JSON_END,
};
static const struct json_field thing_fields[] = {
    JSON_STR(struct thing, name, "n", JSON_OPTIONAL),
    JSON_INT(struct thing, number, "i", JSON_OPTIONAL, INT64_MIN, INT64_MAX),
    JSON_TIME(struct thing, time_ns, "t"),
    JSON_BOOLEAN(struct thing, flag, "b"),
    JSON_STRINGS(struct thing, strings, "s"),
    JSON_MAP(struct thing, map, "m"),
    JSON_ARR(struct thing, array, "a", pair_fields, struct pair),
    JSON_OBJ_PTR(struct thing, pointer, "p", pair_fields, struct pair),
    JSON_END,
};

static void write_value(struct vk_buf *out, const struct json *v)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_put_value(&w, NULL, v);
    if (!json_writer_done(&w))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text = {.p = (const char *)data, .n = size};
    struct vk_buf once VK_BUF_AUTO;
    struct vk_buf twice VK_BUF_AUTO;
    struct thing thing = {0};
    const struct json *v;
    struct vk_err err;

    vk_buf_init(&once, 8 * MAX_BYTES);
    vk_buf_init(&twice, 8 * MAX_BYTES);
    if (json_parse(text, MAX_BYTES, arena, &v, &err) < 0)
        return 0;
    write_value(&once, v);
    if (json_parse(vk_buf_str(&once), 8 * MAX_BYTES, arena, &v, &err) < 0)
        abort();
    write_value(&twice, v);
    if (!vk_str_eq(vk_buf_str(&once), vk_buf_str(&twice)))
        abort();
    (void)!json_decode(v, thing_fields, &thing, arena, "x", &err);
    return 0;
}
