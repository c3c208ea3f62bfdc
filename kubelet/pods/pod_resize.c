/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/pod_resize.h"

#include "base/alloc.h"
#include "kubelet/pods/status_conditions.h"

/* What the API server lets change. */
static const char *const resizable[] = {"cpu", "memory"};

static bool is_equal(const struct json_pairs *a, const struct json_pairs *b)
{
    for (size_t i = 0; i < VK_COUNT(resizable); i++)
        if (!vk_streq(pairs_get(a, resizable[i]), pairs_get(b, resizable[i])))
            return false;
    return true;
}

static const char *infeasible(const char *list, const char *container, struct vk_arena *arena)
{
    return vk_arena_printf(arena,
                           "%s[%s].resources: infeasible, Azure can't resize a container group "
                           "that exists; delete the pod to run it with other resources",
                           list, container);
}

static const struct container *find_spec(const struct json_array *list, const char *name)
{
    const struct container *c = list->v;

    for (size_t i = 0; i < list->n; i++)
        if (vk_streq(c[i].name, name))
            return &c[i];
    return NULL;
}

static bool is_named(const struct resource_list *r)
{
    return r->requests.n || r->limits.n;
}

static bool has_run(const struct container_status *c)
{
    return c->state.kind == CONTAINER_TERMINATED || c->last_state.kind == CONTAINER_TERMINATED ||
           container_status_runs(c);
}

static void note(const struct json_array *specs, struct json_array *statuses,
                 struct vk_arena *arena)
{
    struct container_status *out = vk_arena_array(arena, statuses->n + 1, sizeof(*out));

    for (size_t i = 0; i < statuses->n; i++) {
        const struct container *c;

        out[i] = ((const struct container_status *)statuses->v)[i];
        c = find_spec(specs, out[i].name);
        if (c && has_run(&out[i]))
            out[i].resources = c->resources;
    }
    statuses->v = out;
}

void pod_resize_note_made(const struct pod *made, struct pod_status *status, struct vk_arena *arena)
{
    note(&made->spec.containers, &status->container_statuses, arena);
    note(&made->spec.init_containers, &status->init_container_statuses, arena);
}

static void keep(const struct json_array *specs, const struct json_array *previous,
                 struct json_array *statuses)
{
    struct container_status *c = statuses->v;

    for (size_t i = 0; i < statuses->n; i++) {
        const struct container_status *p = container_statuses_find(previous, c[i].name);
        const struct container *spec = find_spec(specs, c[i].name);

        if (is_named(&c[i].resources) || !has_run(&c[i]))
            continue;
        if (p && is_named(&p->resources))
            c[i].resources = p->resources;
        else if (spec)
            c[i].resources = spec->resources;
    }
}

void pod_resize_keep(const struct pod *pod, const struct pod_status *previous,
                     struct pod_status *status)
{
    keep(&pod->spec.containers, &previous->container_statuses, &status->container_statuses);
    keep(&pod->spec.init_containers, &previous->init_container_statuses,
         &status->init_container_statuses);
}

static const char *pending(const struct json_array *specs, const struct json_array *statuses,
                           const char *list, struct vk_arena *arena)
{
    const struct container *c = specs->v;

    for (size_t i = 0; i < specs->n; i++) {
        const struct container_status *s = container_statuses_find(statuses, c[i].name);

        if (s && is_named(&s->resources) &&
            (!is_equal(&s->resources.requests, &c[i].resources.requests) ||
             !is_equal(&s->resources.limits, &c[i].resources.limits)))
            return infeasible(list, c[i].name, arena);
    }
    return NULL;
}

const char *pod_resize_pending(const struct pod *pod, const struct pod_status *status,
                               struct vk_arena *arena)
{
    const char *message =
        pending(&pod->spec.containers, &status->container_statuses, "containers", arena);

    return message ? message
                   : pending(&pod->spec.init_containers, &status->init_container_statuses,
                             "initContainers", arena);
}

static const char *since(const struct json_array *made, const struct json_array *now,
                         const char *list, struct vk_arena *arena)
{
    const struct container *c = now->v;

    for (size_t i = 0; i < now->n; i++) {
        const struct container *old = find_spec(made, c[i].name);

        if (old && (!is_equal(&old->resources.requests, &c[i].resources.requests) ||
                    !is_equal(&old->resources.limits, &c[i].resources.limits)))
            return infeasible(list, c[i].name, arena);
    }
    return NULL;
}

const char *pod_resize_since(const struct pod *made, const struct pod *now, struct vk_arena *arena)
{
    const char *message = since(&made->spec.containers, &now->spec.containers, "containers", arena);

    return message ? message
                   : since(&made->spec.init_containers, &now->spec.init_containers,
                           "initContainers", arena);
}
