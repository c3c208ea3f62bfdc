/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON reading (RFC 8259) over cJSON: the whole input is one value, valid UTF-8, no \u0000,
 * no duplicate keys, look-up is case-sensitive, integers are exact in 64 bits. Trees live in an
 * arena and are not kept: decode into structs, then drop the arena.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/vk_err.h"

struct json; /* a value in a tree; borrowed from the arena it was parsed into */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/*
 * Errors: VK_INVALID ("at byte 17: ..."; nesting over 64, numbers over 63 characters); VK_TOO_LARGE
 * over max_bytes or 500,000 values, which is what keeps the tree of a hostile text small.
 */
VK_MUST_CHECK int json_parse(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
                             const struct json **ret, struct vk_err *err);

/* NULL counts as null. */
enum json_type json_type_of(const struct json *v);
/* NULL when v is NULL, no object, or has no such member. Chains: json_get(json_get(v, "a"), "b").
 */
const struct json *json_get(const struct json *v, const char *key);
/* Child by child; works for arrays and objects; NULL-safe. json_key is the member's name inside an
 * object. */
const struct json *json_first(const struct json *v);
const struct json *json_next(const struct json *v);
const char *json_key(const struct json *v);
size_t json_len(const struct json *v); /* elements or members; 0 for anything else */

/* NUL-terminated text (lives with the arena), or NULL when v is NULL or no string. */
const char *json_string(const struct json *v);
/* json_string(json_get(v, key)) or fallback. */
const char *json_string_or(const struct json *v, const char *key, const char *fallback);
/* Exact; false when v is NULL, no integer or out of range. "1.0" is an integer, "1.5" is not. */
bool json_int64(const struct json *v, int64_t *ret);
int64_t json_int64_or(const struct json *v, const char *key, int64_t fallback);
/* False also for what a double cannot hold (1e999). */
bool json_double(const struct json *v, double *ret);
bool json_bool_or(const struct json *v, const char *key, bool fallback);
/* False for everything but true; NULL-safe. */
bool json_is_true(const struct json *v);
/* The digits as they were read, nothing lost. v is a number; scratch holds 32 bytes and may be what
 * is returned. */
const char *json_number_text(const struct json *v, char *scratch, size_t scratch_size);

/*
 * Table-driven decoding into arena structs; text is copied, so that the tree's arena may go first.
 * Unknown members are ignored; null counts as absent. A
 * wrong type or range is VK_INVALID with the full path: "spec.containers[2].ports[0].containerPort:
 * expected an integer in 1..65535".
 */
/* Time: the zero time of Go and .NET (0001-01-01T00:00:00Z) counts as absent. */
enum json_flag { JSON_OPTIONAL = 0, JSON_REQUIRED = 1 };
struct json_field;
/* path: where v stands, relative to the struct that the table describes; messages begin with it and
 * a colon, and callers put the rest in front. */
typedef int (*json_decode_fn)(const struct json *v, void *out, struct vk_arena *arena,
                              const char *path, struct vk_err *err);
struct json_field {
    const char *name;
    enum json_kind {
        JSON_KIND_STR,        /* const char * */
        JSON_KIND_INT64,      /* int64_t, [min, max]; `has` offset optional */
        JSON_KIND_INT32,      /* int32_t, [min, max]; `has` offset optional */
        JSON_KIND_BOOL,       /* bool; `has` offset optional */
        JSON_KIND_STRS,       /* struct json_strs */
        JSON_KIND_MAP,        /* struct json_pairs: object of strings, order kept */
        JSON_KIND_OBJECT,     /* embedded struct by sub-table */
        JSON_KIND_OBJECT_PTR, /* pointer to struct by sub-table; NULL when absent */
        JSON_KIND_ARRAY,      /* struct json_array of structs by sub-table */
        JSON_KIND_TIME,       /* int64_t wall ns, RFC 3339; 0 when absent */
        JSON_KIND_CUSTOM,     /* fn(v, base + offset, ...) */
    } kind;
    size_t offset;
    size_t has_offset; /* offset of a bool that says "was present", or SIZE_MAX */
    unsigned flags;
    int64_t min, max;
    const struct json_field *sub;
    size_t sub_size;
    json_decode_fn fn;
};
struct json_strs {
    const char **v;
    size_t n;
};
struct json_pair {
    const char *key, *value;
};
struct json_pairs {
    struct json_pair *v;
    size_t n;
};
struct json_array {
    void *v; /* n structs of sub_size bytes; cast at use */
    size_t n;
};
#define JSON_END                                                                                   \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#define JSON_F_(type, member, key, k)                                                              \
    .name = (key), .kind = (k), .offset = offsetof(type, member), .has_offset = SIZE_MAX
#define JSON_STR(type, member, key, fl)                                                            \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_STR), .flags = (fl)                                   \
    }
#define JSON_TIME(type, member, key)                                                               \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_TIME)                                                 \
    }
#define JSON_INT(type, member, key, fl, lo, hi)                                                    \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_INT64), .flags = (fl), .min = (lo), .max = (hi)       \
    }
/* Optional integer with a presence flag. */
#define JSON_INT_HAS(type, member, has, key, lo, hi)                                               \
    {                                                                                              \
        .name = (key), .kind = JSON_KIND_INT64, .offset = offsetof(type, member),                  \
        .has_offset = offsetof(type, has), .min = (lo), .max = (hi)                                \
    }
#define JSON_BOOLEAN(type, member, key)                                                            \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_BOOL)                                                 \
    }
#define JSON_BOOLEAN_HAS(type, member, has, key)                                                   \
    {                                                                                              \
        .name = (key), .kind = JSON_KIND_BOOL, .offset = offsetof(type, member),                   \
        .has_offset = offsetof(type, has)                                                          \
    }
#define JSON_STRINGS(type, member, key)                                                            \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_STRS)                                                 \
    }
#define JSON_MAP(type, member, key)                                                                \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_MAP)                                                  \
    }
#define JSON_OBJ(type, member, key, table)                                                         \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_OBJECT), .sub = (table)                               \
    }
#define JSON_OBJ_PTR(type, member, key, table, subtype)                                            \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_OBJECT_PTR), .sub = (table),                          \
                                                          .sub_size = sizeof(subtype)              \
    }
#define JSON_ARR(type, member, key, table, subtype)                                                \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_ARRAY), .sub = (table), .sub_size = sizeof(subtype)   \
    }
#define JSON_CUSTOM(type, member, key, function)                                                   \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_CUSTOM), .fn = (function)                             \
    }
/* path: where v stands, "" at the root. out is zeroed memory of the struct that the table
 * describes. */
VK_MUST_CHECK int json_decode(const struct json *v, const struct json_field *table, void *out,
                              struct vk_arena *arena, const char *path, struct vk_err *err);

/*
 * Reads a List object element by element from text that arrives in pieces, so that a list of 5,000
 * pods never stands in memory as a tree: each element of the root's "items" (or the given member)
 * is handed out as raw text; the rest of the root object ("metadata" ...) is kept and handed out at
 * the end with "items" emptied.
 */
struct json_list_reader;
typedef int (*json_item_fn)(void *user, struct vk_str raw_item, struct vk_err *err);
struct json_list_reader *json_list_reader_new(const char *member, size_t max_item_bytes,
                                              json_item_fn fn, void *user);
void json_list_reader_free(struct json_list_reader *r);
/* Any split of the input. Errors: VK_INVALID, VK_TOO_LARGE, or the item function's. */
VK_MUST_CHECK int json_list_reader_feed(struct json_list_reader *r, struct vk_str piece,
                                        struct vk_err *err);
/* After the last piece: the root without its items, borrowed until _free. VK_INVALID when the text
 * is not complete. */
VK_MUST_CHECK int json_list_reader_end(struct json_list_reader *r, struct vk_str *ret_rest,
                                       struct vk_err *err);
