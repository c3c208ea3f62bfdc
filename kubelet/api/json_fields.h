/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of the API types need beyond base/json.h. */
#pragma once

#include "base/json.h"

/* Members of a nested object that live in the enclosing struct; `table` has its offsets. */
#define JSON_FLAT(key, table)                                                                      \
    {                                                                                              \
        .name = (key), .kind = JSON_KIND_OBJECT, .has_offset = SIZE_MAX, .sub = (table)            \
    }
/* As JSON_FLAT, with a bool of the struct that says whether the object was there. */
#define JSON_FLAT_HAS(type, has, key, table)                                                       \
    {                                                                                              \
        .name = (key), .kind = JSON_KIND_OBJECT, .has_offset = offsetof(type, has), .sub = (table) \
    }
/* Only whether an object is there. */
#define JSON_PRESENT(type, has, key) JSON_FLAT_HAS(type, has, key, json_no_fields)

/* A member that is known and not read: another component acts on it, or it means nothing here. */
#define JSON_UNREAD(key)                                                                           \
    {                                                                                              \
        .name = (key), .kind = JSON_KIND_CUSTOM, .has_offset = SIZE_MAX, .fn = json_decode_nothing \
    }
/* As JSON_CUSTOM, for objects whose members are those of a table. */
#define JSON_CUSTOM_OF(type, member, key, function, table)                                         \
    {                                                                                              \
        JSON_F_(type, member, key, JSON_KIND_CUSTOM), .sub = (table), .fn = (function)             \
    }

extern const struct json_field json_no_fields[];

int json_decode_nothing(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                        struct vk_err *err);

/* size_t: number of elements of an array. */
int json_decode_count(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                      struct vk_err *err);
/* const char *: an IntOrString (intstr.IntOrString) as text. */
int json_decode_int_or_string(const struct json *v, void *out, struct vk_arena *arena,
                              const char *path, struct vk_err *err);
/* struct json_strs: member "name", "ip" or "conditionType" of each object of an array. */
int json_decode_names(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                      struct vk_err *err);
int json_decode_ips(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                    struct vk_err *err);
int json_decode_condition_types(const struct json *v, void *out, struct vk_arena *arena,
                                const char *path, struct vk_err *err);
/* The first member of an object that no entry of the table names and that is not null; or NULL. */
const char *json_unknown_member(const struct json *v, const struct json_field *table);
