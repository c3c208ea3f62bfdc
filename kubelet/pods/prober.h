/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes that the platform does not run itself. Each has a worker (probe_worker.h) that is
 * driven by what the pod's status says of its container and by a timer of its own; nothing is
 * polled. Results go into `started` and `ready` of the container's status, and where a container
 * has to be started anew to whoever can do that. Source: k8s v1.37.2 pkg/kubelet/prober.
 */
#pragma once

#include "base/http_client.h"
#include "kubelet/api/pod.h"
#include "kubelet/pods/probe_counts.h"
#include "kubelet/provider.h"

struct prober;

struct prober_config {
    struct http_client *http;        /* borrowed; NULL: no httpGet, no grpc */
    const struct provider *provider; /* borrowed */
    const char *kubelet_version;     /* "v1.37.2"; copied; NULL is fine */
    /* The pod's status has to be made anew. */
    void (*changed)(void *user, const char *uid);
    void (*event)(void *user, const struct pod *pod, const char *container, const char *type,
                  const char *reason, const char *message);
    /* A liveness or startup probe failed for good: the container is not probed any more before it
     * runs anew. */
    void (*unhealthy)(void *user, const struct pod *pod, const char *container,
                      enum probe_kind kind);
    void *user;
};
struct prober *prober_new(struct vk_loop *loop, const struct prober_config *config);
/* Nothing is tried afterwards; results stay readable. */
void prober_stop(struct prober *p);
/* NULL is fine. */
void prober_free(struct prober *p);

/*
 * What the pod's status says now, with started and ready as prober_judge left them. Calls nobody
 * back. A pod in a terminal phase is forgotten.
 */
void prober_observe(struct prober *p, const struct pod *pod, const struct pod_status *status);
void prober_forget(struct prober *p, const char *uid);

/*
 * Sets started and ready of containers that run and have probes of ours. A run without a result is
 * as the API server was told last, so that a new process takes no pod out of its Services.
 */
void prober_judge(const struct prober *p, const struct pod *pod, struct pod_status *status);

/* Every probe of every pod, in no order. */
void prober_count(const struct prober *p, probe_counts_fn fn, void *user);
