/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod conditions that a kubelet owns. PodScheduled is the scheduler's: it is never touched
 * here. Source: k8s v1.37.2 pkg/kubelet/status/generate.go, pkg/kubelet/types/pod_status.go.
 */
#pragma once

#include "kubelet/api/pod.h"

/*
 * status: the pod's new phase and containers. platform: may carry PodReadyToStartContainers.
 * previous: transition times of conditions that did not change are kept; a condition that only the
 * API server's object has counts too.
 */
struct json_array status_conditions(const struct pod *pod, const struct pod_status *status,
                                    const struct pod_status *platform,
                                    const struct pod_status *previous, int64_t now_ns,
                                    struct vk_arena *arena);

/* Of a list of struct container_status: the one of that name, or NULL. */
const struct container_status *container_statuses_find(const struct json_array *list,
                                                       const char *name);
/* One of them runs, ended, or ended before. */
bool container_statuses_started(const struct json_array *list);
