/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The downward API: fields of the pod and resources of its containers as text. Pure. Source: k8s
 * v1.37.2 pkg/fieldpath, pkg/api/v1/resource/helpers.go, kubelet_pods.go.
 */
#pragma once

#include "kubelet/pods/pod_references.h"

/*
 * Errors: VK_UNSUPPORTED for a field that is not known before the pod runs (status.podIP, which
 * environment.c has a placeholder for), or not at all; the message names it. Text lives in the pod
 * or the arena.
 */
VK_MUST_CHECK int downward_api_field(const struct pod_references *r, const struct field_ref *field,
                                     struct vk_arena *arena, const char **ret, struct vk_err *err);
/* self: the container that asks, when the reference names none; NULL in volumes. */
VK_MUST_CHECK int downward_api_resource(const struct pod_references *r,
                                        const struct resource_field_ref *ref,
                                        const struct container *self, struct vk_arena *arena,
                                        const char **ret, struct vk_err *err);
