/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_to_status.h"

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/str.h"
#include "provider/container_state.h"
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

static struct json_array read_statuses(const struct json_array *containers,
                                       const struct container_state_context *context,
                                       struct vk_arena *arena)
{
    struct json_array out = {0};
    if (containers->n == 0)
        return out;
    struct container_status *statuses =
        vk_arena_array(arena, containers->n, sizeof(struct container_status));
    const struct group_container *container = containers->v;
    for (size_t i = 0; i < containers->n; i++)
        container_state_read(&container[i], context, arena, &statuses[i]);
    out.v = statuses;
    out.n = containers->n;
    return out;
}

struct tally {
    size_t init_pending, init_failed;
    size_t waiting, running, stopped, succeeded;
};

static struct tally count(const struct pod_status *s)
{
    struct tally t = {0};
    for (size_t i = 0; i < s->init_container_statuses.n; i++) {
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

static const char *phase_of(const struct pod_status *s, const char *restart_policy)
{
    const struct tally t = count(s);
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
static const char *list_names(const struct json_array *statuses, bool init, const char *head,
                              struct vk_arena *arena)
{
    const char *text = head;
    size_t n = 0;
    for (size_t i = 0; i < statuses->n; i++) {
        const struct container_status *c = status_at(statuses, i);
        if (init ? init_is_done(c) : c->ready)
            continue;
        text = vk_arena_printf(arena, "%s%s%s", text, n++ ? " " : "", c->name);
    }
    return n ? vk_arena_printf(arena, "%s]", text) : NULL;
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

static struct pod_condition initialized(const struct pod_status *s, struct vk_arena *arena)
{
    if (vk_streq(s->phase, "Succeeded"))
        return condition("Initialized", true, "PodCompleted", NULL);
    const char *incomplete = list_names(&s->init_container_statuses, true,
                                        "containers with incomplete status: [", arena);
    return condition("Initialized", !incomplete, incomplete ? "ContainersNotInitialized" : NULL,
                     incomplete);
}

static struct pod_condition readiness(const char *type, const struct pod_status *s,
                                      struct vk_arena *arena)
{
    if (vk_streq(s->phase, "Succeeded"))
        return condition(type, false, "PodCompleted", NULL);
    if (vk_streq(s->phase, "Failed"))
        return condition(type, false, "PodFailed", NULL);
    const char *unready =
        list_names(&s->container_statuses, false, "containers with unready status: [", arena);
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

static void add_conditions(struct pod_status *s, struct vk_arena *arena)
{
    const bool ended = vk_streq(s->phase, "Succeeded") || vk_streq(s->phase, "Failed");
    const bool sandbox = !ended && (s->pod_ip || has_started(&s->init_container_statuses) ||
                                    has_started(&s->container_statuses));
    struct pod_condition *c = vk_arena_array(arena, 4, sizeof(*c));
    c[0] = condition("PodReadyToStartContainers", sandbox, NULL, NULL);
    c[1] = initialized(s, arena);
    c[2] = readiness("ContainersReady", s, arena);
    c[3] = readiness("Ready", s, arena);
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
    ret->init_container_statuses = read_statuses(&group->init_containers, &context, arena);
    context.is_init = false;
    context.waiting_reason =
        is_initializing(&ret->init_container_statuses) ? "PodInitializing" : "ContainerCreating";
    ret->container_statuses = read_statuses(&group->containers, &context, arena);
    ret->phase = phase_of(ret, group->restart_policy);
    if (group->ip) {
        ret->pod_ip = group->ip;
        ret->pod_ips.v = vk_arena_array(arena, 1, sizeof(*ret->pod_ips.v));
        ret->pod_ips.v[0] = group->ip;
        ret->pod_ips.n = 1;
    }
    add_conditions(ret, arena);
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
