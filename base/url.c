/* SPDX-License-Identifier: Apache-2.0 */
#include "base/url.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/alloc.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_unreserved(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static char *lower_copy(struct vk_arena *arena, struct vk_str s)
{
    char *copy = vk_arena_str(arena, s);

    for (char *p = copy; *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
    }
    return copy;
}

static int default_port(const char *scheme)
{
    if (vk_streq(scheme, "https") || vk_streq(scheme, "wss"))
        return 443;
    return vk_streq(scheme, "http") || vk_streq(scheme, "ws") ? 80 : 0;
}

/* Cuts "scheme://" off the front. */
static bool take_scheme(struct vk_str *s, struct vk_arena *arena, const char **ret)
{
    size_t n = 0;

    while (n < s->n && (is_alpha(s->p[n]) || is_digit(s->p[n]) || s->p[n] == '+' ||
                        s->p[n] == '-' || s->p[n] == '.'))
        n++;
    if (n == 0 || !is_alpha(s->p[0]) || s->n - n < 3 || memcmp(s->p + n, "://", 3) != 0)
        return false;
    *ret = lower_copy(arena, (struct vk_str){.p = s->p, .n = n});
    s->p += n + 3;
    s->n -= n + 3;
    return true;
}

static bool take_bracketed_host(struct vk_str *s, struct vk_arena *arena, const char **ret)
{
    struct vk_str inner, rest;
    struct in6_addr address;

    if (s->n == 0 || s->p[0] != '[')
        return false;
    inner = vk_str_cut((struct vk_str){.p = s->p + 1, .n = s->n - 1}, ']', &rest);
    if (!rest.p)
        return false;
    *ret = lower_copy(arena, inner);
    *s = rest;
    return strlen(*ret) == inner.n && inet_pton(AF_INET6, *ret, &address) == 1;
}

/* Names as DNS and certificates have them; no percent-coding, which nobody resolves. */
static bool take_host(struct vk_str *s, struct vk_arena *arena, const char **ret)
{
    size_t n = 0;

    if (s->n && s->p[0] == '[')
        return take_bracketed_host(s, arena, ret);
    while (n < s->n && s->p[n] != ':') {
        if (!is_alpha(s->p[n]) && !is_digit(s->p[n]) && s->p[n] != '-' && s->p[n] != '.' &&
            s->p[n] != '_')
            return false;
        n++;
    }
    if (n == 0 || n > 253)
        return false;
    *ret = lower_copy(arena, (struct vk_str){.p = s->p, .n = n});
    s->p += n;
    s->n -= n;
    return true;
}

static int parse_authority(struct vk_str s, struct vk_arena *arena, struct url *url,
                           struct vk_err *err)
{
    int64_t port = default_port(url->scheme);

    if (s.n && memchr(s.p, '@', s.n))
        return vk_err_set(err, VK_INVALID, "user names and passwords in URLs are not supported");
    if (!take_host(&s, arena, &url->host))
        return vk_err_set(err, VK_INVALID, "the URL has no valid host");
    if (s.n) {
        struct vk_str digits = {.p = s.p + 1, .n = s.n - 1};

        if (s.p[0] != ':' || (digits.n && !vk_str_int64(digits, 1, 65535, &port)))
            return vk_err_set(err, VK_INVALID, "the URL's port is not in 1..65535");
    }
    if (port == 0)
        return vk_err_set(err, VK_INVALID, "the URL names no port, and %s:// has no default",
                          url->scheme);
    url->port = (int)port;
    return 0;
}

/* The bytes that may stand in a request line as they are (RFC 3986 3.3, 3.4). */
static bool is_clean(struct vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", (int)c))
            return false;
    }
    return true;
}

int url_parse(const char *text, struct vk_arena *arena, struct url *ret, struct vk_err *err)
{
    struct vk_str s = vk_str_of(text);
    struct vk_str authority, rest, path, query;
    struct url url = {0};
    size_t n = 0;

    if (!take_scheme(&s, arena, &url.scheme))
        return vk_err_set(err, VK_INVALID, "a URL begins with a scheme, as in https://host");
    if (!is_clean(s))
        return vk_err_set(err, VK_INVALID, "the URL has characters that must be percent-encoded");
    while (n < s.n && s.p[n] != '/' && s.p[n] != '?' && s.p[n] != '#')
        n++;
    authority = (struct vk_str){.p = s.p, .n = n};
    if (parse_authority(authority, arena, &url, err) < 0)
        return -(int)err->code;
    path = vk_str_cut((struct vk_str){.p = s.p + n, .n = s.n - n}, '#', &rest);
    path = vk_str_cut(path, '?', &query);
    url.path = path.n ? vk_arena_str(arena, path) : "/";
    url.query = vk_arena_str(arena, query);
    *ret = url;
    return 0;
}

void url_encode(struct vk_buf *out, struct vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_unreserved(s.p[i]))
            vk_buf_addc(out, s.p[i]);
        else
            vk_buf_printf(out, "%%%02X", (unsigned)(unsigned char)s.p[i]);
    }
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool url_decode(struct vk_str s, bool plus_is_blank, struct vk_arena *arena, const char **ret)
{
    char *out = vk_arena_alloc(arena, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%') {
            int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;

            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == '\0')
            return false;
        out[n++] = c;
    }
    *ret = out;
    return true;
}

const char *url_query_get(const char *query, const char *name, size_t index, struct vk_arena *arena)
{
    struct vk_str rest = vk_str_of(query);

    while (rest.n) {
        struct vk_str pair = vk_str_cut(rest, '&', &rest);
        struct vk_str value;
        struct vk_str key = vk_str_cut(pair, '=', &value);
        const char *decoded;

        if (!url_decode(key, true, arena, &decoded) || !vk_streq(decoded, name) || index-- > 0)
            continue;
        return url_decode(value, true, arena, &decoded) ? decoded : NULL;
    }
    return NULL;
}

void url_query_add(struct vk_buf *out, const char *name, const char *value)
{
    struct vk_str before = vk_buf_str(out);
    const char *mark = before.n ? memchr(before.p, '?', before.n) : NULL;

    if (!mark)
        vk_buf_addc(out, '?');
    else if (before.p[before.n - 1] != '?' && before.p[before.n - 1] != '&')
        vk_buf_addc(out, '&');
    url_encode(out, vk_str_of(name));
    vk_buf_addc(out, '=');
    url_encode(out, vk_str_of(value));
}
