/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/auth/workload_identity.h"

#include "base/alloc.h"
#include "base/file.h"

#define MAX_TOKEN_BYTES (16u << 10)

static int append(void *p, struct vk_buf *form, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text;

    if (file_read(p, MAX_TOKEN_BYTES, arena, &text, err) < 0)
        return vk_err_wrap(err, "the federated token");
    if (vk_str_trim(text).n == 0)
        return vk_err_set(err, VK_INVALID, "the federated token file %s is empty", (char *)p);
    client_form_field(form, "client_assertion_type", VK_STR(CLIENT_ASSERTION_JWT));
    client_form_field(form, "client_assertion", vk_str_trim(text));
    vk_wipe((char *)(uintptr_t)text.p, text.n);
    return 0;
}

static void free_name(void *p)
{
    vk_free(p);
}

struct token_fetcher workload_identity_fetcher(struct vk_loop *loop, struct http_client *http,
                                               const struct client_credentials_config *config,
                                               const char *token_file)
{
    static const struct client_proof proof = {
        .name = "workload-identity",
        .way_out = "the identity needs a federated credential with the cluster's OIDC issuer, the "
                   "subject system:serviceaccount:NAMESPACE:NAME of this pod and the audience "
                   "api://AzureADTokenExchange",
        .append = append,
        .free = free_name,
    };

    return client_credentials_fetcher(loop, http, config, &proof, vk_strdup(token_file));
}
