/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where ACI lets us into a container: the POST of exec, which starts one program without arguments
 * on a terminal of its own, and that of attach, which shows what the container writes. Both answer
 * an address for one websocket and the password that it asks for; see exec_stream.h.
 */
#pragma once

#include <stdint.h>

#include "aci/container_groups.h"
#include "base/secret.h"

/* Longer answers are refused. */
#define EXEC_URI_MAX 2048
#define EXEC_PASSWORD_MAX 2048

struct exec_target {
    const char *group;
    const char *container;
    const char *owner;               /* namespace, for fairness under ARM's limits; or NULL */
    enum throttle_priority priority; /* [THROTTLE_USER] */
};
/* The password is opaque and good for one connection, soon. */
struct exec_endpoint {
    const char *uri; /* "wss://..." */
    struct vk_str password;
};

struct exec_call;
/* Once, never from inside the start; endpoint is borrowed for the call, NULL with err set. Errors
 * are ARM's; VK_NOT_FOUND: no such group or container; VK_PROTOCOL: an answer without address. */
typedef void (*exec_endpoint_fn)(void *user, const struct exec_endpoint *endpoint,
                                 const struct vk_err *err);

/* program: the path of one executable. rows and columns: 0 leaves the size to ACI. groups is
 * borrowed until the end of the call; all text is copied. */
struct exec_call *exec_start(struct container_groups *groups, const struct exec_target *target,
                             const char *program, uint16_t rows, uint16_t columns,
                             exec_endpoint_fn done, void *user);
struct exec_call *exec_attach(struct container_groups *groups, const struct exec_target *target,
                              exec_endpoint_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void exec_call_cancel(struct exec_call *call);
