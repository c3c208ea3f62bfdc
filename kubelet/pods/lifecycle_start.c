/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/lifecycle_start.h"

#include "base/alloc.h"
#include "base/log.h"

#define SECOND_NS INT64_C(1000000000)
/* Kubernetes has no limit; a container that waits for ever helps nobody. */
#define LIMIT_MS INT64_C(3600000)

enum hook_step { HOOK_NONE, HOOK_RUNS, HOOK_DONE, HOOK_FAILED };
struct start {
    struct lifecycle_starts *starts;
    const struct container *spec;
    enum hook_step step;
    int64_t run_ns; /* when the run that it is about began; 0: it does not run */
    struct lifecycle_hook *hook;
};
struct lifecycle_starts {
    const struct lifecycle_env *env;
    struct pod *pod;
    const struct lifecycle_starts_events *events;
    void *user;
    bool is_halted, was_observed;
    struct vk_arena *arena; /* of platform */
    struct pod_status platform;
    struct start *starts;
    size_t count;
};

static void add_starts(struct lifecycle_starts *s, const struct json_array *specs, bool is_init)
{
    const struct container *c = specs->v;

    for (size_t i = 0; i < specs->n; i++)
        if (c[i].lifecycle && c[i].lifecycle->post_start &&
            (!is_init || container_is_sidecar(&c[i])))
            s->starts[s->count++] = (struct start){.starts = s, .spec = &c[i]};
}

struct lifecycle_starts *lifecycle_starts_new(const struct lifecycle_env *env,
                                              const struct pod *pod,
                                              const struct lifecycle_starts_events *events,
                                              void *user)
{
    const size_t most = pod->spec.init_containers.n + pod->spec.containers.n;
    struct lifecycle_starts *s = vk_calloc(1, sizeof(*s));

    *s = (struct lifecycle_starts){.env = env, .pod = pod_ref(pod), .events = events, .user = user};
    s->starts = vk_calloc(most + 1, sizeof(*s->starts));
    add_starts(s, &pod->spec.init_containers, true);
    add_starts(s, &pod->spec.containers, false);
    if (s->count)
        return s;
    lifecycle_starts_free(s);
    return NULL;
}

static void cancel_hooks(struct lifecycle_starts *s)
{
    for (size_t i = 0; i < s->count; i++)
        lifecycle_hook_cancel(vk_take(s->starts[i].hook));
}

void lifecycle_starts_free(struct lifecycle_starts *s)
{
    if (!s)
        return;
    cancel_hooks(s);
    pod_unref(s->pod);
    vk_arena_free(s->arena);
    vk_free(s->starts);
    vk_free(s);
}

void lifecycle_starts_halt(struct lifecycle_starts *s)
{
    if (!s)
        return;
    s->is_halted = true;
    cancel_hooks(s);
}

static void on_hook(void *user, const struct vk_err *err)
{
    struct start *t = user;
    struct lifecycle_starts *s = t->starts;
    char *message VK_AUTOFREE = NULL;

    t->hook = NULL;
    t->step = err ? HOOK_FAILED : HOOK_DONE;
    if (!err) {
        s->events->changed(s->user);
        return;
    }
    message = vk_asprintf("PostStartHook failed: %s", err->msg);
    log_warning("A postStart hook failed", LS("pod", pod_key(s->pod)),
                LS("podUID", s->pod->meta.uid), LS("container", t->spec->name), LERR(err));
    s->events->event(s->user, t->spec->name, "Warning", "FailedPostStartHook", message);
    s->events->changed(s->user);
    s->events->failed(s->user, t->spec->name);
}

static void on_warning(void *user, const char *reason, const char *message)
{
    struct start *t = user;
    struct lifecycle_starts *s = t->starts;

    s->events->event(s->user, t->spec->name, "Warning", reason, message);
}

/* The API server stores whole seconds. */
static bool was_told(const struct start *t, const struct pod_status *told)
{
    const struct container_status *c = pod_status_container(told, t->spec->name);

    return c && c->state.kind == CONTAINER_RUNNING &&
           c->state.started_at_ns / SECOND_NS == t->run_ns / SECOND_NS;
}

static void follow(struct start *t, const struct pod_status *told)
{
    struct lifecycle_starts *s = t->starts;
    const struct container_status *c = pod_status_container(&s->platform, t->spec->name);
    const int64_t run_ns = c && c->state.kind == CONTAINER_RUNNING ? c->state.started_at_ns : 0;

    if (run_ns == t->run_ns)
        return;
    lifecycle_hook_cancel(vk_take(t->hook));
    t->run_ns = run_ns;
    t->step = HOOK_NONE;
    if (!run_ns || s->is_halted)
        return;
    if (!s->was_observed && was_told(t, told)) {
        t->step = HOOK_DONE;
        return;
    }
    t->step = HOOK_RUNS;
    t->hook = lifecycle_hook_start(
        s->env,
        &(struct lifecycle_hook_target){.pod = s->pod,
                                        .container = t->spec,
                                        .handler = t->spec->lifecycle->post_start,
                                        .pod_ip = s->platform.pod_ip,
                                        .limit_ms = LIMIT_MS,
                                        .warn = on_warning},
        on_hook, t);
}

void lifecycle_starts_observe(struct lifecycle_starts *s, const struct pod_status *platform,
                              const struct pod_status *told)
{
    struct vk_arena *old = s->arena;

    s->arena = vk_arena_new();
    pod_status_copy(&s->platform, platform, s->arena);
    for (size_t i = 0; i < s->count; i++)
        follow(&s->starts[i], told);
    s->was_observed = true;
    vk_arena_free(old);
}

const struct pod_status *lifecycle_starts_platform(const struct lifecycle_starts *s)
{
    return s && s->arena ? &s->platform : NULL;
}

static struct container_status *find(struct pod_status *status, const char *name)
{
    return (struct container_status *)(uintptr_t)pod_status_container(status, name);
}

void lifecycle_starts_show(const struct lifecycle_starts *s, bool was_running,
                           struct vk_arena *arena, struct pod_status *ret)
{
    bool waits = false;

    pod_status_copy(ret, &s->platform, arena);
    for (size_t i = 0; !s->is_halted && i < s->count; i++) {
        const struct start *t = &s->starts[i];
        struct container_status *c = find(ret, t->spec->name);

        if (!c || c->state.kind != CONTAINER_RUNNING || t->step == HOOK_DONE)
            continue;
        waits = true;
        c->ready = false;
        c->started = false;
        c->state = (struct container_state){.kind = CONTAINER_WAITING,
                                            .reason = t->step == HOOK_FAILED ? CONTAINER_HOOK_FAILED
                                                                             : CONTAINER_HOOK_RUNS};
    }
    if (waits && !was_running && vk_streq(ret->phase, "Running"))
        ret->phase = "Pending";
}
