/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks: the holder of a client certificate of the client CA, else of a bearer token
 * (bearer_token.h) that the API server vouches for (TokenReview, kept for 2 min), else nobody, or
 * system:anonymous where that is allowed and no credential was shown. Source: k8s v1.37.2
 * cmd/kubelet/app/auth.go, apiserver pkg/authentication/{authenticatorfactory,request/x509,group}.
 */
#pragma once

#include "base/http_server.h"
#include "kubelet/server/reviews.h"

struct user_extra {
    const char *key;
    struct json_strs values;
};
struct user_info {
    const char *name, *uid;  /* uid may be NULL */
    struct json_strs groups; /* with system:authenticated or system:unauthenticated */
    struct user_extra *extra;
    size_t extra_count;
};

struct authenticator_config {
    struct rest_client *client; /* borrowed; NULL: bearer tokens prove nothing */
    int64_t token_ttl_ms;
    bool allow_anonymous;
};
struct authenticator;
struct authenticator *authenticator_new(struct vk_loop *loop,
                                        const struct authenticator_config *config);
/* Nobody may wait any more. */
void authenticator_free(struct authenticator *a);

/* One request's way through, in the asker's memory. */
struct authentication {
    struct review_wait wait_;
    struct vk_arena *arena_;
    /* who is NULL on error, and lives in the arena: VK_UNAUTHENTICATED (no credential, or none that
     * holds), VK_THROTTLED (too many tokens are asked about, at all or from this address), or why
     * the API server could not be asked. */
    void (*fn)(void *user, const struct user_info *who, const struct vk_err *err);
    void *user;
};
void authentication_init(struct authentication *n);
/* Calls n->fn from inside where the answer is known, else later; once. */
void authenticate(struct authenticator *a, const struct tls_peer *peer,
                  const struct http1_head *head, struct vk_arena *arena, struct authentication *n);
/* No call afterwards; harmless when there is none to come. */
void authentication_cancel(struct authentication *n);
