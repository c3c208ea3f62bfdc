/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/managed_fields.h"

#include <string.h>

#include "kubelet/api/json_span.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The member with the one comma that separates it from a neighbour. */
static bool find_cut(struct vk_str raw, const char **ret_begin, const char **ret_end)
{
    struct vk_str metadata, key, value;
    const char *begin, *end, *limit;

    if (!json_span_member(raw, "metadata", &metadata) ||
        !json_span_member_with_key(metadata, "managedFields", &key, &value))
        return false;
    begin = key.p;
    end = value.p + value.n;
    limit = metadata.p + metadata.n;
    while (end < limit && is_space(*end))
        end++;
    if (end < limit && *end == ',') {
        end++;
    } else {
        while (begin > metadata.p && is_space(begin[-1]))
            begin--;
        if (begin > metadata.p && begin[-1] == ',')
            begin--;
    }
    *ret_begin = begin;
    *ret_end = end;
    return true;
}

struct vk_str without_managed_fields(struct vk_str raw, struct vk_arena *arena)
{
    const char *begin, *end;
    size_t before, after;
    char *copy;

    if (!find_cut(raw, &begin, &end))
        return (struct vk_str){.p = vk_arena_str(arena, raw), .n = raw.n};
    before = (size_t)(begin - raw.p);
    after = (size_t)(raw.p + raw.n - end);
    copy = vk_arena_alloc(arena, before + after + 1);
    memcpy(copy, raw.p, before);
    memcpy(copy + before, end, after);
    return (struct vk_str){.p = copy, .n = before + after};
}
