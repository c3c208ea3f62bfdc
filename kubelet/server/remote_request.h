/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query of /exec and /attach. Pure. Source: k8s v1.37.2 pkg/registry/core/pod/strategy.go
 * streamParams, pkg/kubelet/server/server.go getExecRequestParams.
 */
#pragma once

#include "base/json.h"
#include "kubelet/streaming/remote_command.h"

struct remote_request {
    struct remote_command_streams streams;
    struct json_strs command; /* in the arena */
};

/* with_command: there must be one. Errors: VK_INVALID, VK_TOO_LARGE (over 1,000 words). */
VK_MUST_CHECK int remote_request_parse(const char *query, bool with_command, struct vk_arena *arena,
                                       struct remote_request *ret, struct vk_err *err);
