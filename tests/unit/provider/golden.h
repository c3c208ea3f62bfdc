/* SPDX-License-Identifier: Apache-2.0 */
/* Golden files: one JSON document per case holds input and expected output; trees are compared. */
#pragma once

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_writer.h"

#define GOLDEN_MAX_BYTES (4u << 20)

static inline const struct json *golden_parse(struct vk_arena *arena, struct vk_str text)
{
    const struct json *root;
    struct vk_err err;
    if (json_parse(text, GOLDEN_MAX_BYTES, arena, &root, &err) < 0)
        fail_msg("%s in %.*s", err.msg, (int)text.n, text.p);
    return root;
}

static inline const struct json *golden_load(struct vk_arena *arena, const char *path)
{
    struct vk_str text;
    struct vk_err err;
    if (file_read(path, GOLDEN_MAX_BYTES, arena, &text, &err) < 0)
        fail_msg("%s", err.msg);
    return golden_parse(arena, text);
}

/* The value as text, in the arena. */
static inline struct vk_str golden_text(struct vk_arena *arena, const struct json *v)
{
    struct vk_buf out;
    struct json_writer w;
    vk_buf_init(&out, GOLDEN_MAX_BYTES);
    json_writer_init(&w, &out);
    json_put_value(&w, NULL, v);
    assert_true(json_writer_done(&w));
    const char *text = vk_arena_str(arena, vk_buf_str(&out));
    vk_buf_release(&out);
    return vk_str_of(text);
}

/* The path of the first difference, or NULL. */
static inline const char *golden_difference(struct vk_arena *arena, const struct json *a,
                                            const struct json *b, const char *path)
{
    if (!a || !b || json_type_of(a) != json_type_of(b) || json_len(a) != json_len(b))
        return vk_arena_strdup(arena, path);
    if (json_type_of(a) == JSON_OBJECT) {
        for (const struct json *m = json_first(a); m; m = json_next(m)) {
            const char *at = vk_arena_printf(arena, "%s.%s", path, json_key(m));
            const char *diff = golden_difference(arena, m, json_get(b, json_key(m)), at);
            if (diff)
                return diff;
        }
        return NULL;
    }
    if (json_type_of(a) == JSON_ARRAY) {
        size_t i = 0;
        const struct json *n = json_first(b);
        for (const struct json *m = json_first(a); m; m = json_next(m), n = json_next(n)) {
            const char *at = vk_arena_printf(arena, "%s[%zu]", path, i++);
            const char *diff = golden_difference(arena, m, n, at);
            if (diff)
                return diff;
        }
        return NULL;
    }
    const struct vk_str left = golden_text(arena, a);
    return vk_str_eq(left, golden_text(arena, b)) ? NULL : vk_arena_strdup(arena, path);
}

/* Runs fn on each *.json of a folder of tests/data; at least one must be there. */
static inline void golden_each(const char *folder,
                               void (*fn)(const char *name, const struct json *doc,
                                          struct vk_arena *arena))
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", VK_TEST_DATA, folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    size_t n = 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (!vk_ends(e->d_name, ".json"))
            continue;
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        (void)snprintf(path, sizeof(path), "%s/%s/%s", VK_TEST_DATA, folder, e->d_name);
        fn(e->d_name, golden_load(arena, path), arena);
        n++;
    }
    (void)closedir(dir);
    assert_true(n > 0);
}
