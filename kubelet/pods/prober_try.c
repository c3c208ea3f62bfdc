/* SPDX-License-Identifier: Apache-2.0 */
/* When a probe is tried, and what becomes of the outcome. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/pods/prober_internal.h"

/* Connections to pods at a time; what comes on top waits for its turn. */
#define MAX_IN_FLIGHT 256
/* An API server takes 1,024 bytes of an Event's message. */
#define MESSAGE_MAX 1024

static const char *name_of(enum probe_kind kind)
{
    static const char *const names[PROBE_KINDS] = {[PROBE_LIVENESS] = "Liveness",
                                                   [PROBE_READINESS] = "Readiness",
                                                   [PROBE_STARTUP] = "Startup"};

    return names[kind];
}

static struct probe_time now(void)
{
    return (struct probe_time){.mono_ms = vk_mono_ms(), .wall_ms = vk_wall_ms()};
}

static bool is_exec(const struct probe_slot *s)
{
    return prober_spec(s->container->spec, s->worker.kind)->handler.has_exec;
}

void prober_schedule(struct probe_slot *s)
{
    const struct prober *p = s->container->pod->prober;
    int64_t due_ms;

    if (p->stopped || s->action || vk_list_is_linked(&s->waiting))
        return;
    due_ms = probe_worker_due(&s->worker, &s->container->seen, now());
    if (due_ms < 0)
        vk_timer_disarm(&s->timer);
    else
        vk_timer_arm(&s->timer, due_ms);
}

void prober_schedule_all(struct probed_container *c)
{
    for (size_t k = 0; k < PROBE_KINDS; k++)
        if (c->slots[k])
            prober_schedule(c->slots[k]);
}

void prober_give_up(struct probe_slot *s)
{
    struct prober *p = s->container->pod->prober;

    vk_timer_disarm(&s->timer);
    vk_list_remove(&s->waiting);
    if (!s->action)
        return;
    probe_action_cancel(vk_take(s->action));
    if (!is_exec(s))
        p->in_flight--;
}

static void tell(const struct probe_slot *s, const char *reason, const char *what,
                 const char *output)
{
    const struct probed_container *c = s->container;
    const struct prober *p = c->pod->prober;
    char *text VK_AUTOFREE = vk_asprintf("%s probe %s: %s", name_of(s->worker.kind), what, output);
    char message[MESSAGE_MAX];

    (void)vk_strcpy_to(message, sizeof(message), text);
    log_v(2, "Probe did not succeed", LS("pod", pod_key(c->pod->pod)),
          LS("podUID", c->pod->pod->meta.uid), LS("containerName", c->spec->name),
          LS("probeType", name_of(s->worker.kind)), LS("output", output));
    p->config.event(p->config.user, c->pod->pod, c->spec->name, "Warning", reason, message);
}

/* A container that is not there any more fails its probes: its platform is asked. */
static void ask_platform(const struct probed_pod *pod)
{
    const struct provider *provider = pod->prober->config.provider;
    const struct object_meta *m = &pod->pod->meta;

    if (provider->ops->look_at_pod)
        provider->ops->look_at_pod(
            provider->p,
            &(struct pod_identity){.namespace_ = m->namespace_, .name = m->name, .uid = m->uid});
}

static bool needs_shell(const struct probed_container *c)
{
    for (size_t k = 0; k < PROBE_KINDS; k++)
        if (c->slots[k] && is_exec(c->slots[k]) &&
            !(prober_order[k] == PROBE_STARTUP && c->seen.has_started))
            return true;
    return false;
}

static void note_started(struct probed_container *c)
{
    c->seen.has_started = true;
    if (c->shell && !needs_shell(c))
        probe_shell_close(c->shell);
    prober_schedule_all(c);
}

static enum probe_try try_of(enum probe_outcome_kind kind)
{
    return kind == PROBE_ERRORED  ? PROBE_TRY_UNKNOWN
           : kind == PROBE_FAILED ? PROBE_TRY_FAILED
                                  : PROBE_TRY_SUCCESSFUL;
}

static enum probe_verdict take(struct probe_slot *s, const struct probe_outcome *outcome)
{
    const bool failed = outcome->kind == PROBE_FAILED;
    enum probe_verdict verdict;

    s->tries[try_of(outcome->kind)]++;
    if (outcome->kind == PROBE_ERRORED) {
        tell(s, "Unhealthy", "errored and resulted in unknown state", outcome->output);
        return PROBE_AS_BEFORE;
    }
    if (failed)
        tell(s, "Unhealthy", "failed", outcome->output);
    else if (outcome->kind == PROBE_WARNED)
        tell(s, "ProbeWarning", "warning", outcome->output);
    if (failed && s->worker.last != PROBE_FAILURE)
        ask_platform(s->container->pod);
    verdict = probe_worker_take(&s->worker, !failed);
    if (s->worker.kind == PROBE_STARTUP && verdict == PROBE_CHANGED)
        note_started(s->container);
    return verdict;
}

static void on_outcome(void *user, const struct probe_outcome *outcome)
{
    struct probe_slot *s = user;
    const struct probed_container *c = s->container;
    struct prober *p = c->pod->prober;
    struct pod *pod = pod_ref(c->pod->pod);
    const enum probe_kind kind = s->worker.kind;
    const char *name = pod_find_container(pod, c->spec->name)->name;
    enum probe_verdict verdict;

    s->action = NULL;
    if (!is_exec(s))
        p->in_flight--;
    verdict = take(s, outcome);
    prober_schedule(s);
    prober_pump(p);
    /* Last, since what follows may make the pod one that is not probed. */
    if (verdict != PROBE_AS_BEFORE)
        log_v(2, "Probe result changed", LS("pod", pod_key(pod)), LS("podUID", pod->meta.uid),
              LS("containerName", name), LS("probeType", name_of(kind)));
    if (verdict == PROBE_CHANGED)
        p->config.changed(p->config.user, pod->meta.uid);
    else if (verdict == PROBE_RESTART)
        p->config.unhealthy(p->config.user, pod, name, kind);
    pod_unref(pod);
}

static void start_try(struct probe_slot *s)
{
    struct probed_container *c = s->container;
    struct prober *p = c->pod->prober;

    probe_worker_begin(&s->worker, now());
    if (!is_exec(s))
        p->in_flight++;
    s->action = probe_action_start(
        &p->tools,
        &(struct probe_action_request){.handler = &prober_spec(c->spec, s->worker.kind)->handler,
                                       .container = c->spec,
                                       .pod_ip = c->pod->ip,
                                       .shell = c->shell,
                                       .timeout_ms = s->worker.timeout_ms},
        on_outcome, s);
}

static void on_due(void *user)
{
    struct probe_slot *s = user;
    struct prober *p = s->container->pod->prober;

    if (p->stopped || s->action)
        return;
    if (probe_worker_due(&s->worker, &s->container->seen, now()) != 0) {
        prober_schedule(s);
        return;
    }
    /* Exec probes have limits of their own, and may wait for a shell. */
    if (is_exec(s)) {
        start_try(s);
        return;
    }
    vk_list_add_tail(&p->waiting, &s->waiting);
    prober_pump(p);
}

void prober_pump(struct prober *p)
{
    while (!p->stopped && p->in_flight < MAX_IN_FLIGHT && !vk_list_is_empty(&p->waiting)) {
        struct probe_slot *s = VK_LIST_ENTRY(p->waiting.next, struct probe_slot, waiting);

        vk_list_remove(&s->waiting);
        start_try(s);
    }
}

void prober_slot_init(struct probe_slot *s, struct probed_container *c, enum probe_kind kind)
{
    s->container = c;
    probe_worker_init(&s->worker, kind, prober_spec(c->spec, kind), 0);
    vk_list_init(&s->waiting);
    vk_timer_init(&s->timer, c->pod->prober->loop, "probe", on_due, s);
}
