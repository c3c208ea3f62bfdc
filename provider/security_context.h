/* SPDX-License-Identifier: Apache-2.0 */
/*
 * securityContext, field by field. An ordinary group runs an image as the image says, with the
 * usual rights of a container. What would change who the process is or what it may do is refused
 * (privileged, a user or group that is not the image's, more capabilities, sysctls, procMount,
 * supplemental groups), or only named where the node's settings say so; what would only harden the
 * container is named. A Confidential group is sent what ACI has. Pure. Source: k8s v1.37.2 core/v1
 * SecurityContext, pkg/kubelet/kuberuntime/security_context.go (runAsNonRoot);
 * Microsoft.ContainerInstance 2025-09-01 SecurityContextDefinition.
 */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"
#include "provider/group_layout.h"

/* Whether the fields of this container can be judged only with the image's own user at hand. */
bool security_context_needs_image(const struct pod *pod, const struct container *c);

/* The user of an image that would satisfy them ("1000:1000"), NULL where any does. */
const char *security_context_wanted_user(const struct pod *pod, const struct container *c,
                                         struct vk_arena *arena);

/* What needs no image. Errors: VK_UNSUPPORTED with the field, the rule and the way out. */
VK_MUST_CHECK int security_context_check(const struct pod *pod, const struct group_layout *layout,
                                         const struct pod_annotations *annotations,
                                         const struct provider_env *env, struct vk_err *err);
/* What needs the image: runAsUser, runAsGroup, runAsNonRoot (named where the image is not known).
 * Errors: as above. */
VK_MUST_CHECK int security_context_check_image(const struct pod *pod, const struct group_member *m,
                                               const struct pod_annotations *annotations,
                                               const struct provider_env *env, struct vk_err *err);
/* Names what the pod's own and one container's securityContext ask for in vain. */
void security_context_name_ignored_pod(const struct pod *pod, struct ignored_fields *ret,
                                       struct vk_arena *arena);
void security_context_name_ignored(const struct pod *pod, const struct group_member *m,
                                   const struct pod_annotations *annotations,
                                   struct ignored_fields *ret, struct vk_arena *arena);
/* Writes "securityContext" in a Confidential group; nothing where there is nothing to say. */
void security_context_write(struct json_writer *w, const struct pod *pod, const struct container *c,
                            const struct pod_annotations *annotations);
