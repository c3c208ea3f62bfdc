/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what token endpoints answer; pure. */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "base/vk_err.h"

#define TOKEN_RESPONSE_MAX_BYTES (256u << 10)

struct token_response {
    const char *access_token;
    int64_t lifetime_ms; /* above 0 */
};
/*
 * A success body of Entra or IMDS: access_token with expires_in (seconds left) or expires_on
 * (seconds since 1970), numbers or text. A missing life counts as 5 minutes. Errors: VK_PROTOCOL.
 */
VK_MUST_CHECK int token_response_parse(struct vk_str body, int64_t wall_ms, struct vk_arena *arena,
                                       struct token_response *ret, struct vk_err *err);

/*
 * An OAuth error body {"error", "error_description"}: sets err (VK_UNAUTHENTICATED, or by status
 * VK_THROTTLED and VK_UNAVAILABLE), reason the AADSTS code or the error word, message "<what>:
 * <first line of the description>". `hint` is the way out, appended for refusals. Returns negative.
 */
int token_response_error(struct vk_err *err, int status, struct vk_str body, int64_t retry_after_ms,
                         const char *what, const char *hint);
