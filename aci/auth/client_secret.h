/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OAuth 2.0 client credentials with a secret at Microsoft Entra ID. Source: Entra v2.0 token
 * endpoint, grant_type=client_credentials.
 */
#pragma once

#include "aci/auth/token.h"
#include "base/http_client.h"

/* Text and secret are copied; all members but ca_file are required. */
struct client_secret_config {
    const char *authority_host; /* "https://login.microsoftonline.com" */
    const char *ca_file;        /* NULL: the system's trust anchors */
    const char *tenant_id;      /* GUID or domain */
    const char *client_id;
    const struct vk_secret *secret;
    const char *user_agent;
};
/*
 * Errors of its fetches: VK_UNAUTHENTICATED, reason "AADSTS7000215" and the like, with tenant,
 * client id and the way out in the message.
 */
struct token_fetcher client_secret_fetcher(struct http_client *http,
                                           const struct client_secret_config *config);
