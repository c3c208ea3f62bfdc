/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_to_status.h"

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/str.h"
#include "provider/container_state.h"
#include "provider/group_identity.h"
#include "provider/restart_events.h"

#define GROUP_HASH_DIGITS 20

static const struct container_status *status_at(const struct json_array *statuses, size_t i)
{
    return (const struct container_status *)statuses->v + i;
}

static bool init_is_done(const struct container_status *s)
{
    return s->state.kind == CONTAINER_TERMINATED && s->state.exit_code == 0;
}

static struct json_array room_for(size_t n, struct vk_arena *arena)
{
    struct json_array out = {0};
    if (n)
        out.v = vk_arena_array(arena, n, sizeof(struct container_status));
    return out;
}

static void read_status(const struct group_container *container,
                        const struct container_state_context *context, struct vk_arena *arena,
                        struct json_array *out)
{
    struct container_status *statuses = out->v;
    container_state_read(container, context, arena, &statuses[out->n++]);
}

/* The group's containers are the pod's and, by its tag, the native sidecars among its init
 * containers. */
static void read_containers(const struct container_group *group,
                            const struct container_state_context *context, struct vk_arena *arena,
                            struct pod_status *ret)
{
    const struct group_container *container = group->containers.v;
    for (size_t i = 0; i < group->containers.n; i++)
        read_status(&container[i], context, arena,
                    group_container_is_sidecar(group, container[i].name)
                        ? &ret->init_container_statuses
                        : &ret->container_statuses);
}

struct tally {
    size_t init_pending, init_failed;
    size_t waiting, running, stopped, succeeded;
};

/* init_count: without the sidecars, which follow. They hold up neither start nor end of a pod. */
static struct tally count(const struct pod_status *s, size_t init_count)
{
    struct tally t = {0};
    for (size_t i = 0; i < init_count; i++) {
        const struct container_status *c = status_at(&s->init_container_statuses, i);
        if (c->state.kind == CONTAINER_TERMINATED && c->state.exit_code != 0)
            t.init_failed++;
        else if (!init_is_done(c))
            t.init_pending++;
    }
    for (size_t i = 0; i < s->container_statuses.n; i++) {
        const struct container_status *c = status_at(&s->container_statuses, i);
        if (c->state.kind == CONTAINER_RUNNING) {
            t.running++;
        } else if (c->state.kind == CONTAINER_TERMINATED) {
            t.stopped++;
            t.succeeded += c->state.exit_code == 0;
        } else if (c->last_state.kind == CONTAINER_TERMINATED) {
            t.stopped++;
        } else {
            t.waiting++;
        }
    }
    return t;
}

static const char *phase_of(const struct pod_status *s, size_t init_count,
                            const char *restart_policy)
{
    const struct tally t = count(s, init_count);
    const bool never = vk_strieq(restart_policy, "Never");
    const bool always = !never && !vk_strieq(restart_policy, "OnFailure");
    if (t.init_failed > 0 && never)
        return "Failed";
    if (t.init_failed > 0 || t.init_pending > 0 || t.waiting > 0)
        return "Pending";
    if (t.running > 0)
        return "Running";
    if (t.stopped == 0)
        return "Pending";
    if (always)
        return "Running";
    if (t.stopped == t.succeeded)
        return "Succeeded";
    return never ? "Failed" : "Running";
}

/* "containers with unready status: [a b]": the kubelet's own words. */
struct name_list {
    const char *text;
    size_t n;
    struct vk_arena *arena;
};

static void add_name(struct name_list *list, const char *name)
{
    list->text = vk_arena_printf(list->arena, "%s%s%s", list->text, list->n++ ? " " : "", name);
}

static const char *end_list(struct name_list *list)
{
    return list->n ? vk_arena_printf(list->arena, "%s]", list->text) : NULL;
}

static struct pod_condition condition(const char *type, bool is_true, const char *reason,
                                      const char *message)
{
    return (struct pod_condition){
        .type = type,
        .status = is_true ? "True" : "False",
        .reason = reason,
        .message = message,
    };
}

static struct pod_condition initialized(const struct pod_status *s, size_t init_count,
                                        struct vk_arena *arena)
{
    if (vk_streq(s->phase, "Succeeded"))
        return condition("Initialized", true, "PodCompleted", NULL);
    struct name_list names = {.text = "containers with incomplete status: [", .arena = arena};
    for (size_t i = 0; i < s->init_container_statuses.n; i++) {
        const struct container_status *c = status_at(&s->init_container_statuses, i);
        if (i < init_count ? !init_is_done(c) : c->state.kind != CONTAINER_RUNNING)
            add_name(&names, c->name);
    }
    const char *incomplete = end_list(&names);
    return condition("Initialized", !incomplete, incomplete ? "ContainersNotInitialized" : NULL,
                     incomplete);
}

static struct pod_condition readiness(const char *type, const struct pod_status *s,
                                      size_t init_count, struct vk_arena *arena)
{
    if (vk_streq(s->phase, "Succeeded"))
        return condition(type, false, "PodCompleted", NULL);
    if (vk_streq(s->phase, "Failed"))
        return condition(type, false, "PodFailed", NULL);
    struct name_list names = {.text = "containers with unready status: [", .arena = arena};
    for (size_t i = init_count; i < s->init_container_statuses.n; i++) {
        if (!status_at(&s->init_container_statuses, i)->ready)
            add_name(&names, status_at(&s->init_container_statuses, i)->name);
    }
    for (size_t i = 0; i < s->container_statuses.n; i++) {
        if (!status_at(&s->container_statuses, i)->ready)
            add_name(&names, status_at(&s->container_statuses, i)->name);
    }
    const char *unready = end_list(&names);
    const bool ready = !unready && s->container_statuses.n > 0;
    return condition(type, ready, ready ? NULL : "ContainersNotReady", unready);
}

static bool has_started(const struct json_array *statuses)
{
    for (size_t i = 0; i < statuses->n; i++) {
        if (status_at(statuses, i)->container_id)
            return true;
    }
    return false;
}

static void add_conditions(struct pod_status *s, size_t init_count, struct vk_arena *arena)
{
    const bool ended = vk_streq(s->phase, "Succeeded") || vk_streq(s->phase, "Failed");
    const bool sandbox = !ended && (s->pod_ip || has_started(&s->init_container_statuses) ||
                                    has_started(&s->container_statuses));
    struct pod_condition *c = vk_arena_array(arena, 4, sizeof(*c));
    c[0] = condition("PodReadyToStartContainers", sandbox, NULL, NULL);
    c[1] = initialized(s, init_count, arena);
    c[2] = readiness("ContainersReady", s, init_count, arena);
    c[3] = readiness("Ready", s, init_count, arena);
    s->conditions = (struct json_array){.v = c, .n = 4};
}

/* True while some init container has not ended well. */
static bool is_initializing(const struct json_array *init_statuses)
{
    for (size_t i = 0; i < init_statuses->n; i++) {
        if (!init_is_done(status_at(init_statuses, i)))
            return true;
    }
    return false;
}

void group_to_status(const struct container_group *group, struct vk_arena *arena,
                     struct pod_status *ret)
{
    const char *id = group->id ? group->id : group->name;
    char hash[65];
    crypto_sha256_hex(id, strlen(id), hash);
    hash[GROUP_HASH_DIGITS] = '\0';
    struct container_state_context context = {
        .group_hash = hash,
        .waiting_reason = group->init_containers.n ? "PodInitializing" : "ContainerCreating",
        .events = &group->events,
        .is_init = true,
        .never_restarts = group_forbids_restarts(group),
    };
    *ret = (struct pod_status){0};
    const size_t init_count = group->init_containers.n;
    ret->init_container_statuses = room_for(init_count + group->containers.n, arena);
    ret->container_statuses = room_for(group->containers.n, arena);
    for (size_t i = 0; i < init_count; i++)
        read_status((const struct group_container *)group->init_containers.v + i, &context, arena,
                    &ret->init_container_statuses);
    context.is_init = false;
    context.waiting_reason =
        is_initializing(&ret->init_container_statuses) ? "PodInitializing" : "ContainerCreating";
    read_containers(group, &context, arena, ret);
    ret->phase = phase_of(ret, init_count, group->restart_policy);
    if (group->ip) {
        ret->pod_ip = group->ip;
        ret->pod_ips.v = vk_arena_array(arena, 1, sizeof(*ret->pod_ips.v));
        ret->pod_ips.v[0] = group->ip;
        ret->pod_ips.n = 1;
    }
    add_conditions(ret, init_count, arena);
}

static bool any_runs_again(const struct json_array *containers)
{
    const struct group_container *c = containers->v;
    for (size_t i = 0; i < containers->n; i++) {
        const struct group_container_view *view = c[i].view;
        const bool ended = view && view->current && vk_strieq(view->current->state, "Terminated");
        if (!ended && container_was_restarted(view))
            return true;
        if (view && view->current && vk_strieq(view->current->state, "Running"))
            return true;
    }
    return false;
}

bool group_runs_on(const struct container_group *group, const struct pod_status *status)
{
    if (!vk_streq(status->phase, "Succeeded") && !vk_streq(status->phase, "Failed"))
        return false;
    return any_runs_again(&group->containers) || any_runs_again(&group->init_containers);
}

bool group_may_run_again(const struct container_group *group, const struct pod_status *status)
{
    const struct container_status *c = status->container_statuses.v;
    if (!group_forbids_restarts(group))
        return false;
    for (size_t i = 0; i < status->container_statuses.n; i++) {
        if (c[i].state.kind == CONTAINER_TERMINATED && c[i].state.exit_code != 0)
            return true;
    }
    return false;
}
