/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postStart hooks of one pod. A hook runs when its container is seen to run, which is later than on
 * a machine of one's own; until it has succeeded the container is told to wait, and nothing is
 * probed. So a container that the API server's object shows as running has had its hook, in
 * whatever process; after a crash in between it runs once more, as Kubernetes allows. Source: k8s
 * v1.37.2 pkg/kubelet/kuberuntime/kuberuntime_container.go (startContainer).
 */
#pragma once

#include "kubelet/pods/lifecycle_hook.h"

struct lifecycle_starts;

struct lifecycle_starts_events {
    void (*event)(void *user, const char *container, const char *type, const char *reason,
                  const char *message);
    /* What lifecycle_starts_show says has changed. */
    void (*changed)(void *user);
    /* After FailedPostStartHook was told: the container is to be ended. */
    void (*failed)(void *user, const char *container);
};
/* NULL: no container or native sidecar of the pod has such a hook. env is borrowed, events static.
 */
struct lifecycle_starts *lifecycle_starts_new(const struct lifecycle_env *env,
                                              const struct pod *pod,
                                              const struct lifecycle_starts_events *events,
                                              void *user);
/* NULL is fine, here and below. */
void lifecycle_starts_free(struct lifecycle_starts *s);

/*
 * The platform's word. told: the API server's object, for runs of before this process. Begins the
 * hooks of containers that run anew; calls nobody back.
 */
void lifecycle_starts_observe(struct lifecycle_starts *s, const struct pod_status *platform,
                              const struct pod_status *told);
/* The last word of the platform, or NULL. Until the next observe. */
const struct pod_status *lifecycle_starts_platform(const struct lifecycle_starts *s);
/*
 * The same as it is to be told: containers whose hook has not succeeded wait. was_running: the pod
 * was told to be Running before, which does not go back.
 */
void lifecycle_starts_show(const struct lifecycle_starts *s, bool was_running,
                           struct vk_arena *arena, struct pod_status *ret);
/* The pod ends: hooks under way are given up, none begins, and containers are told as they are. */
void lifecycle_starts_halt(struct lifecycle_starts *s);
