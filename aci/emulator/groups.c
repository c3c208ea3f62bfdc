/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/groups.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "aci/emulator/container_run.h"
#include "aci/emulator/lifecycle.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/map.h"

#define MAX_TAGS_JSON (256 * 1024)

struct groups {
    struct vk_map *by_key;
    char *subscription;
    uint64_t last_uid;
};

bool group_is_in_transition(const struct group *g)
{
    if (g->updating || g->next != NEXT_NOTHING)
        return true;
    return g->phase == GROUP_CHECKING || g->phase == GROUP_PENDING || g->phase == GROUP_INIT ||
           g->phase == GROUP_STOPPING || g->phase == GROUP_DELETING;
}

static bool any_failed(const struct group *g)
{
    for (size_t i = 0; i < g->container_count; i++) {
        const struct container_state *s = &g->containers[i].current;

        if (s->kind == CONTAINER_TERMINATED && s->exit_code != 0)
            return true;
    }
    return false;
}

const char *group_state(const struct group *g)
{
    switch (g->phase) {
    case GROUP_RUNNING:
    case GROUP_STOPPING:
        return "Running";
    case GROUP_STOPPED:
        return "Stopped";
    case GROUP_ENDED:
        return any_failed(g) ? "Failed" : "Succeeded";
    case GROUP_DELETING:
        return g->sandbox || g->sandbox_deleting ? "Running" : "Pending";
    case GROUP_CHECKING:
    case GROUP_PENDING:
    case GROUP_INIT:
    default:
        return "Pending";
    }
}

struct container *group_container(const struct group *g, const char *name)
{
    for (size_t i = 0; i < g->container_count; i++) {
        if (vk_strieq(g->containers[i].name, name))
            return &g->containers[i];
    }
    return NULL;
}

static char *key_of(const char *resource_group, const char *name)
{
    char *key = vk_asprintf("%s/%s", resource_group, name);

    for (char *p = key; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return key;
}

struct groups *groups_new(const char *subscription)
{
    struct groups *groups = vk_calloc(1, sizeof(*groups));

    groups->by_key = vk_map_new();
    groups->subscription = vk_strdup(subscription);
    return groups;
}

void group_images_free(struct group_image *images, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vk_free(images[i].image);
        vk_free(images[i].id);
    }
    vk_free(images);
}

static void free_containers(struct container *containers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        container_release(&containers[i]);
    vk_free(containers);
}

static void free_group(void *p)
{
    struct group *g = p;

    lifecycle_forget(g);
    vk_timer_disarm(&g->timer);
    free_containers(g->containers, g->container_count);
    group_images_free(g->images, g->image_count);
    event_log_release(&g->events);
    group_spec_free(g->spec);
    vk_free(g->subscription);
    vk_free(g->resource_group);
    vk_free(g->name);
    vk_free(g->id);
    vk_free(g->key);
    vk_free(g->tags);
    vk_free(g);
}

void groups_free(struct groups *groups)
{
    if (!groups)
        return;
    vk_map_free(groups->by_key, free_group);
    vk_free(groups->subscription);
    vk_free(groups);
}

struct group *groups_find(const struct groups *groups, const char *resource_group, const char *name)
{
    char *key VK_AUTOFREE = key_of(resource_group, name);

    return vk_map_get(groups->by_key, key);
}

struct group *groups_find_uid(const struct groups *groups, const char *key, uint64_t uid)
{
    struct group *g = vk_map_get(groups->by_key, key);

    return g && g->uid == uid ? g : NULL;
}

struct group *groups_add(struct groups *groups, struct vk_loop *loop, struct lifecycle *lifecycle,
                         const char *resource_group, const char *name)
{
    struct group *g = vk_calloc(1, sizeof(*g));

    g->lifecycle = lifecycle;
    g->uid = ++groups->last_uid;
    g->subscription = vk_strdup(groups->subscription);
    g->resource_group = vk_strdup(resource_group);
    g->name = vk_strdup(name);
    g->id = vk_asprintf("/subscriptions/%s/resourceGroups/%s/providers/"
                        "Microsoft.ContainerInstance/containerGroups/%s",
                        groups->subscription, resource_group, name);
    g->key = key_of(resource_group, name);
    g->tags = vk_strdup("{}");
    g->phase = GROUP_CHECKING;
    g->provisioning_state = "Pending";
    g->created_wall_ns = vk_wall_ns();
    lifecycle_attach(g, loop);
    vk_map_put(groups->by_key, g->key, g);
    return g;
}

void groups_remove(struct groups *groups, struct group *g)
{
    vk_map_remove(groups->by_key, g->key);
    free_group(g);
}

size_t groups_len(const struct groups *groups)
{
    return vk_map_len(groups->by_key);
}

void groups_usage(const struct groups *groups, int64_t *ret_groups, int64_t *ret_cpu_milli)
{
    size_t it = 0;
    const char *key;
    void *value;

    *ret_groups = 0;
    *ret_cpu_milli = 0;
    while (vk_map_next(groups->by_key, &it, &key, &value)) {
        const struct group *g = value;

        ++*ret_groups;
        if (g->phase != GROUP_STOPPED && g->phase != GROUP_ENDED)
            *ret_cpu_milli += g->cpu_milli;
    }
}

static int by_id(const void *a, const void *b)
{
    struct group *const *x = a;
    struct group *const *y = b;

    return strcmp((*x)->key, (*y)->key);
}

size_t groups_list(const struct groups *groups, const char *resource_group, struct vk_arena *arena,
                   struct group ***ret)
{
    struct group **list =
        vk_arena_array(arena, vk_map_len(groups->by_key) + 1, sizeof(struct group *));
    size_t it = 0, n = 0;
    const char *key;
    void *value;

    while (vk_map_next(groups->by_key, &it, &key, &value)) {
        struct group *g = value;

        if (g->phase != GROUP_CHECKING &&
            (!resource_group || vk_strieq(g->resource_group, resource_group)))
            list[n++] = g;
    }
    qsort(list, n, sizeof(struct group *), by_id);
    *ret = list;
    return n;
}

void group_set_tags(struct group *g, const struct json_pairs *tags)
{
    struct json_writer w;
    struct vk_buf out;

    vk_buf_init(&out, MAX_TAGS_JSON);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    for (size_t i = 0; i < tags->n; i++)
        json_put_string(&w, tags->v[i].key, tags->v[i].value);
    json_end_object(&w);
    vk_free(g->tags);
    g->tags = vk_buf_take(&out);
}

/* Moves the history of a container with the same name. */
static void inherit(struct container *to, struct group *g)
{
    for (size_t i = 0; i < g->container_count; i++) {
        struct container *from = &g->containers[i];

        if (!vk_streq(from->name, to->name) || from->is_init != to->is_init)
            continue;
        to->current = from->current;
        to->previous = from->previous;
        to->has_previous = from->has_previous;
        to->restarting = from->restarting;
        to->restart_count = from->restart_count;
        to->events = from->events;
        from->events = (struct event_log){0};
    }
}

void group_adopt_spec(struct group *g, struct group_spec *spec, struct group_image *images,
                      size_t image_count)
{
    size_t count = group_spec_container_count(spec);
    struct container *containers = vk_calloc(count, sizeof(*containers));

    for (size_t i = 0; i < count; i++) {
        bool is_init = false;
        const struct container_spec *c = group_spec_container(spec, i, &is_init);

        container_init(&containers[i], g, c, is_init);
        inherit(&containers[i], g);
    }
    free_containers(g->containers, g->container_count);
    g->containers = containers;
    g->container_count = count;
    group_images_free(g->images, g->image_count);
    g->images = images;
    g->image_count = image_count;
    group_spec_free(g->spec);
    g->spec = spec;
    g->cpu_milli = group_spec_requests(spec).cpu_milli;
    group_set_tags(g, &spec->tags);
}
