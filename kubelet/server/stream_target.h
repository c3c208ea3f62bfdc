/* SPDX-License-Identifier: Apache-2.0 */
/* What a streaming request is about: finds the pod and its running container. */
#pragma once

#include "kubelet/server/handlers.h"

/* Borrowed: from the request's path and, until the loop's next turn, from the pod. */
struct stream_target {
    struct pod_identity id;
    const char *container; /* NULL for a pod alone */
    const char *pod_ip;
};

/*
 * params: {ns} {pod} [{uid}] {container}. Errors: VK_NOT_FOUND for the pod; VK_INTERNAL, as the
 * kubelet answers it, where the container does not run.
 */
VK_MUST_CHECK int stream_target_container(const struct handler_context *c,
                                          const struct route_params *params,
                                          struct stream_target *ret, struct vk_err *err);
/* params: {ns} {pod} [{uid}]. The pod runs and has an address. Errors: as above. */
VK_MUST_CHECK int stream_target_pod(const struct handler_context *c,
                                    const struct route_params *params, struct stream_target *ret,
                                    struct vk_err *err);
