/* SPDX-License-Identifier: Apache-2.0 */
/* Which probes are ours, and what their results mean for started and ready. */
#include "base/str.h"
#include "kubelet/pods/prober_internal.h"

const enum probe_kind prober_order[PROBE_KINDS] = {PROBE_STARTUP, PROBE_READINESS, PROBE_LIVENESS};

const struct probe *prober_spec(const struct container *c, enum probe_kind kind)
{
    switch (kind) {
    case PROBE_LIVENESS:
        return c->liveness_probe;
    case PROBE_READINESS:
        return c->readiness_probe;
    case PROBE_STARTUP:
        return c->startup_probe;
    }
    return NULL;
}

/* Init containers have probes only where they are native sidecars. */
bool prober_runs(const struct prober *p, const struct pod *pod, const struct container *c,
                 bool is_init, enum probe_kind kind)
{
    const struct provider *provider = p->config.provider;

    if (!prober_spec(c, kind) || (is_init && !vk_streq(c->restart_policy, "Always")))
        return false;
    return !provider->ops->runs_probe || !provider->ops->runs_probe(provider->p, pod, c, kind);
}

bool prober_runs_any(const struct prober *p, const struct pod *pod, const struct container *c,
                     bool is_init)
{
    for (size_t k = 0; k < PROBE_KINDS; k++)
        if (prober_runs(p, pod, c, is_init, prober_order[k]))
            return true;
    return false;
}

const struct container_status *prober_told(const struct pod *pod, const struct container_status *s)
{
    const struct container_status *t = pod_status_container(&pod->status, s->name);

    if (!t || t->state.kind != CONTAINER_RUNNING || !vk_streq(t->container_id, s->container_id) ||
        t->state.started_at_ns != s->state.started_at_ns)
        return NULL;
    return t;
}

/* The result of a probe about this very run; NULL: there is none. */
static const struct probe_worker *
known_result(const struct probed_pod *pod, const struct container_status *s, enum probe_kind kind)
{
    for (size_t i = 0; pod && i < pod->count; i++) {
        const struct probed_container *c = &pod->containers[i];

        if (!vk_streq(c->spec->name, s->name))
            continue;
        for (size_t k = 0; k < PROBE_KINDS; k++)
            if (c->slots[k] && prober_order[k] == kind &&
                probe_worker_knows(&c->slots[k]->worker, s->container_id, s->state.started_at_ns))
                return &c->slots[k]->worker;
    }
    return NULL;
}

static void judge(const struct prober *p, const struct pod *pod, struct container_status *s,
                  const struct container *c, bool is_init)
{
    const struct probed_pod *known = vk_map_get(p->pods, pod->meta.uid);
    const struct container_status *before = prober_told(pod, s);
    const struct probe_worker *startup = known_result(known, s, PROBE_STARTUP);
    const struct probe_worker *readiness = known_result(known, s, PROBE_READINESS);

    s->has_started = true;
    s->started = true;
    s->ready = true;
    if (prober_runs(p, pod, c, is_init, PROBE_STARTUP))
        s->started = startup ? startup->result == PROBE_SUCCESS : before && before->started;
    if (prober_runs(p, pod, c, is_init, PROBE_READINESS))
        s->ready = readiness ? readiness->result == PROBE_SUCCESS : before && before->ready;
    s->ready = s->ready && s->started;
}

static void judge_list(const struct prober *p, const struct pod *pod, const struct json_array *spec,
                       bool is_init, struct json_array *statuses)
{
    const struct container *c = spec->v;
    struct container_status *s = statuses->v;

    for (size_t i = 0; i < spec->n; i++) {
        if (!prober_runs_any(p, pod, &c[i], is_init))
            continue;
        for (size_t k = 0; k < statuses->n; k++)
            if (vk_streq(s[k].name, c[i].name) && s[k].state.kind == CONTAINER_RUNNING)
                judge(p, pod, &s[k], &c[i], is_init);
    }
}

void prober_judge(const struct prober *p, const struct pod *pod, struct pod_status *status)
{
    judge_list(p, pod, &pod->spec.containers, false, &status->container_statuses);
    judge_list(p, pod, &pod->spec.init_containers, true, &status->init_container_statuses);
}
