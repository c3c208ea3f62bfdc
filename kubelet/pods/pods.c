/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/pods.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/planted_bug.h"
#include "kubelet/pods/pod_existence.h"
#include "kubelet/pods/pod_manager.h"
#include "kubelet/pods/pod_resolver.h"
#include "kubelet/pods/pod_workers.h"
#include "kubelet/pods/prober.h"
#include "kubelet/pods/services.h"
#include "kubelet/pods/status_manager.h"
#include "kubelet/pods/token_expiries.h"
#include "kubelet/stats/pod_phases.h"

struct pods {
    struct vk_arena *arena;
    struct pods_config config;
    struct provider_upcalls upcalls;
    struct pod_existence *existence;
    struct prober *prober;
    struct status_manager *status;
    struct services *services;
    struct token_expiries *expiries;
    struct pod_resolver *resolver;
    struct pod_workers *workers;
    struct pod_manager *manager;
    struct pod_phases *phases;
    bool services_ready, stopped;
};

static void on_changed(void *user, const struct pod *pod, bool initial)
{
    struct pods *p = user;
    const struct pod_condition *bound = pod_status_condition(&pod->status, "PodScheduled");

    if (!initial && vk_str_empty(pod->status.pod_ip)) {
        pod_phases_note(p->phases, pod->meta.uid, POD_SEEN, vk_wall_ns());
        pod_phases_note(p->phases, pod->meta.uid, POD_BOUND, bound ? bound->last_transition_ns : 0);
    }
    if (vk_streq(pod->status.phase, "Succeeded") || vk_streq(pod->status.phase, "Failed"))
        token_expiries_forget(p->expiries, pod->meta.uid);
    else if (initial)
        token_expiries_restore(p->expiries, pod);
    pod_workers_update(p->workers, pod, initial);
}

static void on_removed(void *user, const struct pod *pod)
{
    struct pods *p = user;

    pod_phases_forget(p->phases, pod->meta.uid);
    token_expiries_forget(p->expiries, pod->meta.uid);
    pod_workers_removed(p->workers, pod);
}

/* A pod is told of Services when it is created: without them it would only be tried again. */
static void start_workers(struct pods *p)
{
    if (p->services_ready && pod_manager_has_synced(p->manager))
        pod_workers_pods_synced(p->workers);
}

static void on_pods_synced(void *user)
{
    start_workers(user);
}

static void on_services_ready(void *user)
{
    struct pods *p = user;

    p->services_ready = true;
    start_workers(p);
}

static void on_status_written(void *user, const char *uid)
{
    struct pods *p = user;

    pod_workers_status_written(p->workers, uid);
}

static void judge(void *user, const struct pod *pod, struct pod_status *status)
{
    const struct pods *p = user;

    prober_judge(p->prober, pod, status);
}

static void on_status_generated(void *user, const struct pod *pod, const struct pod_status *status)
{
    struct pods *p = user;
    const struct pod_condition *ready = pod_status_condition(status, "Ready");

    if (ready && vk_streq(ready->status, "True"))
        pod_phases_note(p->phases, pod->meta.uid, POD_READY, vk_wall_ns());
    prober_observe(p->prober, pod, status);
}

static void on_status_forgotten(void *user, const char *uid)
{
    struct pods *p = user;

    prober_forget(p->prober, uid);
}

static void on_probe_changed(void *user, const char *uid)
{
    struct pods *p = user;

    status_manager_refresh(p->status, uid);
}

/* The first of the containers that runs. */
static void note_start(struct pods *p, const struct provider_pod_status *status)
{
    const struct container_status *c = status->status.container_statuses.v;
    int64_t first = 0;

    for (size_t i = 0; i < status->status.container_statuses.n; i++) {
        const int64_t at = c[i].state.started_at_ns;

        if (at > 0 && (first == 0 || at < first))
            first = at;
    }
    pod_phases_note(p->phases, status->id.uid, POD_STARTED, first);
}

static void note_event(struct pods *p, const char *uid, const char *reason, int64_t first_ns)
{
    if (vk_streq(reason, "Pulling"))
        pod_phases_note(p->phases, uid, POD_PULLING, first_ns);
    else if (vk_streq(reason, "Pulled"))
        pod_phases_note(p->phases, uid, POD_PULLED, first_ns);
}

static void note_annotations(struct pods *p, const struct provider_pod_status *status)
{
    char expiry[VK_TIME_MAX];

    if (status->size)
        status_manager_note(p->status, status->id.uid, STATUS_NOTE_SIZE, status->size);
    if (token_expiries_text(p->expiries, status->id.uid, expiry))
        status_manager_note(p->status, status->id.uid, STATUS_NOTE_TOKEN_EXPIRY, expiry);
}

static void up_status_changed(void *k, const struct provider_pod_status *status)
{
    struct pods *p = k;

    note_start(p, status);
    note_annotations(p, status);
    pod_workers_platform_status(p->workers, status);
}

static void up_synced(void *k)
{
    struct pods *p = k;

    if (!p->stopped)
        pod_workers_provider_synced(p->workers);
}

static int64_t up_cpu_requested(void *k, const struct pod_identity *id)
{
    const struct pods *p = k;
    const struct pod *pod = pod_manager_get(p->manager, id->uid);

    return pod ? pod_cpu_request_milli(pod) : 0;
}

static void up_event(void *k, const struct pod_identity *id, const char *container,
                     const char *type, const char *reason, const char *message, int64_t count,
                     int64_t first_ns, int64_t last_ns)
{
    struct pods *p = k;
    char *path VK_AUTOFREE = pod_field_path(pod_manager_get(p->manager, id->uid), container);
    const struct object_reference about = {.kind = "Pod",
                                           .namespace_ = id->namespace_,
                                           .name = id->name,
                                           .uid = id->uid,
                                           .field_path = path,
                                           .api_version = "v1"};
    char *key VK_AUTOFREE = NULL;

    if (p->stopped)
        return;
    note_event(p, id->uid, reason, first_ns);
    if (!count && !first_ns) {
        event_recorder_emit(p->config.events, &about, type, reason, message);
        return;
    }
    /* Nothing of this process is in it: a restart finds the Event that its predecessor made. */
    key = vk_asprintf("%s/%s/%s/%s/%" PRId64, id->uid, container ? container : "", reason, message,
                      first_ns);
    event_recorder_emit_counted(p->config.events, &about, type, reason, message, key, count,
                                first_ns, last_ns);
}

static void on_probe_event(void *user, const struct pod *pod, const char *container,
                           const char *type, const char *reason, const char *message)
{
    const struct pod_identity id = {
        .namespace_ = pod->meta.namespace_, .name = pod->meta.name, .uid = pod->meta.uid};

    up_event(user, &id, container, type, reason, message, 0, 0, 0);
}

static void on_unhealthy(void *user, const struct pod *pod, const char *container,
                         enum probe_kind kind)
{
    struct pods *p = user;

    pod_workers_unhealthy(p->workers, pod->meta.uid, container, kind);
}

static void up_pod_exists(void *k, const struct pod_identity *id, pod_exists_fn done, void *user)
{
    struct pods *p = k;
    struct vk_err err;

    if (vk_planted_bug("sweep-unsynced")) {
        done(user, pod_manager_get(p->manager, id->uid) != NULL, NULL);
        return;
    }
    if (pods_has_synced(p) && !p->stopped) {
        pod_existence_ask(p->existence, id, done, user);
        return;
    }
    vk_err_set(&err, VK_UNAVAILABLE, "the pods of this node are not known %s",
               p->stopped ? "any more" : "yet");
    pod_existence_refuse(p->existence, &err, done, user);
}

static void copy_config(struct pods *p, const struct pods_config *config)
{
    const struct json_strs *ips = &config->node_ips;
    const char **copy = vk_arena_array(p->arena, ips->n + 1, sizeof(*copy));

    p->config = *config;
    p->config.node_name = vk_arena_strdup(p->arena, config->node_name);
    if (config->api_server.host)
        p->config.api_server.host = vk_arena_strdup(p->arena, config->api_server.host);
    if (config->kubelet_version)
        p->config.kubelet_version = vk_arena_strdup(p->arena, config->kubelet_version);
    for (size_t i = 0; i < ips->n; i++)
        copy[i] = vk_arena_strdup(p->arena, ips->v[i]);
    p->config.node_ips = (struct json_strs){.v = copy, .n = ips->n};
}

static void build_status(struct pods *p, struct vk_loop *loop)
{
    p->prober =
        prober_new(loop, &(struct prober_config){.http = p->config.http,
                                                 .provider = p->config.provider,
                                                 .kubelet_version = p->config.kubelet_version,
                                                 .changed = on_probe_changed,
                                                 .event = on_probe_event,
                                                 .unhealthy = on_unhealthy,
                                                 .user = p});
    p->status = status_manager_new(
        loop, &(struct status_manager_config){.client = p->config.client,
                                              .node_ips = p->config.node_ips,
                                              .deletion_cost = p->config.pod_deletion_cost,
                                              .written = on_status_written,
                                              .judge = judge,
                                              .generated = on_status_generated,
                                              .forgotten = on_status_forgotten,
                                              .user = p});
}

struct pods *pods_new(struct vk_loop *loop, const struct pods_config *config)
{
    static const struct pod_manager_events events = {
        .changed = on_changed,
        .removed = on_removed,
        .synced = on_pods_synced,
    };
    struct pods *p = vk_calloc(1, sizeof(*p));

    p->arena = vk_arena_new();
    copy_config(p, config);
    p->phases = pod_phases_new();
    p->upcalls = (struct provider_upcalls){.k = p,
                                           .status_changed = up_status_changed,
                                           .event = up_event,
                                           .pod_exists = up_pod_exists,
                                           .synced = up_synced,
                                           .cpu_requested = up_cpu_requested};
    p->existence = pod_existence_new(loop, config->client);
    build_status(p, loop);
    p->services = services_new(loop, p->config.client, &p->config.api_server);
    p->expiries = token_expiries_new(loop, config->events);
    p->resolver =
        pod_resolver_new(loop, &(struct pod_resolver_config){.client = config->client,
                                                             .events = config->events,
                                                             .provider = config->provider,
                                                             .services = p->services,
                                                             .expiries = p->expiries,
                                                             .node_ips = p->config.node_ips});
    p->workers = pod_workers_new(
        loop, &(struct pod_workers_config){
                  .client = config->client,
                  .events = config->events,
                  .provider = config->provider,
                  .status = p->status,
                  .resolver = p->resolver,
                  .phases = p->phases,
                  .expiries = p->expiries,
                  .retries = config->retries,
                  .finished_group_ttl_ms = config->finished_group_ttl_ms,
                  .lifecycle = {.loop = loop, .http = config->http, .provider = config->provider}});
    p->manager = pod_manager_new(loop, config->client, config->node_name, &events, p);
    return p;
}

const struct provider_upcalls *pods_upcalls(const struct pods *p)
{
    return &p->upcalls;
}

void pods_start(struct pods *p)
{
    services_start(p->services, on_services_ready, p);
    pod_manager_start(p->manager);
}

void pods_retry_quota(struct pods *p)
{
    pod_workers_retry_quota(p->workers);
}

size_t pods_settle(struct pods *p)
{
    pod_manager_stop(p->manager);
    prober_stop(p->prober);
    return pod_workers_settle(p->workers) + status_manager_busy(p->status);
}

void pods_stop(struct pods *p)
{
    if (p->stopped)
        return;
    p->stopped = true;
    pod_manager_stop(p->manager);
    services_stop(p->services);
    prober_stop(p->prober);
    pod_workers_stop(p->workers);
    status_manager_stop(p->status);
}

void pods_free(struct pods *p)
{
    if (!p)
        return;
    pods_stop(p);
    pod_manager_free(p->manager);
    pod_workers_free(p->workers);
    pod_resolver_free(p->resolver);
    services_free(p->services);
    token_expiries_free(p->expiries);
    status_manager_free(p->status);
    prober_free(p->prober);
    pod_existence_free(p->existence);
    pod_phases_free(p->phases);
    vk_arena_free(p->arena);
    vk_free(p);
}

static bool entry_of(const struct pods *p, const struct pod *pod, struct pods_entry *ret)
{
    if (!pod)
        return false;
    ret->pod = pod;
    ret->status = status_manager_get(p->status, pod->meta.uid);
    if (!ret->status)
        ret->status = &pod->status;
    return true;
}

bool pods_find(const struct pods *p, const char *namespace_, const char *name,
               struct pods_entry *ret)
{
    return entry_of(p, pod_manager_get_by_name(p->manager, namespace_, name), ret);
}

bool pods_find_by_uid(const struct pods *p, const char *uid, struct pods_entry *ret)
{
    return entry_of(p, pod_manager_get(p->manager, uid), ret);
}

void pods_foreach(const struct pods *p, void (*fn)(void *user, const struct pods_entry *entry),
                  void *user)
{
    size_t it = 0;
    const struct pod *pod;
    struct pods_entry entry;

    while ((pod = pod_manager_next(p->manager, &it)))
        if (entry_of(p, pod, &entry))
            fn(user, &entry);
}

bool pods_has_synced(const struct pods *p)
{
    return pod_manager_has_synced(p->manager);
}

void pods_watch_counts(const struct pods *p, struct list_watch_counts *ret)
{
    pod_manager_watch_counts(p->manager, ret);
}

const struct vk_err *pods_watch_error(const struct pods *p)
{
    return pod_manager_error(p->manager);
}

void pods_count(const struct pods *p, size_t counts[POD_WORKER_STATES])
{
    pod_workers_count(p->workers, counts);
}

void pods_count_tokens(const struct pods *p, struct token_expiry_counts *ret)
{
    token_expiries_count(p->expiries, ret);
}

void pods_count_probes(const struct pods *p, probe_counts_fn fn, void *user)
{
    prober_count(p->prober, fn, user);
}

const struct pod_phases *pods_phases(const struct pods *p)
{
    return p->phases;
}
