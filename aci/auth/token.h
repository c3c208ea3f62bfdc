/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens for ARM: cached, refreshed ahead of their end, one request shared by everybody who
 * waits, backed off while the authority refuses. How a token is got is a token_fetcher's business.
 */
#pragma once

#include <stdint.h>

#include "base/loop.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/vk_err.h"

/*
 * The end of one fetch. Success: err NULL, token borrowed for the call, lifetime_ms above 0.
 * Errors: VK_UNAUTHENTICATED (credential refused), VK_UNAVAILABLE, VK_TIMEOUT, VK_THROTTLED,
 * VK_PROTOCOL.
 */
typedef void (*token_fetched_fn)(void *user, struct vk_str token, int64_t lifetime_ms,
                                 const struct vk_err *err);
struct token_fetcher_ops {
    const char *name;
    /* One fetch at a time; completes once, never from inside the call. */
    void (*fetch)(void *p, const char *scope, token_fetched_fn done, void *user);
    /* Ends the fetch under way without a callback. */
    void (*cancel)(void *p);
    void (*free)(void *p);
};
struct token_fetcher {
    const struct token_fetcher_ops *ops;
    void *p;
};

struct token_source;
struct token_waiter;

/* Owns the fetcher. scope: "https://management.azure.com/.default". */
struct token_source *token_source_new(struct vk_loop *loop, struct token_fetcher fetcher,
                                      const char *scope);
/* Waiters get no callback. NULL is fine. */
void token_source_free(struct token_source *s);

/*
 * The cached token when it is good, else the empty string. Starts a refresh in the background once
 * a token is near its end, and the token stays usable meanwhile. Borrowed until the next turn of
 * the loop.
 */
struct vk_str token_source_peek(struct token_source *s);

/* token is borrowed for the call; err NULL on success. */
typedef void (*token_fn)(void *user, struct vk_str token, const struct vk_err *err);
/*
 * Waits for a good token; never completes from inside the call. After a failed fetch, callers get
 * the same error at once until the back-off is over: 1 s to 60 s where the credential was refused,
 * to 8 s where the authority is away, so that each probe of breaker.h finds out.
 */
struct token_waiter *token_source_get(struct token_source *s, token_fn fn, void *user);
/* No callback afterwards. NULL is fine. */
void token_waiter_cancel(struct token_waiter *w);

/* ARM answered 401 to this token: forget it, if it is still the cached one. */
void token_source_invalidate(struct token_source *s, struct vk_str token);
