/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod's status should say: the platform's word, completed by what only a kubelet knows.
 * Pure: no clock, no I/O. Times are cut to whole seconds, as the API stores them. Source: k8s
 * v1.37.2 pkg/kubelet/status/generate.go, status_manager.go, kubelet_pods.go.
 */
#pragma once

#include "kubelet/api/pod.h"

struct status_inputs {
    const struct pod *pod;
    /* Phase NULL and no containers: the platform said nothing yet. */
    const struct pod_status *platform;
    /* What we wanted before, or the API server's: transition times are kept from it. */
    const struct pod_status *previous;
    const struct json_strs *node_ips;
    int64_t now_ns;
    /* Sets started and ready of containers that run, by what probes say; NULL: nobody probes. */
    void (*judge)(void *user, const struct pod *pod, struct pod_status *status);
    void *judge_user;
};
/*
 * Adds startTime, qosClass, hostIP(s), observedGeneration, containers that the platform did not
 * name (waiting), and the conditions PodReadyToStartContainers, Initialized, ContainersReady and
 * Ready (readiness gates included), and PodResizePending where the spec asks for other resources
 * than the containers were given (pod_resize.h). The platform's own PodReadyToStartContainers is
 * taken; its other conditions are not, since they depend on what only the kubelet sees.
 *
 * A terminal phase stays, with its reason and message; ended containers stay ended then. A pod that
 * is being deleted keeps its phase until it is terminal.
 */
void status_generate(const struct status_inputs *in, struct vk_arena *arena,
                     struct pod_status *ret);

/*
 * Stand-ins for the platform's word.
 *
 * waiting: Pending; reason and message may be NULL. container_reason NULL: ContainerCreating, or
 * PodInitializing behind init containers. image_of NULL: every container; else only those whose
 * image is named in that text, all when none is.
 */
struct waiting_reason {
    const char *reason, *message, *container_reason, *image_of;
};
void status_of_waiting(const struct pod *pod, const struct waiting_reason *why,
                       struct vk_arena *arena, struct pod_status *ret);
/* Failed before or outside its containers' own doing; those that did not end wait with that
 * reason. */
void status_of_failed(const struct pod *pod, const struct pod_status *previous, const char *reason,
                      const char *message, struct vk_arena *arena, struct pod_status *ret);
/*
 * The containers are gone for sure: those that ran are terminated (exit code 137 and reason
 * ContainerStatusUnknown where nobody saw the end). Failed, or Succeeded when all ended with 0.
 */
void status_of_terminated(const struct pod *pod, const struct pod_status *previous, int64_t now_ns,
                          struct vk_arena *arena, struct pod_status *ret);

/* Succeeded or Failed. */
bool status_is_terminal(const struct pod_status *s);
/* When its last container ended; 0: none is known to have. */
int64_t status_ended_ns(const struct pod_status *s);
/* A container of it runs or ran. */
bool status_has_started(const struct pod_status *s);
