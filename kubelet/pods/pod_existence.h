/* SPDX-License-Identifier: Apache-2.0 */
/* Does a pod exist at the API server? Asked before something of a pod is thrown away, so the answer
 * comes from a quorum read, never from a cache. */
#pragma once

#include "kubelet/client/rest.h"
#include "kubelet/provider.h"

struct pod_existence;

struct pod_existence *pod_existence_new(struct vk_loop *loop, struct rest_client *client);
/* Questions under way are dropped without an answer. NULL is fine. */
void pod_existence_free(struct pod_existence *e);

typedef void (*pod_exists_fn)(void *user, bool exists, const struct vk_err *err);
/* A pod of that name with another UID is not this pod. Never answered from inside the call. */
void pod_existence_ask(struct pod_existence *e, const struct pod_identity *id, pod_exists_fn done,
                       void *user);
/* Answers with err, on the loop's next turn. */
void pod_existence_refuse(struct pod_existence *e, const struct vk_err *err, pod_exists_fn done,
                          void *user);
