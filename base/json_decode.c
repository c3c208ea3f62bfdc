/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

/*
 * Paths are put together on the way out of a failure, so that success pays nothing for them: inner
 * functions report relative to what they were given (": expected an object" is the value itself),
 * callers put their part in front.
 */
static int prefix_path(struct vk_err *err, const char *path)
{
    char msg[sizeof(err->msg)];

    memcpy(msg, err->msg, sizeof(msg));
    if (!*path) {
        if (msg[0] == ':')
            vk_strcpy_to(err->msg, sizeof(err->msg), msg + 2);
        return -(int)err->code;
    }
    snprintf(err->msg, sizeof(err->msg), "%.150s%s%.*s", path,
             msg[0] == '[' || msg[0] == ':' ? "" : ".", (int)sizeof(msg) - 153, msg);
    return -(int)err->code;
}

static int prefix_index(struct vk_err *err, size_t index)
{
    char path[32];

    snprintf(path, sizeof(path), "[%zu]", index);
    return prefix_path(err, path);
}

static int expected(struct vk_err *err, const char *what)
{
    return vk_err_set(err, VK_INVALID, ": expected %s", what);
}

static bool is_absent(const struct json *v)
{
    return !v || json_type_of(v) == JSON_NULL;
}

static int decode_table(const struct json *v, const struct json_field *table, char *out,
                        struct vk_arena *arena, struct vk_err *err);

static int decode_int(const struct json *v, const struct json_field *f, void *to,
                      struct vk_err *err)
{
    int64_t value;

    if (!json_int64(v, &value) || value < f->min || value > f->max)
        return vk_err_set(err, VK_INVALID, ": expected an integer in %" PRId64 "..%" PRId64, f->min,
                          f->max);
    if (f->kind == JSON_KIND_INT32) {
        int32_t narrow = (int32_t)value;

        memcpy(to, &narrow, sizeof(narrow));
    } else {
        memcpy(to, &value, sizeof(value));
    }
    return 0;
}

static int decode_time(const struct json *v, void *to, struct vk_err *err)
{
    const char *text = json_string(v);
    int64_t ns = 0;

    /* The zero time of Go and of .NET: both write it for "never set". */
    if (!text)
        return expected(err, "an RFC 3339 time");
    if (!vk_streq(text, "0001-01-01T00:00:00Z") && !vk_streq(text, "0001-01-01T00:00:00+00:00") &&
        !vk_time_parse(vk_str_of(text), &ns))
        return expected(err, "an RFC 3339 time");
    memcpy(to, &ns, sizeof(ns));
    return 0;
}

/* Decoded structs outlive the tree, which is ten times their size. NULL: no string. */
static const char *copy_string(const struct json *v, struct vk_arena *arena)
{
    const char *text = json_string(v);

    return text ? vk_arena_strdup(arena, text) : NULL;
}

static int decode_strings(const struct json *v, struct json_strs *to, struct vk_arena *arena,
                          struct vk_err *err)
{
    size_t count = json_len(v);
    size_t i = 0;

    if (json_type_of(v) != JSON_ARRAY)
        return expected(err, "an array of strings");
    to->v = vk_arena_array(arena, count, sizeof(to->v[0]));
    for (const struct json *e = json_first(v); e; e = json_next(e), i++) {
        to->v[i] = is_absent(e) ? "" : copy_string(e, arena);
        if (!to->v[i]) {
            expected(err, "a string");
            return prefix_index(err, i);
        }
    }
    to->n = count;
    return 0;
}

static int decode_map(const struct json *v, struct json_pairs *to, struct vk_arena *arena,
                      struct vk_err *err)
{
    size_t count = json_len(v);
    size_t i = 0;

    if (json_type_of(v) != JSON_OBJECT)
        return expected(err, "an object of strings");
    to->v = vk_arena_array(arena, count, sizeof(to->v[0]));
    for (const struct json *e = json_first(v); e; e = json_next(e), i++) {
        to->v[i].key = vk_arena_strdup(arena, json_key(e));
        to->v[i].value = is_absent(e) ? "" : copy_string(e, arena);
        if (!to->v[i].value)
            return vk_err_set(err, VK_INVALID, "[\"%.100s\"]: expected a string", json_key(e));
    }
    to->n = count;
    return 0;
}

static int decode_array(const struct json *v, const struct json_field *f, struct json_array *to,
                        struct vk_arena *arena, struct vk_err *err)
{
    size_t count = json_len(v);
    size_t i = 0;
    char *elements;

    if (json_type_of(v) != JSON_ARRAY)
        return expected(err, "an array");
    elements = vk_arena_array(arena, count, f->sub_size);
    for (const struct json *e = json_first(v); e; e = json_next(e), i++) {
        if (!is_absent(e) && decode_table(e, f->sub, elements + i * f->sub_size, arena, err) < 0)
            return prefix_index(err, i);
    }
    to->v = elements;
    to->n = count;
    return 0;
}

static int decode_pointer(const struct json *v, const struct json_field *f, void *to,
                          struct vk_arena *arena, struct vk_err *err)
{
    void *sub = vk_arena_alloc(arena, f->sub_size);

    if (decode_table(v, f->sub, sub, arena, err) < 0)
        return -1;
    memcpy(to, &sub, sizeof(sub));
    return 0;
}

/* The function's message should begin with the path it was given; if not, it gets it here. */
static int decode_custom(const struct json *v, const struct json_field *f, void *to,
                         struct vk_arena *arena, struct vk_err *err)
{
    size_t n = strlen(f->name);

    if (f->fn(v, to, arena, f->name, err) >= 0)
        return 0;
    if (strncmp(err->msg, f->name, n) == 0 && strchr(".[:", err->msg[n]) && err->msg[n])
        memmove(err->msg, err->msg + n + (err->msg[n] == '.' ? 1 : 0),
                strlen(err->msg + n + (err->msg[n] == '.' ? 1 : 0)) + 1);
    else
        vk_err_wrap(err, "%s", "");
    return -1;
}

static int decode_field(const struct json *v, const struct json_field *f, char *out,
                        struct vk_arena *arena, struct vk_err *err)
{
    void *to = out + f->offset;
    const char *text;
    bool flag;

    switch (f->kind) {
    case JSON_KIND_STR:
        text = copy_string(v, arena);
        if (!text)
            return expected(err, "a string");
        memcpy(to, &text, sizeof(text));
        return 0;
    case JSON_KIND_INT32:
    case JSON_KIND_INT64:
        return decode_int(v, f, to, err);
    case JSON_KIND_BOOL:
        if (json_type_of(v) != JSON_BOOL)
            return expected(err, "true or false");
        flag = json_is_true(v);
        memcpy(to, &flag, sizeof(flag));
        return 0;
    case JSON_KIND_STRS:
        return decode_strings(v, to, arena, err);
    case JSON_KIND_MAP:
        return decode_map(v, to, arena, err);
    case JSON_KIND_OBJECT:
        return decode_table(v, f->sub, to, arena, err);
    case JSON_KIND_OBJECT_PTR:
        return decode_pointer(v, f, to, arena, err);
    case JSON_KIND_ARRAY:
        return decode_array(v, f, to, arena, err);
    case JSON_KIND_TIME:
        return decode_time(v, to, err);
    case JSON_KIND_CUSTOM:
        return decode_custom(v, f, to, arena, err);
    default:
        assert(false); /* unknown kind of field */
        return -1;
    }
}

static int decode_table(const struct json *v, const struct json_field *table, char *out,
                        struct vk_arena *arena, struct vk_err *err)
{
    static const bool yes = true;

    if (!v || json_type_of(v) != JSON_OBJECT)
        return expected(err, "an object");
    for (const struct json_field *f = table; f->name; f++) {
        const struct json *member = json_get(v, f->name);

        if (is_absent(member)) {
            if (!(f->flags & JSON_REQUIRED))
                continue;
            vk_err_set(err, VK_INVALID, ": is required");
            return prefix_path(err, f->name);
        }
        if (decode_field(member, f, out, arena, err) < 0)
            return prefix_path(err, f->name);
        if (f->has_offset != SIZE_MAX)
            memcpy(out + f->has_offset, &yes, sizeof(yes));
    }
    return 0;
}

int json_decode(const struct json *v, const struct json_field *table, void *out,
                struct vk_arena *arena, const char *path, struct vk_err *err)
{
    if (decode_table(v, table, out, arena, err) < 0)
        return prefix_path(err, path);
    return 0;
}
