/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/capacity.h"

#include "aci/usages.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/prometheus.h"

#define READ_MS (5 * 60 * 1000)
#define READ_WAITING_MS 15000
#define READ_SETTLING_MS 15000
#define READ_FAILED_MS 60000
#define READ_FORBIDDEN_MS (30 * 60 * 1000)
#define READ_PAUSE_MS 2000
/* Pods that were refused come again within two minutes. */
#define WAITING_MS (3 * 60 * 1000)
/* An older reading refuses nobody. */
#define FRESH_MS 60000

#define QUOTA_GROUPS "ContainerGroups"
#define QUOTA_CORES "StandardCores"

struct quota {
    const char *name;
    bool is_known;
    int64_t current, limit;
    int64_t left; /* groups, or thousandths of a core; counted down until the next reading */
};

struct capacity {
    struct vk_loop *loop;
    struct capacity_config config; /* its text is owned */
    struct node_capacity now;
    struct quota groups, cores;
    struct usages_call *call;
    struct vk_timer timer;
    /* Monotonic; 0: never. */
    int64_t asked_mono_ms;   /* when the last reading, or the one under way, began */
    int64_t read_mono_ms;    /* ... the last one that succeeded began */
    int64_t refused_mono_ms; /* Azure's last refusal */
    int64_t waited_mono_ms;  /* the last refusal, Azure's or ours */
    bool read_again, is_told_forbidden, stopped;
};

/* What is ours in the eyes of the quota, and in those of the scheduler. */
struct own_share {
    const struct provider_upcalls *upcalls;
    int64_t groups, cpu_milli;
    bool is_changing;
};

static void add_own(void *user, struct tracked_pod *pod)
{
    struct own_share *own = user;
    own->is_changing |= pod->write != NULL;
    if (!pod->exists)
        return;
    own->groups++;
    if (!pod->finished && own->upcalls && own->upcalls->cpu_requested) {
        const struct pod_identity id = tracked_pod_identity(pod);
        own->cpu_milli += own->upcalls->cpu_requested(own->upcalls->k, &id);
    }
}

static bool is_waited_for(const struct capacity *c)
{
    return c->waited_mono_ms != 0 && vk_mono_ms() - c->waited_mono_ms < WAITING_MS;
}

/* At once, but not more often than every 2 s. */
static void read_soon(struct capacity *c)
{
    if (c->stopped || c->asked_mono_ms == 0)
        return;
    if (c->call) {
        c->read_again = true;
        return;
    }
    const int64_t pause = c->asked_mono_ms + READ_PAUSE_MS - vk_mono_ms();
    vk_timer_arm(&c->timer, pause > 0 ? pause : 0);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void compute(struct capacity *c, const struct own_share *own)
{
    struct node_capacity *now = &c->now;
    now->is_limited = true;
    now->allocatable_pods = now->pods;
    now->allocatable_cpu_milli = now->cpu_milli;
    if (c->groups.is_known)
        now->allocatable_pods = least(now->pods, own->groups + c->groups.left);
    if (c->cores.is_known) {
        now->allocatable_pods = least(now->allocatable_pods, own->groups + c->cores.left / 1000);
        now->allocatable_cpu_milli = least(now->cpu_milli, own->cpu_milli + c->cores.left);
    }
}

static bool take(struct quota *q, const struct json_array *usages, int64_t unit)
{
    const int64_t before = q->is_known ? q->left : INT64_MAX;
    const struct usage *v = usages->v;
    q->is_known = false;
    for (size_t i = 0; i < usages->n; i++) {
        if (!vk_streq(v[i].name, q->name) || v[i].limit > INT64_MAX / unit)
            continue;
        q->is_known = true;
        q->limit = v[i].limit;
        q->current = v[i].current;
        q->left = q->limit > q->current ? (q->limit - q->current) * unit : 0;
    }
    return q->is_known && q->left > before;
}

static void tell(const struct capacity *c)
{
    const struct provider_upcalls *upcalls = tracker_upcalls(c->config.tracker);
    if (upcalls && upcalls->capacity_changed)
        upcalls->capacity_changed(upcalls->node);
}

static bool is_same(const struct node_capacity *a, const struct node_capacity *b)
{
    return a->is_limited == b->is_limited && a->allocatable_pods == b->allocatable_pods &&
           a->allocatable_cpu_milli == b->allocatable_cpu_milli;
}

static void read_failed(struct capacity *c, const struct vk_err *err)
{
    if (err->code != VK_FORBIDDEN && err->code != VK_NOT_FOUND) {
        log_v(2, "Reading the subscription's quotas failed, trying again", LERR(err));
        vk_timer_arm(&c->timer, READ_FAILED_MS);
        return;
    }
    if (!c->is_told_forbidden)
        log_info("Not allowed to read the subscription's quotas: the node offers what --cpu, "
                 "--memory and --pods say; grant "
                 "Microsoft.ContainerInstance/locations/usages/read on the subscription",
                 LERR(err));
    c->is_told_forbidden = true;
    c->groups.is_known = c->cores.is_known = false;
    c->now = c->config.most;
    vk_timer_arm(&c->timer, READ_FORBIDDEN_MS);
}

static void on_usages(void *user, const struct json_array *usages, const struct vk_err *err)
{
    struct capacity *c = user;
    const struct node_capacity before = c->now;
    struct own_share own = {.upcalls = tracker_upcalls(c->config.tracker)};
    bool has_grown = false;
    c->call = NULL;
    if (err) {
        read_failed(c, err);
    } else {
        c->is_told_forbidden = false;
        c->read_mono_ms = c->asked_mono_ms;
        tracker_foreach(c->config.tracker, add_own, &own);
        has_grown |= take(&c->groups, usages, 1);
        has_grown |= take(&c->cores, usages, 1000);
        compute(c, &own);
        vk_timer_arm(&c->timer, is_waited_for(c)  ? READ_WAITING_MS
                                : own.is_changing ? READ_SETTLING_MS
                                                  : READ_MS);
    }
    if (c->read_again) {
        c->read_again = false;
        read_soon(c);
    }
    if (!is_same(&before, &c->now)) {
        log_info(
            "What the subscription's quotas leave has changed",
            LI("pods", c->now.is_limited ? c->now.allocatable_pods : c->now.pods),
            LI("cpuMilli", c->now.is_limited ? c->now.allocatable_cpu_milli : c->now.cpu_milli));
        tell(c);
    } else if (has_grown && is_waited_for(c)) {
        tell(c);
    }
}

static void on_timer(void *user)
{
    struct capacity *c = user;
    if (c->call)
        return;
    c->asked_mono_ms = vk_mono_ms();
    c->call = usages_get(c->config.arm, c->config.subscription, c->config.location, on_usages, c);
}

struct capacity *capacity_new(struct vk_loop *loop, const struct capacity_config *config)
{
    struct capacity *c = vk_calloc(1, sizeof(*c));
    c->loop = loop;
    c->config = *config;
    c->config.subscription = vk_strdup(config->subscription);
    c->config.location = vk_strdup(config->location);
    c->now = config->most;
    c->groups.name = QUOTA_GROUPS;
    c->cores.name = QUOTA_CORES;
    vk_timer_init(&c->timer, loop, "quotas", on_timer, c);
    return c;
}

void capacity_stop(struct capacity *c)
{
    c->stopped = true;
    vk_timer_disarm(&c->timer);
    usages_cancel(vk_take(c->call));
}

static void free_text(const char *text)
{
    vk_free((void *)(uintptr_t)text);
}

void capacity_free(struct capacity *c)
{
    if (!c)
        return;
    capacity_stop(c);
    free_text(c->config.subscription);
    free_text(c->config.location);
    vk_free(c);
}

void capacity_on_listed(struct capacity *c)
{
    if (c->stopped || c->asked_mono_ms != 0 || vk_timer_is_armed(&c->timer))
        return;
    vk_timer_arm(&c->timer, 0);
}

void capacity_get(const struct capacity *c, struct node_capacity *ret)
{
    *ret = c->now;
}

void capacity_write_metrics(const struct capacity *c, struct vk_buf *out)
{
    const struct quota *const quotas[] = {&c->groups, &c->cores};
    if (!c->groups.is_known && !c->cores.is_known)
        return;
    prometheus_family(out, "aci_kubelet_quota_limit", PROMETHEUS_GAUGE,
                      "What the subscription may have in the region.");
    for (size_t i = 0; i < VK_COUNT(quotas); i++)
        if (quotas[i]->is_known)
            prometheus_int(out, "aci_kubelet_quota_limit",
                           PROMETHEUS_LABELS({"quota", quotas[i]->name}), quotas[i]->limit);
    prometheus_family(out, "aci_kubelet_quota_used", PROMETHEUS_GAUGE,
                      "What the subscription had when quotas were last read.");
    for (size_t i = 0; i < VK_COUNT(quotas); i++)
        if (quotas[i]->is_known)
            prometheus_int(out, "aci_kubelet_quota_used",
                           PROMETHEUS_LABELS({"quota", quotas[i]->name}), quotas[i]->current);
    prometheus_family(out, "aci_kubelet_quota_read_age_seconds", PROMETHEUS_GAUGE,
                      "How long ago quotas were last read.");
    prometheus_double(out, "aci_kubelet_quota_read_age_seconds", NULL,
                      (double)(vk_mono_ms() - c->read_mono_ms) / 1000);
}

static int refuse(struct capacity *c, const struct quota *q, int64_t unit, int64_t wanted,
                  struct vk_err *err)
{
    if (!is_waited_for(c) && !c->call)
        vk_timer_arm(&c->timer, READ_WAITING_MS);
    c->waited_mono_ms = vk_mono_ms();
    (void)vk_err_set(err, VK_UNAVAILABLE,
                     "quota '%s' of the subscription is reached in region '%s'. Limit: '%lld', "
                     "Usage: '%lld' Requested: '%lld'.",
                     q->name, c->config.location, (long long)q->limit,
                     (long long)(q->limit - q->left / unit),
                     (long long)((wanted + unit - 1) / unit));
    return vk_err_reason(err, PROVIDER_REASON_QUOTA);
}

int capacity_admit(struct capacity *c, int64_t cpu_milli, struct vk_err *err)
{
    const int64_t now = vk_mono_ms();
    const bool is_fresh = c->read_mono_ms >= c->refused_mono_ms && now - c->read_mono_ms < FRESH_MS;
    if (is_fresh && c->groups.is_known && c->groups.left < 1)
        return refuse(c, &c->groups, 1, 1, err);
    if (is_fresh && c->cores.is_known && c->cores.left < cpu_milli)
        return refuse(c, &c->cores, 1000, cpu_milli, err);
    c->groups.left--;
    c->cores.left -= cpu_milli;
    return 0;
}

void capacity_give_back(struct capacity *c, int64_t cpu_milli)
{
    c->groups.left++;
    c->cores.left += cpu_milli;
}

void capacity_refused(struct capacity *c)
{
    c->refused_mono_ms = c->waited_mono_ms = vk_mono_ms();
    read_soon(c);
}

void capacity_freed(struct capacity *c)
{
    if (is_waited_for(c))
        read_soon(c);
}
