/* SPDX-License-Identifier: Apache-2.0 */
/* room: base */
/* Whatever YAML becomes must be a tree that can be written as JSON and read again. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json_writer.h"
#include "base/yaml.h"

#define MAX_BYTES ((size_t)1 << 14)
#define MAX_JSON ((size_t)1 << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(void *user, const struct json *doc, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf out VK_BUF_AUTO;
    const struct json *again;
    struct json_writer w;

    (void)user;
    vk_buf_init(&out, MAX_JSON);
    json_writer_init(&w, &out);
    json_put_value(&w, NULL, doc);
    if (!json_writer_done(&w) || json_parse(vk_buf_str(&out), MAX_JSON, arena, &again, err) < 0)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text = {.p = (const char *)data, .n = size};
    const struct json *v;
    struct vk_err err;

    if (yaml_parse_stream(text, MAX_BYTES, arena, check, NULL, &err) < 0 && err.msg[0] == '\0')
        abort();
    if (yaml_parse_texts(text, MAX_BYTES, arena, &v, &err) == 0 && v)
        (void)check(NULL, v, &err);
    return 0;
}
