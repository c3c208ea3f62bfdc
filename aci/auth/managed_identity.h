/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of the machine's managed identity: from the instance metadata service (api-version
 * 2018-02-01), or from an App Service style endpoint (2019-08-01) that asks for its own header.
 */
#pragma once

#include "aci/auth/token.h"
#include "base/http_client.h"

/* Text and secret are copied. */
struct managed_identity_config {
    const char *imds_endpoint;     /* "http://169.254.169.254" */
    const char *identity_endpoint; /* whole URL of the App Service style endpoint, or NULL */
    const struct vk_secret *identity_header;
    const char *client_id; /* of a user-assigned identity, or NULL */
    const char *user_agent;
};
/*
 * A fetch is tried again within its deadline on 404, 410, 429 and 5xx, as the metadata service asks
 * of its clients. Errors: VK_UNAUTHENTICATED when the identity is not known there, VK_UNAVAILABLE
 * when there is no such service.
 */
struct token_fetcher managed_identity_fetcher(struct vk_loop *loop, struct http_client *http,
                                              const struct managed_identity_config *config);
