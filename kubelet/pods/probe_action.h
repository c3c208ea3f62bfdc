/* SPDX-License-Identifier: Apache-2.0 */
/* One try of a probe, whatever its handler is. */
#pragma once

#include "base/http_client.h"
#include "kubelet/api/container.h"
#include "kubelet/pods/probe_outcome.h"
#include "kubelet/pods/probe_shell.h"

struct resolver;

/* What all tries share. */
struct probe_tools {
    struct vk_loop *loop;
    struct http_client *http;  /* NULL: there are neither httpGet nor grpc */
    const char *user_agent;    /* "kube-probe/1.37" */
    struct resolver *resolver; /* made when the first name is to be looked up */
};
/* Borrowed for the call. */
struct probe_action_request {
    const struct probe_handler *handler;
    const struct container *container; /* for the names of its ports */
    const char *pod_ip;                /* NULL or "": it has none, or none yet */
    struct probe_shell *shell;         /* of the container; for exec */
    int64_t timeout_ms;
};
struct probe_action;

/* done is called once, never from inside the call; the handle is invalid from then on. */
struct probe_action *probe_action_start(struct probe_tools *tools,
                                        const struct probe_action_request *request,
                                        probe_outcome_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void probe_action_cancel(struct probe_action *a);
