/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/unknown_fields.h"

#include "base/str.h"
#include "kubelet/api/json_fields.h"

struct walk {
    struct vk_arena *arena;
    struct json_strs out;
};

static bool says_something(const struct json *v)
{
    switch (json_type_of(v)) {
    case JSON_NULL:
        return false;
    case JSON_OBJECT:
    case JSON_ARRAY:
        return json_len(v) > 0;
    case JSON_STRING:
        return !vk_str_empty(json_string(v));
    case JSON_BOOL:
    case JSON_NUMBER:
        break;
    }
    return true;
}

static void visit(struct walk *w, const struct json *object, const struct json_field *table,
                  const char *path);

static void visit_value(struct walk *w, const struct json *v, const struct json_field *table,
                        const char *path)
{
    size_t i = 0;

    if (json_type_of(v) != JSON_ARRAY) {
        visit(w, v, table, path);
        return;
    }
    for (const struct json *e = json_first(v); e; e = json_next(e), i++) {
        const char *name = json_string(json_get(e, "name"));

        visit(w, e, table,
              name ? vk_arena_printf(w->arena, "%s[%.63s]", path, name)
                   : vk_arena_printf(w->arena, "%s[%zu]", path, i));
    }
}

static void visit(struct walk *w, const struct json *object, const struct json_field *table,
                  const char *path)
{
    if (json_type_of(object) != JSON_OBJECT)
        return;
    for (const struct json *m = json_first(object); m; m = json_next(m)) {
        const struct json_field *f = table;
        const char *at;

        while (f->name && !vk_streq(f->name, json_key(m)))
            f++;
        if (f->name && (!f->sub || f->sub == json_no_fields))
            continue;
        at = vk_arena_printf(w->arena, "%s%s%.63s", path, *path ? "." : "", json_key(m));
        /* A kind of volume that has no table is refused where it is mounted. */
        if (f->name)
            visit_value(w, m, f->sub, at);
        else if (table != volume_fields && says_something(m) && w->out.n < UNKNOWN_FIELDS_MAX)
            w->out.v[w->out.n++] = at;
    }
}

struct json_strs unknown_fields_of_pod(const struct pod *pod, struct vk_arena *arena)
{
    struct walk w = {.arena = arena};
    const struct json *tree;
    struct vk_err err;

    w.out.v = vk_arena_array(arena, UNKNOWN_FIELDS_MAX, sizeof(*w.out.v));
    /* The text was parsed before: it is the one that pod was made of. */
    if (json_parse(pod->raw, POD_MAX_BYTES, arena, &tree, &err) == 0)
        visit(&w, json_get(tree, "spec"), pod_spec_fields, "");
    return w.out;
}
