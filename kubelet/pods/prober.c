/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/prober.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/resolver.h"
#include "kubelet/pods/prober_internal.h"
#include "kubelet/pods/status_conditions.h"
#include "kubelet/pods/status_generate.h"

#define NS_MS 1000000

/* The same for a probe whenever it is asked: FNV-1a. */
static int64_t spread(const struct pod *pod, const char *container, enum probe_kind kind,
                      int64_t period_ms)
{
    uint64_t hash = UINT64_C(14695981039346656037) + (uint64_t)kind;

    for (const char *c = pod->meta.uid; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    for (const char *c = container; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return (int64_t)((hash >> 16) % (uint64_t)period_ms);
}

static struct probe_slot *slot_new(struct probed_container *c, enum probe_kind kind,
                                   bool ran_before_us)
{
    const struct prober *p = c->pod->prober;
    const struct probe *spec = prober_spec(c->spec, kind);
    struct probe_slot *s = vk_calloc(1, sizeof(*s));

    prober_slot_init(s, c, kind);
    if (ran_before_us)
        s->worker.not_before_mono_ms =
            vk_mono_ms() + spread(c->pod->pod, c->spec->name, kind, s->worker.period_ms);
    if (spec->handler.has_exec && !c->shell) {
        const struct object_meta *m = &c->pod->pod->meta;

        c->shell = probe_shell_new(
            p->shells,
            &(struct pod_identity){.namespace_ = m->namespace_, .name = m->name, .uid = m->uid},
            c->spec->name);
    }
    return s;
}

static void slot_free(struct probe_slot *s)
{
    if (!s)
        return;
    prober_give_up(s);
    probe_worker_release(&s->worker);
    vk_free(s);
}

static void probed_free(void *user)
{
    struct probed_pod *pod = user;

    for (size_t i = 0; i < pod->count; i++) {
        struct probed_container *c = &pod->containers[i];

        for (size_t k = 0; k < PROBE_KINDS; k++)
            slot_free(c->slots[k]);
        probe_shell_free(c->shell);
        vk_free((char *)(uintptr_t)c->seen.id);
    }
    vk_free(pod->containers);
    vk_free(pod->ip);
    pod_unref(pod->pod);
    vk_free(pod);
}

static void add_containers(struct probed_pod *pod, const struct json_array *list, bool is_init,
                           const struct json_array *statuses)
{
    const struct prober *p = pod->prober;
    const struct container *spec = list->v;

    for (size_t i = 0; i < list->n; i++) {
        struct probed_container *c = &pod->containers[pod->count];
        const struct container_status *s = container_statuses_find(statuses, spec[i].name);
        const bool ran_before_us =
            s && s->state.started_at_ns && s->state.started_at_ns / NS_MS < p->began_wall_ms;

        if (!prober_runs_any(p, pod->pod, &spec[i], is_init))
            continue;
        pod->count++;
        c->pod = pod;
        c->spec = &spec[i];
        for (size_t k = 0; k < PROBE_KINDS; k++)
            if (prober_runs(p, pod->pod, &spec[i], is_init, prober_order[k]))
                c->slots[k] = slot_new(c, prober_order[k], ran_before_us);
    }
}

static bool any_probes(const struct prober *p, const struct pod *pod)
{
    const struct container *c = pod->spec.containers.v, *init = pod->spec.init_containers.v;

    for (size_t i = 0; i < pod->spec.containers.n; i++)
        if (prober_runs_any(p, pod, &c[i], false))
            return true;
    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        if (prober_runs_any(p, pod, &init[i], true))
            return true;
    return false;
}

static struct probed_pod *probed_new(struct prober *p, const struct pod *pod,
                                     const struct pod_status *status)
{
    const struct pod_spec *spec = &pod->spec;
    struct probed_pod *new = vk_calloc(1, sizeof(*new));

    new->prober = p;
    new->pod = pod_ref(pod);
    new->containers =
        vk_calloc(spec->containers.n + spec->init_containers.n + 1, sizeof(*new->containers));
    add_containers(new, &spec->init_containers, true, &status->init_container_statuses);
    add_containers(new, &spec->containers, false, &status->container_statuses);
    return new;
}

static void set_pod(struct probed_pod *p, const struct pod *pod, const struct pod_status *status)
{
    struct pod *old = p->pod;

    p->pod = pod_ref(pod);
    for (size_t i = 0; i < p->count; i++)
        p->containers[i].spec = pod_find_container(pod, p->containers[i].spec->name);
    pod_unref(old);
    if (vk_streq(p->ip, status->pod_ip))
        return;
    vk_free(p->ip);
    p->ip = vk_strdup(status->pod_ip ? status->pod_ip : "");
}

static void see(struct probed_container *c, const struct container_status *s)
{
    const struct container_status *before = prober_told(c->pod->pod, s);
    const bool is_new_run = !vk_streq(c->seen.id, s->container_id) ||
                            c->seen.started_at_ns != s->state.started_at_ns ||
                            s->state.kind != CONTAINER_RUNNING;

    if (is_new_run) {
        for (size_t k = 0; k < PROBE_KINDS; k++)
            if (c->slots[k])
                prober_give_up(c->slots[k]);
        if (c->shell)
            probe_shell_close(c->shell);
        vk_free((char *)(uintptr_t)c->seen.id);
        c->seen.id = vk_strdup(s->container_id ? s->container_id : "");
    }
    c->seen.is_running = s->state.kind == CONTAINER_RUNNING;
    c->seen.started_at_ns = s->state.started_at_ns;
    c->seen.is_terminating = pod_is_terminating(c->pod->pod);
    c->seen.was_ready = before && before->ready;
    c->seen.was_started = before && before->started;
    for (size_t k = 0; k < PROBE_KINDS; k++)
        if (c->slots[k])
            (void)probe_worker_see(&c->slots[k]->worker, &c->seen);
    c->seen.has_started = !c->slots[0] || c->slots[0]->worker.result == PROBE_SUCCESS;
    prober_schedule_all(c);
}

void prober_observe(struct prober *p, const struct pod *pod, const struct pod_status *status)
{
    struct probed_pod *known = vk_map_get(p->pods, pod->meta.uid);

    if (status_is_terminal(status)) {
        prober_forget(p, pod->meta.uid);
        return;
    }
    if (p->stopped)
        return;
    if (!known) {
        if (!any_probes(p, pod))
            return;
        known = probed_new(p, pod, status);
        vk_map_put(p->pods, pod->meta.uid, known);
    }
    set_pod(known, pod, status);
    for (size_t i = 0; i < known->count; i++) {
        const struct container_status *s =
            pod_status_container(status, known->containers[i].spec->name);

        if (s)
            see(&known->containers[i], s);
    }
    prober_pump(p);
}

void prober_forget(struct prober *p, const char *uid)
{
    struct probed_pod *pod = vk_map_remove(p->pods, uid);

    if (!pod)
        return;
    probed_free(pod);
    prober_pump(p);
}

/* ---- the room ---- */

/* "v1.37.2" gives "kube-probe/1.37". */
static char *user_agent_of(const char *version)
{
    const char *v = version ? version : "";
    size_t n = 0;

    v += *v == 'v';
    n = strcspn(v, ".");
    if (v[n] == '.')
        n += 1 + strcspn(v + n + 1, ".-+");
    return n > 0 ? vk_asprintf("kube-probe/%.*s", (int)n, v) : vk_strdup("kube-probe");
}

static void count_pod(const struct probed_pod *pod, probe_counts_fn fn, void *user)
{
    for (size_t i = 0; i < pod->count; i++) {
        const struct probed_container *c = &pod->containers[i];

        for (size_t k = 0; k < PROBE_KINDS; k++) {
            struct probe_counts counts;

            if (!c->slots[k])
                continue;
            counts = (struct probe_counts){
                .pod = pod->pod, .container = c->spec->name, .kind = c->slots[k]->worker.kind};
            memcpy(counts.tries, c->slots[k]->tries, sizeof(counts.tries));
            fn(user, &counts);
        }
    }
}

void prober_count(const struct prober *p, probe_counts_fn fn, void *user)
{
    size_t it = 0;
    const char *uid;
    void *pod;

    while (vk_map_next(p->pods, &it, &uid, &pod))
        count_pod(pod, fn, user);
}

struct prober *prober_new(struct vk_loop *loop, const struct prober_config *config)
{
    struct prober *p = vk_calloc(1, sizeof(*p));

    p->loop = loop;
    p->config = *config;
    p->user_agent = user_agent_of(config->kubelet_version);
    p->tools =
        (struct probe_tools){.loop = loop, .http = config->http, .user_agent = p->user_agent};
    p->shells = probe_shells_new(loop, config->provider);
    p->pods = vk_map_new();
    vk_list_init(&p->waiting);
    p->began_wall_ms = vk_wall_ms();
    return p;
}

void prober_stop(struct prober *p)
{
    size_t it = 0;
    const char *uid;
    void *value;

    p->stopped = true;
    while (vk_map_next(p->pods, &it, &uid, &value)) {
        const struct probed_pod *pod = value;

        for (size_t i = 0; i < pod->count; i++) {
            struct probed_container *c = &pod->containers[i];

            for (size_t k = 0; k < PROBE_KINDS; k++)
                if (c->slots[k])
                    prober_give_up(c->slots[k]);
            /* The provider is stopped next: nothing of it may be held. */
            probe_shell_free(vk_take(c->shell));
        }
    }
}

void prober_free(struct prober *p)
{
    if (!p)
        return;
    prober_stop(p);
    vk_map_free(p->pods, probed_free);
    probe_shells_free(p->shells);
    resolver_free(p->tools.resolver);
    vk_free(p->user_agent);
    vk_free(p);
}
