/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/auth/client_secret.h"

#include "base/alloc.h"

static int append(void *p, struct vk_buf *form, struct vk_err *err)
{
    const struct vk_secret *secret = p;

    (void)err;
    client_form_field(form, "client_secret", vk_secret_reveal(secret));
    return 0;
}

static void free_secret(void *p)
{
    vk_secret_release(p);
    vk_free(p);
}

struct token_fetcher client_secret_fetcher(struct vk_loop *loop, struct http_client *http,
                                           const struct client_credentials_config *config,
                                           const struct vk_secret *secret)
{
    static const struct client_proof proof = {
        .name = "client-secret",
        .way_out = "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (expired?)",
        .append = append,
        .free = free_secret,
    };
    struct vk_secret *copy = vk_calloc(1, sizeof(*copy));
    const struct vk_str text = vk_secret_reveal(secret);

    vk_secret_set(copy, text.p, text.n);
    return client_credentials_fetcher(loop, http, config, &proof, copy);
}
