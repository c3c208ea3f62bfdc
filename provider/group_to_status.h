/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container group (from GET, with instance views) as the status of its pod. Pure: no I/O, no
 * clock; never invents: what ACI does not say stays unset. Phases by restart policy as
 * k8s v1.37.2 pkg/kubelet/kubelet_pods.go getPhase has them.
 */
#pragma once

#include "aci/container_group.h"
#include "kubelet/api/pod_status.h"

/*
 * Fills phase, podIP and podIPs, container statuses in the group's order (native sidecars behind
 * the init containers), and the conditions PodReadyToStartContainers, Initialized, ContainersReady
 * and Ready (without transition times, which the status manager keeps). A container is ready while
 * it runs. ret lives in the arena and borrows the group's text.
 */
void group_to_status(const struct container_group *group, struct vk_arena *arena,
                     struct pod_status *ret);

/* The pod has ended by this status, but ACI runs one of its containers, or is about to. */
bool group_runs_on(const struct container_group *group, const struct pod_status *status);
/* ACI may restart a container that has ended: restartPolicy Never holds only for exit code 0. */
bool group_may_run_again(const struct container_group *group, const struct pod_status *status);
