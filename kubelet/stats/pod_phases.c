/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/stats/pod_phases.h"

#include "base/alloc.h"
#include "base/map.h"

#define PHASE_METRIC "aci_kubelet_pod_start_phase_seconds"
#define START_METRIC "kubelet_pod_start_duration_seconds"

static const struct phase {
    const char *name;
    enum pod_moment from, to;
} phases[] = {
    {"bound", POD_BOUND, POD_SEEN},      {"resolve", POD_SEEN, POD_RESOLVED},
    {"put", POD_RESOLVED, POD_ACCEPTED}, {"provisioning", POD_ACCEPTED, POD_PULLING},
    {"pull", POD_PULLING, POD_PULLED},   {"start", POD_PULLED, POD_STARTED},
    {"ready", POD_STARTED, POD_READY},
};
#define PHASES VK_COUNT(phases)

static const struct prometheus_bounds bounds = {
    {0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 600}, 18};

struct pod_start {
    int64_t moments[POD_MOMENTS]; /* wall ns; 0: not told */
    bool is_counted;
};

struct pod_phases {
    struct vk_map *pods; /* UID -> struct pod_start */
    struct prometheus_histogram histograms[PHASES], total;
};

struct pod_phases *pod_phases_new(void)
{
    struct pod_phases *p = vk_calloc(1, sizeof(*p));

    p->pods = vk_map_new();
    return p;
}

void pod_phases_free(struct pod_phases *p)
{
    if (!p)
        return;
    vk_map_free(p->pods, vk_free);
    vk_free(p);
}

/* Clocks differ, and some are in whole seconds: less than nothing is nothing. */
static void observe(struct prometheus_histogram *h, int64_t from_ns, int64_t to_ns)
{
    if (from_ns > 0 && to_ns > 0)
        prometheus_observe(h, &bounds, to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0);
}

static void count(struct pod_phases *p, struct pod_start *s)
{
    s->is_counted = true;
    for (size_t i = 0; i < PHASES; i++)
        observe(&p->histograms[i], s->moments[phases[i].from], s->moments[phases[i].to]);
    observe(&p->total, s->moments[POD_SEEN], s->moments[POD_READY]);
}

void pod_phases_note(struct pod_phases *p, const char *uid, enum pod_moment moment, int64_t wall_ns)
{
    struct pod_start *s = vk_map_get(p->pods, uid);

    if (!s && moment == POD_SEEN) {
        s = vk_calloc(1, sizeof(*s));
        (void)vk_map_put(p->pods, uid, s);
    }
    if (!s || s->moments[moment] || wall_ns <= 0)
        return;
    s->moments[moment] = wall_ns;
    if (moment == POD_READY && !s->is_counted)
        count(p, s);
}

void pod_phases_forget(struct pod_phases *p, const char *uid)
{
    vk_free(vk_map_remove(p->pods, uid));
}

void pod_phases_write(const struct pod_phases *p, struct vk_buf *out)
{
    prometheus_family(out, START_METRIC, PROMETHEUS_HISTOGRAM,
                      "From the first sight of a pod until it is ready.");
    prometheus_histogram(out, START_METRIC, NULL, &bounds, &p->total);
    prometheus_family(out, PHASE_METRIC, PROMETHEUS_HISTOGRAM,
                      "The steps of a pod's start, in their order: bound, resolve, put, "
                      "provisioning, pull, start, ready.");
    for (size_t i = 0; i < PHASES; i++)
        prometheus_histogram(out, PHASE_METRIC, PROMETHEUS_LABELS({"phase", phases[i].name}),
                             &bounds, &p->histograms[i]);
}
