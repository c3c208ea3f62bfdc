/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an ARM refusal means; pure. error.code decides, since references and regions disagree on the
 * HTTP status; the status decides only for codes that are not in the table.
 */
#pragma once

#include "base/str.h"
#include "base/vk_err.h"

#define ARM_ERROR_MAX_BYTES (64u << 10)

/*
 * body: {"error": {"code", "message"}} (ARM, ACI) or the flat {"code", "message"} (Azure Monitor),
 * or anything else. Sets code, reason (error.code, or "HTTP<status>"), http_status, retry_after_ms
 * (also from "try again after 'N' seconds" of a 429 without header) and msg (error.message).
 * InaccessibleImage is VK_UNAVAILABLE: the pod waits for the image. AuthorizationFailed and
 * LinkedAuthorizationFailed are VK_FORBIDDEN, with the action that the caller lacks and where to
 * grant it before Azure's words: a role assignment takes minutes to be known. What a policy
 * disallows is VK_INVALID: the request's content is refused. Returns negative.
 */
int arm_error_parse(struct vk_err *err, int http_status, struct vk_str body,
                    int64_t retry_after_ms);
