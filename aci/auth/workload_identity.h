/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workload identity: a token of the pod's service account, which the identity in Entra trusts by a
 * federated credential, proves who we are. No secret is kept anywhere. Source: azure-identity's
 * WorkloadIdentityCredential; environment AZURE_FEDERATED_TOKEN_FILE.
 */
#pragma once

#include "aci/auth/client_credentials.h"

/* token_file is read for each fetch: the machine's kubelet replaces it before it expires. */
struct token_fetcher workload_identity_fetcher(struct vk_loop *loop, struct http_client *http,
                                               const struct client_credentials_config *config,
                                               const char *token_file);
