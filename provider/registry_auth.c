/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/registry_auth.h"

#include "base/url.h"

#define URL_LIMIT 4096

/* key=value or key="value", separated by commas; *in moves on. */
static bool next_param(struct vk_str *in, struct vk_arena *arena, struct vk_str *key,
                       const char **value)
{
    struct vk_str s = *in;
    struct vk_str rest, text;

    while (s.n && (*s.p == ',' || *s.p == ' '))
        s = (struct vk_str){s.p + 1, s.n - 1};
    *key = vk_str_trim(vk_str_cut(s, '=', &rest));
    if (!rest.p || !key->n)
        return false;
    rest = vk_str_trim(rest);
    if (rest.n && *rest.p == '"') {
        rest = (struct vk_str){rest.p + 1, rest.n - 1};
        text = vk_str_cut(rest, '"', in);
        if (!in->p)
            return false;
    } else {
        text = vk_str_trim(vk_str_cut(rest, ',', in));
    }
    *value = vk_arena_str(arena, text);
    return true;
}

int registry_challenge_parse(const char *header, struct vk_arena *arena,
                             struct registry_challenge *ret, struct vk_err *err)
{
    struct registry_challenge c = {0};
    struct vk_str params;
    struct vk_str scheme = vk_str_cut(vk_str_trim(vk_str_of(header)), ' ', &params);
    struct vk_str key;
    const char *value;

    if (vk_str_ieq(scheme, VK_STR("Basic"))) {
        *ret = (struct registry_challenge){.scheme = REGISTRY_BASIC};
        return 0;
    }
    if (!vk_str_ieq(scheme, VK_STR("Bearer")))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "the registry asks for authentication by '%.*s'; only Basic and Bearer "
                          "are known",
                          (int)(scheme.n < 32 ? scheme.n : 32), scheme.p);
    c.scheme = REGISTRY_BEARER;
    while (next_param(&params, arena, &key, &value)) {
        if (vk_str_ieq(key, VK_STR("realm")))
            c.realm = value;
        else if (vk_str_ieq(key, VK_STR("service")))
            c.service = value;
        else if (vk_str_ieq(key, VK_STR("scope")))
            c.scope = value;
    }
    if (!vk_starts(c.realm, "https://") && !vk_starts(c.realm, "http://"))
        return vk_err_set(err, VK_PROTOCOL, "the registry's challenge names no token endpoint");
    *ret = c;
    return 0;
}

const char *registry_token_url(const struct registry_challenge *c, const char *repository,
                               struct vk_arena *arena)
{
    struct vk_buf url VK_BUF_AUTO;

    vk_buf_init(&url, URL_LIMIT);
    vk_buf_adds(&url, c->realm);
    if (!vk_str_empty(c->service))
        url_query_add(&url, "service", c->service);
    url_query_add(&url, "scope",
                  !vk_str_empty(c->scope)
                      ? c->scope
                      : vk_arena_printf(arena, "repository:%s:pull", repository));
    return vk_arena_str(arena, vk_buf_str(&url));
}
