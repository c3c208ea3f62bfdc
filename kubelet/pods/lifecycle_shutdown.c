/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/lifecycle_shutdown.h"

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"

/* Between looks at a container that was signalled and whose end nobody watches. */
#define LOOK_INITIAL_MS 2000
#define LOOK_MAX_MS 15000

enum step {
    STEP_HOOK,   /* its preStop hook runs */
    STEP_TURN,   /* a sidecar that others still need */
    STEP_SIGNAL, /* it is being signalled */
    STEP_END,    /* it was, and is looked at */
    STEP_ENDED,
};
struct ending {
    struct lifecycle_shutdown *shutdown;
    const struct container *spec;
    bool is_sidecar;
    enum step step;
    int64_t started_at_ns, restart_count; /* of the run that is to end */
    struct lifecycle_hook *hook;
    struct container_stop *stop;
};
struct lifecycle_shutdown {
    const struct lifecycle_env *env;
    struct pod *pod;
    const struct lifecycle_shutdown_events *events;
    void *user;
    char *pod_ip;
    struct ending *endings; /* in the order in which they started: sidecars first */
    size_t count;
    int64_t end_mono_ms;
    bool is_over; /* the grace period, but for the last seconds */
    bool told_refusal;
    struct vk_timer limit, look, ended;
    struct backoff look_backoff;
};

static void advance(struct lifecycle_shutdown *s);

static struct pod_identity identity(const struct lifecycle_shutdown *s)
{
    const struct object_meta *m = &s->pod->meta;

    return (struct pod_identity){.namespace_ = m->namespace_, .name = m->name, .uid = m->uid};
}

static void cancel_step(struct ending *e)
{
    const struct provider *p = e->shutdown->env->provider;

    lifecycle_hook_cancel(vk_take(e->hook));
    if (e->stop)
        p->ops->stop_container_cancel(p->p, vk_take(e->stop));
}

static void set_ended(struct ending *e)
{
    cancel_step(e);
    e->step = STEP_ENDED;
}

void lifecycle_shutdown_cancel(struct lifecycle_shutdown *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        cancel_step(&s->endings[i]);
    vk_timer_disarm(&s->limit);
    vk_timer_disarm(&s->look);
    vk_timer_disarm(&s->ended);
    pod_unref(s->pod);
    vk_free(s->pod_ip);
    vk_free(s->endings);
    vk_free(s);
}

static void on_ended(void *user)
{
    struct lifecycle_shutdown *s = user;
    const struct lifecycle_shutdown_events *events = s->events;
    void *receiver = s->user;

    lifecycle_shutdown_cancel(s);
    events->ended(receiver);
}

/* --- the signal --- */

static void on_stopped(void *user, enum provider_stop_result result, const struct vk_err *err)
{
    struct ending *e = user;
    struct lifecycle_shutdown *s = e->shutdown;

    e->stop = NULL;
    if (result == PROVIDER_STOP_TOLD) {
        e->step = STEP_END;
        vk_timer_arm(&s->look, backoff_next_ms(&s->look_backoff));
        return;
    }
    e->step = STEP_ENDED;
    if (result == PROVIDER_STOP_REFUSED && err->code != VK_OK && !s->told_refusal) {
        /* Once for a pod: it is about to go. */
        s->told_refusal = true;
        log_warning("A container can't be asked to end; its pod goes without",
                    LS("pod", pod_key(s->pod)), LS("podUID", s->pod->meta.uid),
                    LS("container", e->spec->name), LERR(err));
        s->events->event(s->user, e->spec->name, "Warning", "NoTerminationSignal", err->msg);
    }
    advance(s);
}

static void signal_container(struct ending *e)
{
    const struct provider *p = e->shutdown->env->provider;
    const struct pod_identity id = identity(e->shutdown);

    e->step = p->ops->stop_container ? STEP_SIGNAL : STEP_ENDED;
    if (p->ops->stop_container)
        e->stop = p->ops->stop_container(p->p, &id, e->spec->name, on_stopped, e);
}

static void on_look(void *user)
{
    struct lifecycle_shutdown *s = user;
    const struct provider *p = s->env->provider;
    const struct pod_identity id = identity(s);

    if (p->ops->look_at_pod)
        p->ops->look_at_pod(p->p, &id);
    vk_timer_arm(&s->look, backoff_next_ms(&s->look_backoff));
}

/* --- the order --- */

/* Those that may still need this sidecar: all other containers, and sidecars that started later. */
static bool is_needed(const struct ending *e)
{
    const struct lifecycle_shutdown *s = e->shutdown;

    for (size_t i = 0; i < s->count; i++) {
        const struct ending *other = &s->endings[i];

        if (other->step != STEP_ENDED && other != e && (!other->is_sidecar || other > e))
            return true;
    }
    return false;
}

/* Whose turn it is, is signalled; where nobody is left, it is over. */
static void advance(struct lifecycle_shutdown *s)
{
    bool any = false;

    for (size_t i = s->count; i-- > 0;) {
        struct ending *e = &s->endings[i];

        if (e->step == STEP_TURN && (s->is_over || !e->is_sidecar || !is_needed(e)))
            signal_container(e);
        any |= e->step != STEP_ENDED;
    }
    if (!any)
        vk_timer_arm(&s->ended, 0);
}

/* --- the hooks --- */

static void hook_failed(struct ending *e, const char *why)
{
    struct lifecycle_shutdown *s = e->shutdown;
    char *message VK_AUTOFREE = vk_asprintf("PreStopHook failed: %s", why);

    log_warning("A preStop hook failed", LS("pod", pod_key(s->pod)), LS("podUID", s->pod->meta.uid),
                LS("container", e->spec->name), LS("err", why));
    s->events->event(s->user, e->spec->name, "Warning", "FailedPreStopHook", message);
}

static void on_hook(void *user, const struct vk_err *err)
{
    struct ending *e = user;

    e->hook = NULL;
    e->step = STEP_TURN;
    if (err)
        hook_failed(e, err->msg);
    advance(e->shutdown);
}

static void on_warning(void *user, const char *reason, const char *message)
{
    struct ending *e = user;
    struct lifecycle_shutdown *s = e->shutdown;

    s->events->event(s->user, e->spec->name, "Warning", reason, message);
}

static void begin(struct ending *e, int64_t left_ms)
{
    struct lifecycle_shutdown *s = e->shutdown;
    const struct lifecycle *l = e->spec->lifecycle;

    e->step = STEP_TURN;
    if (!l || !l->pre_stop)
        return;
    e->step = STEP_HOOK;
    e->hook = lifecycle_hook_start(s->env,
                                   &(struct lifecycle_hook_target){.pod = s->pod,
                                                                   .container = e->spec,
                                                                   .handler = l->pre_stop,
                                                                   .pod_ip = s->pod_ip,
                                                                   .limit_ms = left_ms,
                                                                   .warn = on_warning},
                                   on_hook, e);
}

/* --- the time --- */

static void on_limit(void *user)
{
    struct lifecycle_shutdown *s = user;
    bool any = false;

    for (size_t i = 0; i < s->count; i++) {
        struct ending *e = &s->endings[i];

        any |= e->step == STEP_HOOK || e->step == STEP_TURN;
        if (e->step != STEP_HOOK)
            continue;
        cancel_step(e);
        e->step = STEP_TURN;
        hook_failed(e, "it did not end within the grace period");
    }
    if (s->is_over || !any) {
        vk_timer_arm(&s->ended, 0);
        return;
    }
    s->is_over = true;
    s->end_mono_ms += LIFECYCLE_LEAST_GRACE_MS;
    vk_timer_arm(&s->limit, LIFECYCLE_LEAST_GRACE_MS);
    advance(s);
}

void lifecycle_shutdown_shorten(struct lifecycle_shutdown *s, int64_t left_ms)
{
    const int64_t end = vk_mono_ms() + left_ms;

    if (s->is_over || end >= s->end_mono_ms)
        return;
    s->end_mono_ms = end;
    vk_timer_arm(&s->limit, left_ms > 0 ? left_ms : 0);
}

/* --- what runs --- */

static bool is_other_run(const struct ending *e, const struct container_status *c)
{
    return c->state.kind != CONTAINER_RUNNING || c->restart_count > e->restart_count ||
           c->state.started_at_ns != e->started_at_ns;
}

void lifecycle_shutdown_observe(struct lifecycle_shutdown *s, const struct pod_status *status)
{
    for (size_t i = 0; i < s->count; i++) {
        struct ending *e = &s->endings[i];
        const struct container_status *c = pod_status_container(status, e->spec->name);

        if (e->step != STEP_ENDED && c && is_other_run(e, c))
            set_ended(e);
    }
    advance(s);
}

static void add_running(struct lifecycle_shutdown *s, const struct json_array *specs, bool is_init,
                        const struct pod_status *status)
{
    const struct container *spec = specs->v;

    for (size_t i = 0; i < specs->n; i++) {
        const struct container_status *c = pod_status_container(status, spec[i].name);

        if (!c || c->state.kind != CONTAINER_RUNNING)
            continue;
        s->endings[s->count++] =
            (struct ending){.shutdown = s,
                            .spec = &spec[i],
                            .is_sidecar = is_init && container_is_sidecar(&spec[i]),
                            .started_at_ns = c->state.started_at_ns,
                            .restart_count = c->restart_count};
    }
}

struct lifecycle_shutdown *
lifecycle_shutdown_start(const struct lifecycle_env *env, const struct pod *pod,
                         const struct pod_status *status, int64_t left_ms,
                         const struct lifecycle_shutdown_events *events, void *user)
{
    struct lifecycle_shutdown *s = vk_calloc(1, sizeof(*s));
    const struct pod_spec *spec = &pod->spec;

    s->env = env;
    s->pod = pod_ref(pod);
    s->events = events;
    s->user = user;
    s->pod_ip = vk_strdup(status->pod_ip ? status->pod_ip : "");
    s->look_backoff = (struct backoff){.initial_ms = LOOK_INITIAL_MS, .max_ms = LOOK_MAX_MS};
    s->endings = vk_calloc(spec->init_containers.n + spec->containers.n + 1, sizeof(*s->endings));
    vk_timer_init(&s->limit, env->loop, "grace period", on_limit, s);
    vk_timer_init(&s->look, env->loop, "look at ending pod", on_look, s);
    vk_timer_init(&s->ended, env->loop, "containers ended", on_ended, s);
    add_running(s, &spec->init_containers, true, status);
    add_running(s, &spec->containers, false, status);
    if (!s->count) {
        lifecycle_shutdown_cancel(s);
        return NULL;
    }
    s->end_mono_ms = vk_mono_ms() + left_ms;
    vk_timer_arm(&s->limit, left_ms);
    for (size_t i = 0; i < s->count; i++)
        begin(&s->endings[i], left_ms);
    advance(s);
    return s;
}
