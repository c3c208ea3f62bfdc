/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

struct vk_str vk_str_of(const char *s)
{
    return s ? (struct vk_str){.p = s, .n = strlen(s)} : VK_STR("");
}

bool vk_str_eq(struct vk_str a, struct vk_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool vk_str_is(struct vk_str a, const char *b)
{
    return vk_str_eq(a, vk_str_of(b));
}

/* By hand, since strncasecmp and tolower follow the locale. */
static unsigned char ascii_lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool vk_str_ieq(struct vk_str a, struct vk_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    }
    return true;
}

bool vk_str_starts(struct vk_str s, struct vk_str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct vk_str vk_str_trim(struct vk_str s)
{
    while (s.n && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct vk_str vk_str_cut(struct vk_str s, char sep, struct vk_str *rest)
{
    const char *at = s.n ? memchr(s.p, sep, s.n) : NULL;
    size_t n = at ? (size_t)(at - s.p) : s.n;

    *rest = at ? (struct vk_str){.p = at + 1, .n = s.n - n - 1} : (struct vk_str){0};
    return (struct vk_str){.p = s.p, .n = n};
}

bool vk_str_int64(struct vk_str s, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = s.n && s.p[0] == '-';
    size_t i = negative ? 1 : 0;
    int64_t value = 0;

    if (i == s.n)
        return false;
    for (; i < s.n; i++) {
        int digit = s.p[i] - '0';

        if (digit < 0 || digit > 9)
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    if (value < min || value > max)
        return false;
    *ret = value;
    return true;
}

bool vk_streq(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool vk_strieq(const char *a, const char *b)
{
    return vk_str_ieq(vk_str_of(a), vk_str_of(b));
}

bool vk_starts(const char *s, const char *prefix)
{
    return vk_str_starts(vk_str_of(s), vk_str_of(prefix));
}

bool vk_ends(const char *s, const char *suffix)
{
    struct vk_str text = vk_str_of(s);
    struct vk_str end = vk_str_of(suffix);

    return text.n >= end.n && memcmp(text.p + (text.n - end.n), end.p, end.n) == 0;
}

bool vk_strcpy_to(char *dst, size_t dst_size, const char *src)
{
    struct vk_str s = vk_str_of(src);
    size_t n = s.n;

    assert(dst_size > 0);
    if (n >= dst_size) {
        n = dst_size - 1;
        /* Not in the middle of a character: continuation bytes go with their first byte. */
        while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
            n--;
    }
    memmove(dst, s.p, n);
    dst[n] = '\0';
    return n == s.n;
}

size_t vk_utf8_len(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    unsigned char low = 0x80, high = 0xbf;
    size_t need;

    if (n == 0)
        return 0;
    if (u[0] < 0x80)
        return 1;
    if (u[0] >= 0xc2 && u[0] <= 0xdf)
        need = 2;
    else if (u[0] >= 0xe0 && u[0] <= 0xef)
        need = 3;
    else if (u[0] >= 0xf0 && u[0] <= 0xf4)
        need = 4;
    else
        return 0;
    if (n < need)
        return 0;
    /* The second byte decides about overlong forms, surrogates and the end of Unicode. */
    if (u[0] == 0xe0)
        low = 0xa0;
    else if (u[0] == 0xed)
        high = 0x9f;
    else if (u[0] == 0xf0)
        low = 0x90;
    else if (u[0] == 0xf4)
        high = 0x8f;
    if (u[1] < low || u[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    }
    return need;
}

bool vk_utf8_valid(const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = vk_utf8_len(p + i, n - i);

        if (len == 0)
            return false;
        i += len;
    }
    return true;
}
