/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/expiring_cache.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"

struct entry {
    struct vk_list link;
    char *key;
    void *value;
    int64_t expires_mono_ms;
};
struct expiring_cache {
    struct vk_map *entries;
    struct vk_list order; /* most recently used first */
    size_t max_entries;
    void (*free_value)(void *);
};

struct expiring_cache *expiring_cache_new(size_t max_entries, void (*free_value)(void *))
{
    struct expiring_cache *c = vk_calloc(1, sizeof(*c));

    c->entries = vk_map_new();
    vk_list_init(&c->order);
    c->max_entries = max_entries;
    c->free_value = free_value;
    return c;
}

static void drop(struct expiring_cache *c, struct entry *e)
{
    vk_map_remove(c->entries, e->key);
    vk_list_remove(&e->link);
    c->free_value(e->value);
    vk_free(e->key);
    vk_free(e);
}

void expiring_cache_free(struct expiring_cache *c)
{
    if (!c)
        return;
    VK_LIST_FOREACH(link, &c->order)
    drop(c, VK_LIST_ENTRY(link, struct entry, link));
    vk_map_free(c->entries, NULL);
    vk_free(c);
}

void *expiring_cache_get(struct expiring_cache *c, const char *key)
{
    struct entry *e = vk_map_get(c->entries, key);

    if (!e)
        return NULL;
    if (vk_mono_ms() >= e->expires_mono_ms) {
        drop(c, e);
        return NULL;
    }
    vk_list_remove(&e->link);
    vk_list_add_head(&c->order, &e->link);
    return e->value;
}

void expiring_cache_put(struct expiring_cache *c, const char *key, void *value, int64_t ttl_ms)
{
    struct entry *e = vk_map_get(c->entries, key);

    if (e)
        drop(c, e);
    while (vk_map_len(c->entries) >= c->max_entries)
        drop(c, VK_LIST_ENTRY(c->order.prev, struct entry, link));
    e = vk_calloc(1, sizeof(*e));
    vk_list_init(&e->link);
    e->key = vk_strdup(key);
    e->value = value;
    e->expires_mono_ms = vk_mono_ms() + ttl_ms;
    vk_map_put(c->entries, key, e);
    vk_list_add_head(&c->order, &e->link);
}

size_t expiring_cache_len(const struct expiring_cache *c)
{
    return vk_map_len(c->entries);
}
