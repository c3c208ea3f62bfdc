/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/json_fields.h"

const struct json_field json_no_fields[] = {JSON_END};

int json_decode_nothing(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                        struct vk_err *err)
{
    (void)v;
    (void)out;
    (void)arena;
    (void)path;
    (void)err;
    return 0;
}

int json_decode_count(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                      struct vk_err *err)
{
    (void)arena;
    if (json_type_of(v) != JSON_ARRAY)
        return vk_err_set(err, VK_INVALID, "%s: expected an array", path);
    *(size_t *)out = json_len(v);
    return 0;
}

int json_decode_int_or_string(const struct json *v, void *out, struct vk_arena *arena,
                              const char *path, struct vk_err *err)
{
    const char **text = out;
    int64_t number;

    if (json_string(v))
        *text = vk_arena_strdup(arena, json_string(v));
    else if (json_int64(v, &number))
        *text = vk_arena_printf(arena, "%lld", (long long)number);
    else
        return vk_err_set(err, VK_INVALID, "%s: expected a number or a name", path);
    return 0;
}

static int decode_member_of_each(const struct json *v, const char *member, struct json_strs *out,
                                 struct vk_arena *arena, const char *path, struct vk_err *err)
{
    size_t i = 0;

    if (json_type_of(v) != JSON_ARRAY)
        return vk_err_set(err, VK_INVALID, "%s: expected an array", path);
    out->v = vk_arena_array(arena, json_len(v), sizeof(*out->v));
    for (const struct json *e = json_first(v); e; e = json_next(e), i++) {
        const struct json *value = json_get(e, member);

        if (value && json_type_of(value) != JSON_NULL && !json_string(value))
            return vk_err_set(err, VK_INVALID, "%s[%zu].%s: expected a string", path, i, member);
        out->v[i] = vk_arena_strdup(arena, json_string_or(e, member, ""));
    }
    out->n = i;
    return 0;
}

int json_decode_names(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                      struct vk_err *err)
{
    return decode_member_of_each(v, "name", out, arena, path, err);
}

int json_decode_ips(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                    struct vk_err *err)
{
    return decode_member_of_each(v, "ip", out, arena, path, err);
}

int json_decode_condition_types(const struct json *v, void *out, struct vk_arena *arena,
                                const char *path, struct vk_err *err)
{
    return decode_member_of_each(v, "conditionType", out, arena, path, err);
}

const char *json_unknown_member(const struct json *v, const struct json_field *table)
{
    for (const struct json *member = json_first(v); member; member = json_next(member)) {
        const struct json_field *f = table;

        while (f->name && !vk_streq(f->name, json_key(member)))
            f++;
        if (!f->name && json_type_of(member) != JSON_NULL)
            return json_key(member);
    }
    return NULL;
}
