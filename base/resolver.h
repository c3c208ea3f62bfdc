/* SPDX-License-Identifier: Apache-2.0 */
/* Name look-ups in one helper thread, since getaddrinfo blocks. Answers arrive in the loop. */
#pragma once

#include "base/loop.h"

struct resolver;
struct resolver_query;
/* addresses: numeric text, IPv4 and IPv6, borrowed for the call; count 0 with err set on failure.
 */
typedef void (*resolver_fn)(void *user, const char *const *addresses, size_t count,
                            const struct vk_err *err);

struct resolver *resolver_new(struct vk_loop *loop);
/* Waits for the thread's current look-up; pending queries are dropped without a call. */
void resolver_free(struct resolver *r);
/* At most 256 queries wait; more fail at once (asynchronously) with VK_UNAVAILABLE. */
struct resolver_query *resolver_lookup(struct resolver *r, const char *host, resolver_fn fn,
                                       void *user);
void resolver_cancel(struct resolver_query *q);
