/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bearer token that a request shows: in its header Authorization (RFC 6750), else, for a
 * websocket whose client can set no header, as a subprotocol beside another one. Source: k8s
 * v1.37.2 apiserver pkg/authentication/request/{bearertoken,websocket}.
 */
#pragma once

#include "base/http1.h"
#include "base/secret.h"
#include "base/vk_err.h"

/*
 * *ret stays empty where none is shown. VK_UNAUTHENTICATED: a subprotocol that is to be a token and
 * is none. The header's token counts alone where both are shown.
 */
VK_MUST_CHECK int bearer_token_read(const struct http1_head *head, struct vk_secret *ret,
                                    struct vk_err *err);
/* Such a subprotocol is never chosen nor repeated. */
bool bearer_token_is_protocol(struct vk_str protocol);
