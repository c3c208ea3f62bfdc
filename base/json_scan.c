/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

struct scanner {
    const char *begin, *p, *end;
    unsigned depth;
    size_t nodes, numbers;
    struct json_scan_result *ret;
    struct vk_err *err;
};

static int scan_value(struct scanner *s);

static int fail(struct scanner *s, const char *what)
{
    return vk_err_set(s->err, VK_INVALID, "at byte %zu: %s", (size_t)(s->p - s->begin), what);
}

static void skip_space(struct scanner *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits behind "\u"; -1 when they are not there. */
static int take_hex4(struct scanner *s)
{
    int value = 0;

    if (s->end - s->p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(s->p[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    s->p += 4;
    return value;
}

/* p stands behind "\u". */
static int scan_unicode_escape(struct scanner *s)
{
    int unit = take_hex4(s);

    if (unit < 0)
        return fail(s, "\\u needs four hexadecimal digits");
    if (unit == 0)
        return fail(s, "\\u0000 is not allowed");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return fail(s, "a low surrogate without a high one");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u')
            return fail(s, "a high surrogate without a low one");
        s->p += 2;
        unit = take_hex4(s);
        if (unit < 0xdc00 || unit > 0xdfff)
            return fail(s, "a high surrogate without a low one");
    }
    return 0;
}

/* p stands on the opening quote. */
static int scan_string(struct scanner *s)
{
    s->p++;
    while (s->p < s->end) {
        unsigned char c = (unsigned char)*s->p;

        if (c == '"') {
            s->p++;
            return 0;
        }
        if (c == '\\') {
            s->p++;
            if (s->p == s->end)
                break;
            c = (unsigned char)*s->p;
            if (c != 'u' && (c == '\0' || !strchr("\"\\/bfnrt", c)))
                return fail(s, "unknown escape in a string");
            s->p++;
            if (c == 'u' && scan_unicode_escape(s) < 0)
                return -1;
        } else if (c < 0x20) {
            return fail(s, "control character in a string");
        } else if (c < 0x80) {
            s->p++;
        } else {
            size_t len = vk_utf8_len(s->p, (size_t)(s->end - s->p));

            if (len == 0)
                return fail(s, "invalid UTF-8");
            s->p += len;
        }
    }
    return fail(s, "a string is not closed");
}

static size_t take_digits(struct scanner *s)
{
    const char *start = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return (size_t)(s->p - start);
}

/* The double that cJSON keeps is the integer itself up to 2^53, and "-0" would lose its sign. */
static bool double_is_exact(struct vk_str number)
{
    int64_t value;

    return vk_str_int64(number, -(1LL << 53), 1LL << 53, &value) &&
           !(value == 0 && number.p[0] == '-');
}

static int scan_number(struct scanner *s)
{
    const char *start = s->p;
    struct vk_str text;

    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (take_digits(s) == 0)
        return fail(s, "expected a digit");
    if (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        return fail(s, "a number may not begin with 0");
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (take_digits(s) == 0)
            return fail(s, "expected a digit behind the point");
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (take_digits(s) == 0)
            return fail(s, "expected a digit in the exponent");
    }
    text = (struct vk_str){.p = start, .n = (size_t)(s->p - start)};
    if (text.n > JSON_MAX_NUMBER_BYTES)
        return fail(s, "a number is too long");
    if (!double_is_exact(text)) {
        struct json_scan_result *r = s->ret;

        r->numbers =
            vk_grow(r->numbers, &r->number_cap, r->number_count + 1, sizeof(r->numbers[0]));
        r->numbers[r->number_count++] =
            (struct json_scan_number){.ordinal = s->numbers, .text = text};
    }
    s->numbers++;
    return 0;
}

static int scan_word(struct scanner *s, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return fail(s, "expected a value");
    s->p += n;
    return 0;
}

static int scan_member(struct scanner *s)
{
    skip_space(s);
    if (s->p == s->end || *s->p != '"')
        return fail(s, "expected a member name");
    if (scan_string(s) < 0)
        return -1;
    skip_space(s);
    if (s->p == s->end || *s->p != ':')
        return fail(s, "expected ':'");
    s->p++;
    return scan_value(s);
}

/* p stands on the opening bracket. */
static int scan_container(struct scanner *s, char close)
{
    if (++s->depth > JSON_MAX_DEPTH)
        return fail(s, "nested too deeply");
    s->p++;
    skip_space(s);
    if (s->p < s->end && *s->p == close)
        goto closed;
    for (;;) {
        if ((close == '}' ? scan_member(s) : scan_value(s)) < 0)
            return -1;
        skip_space(s);
        if (s->p == s->end || (*s->p != ',' && *s->p != close))
            return fail(s, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        if (*s->p == close)
            goto closed;
        s->p++;
    }
closed:
    s->p++;
    s->depth--;
    return 0;
}

static int scan_value(struct scanner *s)
{
    skip_space(s);
    if (s->p == s->end)
        return fail(s, "expected a value");
    if (++s->nodes > JSON_MAX_NODES)
        return vk_err_set(s->err, VK_TOO_LARGE, "more than %d values", JSON_MAX_NODES);
    switch (*s->p) {
    case '{':
        return scan_container(s, '}');
    case '[':
        return scan_container(s, ']');
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9'))
            return scan_number(s);
        return fail(s, "expected a value");
    }
}

int json_scan(struct vk_str text, struct json_scan_result *ret, struct vk_err *err)
{
    const char *p = text.n ? text.p : "";
    struct scanner s = {.begin = p, .p = p, .end = p + text.n, .ret = ret, .err = err};

    if (scan_value(&s) < 0)
        return -(int)err->code;
    skip_space(&s);
    if (s.p != s.end)
        return fail(&s, "text behind the value");
    return 0;
}
