/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources of a pod that runs: what its containers were given stays what they have, whatever its
 * spec asks for later through the resize subresource. Their statuses name it, so that schedulers
 * and autoscalers count that, and the condition PodResizePending says that the rest can't be had.
 * What was given outlives this process in the API server's status. Pure. Source: k8s v1.37.2
 * pkg/kubelet/allocation (handlePodResourcesResize), component-helpers/resource/helpers.go.
 */
#pragma once

#include "kubelet/api/pod.h"

#define POD_RESIZE_PENDING "PodResizePending"
#define POD_RESIZE_INFEASIBLE "Infeasible"

/* made: the pod as its platform was told to run it; containers of status that ran have that. */
void pod_resize_note_made(const struct pod *made, struct pod_status *status,
                          struct vk_arena *arena);
/* The same where nobody knows made: what previous says they have, else what the spec says. */
void pod_resize_keep(const struct pod *pod, const struct pod_status *previous,
                     struct pod_status *status);
/* A sentence for the condition and the Event, or NULL: they have what the spec asks for. */
const char *pod_resize_pending(const struct pod *pod, const struct pod_status *status,
                               struct vk_arena *arena);
/* The same of a pod that was made as it was once. */
const char *pod_resize_since(const struct pod *made, const struct pod *now, struct vk_arena *arena);
