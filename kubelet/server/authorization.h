/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what: the API server is asked whether the user may use a subresource of this node
 * (SubjectAccessReview; a yes is kept for 5 min, a no for 30 s). Nobody is allowed while it can't
 * be asked. Source: k8s v1.37.2 pkg/kubelet/server/auth.go, cmd/kubelet/app/auth.go; a websocket's
 * GET is "get" there as here, so that nodes/proxy with "get" is as good as exec.
 */
#pragma once

#include "kubelet/server/authentication.h"

#define AUTHORIZATION_MAX_SUBRESOURCES 2

/*
 * The subresources of nodes that open a path, any one of them; the finer one comes first. segment:
 * the path's first one, decoded, as it is routed by. Returns how many. Before 1.32 the kubelet knew
 * no finer ones than stats, metrics, log, checkpoint and proxy: proxy, which those clusters grant,
 * still opens what it opened there.
 */
size_t authorization_subresources(const char *segment,
                                  const char *ret[AUTHORIZATION_MAX_SUBRESOURCES]);
/* "get" for GET, "create" for POST ...; "" for methods that Kubernetes has no verb for. */
const char *authorization_verb(const char *method);

struct authorizer_config {
    struct rest_client *client; /* borrowed */
    const char *node_name;      /* borrowed */
    int64_t allow_ttl_ms, deny_ttl_ms;
};
struct authorizer;
struct authorizer *authorizer_new(struct vk_loop *loop, const struct authorizer_config *config);
/* Nobody may wait any more. */
void authorizer_free(struct authorizer *z);

/* One request's way through, in the asker's memory. */
struct authorization {
    struct review_wait wait_;
    struct authorizer *authorizer_;
    const struct user_info *who_;
    const char *verb_, *subresources_[AUTHORIZATION_MAX_SUBRESOURCES];
    size_t count_, asked_;
    /* err NULL: allowed. VK_FORBIDDEN: not; others: the API server could not be asked. The message
     * is the kubelet's answer. */
    void (*fn)(void *user, const struct vk_err *err);
    void *user;
};
void authorization_init(struct authorization *n);
/* Calls n->fn from inside where the answers are known, else later; once. who is borrowed until
 * then. */
void authorize(struct authorizer *z, const struct user_info *who, const char *method,
               const char *segment, struct authorization *n);
/* No call afterwards; harmless when there is none to come. */
void authorization_cancel(struct authorization *n);
