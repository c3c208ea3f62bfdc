/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/refusal_pace.h"

#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"

#define INITIAL_MS 1000
#define MAX_MS (120 * 1000)
/* Controllers that are remembered; each has a pod here that can't run. */
#define MAX_CONTROLLERS 4096

struct controller {
    int64_t next_ms;     /* no pod of it fails sooner */
    int64_t distance_ms; /* to the one after that */
};

struct refusal_pace {
    struct vk_map *controllers; /* UID -> struct controller */
    int64_t initial_ms, max_ms;
};

struct refusal_pace *refusal_pace_new(int64_t initial_ms, int64_t max_ms)
{
    struct refusal_pace *p = vk_calloc(1, sizeof(*p));

    p->controllers = vk_map_new();
    p->initial_ms = initial_ms ? initial_ms : INITIAL_MS;
    p->max_ms = max_ms ? max_ms : MAX_MS;
    return p;
}

static void controller_free(void *p)
{
    vk_free(p);
}

void refusal_pace_free(struct refusal_pace *p)
{
    if (!p)
        return;
    vk_map_free(p->controllers, controller_free);
    vk_free(p);
}

/* Those that wait ask as soon as they may: nobody waits any more. */
static bool is_over(const struct refusal_pace *p, const struct controller *c, int64_t now_ms)
{
    return now_ms - c->next_ms > p->max_ms;
}

/* Room for another one. Where there is none, all start over: memory counts for more. */
static void make_room(struct refusal_pace *p, int64_t now_ms)
{
    size_t it = 0;
    const char *uid;
    void *value;

    if (vk_map_len(p->controllers) < MAX_CONTROLLERS)
        return;
    while (vk_map_next(p->controllers, &it, &uid, &value))
        if (is_over(p, value, now_ms))
            vk_free(vk_map_remove(p->controllers, uid));
    if (vk_map_len(p->controllers) < MAX_CONTROLLERS)
        return;
    vk_map_free(p->controllers, controller_free);
    p->controllers = vk_map_new();
}

int64_t refusal_pace_wait(struct refusal_pace *p, const char *controller, int64_t now_ms)
{
    struct controller *c = vk_map_get(p->controllers, controller);

    if (!c) {
        make_room(p, now_ms);
        c = vk_calloc(1, sizeof(*c));
        vk_map_put(p->controllers, controller, c);
        c->distance_ms = p->initial_ms;
    } else if (now_ms < c->next_ms) {
        return c->next_ms - now_ms;
    } else if (is_over(p, c, now_ms)) {
        c->distance_ms = p->initial_ms;
    }
    c->next_ms = now_ms + c->distance_ms;
    c->distance_ms = c->distance_ms < p->max_ms / 2 ? 2 * c->distance_ms : p->max_ms;
    return 0;
}

const struct owner_reference *refusal_controller(const struct object_meta *pod)
{
    const struct owner_reference *owners = pod->owner_references.v;

    for (size_t i = 0; i < pod->owner_references.n; i++)
        if (owners[i].controller && !vk_str_empty(owners[i].uid))
            return vk_streq(owners[i].kind, "Job") && vk_starts(owners[i].api_version, "batch/")
                       ? NULL
                       : &owners[i];
    return NULL;
}

bool refusal_is_daemon(const struct owner_reference *controller)
{
    return vk_streq(controller->kind, "DaemonSet") && vk_starts(controller->api_version, "apps/");
}
