/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/bearer_token.h"

#include "base/crypto.h"

#define PREFIX "base64url.bearer.authorization.k8s.io."

bool bearer_token_is_protocol(struct vk_str protocol)
{
    return vk_str_starts(protocol, VK_STR(PREFIX));
}

/* "Bearer TOKEN"; empty when there is none. */
static struct vk_str header_token(const struct http1_head *head)
{
    const char *value = http1_header(head, "Authorization");
    struct vk_str rest, scheme, token;

    if (!value)
        return VK_STR("");
    scheme = vk_str_cut(vk_str_trim(vk_str_of(value)), ' ', &rest);
    token = vk_str_cut(rest, ' ', &rest);
    return vk_str_ieq(scheme, VK_STR("bearer")) ? token : VK_STR("");
}

static int decode(struct vk_str encoded, struct vk_secret *ret, struct vk_err *err)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    struct vk_str token;
    bool is_good;

    if (!crypto_base64url_decode(encoded, scratch, &token))
        return vk_err_set(err, VK_UNAUTHENTICATED,
                          "the bearer token among the subprotocols is not base64url");
    is_good = vk_utf8_valid(token.p, token.n);
    if (is_good)
        vk_secret_set(ret, token.p, token.n);
    vk_wipe((char *)(uintptr_t)token.p, token.n);
    return is_good ? 0
                   : vk_err_set(err, VK_UNAUTHENTICATED,
                                "the bearer token among the subprotocols is not UTF-8");
}

static int protocol_token(const struct http1_head *head, struct vk_secret *ret, struct vk_err *err)
{
    struct vk_str encoded = {0};
    bool has_other = false;
    const char *line;

    for (size_t i = 0; (line = http1_header_nth(head, "Sec-WebSocket-Protocol", i)); i++) {
        struct vk_str rest = vk_str_of(line);

        while (rest.p) {
            struct vk_str protocol = vk_str_trim(vk_str_cut(rest, ',', &rest));

            if (!bearer_token_is_protocol(protocol)) {
                has_other = true;
            } else if (encoded.p) {
                return vk_err_set(err, VK_UNAUTHENTICATED,
                                  "several bearer tokens are among the subprotocols");
            } else {
                encoded.p = protocol.p + sizeof(PREFIX) - 1;
                encoded.n = protocol.n - (sizeof(PREFIX) - 1);
            }
        }
    }
    if (!encoded.n)
        return 0;
    if (!has_other)
        return vk_err_set(err, VK_UNAUTHENTICATED,
                          "the bearer token is the only subprotocol: none is left to choose");
    return decode(encoded, ret, err);
}

int bearer_token_read(const struct http1_head *head, struct vk_secret *ret, struct vk_err *err)
{
    struct vk_str token = header_token(head);

    if (token.n) {
        vk_secret_set(ret, token.p, token.n);
        return 0;
    }
    if (!http1_header_has(head, "Connection", "upgrade") ||
        !http1_header_has(head, "Upgrade", "websocket"))
        return 0;
    return protocol_token(head, ret, err);
}
