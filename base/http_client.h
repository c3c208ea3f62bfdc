/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP(S) client over curl's multi interface, on the loop: HTTP/2 where the host offers it,
 * streaming bodies, a deadline on every call. One client per process; a host profile per peer (API
 * server, ARM, Entra, IMDS, registries).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/str.h"
#include "base/vk_err.h"

struct http_client;
struct http_host;
struct http_call;

struct http_client *http_client_new(struct vk_loop *loop);
/* All calls must have ended or been cancelled. */
void http_client_free(struct http_client *client);

/* Text is copied. PEM data wins over a file of the same kind. */
struct http_host_config {
    const char *
        base_url; /* "https://10.0.0.1:6443" (a path prefix is allowed); no trailing slash needed */
    const char *ca_file; /* NULL or "", and no ca_pem: the system's bundle */
    const char *ca_pem;
    const char *cert_file, *key_file; /* client certificate */
    const char *cert_pem, *key_pem;
    const char *tls_server_name; /* name to check instead of the URL's host, or NULL */
    bool insecure_skip_verify;
    bool http2_only;       /* over plain TCP too, without asking the peer (gRPC) */
    bool no_proxy;         /* ignore http_proxy and https_proxy (IMDS) */
    const char *proxy_url; /* NULL: environment */
    const char *user_agent;
    int64_t connect_timeout_ms; /* 0: 5,000 */
    unsigned max_connections;   /* 0: 4 (HTTP/2 multiplexes) */
};
struct http_host *http_host_new(struct http_client *client, const struct http_host_config *config);
void http_host_free(struct http_host *host);
/* True while some call of this host is under way. */
bool http_host_is_busy(const struct http_host *host);
/* By how much the host's clock is ahead of ours, to about a second: as the Date of its last answer
 * said. False while no answer had one. */
bool http_host_clock_ahead_ms(const struct http_host *host, int64_t *ret);

struct http_header {
    const char *name, *value;
};

struct http_response {
    int status;
    struct vk_str body;     /* buffered body; empty for streaming calls */
    int64_t retry_after_ms; /* 0 when absent; seconds and dates understood; retry-after-ms too */
    const struct http_call *call; /* for http_response_header */
};
/* Case-insensitive; NULL when absent; the last one of several. Borrowed for the callback. */
const char *http_response_header(const struct http_response *response, const char *name);
/* The same for what came behind the body. */
const char *http_response_trailer(const struct http_response *response, const char *name);
/* Where a 3xx with Location leads, as an absolute URL; NULL: nowhere. Never followed by itself. */
const char *http_response_redirect(const struct http_response *response);

/*
 * Called exactly once unless the call is cancelled, never from inside http_call_start. `err` is
 * NULL when an HTTP answer arrived, whatever its status; else VK_TIMEOUT (deadline passed: the peer
 * may have acted), VK_UNAVAILABLE (connect, TLS, reset), VK_TOO_LARGE (body over its limit),
 * VK_CANCELLED (on_body said so), VK_INVALID (the request cannot be made: bad URL or header, other
 * host). When nothing was sent for sure, err->sys_errno is ECONNREFUSED and err->reason "NotSent".
 * A request that is not idempotent leaves at most once.
 */
typedef void (*http_done_fn)(void *user, const struct http_response *response,
                             const struct vk_err *err);
/* A piece of a streamed 2xx body. Non-zero ends the call with VK_CANCELLED. Must consume all:
 * watches are not paused. */
typedef int (*http_body_fn)(void *user, struct vk_str piece);

struct http_request {
    const char *method;
    const char *path; /* with query, appended to base_url; or an absolute URL of the same host */
    const struct http_header *headers; /* copied */
    size_t header_count;
    struct vk_str body; /* copied; wiped afterwards */
    const char *bearer; /* adds Authorization; wiped afterwards; or NULL */
    int64_t
        deadline_ms; /* whole call; required, except that 0 means none for watches with on_body */
    size_t max_body; /* buffered answer limit; 0: 4 MiB */
    bool idempotent; /* repeat once at once when the connection broke (curl 16, 52, 55, 56, 92) */
    http_body_fn on_body; /* NULL: buffer. Bodies of non-2xx answers are buffered always (64 KiB) */
    http_done_fn on_done;
    void *user;
};
/* Never fails at once: errors arrive by on_done. The request struct may die after the call. */
struct http_call *http_call_start(struct http_host *host, const struct http_request *request);
/* No callback afterwards. NULL is fine. */
void http_call_cancel(struct http_call *call);
