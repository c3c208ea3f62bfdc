/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grpc action: grpc.health.v1.Health/Check over HTTP/2 without TLS; SERVING succeeds. The two
 * messages are written and read here, since they have one field each. Source: k8s v1.37.2
 * pkg/probe/grpc; grpc/doc/PROTOCOL-HTTP2.md, grpc/doc/health-checking.md.
 */
#pragma once

#include "base/buf.h"
#include "base/http_client.h"
#include "kubelet/pods/probe_outcome.h"

/* Copied. */
struct probe_grpc_request {
    const char *host; /* the pod's address */
    int64_t port;
    const char *service; /* NULL: "", the server as a whole */
    const char *user_agent;
    int64_t timeout_ms;
};
struct probe_grpc;

/*
 * done is called once, never from inside the call, with SUCCEEDED or FAILED; the handle is invalid
 * from then on.
 */
struct probe_grpc *probe_grpc_start(struct http_client *client,
                                    const struct probe_grpc_request *request, probe_outcome_fn done,
                                    void *user);
/* No callback afterwards. NULL is fine. */
void probe_grpc_cancel(struct probe_grpc *p);

/* For tests: the framed HealthCheckRequest; the status of a framed HealthCheckResponse, negative
 * when it is none. */
void probe_grpc_write_request(struct vk_buf *out, const char *service);
int probe_grpc_read_status(struct vk_str message);
