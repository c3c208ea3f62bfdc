/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/auth/token_response.h"

#include <ctype.h>

#include "base/json.h"

#define UNSTATED_LIFE_S 300
#define MAX_LIFE_S (90ll * 24 * 3600)

/* Seconds as a number or as decimal text (older endpoints send text). */
static bool read_seconds(const struct json *v, int64_t *ret)
{
    if (json_int64(v, ret))
        return true;
    double d;
    if (json_double(v, &d) && d >= 0 && d < 1e15) {
        *ret = (int64_t)d;
        return true;
    }
    return json_string(v) && vk_str_int64(vk_str_of(json_string(v)), 0, INT64_MAX / 1000, ret);
}

int token_response_parse(struct vk_str body, int64_t wall_ms, struct vk_arena *arena,
                         struct token_response *ret, struct vk_err *err)
{
    const struct json *root;
    struct vk_err why;
    if (json_parse(body, TOKEN_RESPONSE_MAX_BYTES, arena, &root, &why) < 0)
        return vk_err_set(err, VK_PROTOCOL, "the token endpoint did not answer JSON: %s", why.msg);
    const char *token = json_string(json_get(root, "access_token"));
    if (vk_str_empty(token))
        return vk_err_set(err, VK_PROTOCOL, "the token endpoint's answer has no access_token");
    for (const char *c = token; *c; c++) {
        if (*c <= ' ' || *c > '~')
            return vk_err_set(err, VK_PROTOCOL, "the access_token has bytes that no header holds");
    }
    int64_t seconds = 0;
    if (!read_seconds(json_get(root, "expires_in"), &seconds)) {
        int64_t on = 0;
        if (read_seconds(json_get(root, "expires_on"), &on))
            seconds = on - wall_ms / 1000;
        else
            seconds = UNSTATED_LIFE_S;
    }
    if (seconds <= 0)
        return vk_err_set(err, VK_PROTOCOL, "the token endpoint answered an expired token");
    if (seconds > MAX_LIFE_S)
        seconds = MAX_LIFE_S;
    *ret = (struct token_response){.access_token = token, .lifetime_ms = seconds * 1000};
    return 0;
}

/* "AADSTS7000215" at the front of the description, or "" . */
static void aadsts_code(const char *description, char *out, size_t size)
{
    size_t n = 0;
    if (vk_starts(description, "AADSTS")) {
        n = 6;
        while (isdigit((unsigned char)description[n]) && n + 1 < size)
            n++;
    }
    if (n)
        memcpy(out, description, n);
    out[n] = '\0';
}

int token_response_error(struct vk_err *err, int status, struct vk_str body, int64_t retry_after_ms,
                         const char *what, const char *hint)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root = NULL;
    struct vk_err ignored;
    if (json_parse(body, TOKEN_RESPONSE_MAX_BYTES, arena, &root, &ignored) < 0)
        root = NULL;
    const char *word = json_string(json_get(root, "error"));
    const char *description = json_string_or(root, "error_description", "");
    char code[32];
    aadsts_code(description, code, sizeof(code));

    enum vk_code kind = VK_UNAUTHENTICATED;
    if (status == 429)
        kind = VK_THROTTLED;
    else if (status >= 500 || status == 408 || vk_streq(word, "temporarily_unavailable"))
        kind = VK_UNAVAILABLE;
    else if (status < 400)
        kind = VK_PROTOCOL;

    const struct vk_str line =
        vk_str_trim(vk_str_cut(vk_str_of(description), '\n', &(struct vk_str){0}));
    const int shown = (int)(line.n < 160 ? line.n : 160);
    if (shown)
        (void)vk_err_set(err, kind, "%s: HTTP %d, %.*s%s%s", what, status, shown, line.p,
                         kind == VK_UNAUTHENTICATED ? "; " : "",
                         kind == VK_UNAUTHENTICATED ? hint : "");
    else
        (void)vk_err_set(err, kind, "%s: HTTP %d%s%s%s%s", what, status, word ? ", " : "",
                         word ? word : "", kind == VK_UNAUTHENTICATED ? "; " : "",
                         kind == VK_UNAUTHENTICATED ? hint : "");
    err->http_status = status;
    err->retry_after_ms = retry_after_ms;
    return vk_err_reason(err, *code ? code : word ? word : "");
}
