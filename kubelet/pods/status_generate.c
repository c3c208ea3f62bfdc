/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/status_generate.h"

#include <string.h>

#include "kubelet/pods/pod_resize.h"
#include "kubelet/pods/status_conditions.h"

#define SECOND_NS 1000000000

/* 128 + SIGKILL: what Kubernetes reports for a container whose end nobody saw. */
#define EXIT_CODE_UNKNOWN 137
/* What container runtimes give for a container that they can't start. */
#define EXIT_CODE_NEVER_RAN 128
static const char *const unseen_end = "ContainerStatusUnknown";

bool status_is_terminal(const struct pod_status *s)
{
    return vk_streq(s->phase, "Succeeded") || vk_streq(s->phase, "Failed");
}

bool status_has_started(const struct pod_status *s)
{
    return container_statuses_started(&s->container_statuses) ||
           container_statuses_started(&s->init_container_statuses);
}

int64_t status_ended_ns(const struct pod_status *s)
{
    const struct json_array *lists[] = {&s->container_statuses, &s->init_container_statuses};
    int64_t latest = 0;

    for (size_t k = 0; k < 2; k++) {
        const struct container_status *c = lists[k]->v;

        for (size_t i = 0; i < lists[k]->n; i++)
            if (c[i].state.kind == CONTAINER_TERMINATED && c[i].state.finished_at_ns > latest)
                latest = c[i].state.finished_at_ns;
    }
    return latest;
}

static struct container_status waiting_container(const struct pod *pod, const struct container *c)
{
    /* kubectl shows the container's reason in place of the phase, so these words are what users
     * see. */
    return (struct container_status){
        .name = c->name,
        .image = c->image ? c->image : "",
        .image_id = "",
        .state = {.kind = CONTAINER_WAITING,
                  .reason = pod->spec.init_containers.n ? "PodInitializing" : "ContainerCreating"},
        .has_started = true,
    };
}

/* One status per container of the spec, in its order; `known` where it has one. */
static struct json_array fill(const struct pod *pod, const struct json_array *spec,
                              const struct json_array *known, struct vk_arena *arena)
{
    const struct container *c = spec->v;
    struct container_status *out = vk_arena_array(arena, spec->n + 1, sizeof(*out));

    for (size_t i = 0; i < spec->n; i++) {
        const struct container_status *k = container_statuses_find(known, c[i].name);

        out[i] = k ? *k : waiting_container(pod, &c[i]);
        if (vk_str_empty(out[i].image))
            out[i].image = c[i].image;
    }
    return (struct json_array){.v = out, .n = spec->n};
}

/*
 * No container joins a pod that runs: what `kubectl debug` adds has ended before it began, which
 * kubectl waits for, and says why.
 */
static struct json_array refuse_ephemeral(const struct json_array *spec, struct vk_arena *arena)
{
    const struct container *c = spec->v;
    struct container_status *out = vk_arena_array(arena, spec->n + 1, sizeof(*out));

    for (size_t i = 0; i < spec->n; i++)
        out[i] = (struct container_status){
            .name = c[i].name,
            .image = c[i].image ? c[i].image : "",
            .image_id = "",
            .state = {.kind = CONTAINER_TERMINATED,
                      .reason = "EphemeralContainersUnsupported",
                      .message = "This node can't add a container to a pod that runs; use kubectl "
                                 "exec in the pod's own containers",
                      .exit_code = EXIT_CODE_NEVER_RAN},
        };
    return (struct json_array){.v = out, .n = spec->n};
}

static int64_t whole_seconds(int64_t ns)
{
    return ns - ns % SECOND_NS;
}

static void cut_state(struct container_state *s)
{
    s->started_at_ns = whole_seconds(s->started_at_ns);
    s->finished_at_ns = whole_seconds(s->finished_at_ns);
}

static void cut_times(struct json_array *list)
{
    struct container_status *c = list->v;

    for (size_t i = 0; i < list->n; i++) {
        cut_state(&c[i].state);
        cut_state(&c[i].last_state);
    }
}

/* Once the phase is terminal, no container may go back to running or waiting. */
static void keep_ended(struct json_array *list, const struct json_array *previous)
{
    struct container_status *c = list->v;

    for (size_t i = 0; i < list->n; i++) {
        const struct container_status *p = container_statuses_find(previous, c[i].name);

        if (p && c[i].state.kind != CONTAINER_TERMINATED)
            c[i] = *p;
    }
}

/*
 * restartPolicy Never: an end that was told is the end, whatever a platform that restarts a
 * container all the same tells later. Jobs count by it.
 */
static void keep_first_ends(const struct status_inputs *in, struct pod_status *ret)
{
    struct container_status *c = ret->container_statuses.v;
    bool any_failed = false;

    if (!vk_streq(in->pod->spec.restart_policy, "Never"))
        return;
    for (size_t i = 0; i < ret->container_statuses.n; i++) {
        const struct container_status *p =
            container_statuses_find(&in->previous->container_statuses, c[i].name);

        if (p && p->state.kind == CONTAINER_TERMINATED && !vk_streq(p->state.reason, unseen_end))
            c[i] = *p;
        any_failed |= c[i].state.kind == CONTAINER_TERMINATED && c[i].state.exit_code;
    }
    if (any_failed && vk_streq(ret->phase, "Succeeded"))
        ret->phase = "Failed";
}

static void set_phase(const struct status_inputs *in, struct pod_status *ret)
{
    const struct pod_status *prev = in->previous;

    /* Somebody else may have ended the pod (pod garbage collector): that stays too. */
    if (!status_is_terminal(prev) && status_is_terminal(&in->pod->status))
        prev = &in->pod->status;
    if (status_is_terminal(prev)) {
        ret->phase = prev->phase;
        ret->reason = prev->reason;
        ret->message = prev->message;
        keep_ended(&ret->container_statuses, &prev->container_statuses);
        keep_ended(&ret->init_container_statuses, &prev->init_container_statuses);
        return;
    }
    if (status_is_terminal(ret))
        return;
    if (vk_str_empty(ret->phase) || pod_is_terminating(in->pod))
        ret->phase = vk_str_empty(prev->phase) ? "Pending" : prev->phase;
}

static bool is_subset(const struct container *c, const char *resource)
{
    struct json_pairs r = c->resources.requests, l = c->resources.limits;
    const char *request = pairs_get(&r, resource), *limit = pairs_get(&l, resource);

    return limit && (!request || vk_streq(request, limit));
}

/* Source: k8s v1.37.2 pkg/apis/core/v1/helper/qos. API servers fill qosClass in at creation; this
 * is for those that did not. */
static const char *qos_class(const struct pod *pod)
{
    const struct json_array *lists[] = {&pod->spec.containers, &pod->spec.init_containers};
    bool any = false, guaranteed = true;

    for (size_t k = 0; k < 2; k++) {
        const struct container *c = lists[k]->v;

        for (size_t i = 0; i < lists[k]->n; i++) {
            any |= c[i].resources.requests.n || c[i].resources.limits.n;
            guaranteed &= is_subset(&c[i], "cpu") && is_subset(&c[i], "memory");
        }
    }
    if (!any)
        return "BestEffort";
    return guaranteed ? "Guaranteed" : "Burstable";
}

static void set_addresses(const struct status_inputs *in, struct pod_status *ret)
{
    const struct json_strs *ips = in->node_ips;

    if (ips->n) {
        ret->host_ips = *ips;
        ret->host_ip = ips->v[0];
    }
    /* A group that stopped names no address any more; the pod had it all the same. */
    if (vk_str_empty(ret->pod_ip) && !vk_streq(ret->phase, "Pending")) {
        ret->pod_ip = in->previous->pod_ip;
        ret->pod_ips = in->previous->pod_ips;
    }
    if (!vk_str_empty(ret->pod_ip) && !ret->pod_ips.n)
        ret->pod_ips = (struct json_strs){.v = &ret->pod_ip, .n = 1};
}

static int64_t start_time(const struct status_inputs *in)
{
    if (in->previous->start_time_ns)
        return in->previous->start_time_ns;
    if (in->pod->status.start_time_ns)
        return in->pod->status.start_time_ns;
    return in->now_ns;
}

void status_generate(const struct status_inputs *in, struct vk_arena *arena, struct pod_status *ret)
{
    const struct pod *pod = in->pod;
    const struct pod_status *platform = in->platform;
    struct pod_status s = *platform;

    /* What the platform does not say, was last said by us. */
    if (!s.container_statuses.n)
        s.container_statuses = in->previous->container_statuses;
    if (!s.init_container_statuses.n)
        s.init_container_statuses = in->previous->init_container_statuses;
    s.container_statuses = fill(pod, &pod->spec.containers, &s.container_statuses, arena);
    s.init_container_statuses =
        fill(pod, &pod->spec.init_containers, &s.init_container_statuses, arena);
    pod_resize_keep(pod, in->previous, &s);
    s.ephemeral_container_statuses = refuse_ephemeral(&pod->spec.ephemeral_containers, arena);
    keep_first_ends(in, &s);
    set_phase(in, &s);
    cut_times(&s.container_statuses);
    cut_times(&s.init_container_statuses);
    if (in->judge && !status_is_terminal(&s))
        in->judge(in->judge_user, pod, &s);
    set_addresses(in, &s);
    s.qos_class = !vk_str_empty(pod->status.qos_class) ? pod->status.qos_class : qos_class(pod);
    s.start_time_ns = whole_seconds(start_time(in));
    s.observed_generation = pod->meta.generation;
    s.nominated_node_name = NULL;
    s.conditions =
        status_conditions(pod, &s, platform, in->previous, whole_seconds(in->now_ns), arena);
    pod_status_copy(ret, &s, arena);
}

void status_of_waiting(const struct pod *pod, const struct waiting_reason *why,
                       struct vk_arena *arena, struct pod_status *ret)
{
    const struct json_array none = {0},
                            *lists[] = {&pod->spec.containers, &pod->spec.init_containers};
    struct json_array out[2];
    bool named = false;

    for (size_t k = 0; k < 2; k++) {
        struct container_status *c;

        out[k] = fill(pod, lists[k], &none, arena);
        c = out[k].v;
        for (size_t i = 0; i < out[k].n; i++)
            named |=
                why->image_of && !vk_str_empty(c[i].image) && strstr(why->image_of, c[i].image);
    }
    for (size_t k = 0; k < 2; k++) {
        struct container_status *c = out[k].v;

        for (size_t i = 0; i < out[k].n; i++) {
            if (named && (vk_str_empty(c[i].image) || !strstr(why->image_of, c[i].image)))
                continue;
            if (why->container_reason)
                c[i].state.reason = why->container_reason;
            c[i].state.message = why->message;
        }
    }
    *ret = (struct pod_status){.phase = "Pending",
                               .reason = why->reason,
                               .message = why->message,
                               .container_statuses = out[0],
                               .init_container_statuses = out[1]};
}

void status_of_failed(const struct pod *pod, const struct pod_status *previous, const char *reason,
                      const char *message, struct vk_arena *arena, struct pod_status *ret)
{
    const struct json_array *spec[] = {&pod->spec.containers, &pod->spec.init_containers};
    const struct json_array *known[] = {&previous->container_statuses,
                                        &previous->init_container_statuses};
    struct json_array out[2];

    for (size_t k = 0; k < 2; k++) {
        struct container_status *c;

        out[k] = fill(pod, spec[k], known[k], arena);
        c = out[k].v;
        for (size_t i = 0; i < out[k].n; i++) {
            c[i].ready = false;
            if (c[i].state.kind != CONTAINER_WAITING && c[i].state.kind != CONTAINER_STATE_NONE)
                continue;
            c[i].state = (struct container_state){
                .kind = CONTAINER_WAITING, .reason = reason, .message = message};
        }
    }
    *ret = *previous;
    ret->phase = "Failed";
    ret->reason = reason;
    ret->message = message;
    ret->container_statuses = out[0];
    ret->init_container_statuses = out[1];
}

static void terminate(struct json_array *list, bool waiting_too, int64_t now_ns,
                      bool *all_succeeded)
{
    struct container_status *c = list->v;

    for (size_t i = 0; i < list->n; i++) {
        bool ended = c[i].state.kind == CONTAINER_TERMINATED;

        c[i].ready = false;
        if (!ended && (waiting_too || c[i].state.kind == CONTAINER_RUNNING)) {
            c[i].state = (struct container_state){
                .kind = CONTAINER_TERMINATED,
                .reason = unseen_end,
                .message = "The container was gone before its end was seen",
                .exit_code = EXIT_CODE_UNKNOWN,
                .started_at_ns = c[i].state.started_at_ns,
                .finished_at_ns = now_ns,
                .container_id = c[i].container_id,
            };
        }
        if (c[i].state.kind != CONTAINER_TERMINATED || c[i].state.exit_code)
            *all_succeeded = false;
    }
}

void status_of_terminated(const struct pod *pod, const struct pod_status *previous, int64_t now_ns,
                          struct vk_arena *arena, struct pod_status *ret)
{
    /* Of a pod that never ran, only what ran is ended; the rest goes on saying that it waited. */
    bool was_initialized = container_statuses_started(&previous->container_statuses),
         succeeded = true;
    bool ignored = true;

    *ret = *previous;
    ret->container_statuses =
        fill(pod, &pod->spec.containers, &previous->container_statuses, arena);
    ret->init_container_statuses =
        fill(pod, &pod->spec.init_containers, &previous->init_container_statuses, arena);
    terminate(&ret->container_statuses, was_initialized, now_ns, &succeeded);
    terminate(&ret->init_container_statuses, false, now_ns, &ignored);
    if (status_is_terminal(previous))
        return;
    ret->phase = succeeded && ret->container_statuses.n ? "Succeeded" : "Failed";
    ret->reason = NULL;
    ret->message = NULL;
}
