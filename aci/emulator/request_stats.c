/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/request_stats.h"

#include "base/alloc.h"
#include "base/map.h"

#define MAX_NAMES 100000

struct request_stats {
    struct vk_map *operations, *puts; /* int64_t, owned */
};

struct request_stats *request_stats_new(void)
{
    struct request_stats *s = vk_calloc(1, sizeof(*s));

    s->operations = vk_map_new();
    s->puts = vk_map_new();
    return s;
}

void request_stats_free(struct request_stats *s)
{
    if (!s)
        return;
    vk_map_free(s->operations, vk_free);
    vk_map_free(s->puts, vk_free);
    vk_free(s);
}

static void count(struct vk_map *map, const char *name)
{
    int64_t *n = vk_map_get(map, name);

    if (!n && vk_map_len(map) >= MAX_NAMES)
        return;
    if (!n) {
        n = vk_calloc(1, sizeof(*n));
        vk_map_put(map, name, n);
    }
    ++*n;
}

void request_stats_count(struct request_stats *s, const char *operation)
{
    count(s->operations, operation);
}

void request_stats_put(struct request_stats *s, const char *group)
{
    count(s->puts, group);
}

static void write_counts(const struct vk_map *map, struct json_writer *w, const char *member)
{
    size_t it = 0;
    const char *key;
    void *value;

    json_begin_object(w, member);
    while (vk_map_next(map, &it, &key, &value))
        json_put_int(w, key, *(const int64_t *)value);
    json_end_object(w);
}

void request_stats_write(const struct request_stats *s, struct json_writer *w)
{
    write_counts(s->operations, w, "operations");
    write_counts(s->puts, w, "groupPuts");
}
