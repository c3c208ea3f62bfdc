/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/status_conditions.h"

#include "base/buf.h"
#include "kubelet/pods/pod_resize.h"

#define MAX_MESSAGE (16 * 1024)

static const char *const ready_to_start = "PodReadyToStartContainers";

const struct container_status *container_statuses_find(const struct json_array *list,
                                                       const char *name)
{
    const struct container_status *c = list->v;

    for (size_t i = 0; i < list->n; i++)
        if (vk_streq(c[i].name, name))
            return &c[i];
    return NULL;
}

bool container_statuses_started(const struct json_array *list)
{
    const struct container_status *c = list->v;

    for (size_t i = 0; i < list->n; i++)
        if (c[i].state.kind == CONTAINER_RUNNING || c[i].state.kind == CONTAINER_TERMINATED ||
            c[i].last_state.kind == CONTAINER_TERMINATED)
            return true;
    return false;
}

/* Go's %s of a string slice: "[a b]". */
static void add_name(struct vk_buf *names, const char *name)
{
    vk_buf_adds(names, vk_buf_len(names) ? " " : "");
    vk_buf_adds(names, name);
}

static void init_names(struct vk_buf *names)
{
    vk_buf_init(names, MAX_MESSAGE);
}

static const char *unready_message(const struct vk_buf *unknown, const struct vk_buf *unready,
                                   const char *what, struct vk_arena *arena)
{
    bool both = vk_buf_len(unknown) && vk_buf_len(unready);
    char *a = vk_buf_len(unknown) ? vk_arena_printf(arena, "containers with unknown status: [%s]",
                                                    vk_buf_peek(unknown))
                                  : NULL;
    char *b = vk_buf_len(unready) ? vk_arena_printf(arena, "containers with %s status: [%s]", what,
                                                    vk_buf_peek(unready))
                                  : NULL;

    if (both)
        return vk_arena_printf(arena, "%s, %s", a, b);
    return a ? a : b;
}

static struct pod_condition terminal_condition(const char *type, const char *phase)
{
    return (struct pod_condition){
        .type = type,
        .status = "False",
        .reason = vk_streq(phase, "Failed") ? "PodFailed" : "PodCompleted",
    };
}

static struct pod_condition containers_ready(const struct pod *pod, const struct pod_status *s,
                                             struct vk_arena *arena)
{
    static const char *const type = "ContainersReady";
    const struct container *c = pod->spec.containers.v, *init = pod->spec.init_containers.v;
    struct vk_buf unknown VK_BUF_AUTO, unready VK_BUF_AUTO;
    const char *message;

    if (vk_streq(s->phase, "Failed") || vk_streq(s->phase, "Succeeded"))
        return terminal_condition(type, s->phase);
    init_names(&unknown);
    init_names(&unready);
    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        const struct container_status *k =
            container_statuses_find(&s->init_container_statuses, init[i].name);

        if (container_is_sidecar(&init[i]) && (!k || !k->ready))
            add_name(k ? &unready : &unknown, init[i].name);
    }
    for (size_t i = 0; i < pod->spec.containers.n; i++) {
        const struct container_status *k =
            container_statuses_find(&s->container_statuses, c[i].name);

        if (!k || !k->ready)
            add_name(k ? &unready : &unknown, c[i].name);
    }
    message = unready_message(&unknown, &unready, "unready", arena);
    if (!message)
        return (struct pod_condition){.type = type, .status = "True"};
    return (struct pod_condition){
        .type = type, .status = "False", .reason = "ContainersNotReady", .message = message};
}

static const char *closed_gates(const struct pod *pod, struct vk_arena *arena)
{
    const char *message = NULL;

    for (size_t i = 0; i < pod->spec.readiness_gates.n; i++) {
        const char *type = pod->spec.readiness_gates.v[i], *one;
        const struct pod_condition *c = pod_status_condition(&pod->status, type);

        if (c && vk_streq(c->status, "True"))
            continue;
        if (c)
            one = vk_arena_printf(arena,
                                  "the status of pod readiness gate \"%s\" is not \"True\", but %s",
                                  type, c->status ? c->status : "");
        else
            one = vk_arena_printf(
                arena, "corresponding condition of pod readiness gate \"%s\" does not exist.",
                type);
        message = message ? vk_arena_printf(arena, "%s, %s", message, one) : one;
    }
    return message;
}

static struct pod_condition ready(const struct pod *pod, struct pod_condition containers,
                                  struct vk_arena *arena)
{
    const char *gates;

    containers.type = "Ready";
    if (!vk_streq(containers.status, "True"))
        return containers;
    gates = closed_gates(pod, arena);
    if (!gates)
        return containers;
    return (struct pod_condition){
        .type = "Ready", .status = "False", .reason = "ReadinessGatesNotReady", .message = gates};
}

static bool init_is_done(const struct container *c, const struct container_status *s)
{
    if (container_is_sidecar(c))
        return s->started;
    return s->ready || (s->state.kind == CONTAINER_TERMINATED && s->state.exit_code == 0);
}

static struct pod_condition initialized(const struct pod *pod, const struct pod_status *s,
                                        struct vk_arena *arena)
{
    static const char *const type = "Initialized";
    const struct container *c = pod->spec.init_containers.v;
    struct vk_buf unknown VK_BUF_AUTO, incomplete VK_BUF_AUTO;
    const char *message;

    init_names(&unknown);
    init_names(&incomplete);
    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        const struct container_status *k =
            container_statuses_find(&s->init_container_statuses, c[i].name);

        if (!k || !init_is_done(&c[i], k))
            add_name(k ? &incomplete : &unknown, c[i].name);
    }
    if (vk_streq(s->phase, "Succeeded") && !vk_buf_len(&unknown))
        return (struct pod_condition){.type = type, .status = "True", .reason = "PodCompleted"};
    message = unready_message(&unknown, &incomplete, "incomplete", arena);
    if (!message || container_statuses_started(&s->container_statuses))
        return (struct pod_condition){.type = type, .status = "True"};
    return (struct pod_condition){
        .type = type, .status = "False", .reason = "ContainersNotInitialized", .message = message};
}

static struct pod_condition sandbox(const struct pod_status *s, const struct pod_status *platform)
{
    const struct pod_condition *said = pod_status_condition(platform, ready_to_start);
    bool terminal = vk_streq(s->phase, "Failed") || vk_streq(s->phase, "Succeeded");
    bool up = !vk_str_empty(s->pod_ip) || container_statuses_started(&s->container_statuses) ||
              container_statuses_started(&s->init_container_statuses);

    if (said && !terminal)
        return (struct pod_condition){.type = ready_to_start,
                                      .status = said->status,
                                      .reason = said->reason,
                                      .message = said->message};
    return (struct pod_condition){.type = ready_to_start,
                                  .status = up && !terminal ? "True" : "False"};
}

static void set_transition(struct pod_condition *c, const struct pod *pod,
                           const struct pod_status *previous, int64_t now_ns)
{
    const struct pod_condition *old = pod_status_condition(previous, c->type);

    if (!old)
        old = pod_status_condition(&pod->status, c->type);
    c->last_transition_ns = old && old->last_transition_ns && vk_streq(old->status, c->status)
                                ? old->last_transition_ns
                                : now_ns;
    c->observed_generation = pod->meta.generation;
}

struct json_array status_conditions(const struct pod *pod, const struct pod_status *status,
                                    const struct pod_status *platform,
                                    const struct pod_status *previous, int64_t now_ns,
                                    struct vk_arena *arena)
{
    enum { MOST = 5 };
    struct pod_condition *c = vk_arena_array(arena, MOST, sizeof(*c));
    const bool terminal = vk_streq(status->phase, "Failed") || vk_streq(status->phase, "Succeeded");
    const char *resize = terminal ? NULL : pod_resize_pending(pod, status, arena);
    size_t n = 4;

    c[0] = sandbox(status, platform);
    c[1] = initialized(pod, status, arena);
    c[2] = containers_ready(pod, status, arena);
    c[3] = ready(pod, c[2], arena);
    if (resize)
        c[n++] = (struct pod_condition){.type = POD_RESIZE_PENDING,
                                        .status = "True",
                                        .reason = POD_RESIZE_INFEASIBLE,
                                        .message = resize};
    for (size_t i = 0; i < n; i++)
        set_transition(&c[i], pod, previous, now_ns);
    return (struct json_array){.v = c, .n = n};
}
