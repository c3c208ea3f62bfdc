/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pods of this node, as the rest of the kubelet sees them: watched at the API server, run by
 * the provider, reported back. One facade over pod_manager, pod_workers and status_manager.
 */
#pragma once

#include "base/http_client.h"
#include "base/json.h"
#include "base/loop.h"
#include "kubelet/api/pod.h"
#include "kubelet/client/event_recorder.h"
#include "kubelet/client/list_watch.h"
#include "kubelet/client/rest.h"
#include "kubelet/pods/probe_counts.h"
#include "kubelet/pods/service_environment.h"
#include "kubelet/provider.h"

struct pods;

/*
 * How long a pod waits before the next try; 0: 1 s to 2 min, 10 s to 5 min for an image, 30 s to
 * 5 min for a right of the node's on the platform. One that another pod could use meanwhile is
 * looked at after rights_look_ms, and later as the wait grows; 0: 5 s. refused: see refusal_pace.h.
 */
struct pod_retries {
    int64_t initial_ms, max_ms;
    int64_t image_initial_ms, image_max_ms;
    int64_t rights_initial_ms, rights_max_ms, rights_look_ms;
    int64_t refused_initial_ms, refused_max_ms;
};
/* Text is copied; the pointers are borrowed until pods_free. */
struct pods_config {
    struct rest_client *client;
    struct http_client *http; /* for probes and hooks; NULL: none over HTTP */
    struct event_recorder *events;
    const struct provider *provider;
    const char *node_name;
    const char *kubelet_version;      /* NULL is fine */
    struct json_strs node_ips;        /* status.hostIPs; the first one is status.hostIP */
    struct pod_api_server api_server; /* for the environment of pods */
    struct pod_retries retries;
    int64_t pod_deletion_cost; /* see status_manager.h */
    /* For how long the group of a pod that ended stays; 0: 10 min. */
    int64_t finished_group_ttl_ms;
};

/*
 * Order: pods_new, then provider.start with pods_upcalls, then pods_start. Backwards: pods_stop,
 * provider.stop, pods_free.
 */
struct pods *pods_new(struct vk_loop *loop, const struct pods_config *config);
/* Static until pods_free. */
const struct provider_upcalls *pods_upcalls(const struct pods *p);
/* Begins to list and watch. Nothing is created before the provider is synced too. */
void pods_start(struct pods *p);
/*
 * The way to pods_stop where there is time: nothing new begins, what was sent ends, and statuses
 * that are ready to go are written. Returns how many writes that are; asked again until it is 0.
 */
size_t pods_settle(struct pods *p);
/*
 * No new work and no request under way afterwards; groups keep running. Upcalls are ignored, and
 * completions of the provider that still arrive are harmless until pods_free.
 */
void pods_stop(struct pods *p);
/* The provider must have been stopped: no completion may arrive afterwards. NULL is fine. */
void pods_free(struct pods *p);

/* The platform may have room again: pods that were refused for a quota do not wait any longer. */
void pods_retry_quota(struct pods *p);

/* A pod of this node. Borrowed until the loop's next turn. */
struct pods_entry {
    const struct pod *pod; /* as last seen at the API server */
    /* As this kubelet wants it to be, which may be ahead of the API server; never NULL. */
    const struct pod_status *status;
};
/*
 * By name. Of two pods of one name (a StatefulSet's, while the former one goes) it is the one that
 * the API server has.
 */
bool pods_find(const struct pods *p, const char *namespace_, const char *name,
               struct pods_entry *ret);
bool pods_find_by_uid(const struct pods *p, const char *uid, struct pods_entry *ret);
/* Every pod of the node, in no order. fn must not change pods. */
void pods_foreach(const struct pods *p, void (*fn)(void *user, const struct pods_entry *entry),
                  void *user);

/* The first LIST is complete. */
bool pods_has_synced(const struct pods *p);
void pods_watch_counts(const struct pods *p, struct list_watch_counts *ret);
/* What keeps the watch from working now, or NULL. */
const struct vk_err *pods_watch_error(const struct pods *p);

enum pod_worker_state {
    POD_WORKER_PENDING,     /* waits for its turn, or for the caches */
    POD_WORKER_RESOLVING,   /* reads what the pod refers to */
    POD_WORKER_CREATING,    /* provider.create_pod is under way */
    POD_WORKER_STARTING,    /* accepted; no container ran yet */
    POD_WORKER_RUNNING,     /* a container runs or ran */
    POD_WORKER_FINISHED,    /* phase Succeeded or Failed; never created again */
    POD_WORKER_TERMINATING, /* deletion was asked for, the group is being removed */
    POD_WORKER_GONE,        /* the group is gone; the watch has still to say DELETED */
};
#define POD_WORKER_STATES (POD_WORKER_GONE + 1)
const char *pod_worker_state_name(enum pod_worker_state state);
/* Workers per state; for metrics and logs. */
void pods_count(const struct pods *p, size_t counts[POD_WORKER_STATES]);
/* Tokens that can't be renewed; for metrics. */
struct token_expiry_counts;
void pods_count_tokens(const struct pods *p, struct token_expiry_counts *ret);
/* As prober_count. */
void pods_count_probes(const struct pods *p, probe_counts_fn fn, void *user);
/* How long pods take to start; for metrics. */
struct pod_phases;
const struct pod_phases *pods_phases(const struct pods *p);
