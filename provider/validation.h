/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is refused before any ARM write: pods that ACI can't run as they are written. Each refusal
 * names the field, the rule of ACI that forces it, and the way out.
 */
#pragma once

#include "base/vk_err.h"
#include "kubelet/api/resolved_pod.h"
#include "provider/group_layout.h"
#include "provider/provider_env.h"

#define VALIDATION_ENV_NAME_MAX 63

#define VALIDATION_REASON "UnsupportedPodField"

/*
 * What the pod alone decides. Errors: VK_UNSUPPORTED, VK_INVALID; reason VALIDATION_REASON.
 */
VK_MUST_CHECK int validation_check(const struct resolved_pod *pod, const struct provider_env *env,
                                   struct vk_err *err);
/* ACI: 1 to 63 letters, digits and underscores, no underscore at either end. */
bool validation_is_env_name(const char *name);
/* The part of it that needs no annotations: whole fields, containers, environment, ports. */
VK_MUST_CHECK int validation_check_spec(const struct pod_spec *spec,
                                        const struct group_layout *layout, struct vk_err *err);
