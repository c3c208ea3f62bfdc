/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One state machine per pod UID, from the first sight of a pod until both its group and its object
 * are gone (README.md has the diagram). One operation of the provider at a time per pod; what comes
 * meanwhile is looked at when it ends. Source: k8s v1.37.2 pkg/kubelet/pod_workers.go.
 */
#pragma once

#include "kubelet/client/event_recorder.h"
#include "kubelet/pods/lifecycle_hook.h"
#include "kubelet/pods/pod_resolver.h"
#include "kubelet/pods/pods.h"
#include "kubelet/pods/status_manager.h"

struct pod_workers;

/* Pointers are borrowed until free. */
struct pod_workers_config {
    struct rest_client *client;
    struct event_recorder *events;
    const struct provider *provider;
    struct status_manager *status;
    struct pod_resolver *resolver;
    struct pod_phases *phases;       /* NULL: nobody counts */
    struct token_expiries *expiries; /* is told of groups that were made; or NULL */
    struct pod_retries retries;
    int64_t finished_group_ttl_ms; /* 0: 10 min */
    struct lifecycle_env lifecycle;
};
struct pod_workers *pod_workers_new(struct vk_loop *loop, const struct pod_workers_config *config);
/* As stop, except that DELETEs of pods' objects go on; returns how many. */
size_t pod_workers_settle(struct pod_workers *all);
/* Nothing new is begun; completions of the provider that still arrive are ignored. */
void pod_workers_stop(struct pod_workers *all);
/* NULL is fine. */
void pod_workers_free(struct pod_workers *all);

/* From pod_manager: added or changed; gone from the API server; the first LIST is complete. */
void pod_workers_update(struct pod_workers *all, const struct pod *pod, bool initial);
void pod_workers_removed(struct pod_workers *all, const struct pod *pod);
void pod_workers_pods_synced(struct pod_workers *all);
/* From the provider. What it reports before the pods are known is kept for them. */
void pod_workers_provider_synced(struct pod_workers *all);
void pod_workers_platform_status(struct pod_workers *all, const struct provider_pod_status *status);
/* From status_manager. */
void pod_workers_status_written(struct pod_workers *all, const char *uid);
/* From the prober: a liveness or startup probe of a container failed for good. */
void pod_workers_unhealthy(struct pod_workers *all, const char *uid, const char *container,
                           enum probe_kind kind);

/* Those that wait because of a quota are tried at once; their back-off goes on where that fails. */
void pod_workers_retry_quota(struct pod_workers *all);

void pod_workers_count(const struct pod_workers *all, size_t counts[POD_WORKER_STATES]);
/* False: no such worker. */
bool pod_workers_state(const struct pod_workers *all, const char *uid, enum pod_worker_state *ret);
