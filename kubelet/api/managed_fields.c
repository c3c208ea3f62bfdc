/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/managed_fields.h"

#include <string.h>

/* A cursor over JSON text that is trusted for nothing but its end. */
struct cursor {
    const char *p, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
        c->p++;
}

/* From a quote to behind its closing one; the text between in *ret. */
static bool skip_string(struct cursor *c, struct vk_str *ret)
{
    const char *begin = c->p + 1;

    if (c->p >= c->end || *c->p != '"')
        return false;
    for (c->p++; c->p < c->end && *c->p != '"'; c->p++) {
        if (*c->p == '\\')
            c->p++;
    }
    if (c->p >= c->end)
        return false;
    *ret = (struct vk_str){.p = begin, .n = (size_t)(c->p - begin)};
    c->p++;
    return true;
}

/* Any value; stands behind it afterwards. */
static bool skip_value(struct cursor *c)
{
    struct vk_str ignored;
    size_t depth = 0;

    for (; c->p < c->end; c->p++) {
        if (*c->p == '"') {
            if (!skip_string(c, &ignored))
                return false;
            c->p--;
        } else if (*c->p == '{' || *c->p == '[') {
            depth++;
        } else if (*c->p == '}' || *c->p == ']') {
            if (depth == 0)
                return true;
            depth--;
        } else if (*c->p == ',' && depth == 0) {
            return true;
        }
    }
    return false;
}

/*
 * In an object (behind its brace): stands at the value of the member called `name` and gives where
 * the member's key begins.
 */
static bool find_member(struct cursor *c, const char *name, const char **ret_begin)
{
    for (;;) {
        struct vk_str key;

        skip_space(c);
        *ret_begin = c->p;
        if (!skip_string(c, &key))
            return false;
        skip_space(c);
        if (c->p >= c->end || *c->p++ != ':')
            return false;
        skip_space(c);
        if (vk_str_is(key, name))
            return true;
        if (!skip_value(c) || *c->p++ != ',')
            return false;
    }
}

static bool enter_object(struct cursor *c)
{
    skip_space(c);
    return c->p < c->end && *c->p++ == '{';
}

/* The piece to cut: the member with the comma that separates it from a neighbour. */
static bool find_cut(struct vk_str raw, struct vk_str *ret)
{
    struct cursor c = {.p = raw.p, .end = raw.p + raw.n};
    const char *begin, *object;

    if (!enter_object(&c) || !find_member(&c, "metadata", &begin) || !enter_object(&c))
        return false;
    object = c.p;
    if (!find_member(&c, "managedFields", &begin) || !skip_value(&c))
        return false;
    if (*c.p == ',') {
        c.p++;
    } else {
        while (begin > object && begin[-1] != ',')
            begin--;
        if (begin > object)
            begin--;
    }
    *ret = (struct vk_str){.p = begin, .n = (size_t)(c.p - begin)};
    return true;
}

struct vk_str without_managed_fields(struct vk_str raw, struct vk_arena *arena)
{
    struct vk_str cut;
    size_t before, after;
    char *copy;

    if (!find_cut(raw, &cut))
        return (struct vk_str){.p = vk_arena_str(arena, raw), .n = raw.n};
    before = (size_t)(cut.p - raw.p);
    after = raw.n - before - cut.n;
    copy = vk_arena_alloc(arena, before + after + 1);
    memcpy(copy, raw.p, before);
    memcpy(copy + before, cut.p + cut.n, after);
    return (struct vk_str){.p = copy, .n = before + after};
}
