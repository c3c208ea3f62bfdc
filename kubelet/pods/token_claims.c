/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/token_claims.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/json.h"

#define MAX_CLAIMS_BYTES (64u * 1024)
#define MAX_EXPIRY_S (INT64_MAX / 1000)

bool token_claims_expiry_ms(struct vk_str token, int64_t *ret_wall_ms)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str rest, text;
    const struct json *claims;
    struct vk_err err;
    int64_t exp;

    (void)vk_str_cut(token, '.', &rest);
    if (!crypto_base64url_decode(vk_str_cut(rest, '.', &rest), arena, &text) || rest.n == 0 ||
        json_parse(text, MAX_CLAIMS_BYTES, arena, &claims, &err) < 0 ||
        !json_int64(json_get(claims, "exp"), &exp) || exp <= 0 || exp > MAX_EXPIRY_S)
        return false;
    *ret_wall_ms = exp * 1000;
    return true;
}
