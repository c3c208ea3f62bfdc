/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the kubelet port: holders of a client certificate of the client CA whose organisation
 * or common name is on the list. Pure.
 */
#pragma once

#include "base/json.h"
#include "base/tls_listener.h"

/*
 * Entries: "O=system:masters", "CN=kube-apiserver-kubelet-client"; compared exactly. Errors:
 * VK_INVALID naming the entry.
 */
VK_MUST_CHECK int authentication_check_list(const struct json_strs *allowed, struct vk_err *err);
/* VK_UNAUTHENTICATED without a verified certificate, VK_FORBIDDEN when nobody on the list. */
VK_MUST_CHECK int authenticate(const struct tls_peer *peer, const struct json_strs *allowed,
                               struct vk_err *err);
