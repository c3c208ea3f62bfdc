/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's Services, watched for the environment of pods. */
#pragma once

#include "kubelet/client/rest.h"
#include "kubelet/pods/service_environment.h"

struct services;

/* api_server is copied but for its text, which is borrowed. */
struct services *services_new(struct vk_loop *loop, struct rest_client *client,
                              const struct pod_api_server *api_server);
/* ready, once: they are known, or after 5 s can't be waited for any longer. */
void services_start(struct services *s, void (*ready)(void *user), void *user);
/* What is known stays readable. */
void services_stop(struct services *s);
/* NULL is fine. */
void services_free(struct services *s);
/*
 * What the pod is told. Errors: VK_UNAVAILABLE until the first LIST is complete, or the error that
 * keeps it from being so; a pod that started without its Services would never learn of them.
 */
VK_MUST_CHECK int services_environment(const struct services *s, const struct pod *pod,
                                       struct vk_arena *arena, const struct service_variable **ret,
                                       size_t *ret_count, struct vk_err *err);
