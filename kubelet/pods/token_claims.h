/* SPDX-License-Identifier: Apache-2.0 */
/* What a service account token says of itself. Pure; the signature is the API server's to check. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/*
 * The claim exp of a JWT, in ms since 1970. False where the token is none or has no such claim.
 * TokenRequest's own expirationTimestamp is no measure of an API server's token: that one is good
 * for a year where it says an hour. Source: RFC 7519 4.1.4; k8s v1.37.2
 * pkg/registry/core/serviceaccount/storage/token.go (ExpirationExtensionSeconds).
 */
bool token_claims_expiry_ms(struct vk_str token, int64_t *ret_wall_ms);
