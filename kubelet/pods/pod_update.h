/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody changed on a pod that runs, as far as its group can't follow. Of a pod's spec the
 * API server lets images, tolerations (more of them), activeDeadlineSeconds (a sooner one) and, by
 * subresources, resources and ephemeral containers change; labels and annotations are free. Pure.
 * Source: k8s v1.37.2 pkg/apis/core/validation (ValidatePodUpdate, ValidatePodResize).
 */
#pragma once

#include "kubelet/api/pod.h"

/* Each a sentence with the field, the rule and the way out, or NULL: nothing of that changed. */
struct pod_update {
    const char *image;
    const char *resources;
    const char *downward_api; /* labels or annotations that a volume shows */
    const char *ephemeral;    /* a container that kubectl debug adds */
};
/* The same pod at two times. Text lives in the arena. */
void pod_update_between(const struct pod *before, const struct pod *now, struct vk_arena *arena,
                        struct pod_update *ret);
