/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The httpGet action of probes and hooks: one GET over a connection of its own, without proxy and
 * without a look at the server's certificate. Redirects are followed while they stay on the same
 * host name, ten at most; one that leads elsewhere is a warning, which counts as success. 200 to
 * 399 succeeds. Source: k8s v1.37.2 pkg/probe/http.
 */
#pragma once

#include "base/http_client.h"
#include "base/json.h"
#include "kubelet/pods/probe_outcome.h"

/* Copied. */
struct probe_http_request {
    const char *scheme;               /* "HTTP" or "HTTPS"; NULL or "": HTTP */
    const char *host;                 /* the pod's address, or the handler's own host */
    int64_t port;                     /* see probe_target.h */
    const char *path;                 /* with query; NULL: "/" */
    const struct json_array *headers; /* struct http_header_field; Host and User-Agent win */
    const char *user_agent;           /* "kube-probe/1.37" */
    int64_t timeout_ms;               /* for all of it, redirects included */
};
struct probe_http;

/*
 * done is called once, never from inside the call, with SUCCEEDED, WARNED or FAILED; the handle is
 * invalid from then on.
 */
struct probe_http *probe_http_start(struct http_client *client,
                                    const struct probe_http_request *request, probe_outcome_fn done,
                                    void *user);
/* No callback afterwards. NULL is fine. */
void probe_http_cancel(struct probe_http *p);
