/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Entra application proves itself by a certificate: a JWT, signed with its key by PS256. Source:
 * Microsoft identity platform, certificate credentials for application authentication.
 */
#pragma once

#include "aci/auth/client_credentials.h"

/* Both files are PEM and are read for each fetch, so that a renewed certificate is taken. The first
 * certificate of cert_file counts; key_file holds an RSA key. */
struct token_fetcher client_certificate_fetcher(struct vk_loop *loop, struct http_client *http,
                                                const struct client_credentials_config *config,
                                                const char *cert_file, const char *key_file);
