/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query of /containerLogs into options. Pure. Source: k8s v1.37.2 pkg/apis/core/validation
 * ValidatePodLogOptions and pkg/kubelet/server/server.go getContainerLogs.
 */
#pragma once

#include "kubelet/provider.h"

/* Errors: VK_INVALID naming the parameter. */
VK_MUST_CHECK int log_options_parse(const char *query, int64_t now_wall_ns, struct vk_arena *arena,
                                    struct container_log_options *ret, struct vk_err *err);
