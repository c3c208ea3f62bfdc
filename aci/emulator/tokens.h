/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens that the identity endpoints gave out: random opaque text, in memory, with an
 * expiry. Source of the refusals: aci-rest.md 11.2.
 */
#pragma once

#include "base/arena.h"
#include "base/vk_err.h"

struct tokens;

struct tokens *tokens_new(int64_t lifetime_ms);
void tokens_free(struct tokens *t);
/* Borrowed until it expires. audience: the resource it is for. */
const char *tokens_issue(struct tokens *t, const char *audience);
int64_t tokens_lifetime_s(const struct tokens *t);
size_t tokens_len(const struct tokens *t);
/* All that were given out are past their time from now on. */
void tokens_expire(struct tokens *t);
/*
 * Checks an Authorization header's value (or NULL). Errors: 401 with AuthenticationFailed,
 * InvalidAuthenticationToken, ExpiredAuthenticationToken, InvalidAuthenticationTokenAudience.
 */
VK_MUST_CHECK int tokens_check(const struct tokens *t, const char *authorization,
                               struct vk_err *err);
