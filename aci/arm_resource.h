/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one thing from ARM that is no container group: a GET, its answer parsed. */
#pragma once

#include "aci/arm_client.h"
#include "base/json.h"

struct arm_resource_call;
/* body is borrowed for the call; NULL with err set. */
typedef void (*arm_resource_fn)(void *user, const struct json *body, const struct vk_err *err);

/*
 * path: without api-version, encoded. what: for messages, static. operation: for metrics, static.
 * Waits for its turn as a user's request does. Completes once, never from inside the call.
 */
struct arm_resource_call *arm_resource_get(struct arm_client *arm, const char *path,
                                           const char *api_version, const char *operation,
                                           const char *what, arm_resource_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void arm_resource_cancel(struct arm_resource_call *call);
