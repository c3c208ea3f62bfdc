/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tcpSocket action: a connection that comes about is a success, and is closed at once. Source:
 * k8s v1.37.2 pkg/probe/tcp.
 */
#pragma once

#include "base/loop.h"
#include "base/resolver.h"
#include "kubelet/pods/probe_outcome.h"

/* Copied. */
struct probe_tcp_request {
    const char *host; /* address, or a name */
    int64_t port;
    int64_t timeout_ms; /* with the look-up of a name */
};
struct probe_tcp;

/*
 * resolver is asked for names only. done is called once, never from inside the call, with
 * SUCCEEDED or FAILED; the handle is invalid from then on.
 */
struct probe_tcp *probe_tcp_start(struct vk_loop *loop, struct resolver *resolver,
                                  const struct probe_tcp_request *request, probe_outcome_fn done,
                                  void *user);
/* No callback afterwards. NULL is fine. */
void probe_tcp_cancel(struct probe_tcp *p);
