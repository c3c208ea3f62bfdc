/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks that the kubelet could never run. A container whose postStart fails is killed, every time:
 * such a pod is refused. A preStop that fails is only passed over: it is named. Source: k8s v1.37.2
 * pkg/kubelet/lifecycle/handlers.go.
 */
#pragma once

#include "provider/group_layout.h"
#include "provider/ignored_fields.h"

/* has_address: see network_has_address. Errors: VK_UNSUPPORTED and VK_INVALID. */
VK_MUST_CHECK int hooks_check(const struct group_layout *layout, bool has_address,
                              struct vk_err *err);
/* Names a preStop in vain. where: "containers[web]". */
void hooks_name_ignored(const struct group_member *m, bool has_address, const char *where,
                        struct ignored_fields *ret, struct vk_arena *arena);
