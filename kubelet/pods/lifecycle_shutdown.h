/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a pod's containers within a grace period: preStop hooks, all at once; then SIGTERM to
 * each container; native sidecars after all other containers, the last one first. What has not been
 * signalled when the period is over gets 2 s more. Source: k8s v1.37.2
 * pkg/kubelet/kuberuntime/kuberuntime_container.go (killContainer),
 * kuberuntime_termination_order.go.
 */
#pragma once

#include "kubelet/pods/lifecycle_hook.h"

/* Always given to a signalled container; the kubelet's minimumGracePeriodInSeconds. */
#define LIFECYCLE_LEAST_GRACE_MS 2000

struct lifecycle_shutdown;

struct lifecycle_shutdown_events {
    /* An Event on the container. */
    void (*event)(void *user, const char *container, const char *type, const char *reason,
                  const char *message);
    /* Once, last, never from inside a call: all containers ended, can't be asked to, or the time is
     * over. The shutdown is invalid afterwards. */
    void (*ended)(void *user);
};

/*
 * A container of the status that runs. NULL where there is none: nothing is to be waited for.
 * left_ms: of the grace period. env is borrowed; events is static.
 */
struct lifecycle_shutdown *
lifecycle_shutdown_start(const struct lifecycle_env *env, const struct pod *pod,
                         const struct pod_status *status, int64_t left_ms,
                         const struct lifecycle_shutdown_events *events, void *user);
/* What is known of the containers now: those that do not run, or run anew, have ended. */
void lifecycle_shutdown_observe(struct lifecycle_shutdown *s, const struct pod_status *status);
/* Less time is left than was said before; more is not given. */
void lifecycle_shutdown_shorten(struct lifecycle_shutdown *s, int64_t left_ms);
/* No callback afterwards. NULL is fine. */
void lifecycle_shutdown_cancel(struct lifecycle_shutdown *s);
