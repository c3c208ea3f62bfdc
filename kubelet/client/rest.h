/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the API server. Answers arrive decoded as far as errors go: anything but 2xx is a
 * vk_err made from metav1.Status. Tokens from files are read again when the file changes (checked
 * at most once a minute, and at 401).
 */
#pragma once

#include "base/json.h"
#include "kubelet/client/kubeconfig.h"

struct rest_client;
struct rest_call;

/* config is copied as far as needed. */
VK_MUST_CHECK int rest_client_new(struct http_client *http, const struct cluster_config *config,
                                  const char *user_agent, struct rest_client **ret,
                                  struct vk_err *err);
void rest_client_free(struct rest_client *c);
/*
 * A new client certificate of the same user: requests from now on use it, over new connections.
 * Those under way go on. config is the one of rest_client_new, with other certificates.
 */
void rest_client_renew(struct rest_client *c, const struct cluster_config *config);
const char *rest_client_server(const struct rest_client *c);
/* As http_host_clock_ahead_ms. */
bool rest_client_clock_ahead_ms(const struct rest_client *c, int64_t *ret);

/* body: the answer of a 2xx, borrowed; err NULL then. Exactly once unless cancelled, never from
 * inside rest_start. */
typedef void (*rest_done_fn)(void *user, struct vk_str body, const struct vk_err *err);

enum rest_patch_type {
    REST_NO_PATCH,
    REST_MERGE_PATCH,
    REST_STRATEGIC_MERGE_PATCH,
    REST_JSON_PATCH
};
struct rest_request {
    const char *method; /* GET POST PUT PATCH DELETE */
    const char *path;   /* "/api/v1/namespaces/x/pods/y/status?..." , encoded */
    struct vk_str body; /* JSON */
    enum rest_patch_type patch;
    bool changes_nothing; /* a POST that only asks: may be sent twice */
    /* The answer is to hold the object's metadata alone, which costs both sides less. A server that
     * can't do that sends the whole object. */
    bool metadata_only;
    int64_t deadline_ms;  /* 0: 30 s; watches: see on_body */
    const char *what;     /* "patch status of pod default/web", for messages; copied */
    http_body_fn on_body; /* streaming GET (watch, list); no deadline unless given */
    rest_done_fn on_done;
    void *user;
};
struct rest_call *rest_start(struct rest_client *c, const struct rest_request *request);
void rest_cancel(struct rest_call *call);
