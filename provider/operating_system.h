/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux or Windows. ACI runs one container in a Windows group, without init containers and
 * volumes. Source: ACI quotas and limits, container groups, virtual network concepts.
 */
#pragma once

#include "provider/group_layout.h"
#include "provider/provider_env.h"

bool operating_system_is_windows(const struct pod *pod, const struct provider_env *env);
/* Errors: VK_UNSUPPORTED, VK_INVALID with the field and the rule. */
VK_MUST_CHECK int operating_system_check(const struct pod *pod, const struct group_layout *layout,
                                         const struct provider_env *env, struct vk_err *err);
