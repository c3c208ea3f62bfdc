/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which containers of a pod become which containers of its group. A native sidecar (an init
 * container with restartPolicy Always) is an ordinary container in ACI: ACI starts the init
 * containers one after the other, then all containers at once. So init containers run in order and
 * before every container; that a sidecar runs before or during a later init container is not
 * guaranteed, nor that it starts before the other containers.
 */
#pragma once

#include "kubelet/api/resolved_pod.h"
#include "provider/pod_images.h"

struct group_member {
    const struct resolved_container *container;
    const struct container *spec;  /* of container */
    const struct pod_image *image; /* what is known of it, or NULL */
    const char *where;             /* "spec.containers[web]" */
    bool is_sidecar;
};
struct group_layout {
    const struct group_member *containers; /* the pod's containers, then its sidecars */
    const struct group_member *init_containers;
    size_t container_count, init_container_count;
};
/* images may be NULL. */
void group_layout_of_pod(const struct resolved_pod *pod, const struct pod_images *images,
                         struct vk_arena *arena, struct group_layout *ret);
