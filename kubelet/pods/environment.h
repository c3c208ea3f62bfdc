/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's environment, command and args with everything filled in. Pure. Order: envFrom, then
 * env as written, then variables of Services whose names are free, then HOSTNAME where the pod
 * names its host; of two variables of one name the later value wins in the place of the earlier.
 * What comes from a Secret, also by $(VAR), is marked. Source: k8s v1.37.2
 * pkg/kubelet/kubelet_pods.go makeEnvironmentVariables.
 */
#pragma once

#include "kubelet/api/resolved_pod.h"
#include "kubelet/pods/pod_references.h"

/*
 * Errors: VK_NOT_FOUND with the Event's reason (MandatoryConfigMapNotFound,
 * MandatoryConfigMapKeyNotFound, MandatorySecretNotFound, MandatorySecretKeyNotFound): the pod
 * waits; VK_UNSUPPORTED, VK_TOO_LARGE name the variable.
 */
VK_MUST_CHECK int environment_resolve(const struct pod_references *r, const struct container *c,
                                      struct vk_arena *arena, struct resolved_container *ret,
                                      struct vk_err *err);
/* Sets err to "such an object or key is missing" with the reason above. key NULL: the object. */
int reference_is_missing(struct vk_err *err, const struct pod *pod, enum object_kind kind,
                         const char *name, const char *key);
