/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/recent_map.h"

#include <stdalign.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"

struct entry {
    struct vk_list link;
    char *key;
    alignas(max_align_t) char value[];
};
struct recent_map {
    struct vk_map *entries;
    struct vk_list order; /* most recent first */
    size_t max_entries, value_size;
};

struct recent_map *recent_map_new(size_t max_entries, size_t value_size)
{
    struct recent_map *m = vk_calloc(1, sizeof(*m));

    m->entries = vk_map_new();
    vk_list_init(&m->order);
    m->max_entries = max_entries;
    m->value_size = value_size;
    return m;
}

static void drop(struct recent_map *m, struct entry *e)
{
    vk_map_remove(m->entries, e->key);
    vk_list_remove(&e->link);
    vk_free(e->key);
    vk_free(e);
}

void recent_map_free(struct recent_map *m)
{
    if (!m)
        return;
    VK_LIST_FOREACH(link, &m->order)
    drop(m, VK_LIST_ENTRY(link, struct entry, link));
    vk_map_free(m->entries, NULL);
    vk_free(m);
}

void *recent_map_touch(struct recent_map *m, const char *key)
{
    struct entry *e = vk_map_get(m->entries, key);

    if (e) {
        vk_list_remove(&e->link);
    } else {
        if (vk_map_len(m->entries) >= m->max_entries)
            drop(m, VK_LIST_ENTRY(m->order.prev, struct entry, link));
        e = vk_calloc(1, sizeof(*e) + m->value_size);
        vk_list_init(&e->link);
        e->key = vk_strdup(key);
        vk_map_put(m->entries, key, e);
    }
    vk_list_add_head(&m->order, &e->link);
    return e->value;
}

void *recent_map_peek(const struct recent_map *m, const char *key)
{
    struct entry *e = vk_map_get(m->entries, key);

    return e ? e->value : NULL;
}

void recent_map_remove(struct recent_map *m, const char *key)
{
    struct entry *e = vk_map_get(m->entries, key);

    if (e)
        drop(m, e);
}

size_t recent_map_len(const struct recent_map *m)
{
    return vk_map_len(m->entries);
}
