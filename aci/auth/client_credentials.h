/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OAuth 2.0 client credentials at Microsoft Entra ID, whatever proves that we are the client.
 * Source: Entra v2.0 token endpoint, grant_type=client_credentials.
 */
#pragma once

#include "aci/auth/token.h"
#include "base/buf.h"
#include "base/http_client.h"

/* Text is copied; all members but ca_file are required. */
struct client_credentials_config {
    const char *authority_host; /* "https://login.microsoftonline.com" */
    const char *ca_file;        /* NULL: the system's trust anchors */
    const char *tenant_id;      /* GUID or domain */
    const char *client_id;
    const char *user_agent;
};
struct client_proof {
    const char *name;    /* "client-secret" */
    const char *way_out; /* of a refusal */
    /* Appends the fields that prove it to the form of one request: client_form_field. */
    int (*append)(void *p, struct vk_buf *form, struct vk_err *err);
    void (*free)(void *p);
};
void client_form_field(struct vk_buf *form, const char *name, struct vk_str value);
/* The value of client_assertion_type that goes with client_assertion. RFC 7523. */
#define CLIENT_ASSERTION_JWT "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/*
 * Owns p. Errors of its fetches: those of proof->append; VK_UNAUTHENTICATED, reason
 * "AADSTS7000215" and the like, with tenant, client id and the way out in the message.
 */
struct token_fetcher client_credentials_fetcher(struct vk_loop *loop, struct http_client *http,
                                                const struct client_credentials_config *config,
                                                const struct client_proof *proof, void *p);
