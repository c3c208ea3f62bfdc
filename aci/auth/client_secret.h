/* SPDX-License-Identifier: Apache-2.0 */
/* An Entra application proves itself by a secret. */
#pragma once

#include "aci/auth/client_credentials.h"

/* The secret is copied. */
struct token_fetcher client_secret_fetcher(struct vk_loop *loop, struct http_client *http,
                                           const struct client_credentials_config *config,
                                           const struct vk_secret *secret);
