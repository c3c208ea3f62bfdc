/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate of the kubelet port: a request passes once it is known who asks and that they may.
 * Others are answered here, as the kubelet does: 401 for nobody (also when a token can't be
 * reviewed), 403 for those who may not, 500 when the API server can't be asked whether they may.
 * Other than a kubelet's, a good token that comes while too many are asked about is not nobody's:
 * 503 with Retry-After.
 * Source: k8s v1.37.2 pkg/kubelet/server/server.go InstallAuthFilter.
 */
#pragma once

#include "kubelet/server/authorization.h"

struct access;

struct access_config {
    struct rest_client *client; /* borrowed */
    const char *node_name;      /* borrowed */
    bool review_tokens, allow_anonymous;
    int64_t token_ttl_ms, allow_ttl_ms, deny_ttl_ms;
};
struct access *access_new(struct vk_loop *loop, const struct access_config *config);
/* All exchanges are gone. */
void access_free(struct access *a);

/*
 * passed(user, x) is called, from inside or later, when the request may be served; never when it
 * was refused or its client left. segment as in authorization_subresources. user lives in the
 * exchange's arena, or longer.
 */
void access_check(struct access *a, struct http_exchange *x, const char *segment,
                  void (*passed)(void *user, struct http_exchange *x), void *user);
