/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/json_span.h"

#include <string.h>

struct cursor {
    const char *p, *end;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && is_space(*c->p))
        c->p++;
}

/* From a quote to behind its closing one. */
static bool skip_string(struct cursor *c)
{
    if (c->p >= c->end || *c->p != '"')
        return false;
    for (c->p++; c->p < c->end && *c->p != '"'; c->p++) {
        if (*c->p == '\\' && ++c->p >= c->end)
            return false;
    }
    if (c->p >= c->end)
        return false;
    c->p++;
    return true;
}

/* Any value; stands at the ',' or '}' behind it afterwards. */
static bool skip_value(struct cursor *c)
{
    size_t depth = 0;

    while (c->p < c->end) {
        char byte = *c->p;

        if (byte == '"') {
            if (!skip_string(c))
                return false;
            continue;
        }
        if (depth == 0 && (byte == ',' || byte == '}' || byte == ']'))
            return true;
        if (byte == '{' || byte == '[')
            depth++;
        else if (byte == '}' || byte == ']')
            depth--;
        c->p++;
    }
    return false;
}

bool json_span_member_with_key(struct vk_str object, const char *name, struct vk_str *ret_key,
                               struct vk_str *ret_value)
{
    struct cursor c = {.p = object.p, .end = object.p + object.n};
    size_t name_len = strlen(name);

    skip_space(&c);
    if (c.p >= c.end || *c.p++ != '{')
        return false;
    for (;;) {
        const char *key, *value;
        size_t key_len;

        skip_space(&c);
        key = c.p;
        if (!skip_string(&c))
            return false;
        key_len = (size_t)(c.p - key) - 2;
        skip_space(&c);
        if (c.p >= c.end || *c.p++ != ':')
            return false;
        skip_space(&c);
        value = c.p;
        if (!skip_value(&c))
            return false;
        if (key_len == name_len && memcmp(key + 1, name, name_len) == 0) {
            const char *end = c.p;

            while (end > value && is_space(end[-1]))
                end--;
            *ret_key = (struct vk_str){.p = key, .n = (size_t)(value - key)};
            *ret_value = (struct vk_str){.p = value, .n = (size_t)(end - value)};
            return true;
        }
        if (*c.p++ != ',')
            return false;
    }
}

bool json_span_member(struct vk_str object, const char *name, struct vk_str *ret_value)
{
    struct vk_str key;

    return json_span_member_with_key(object, name, &key, ret_value);
}

bool json_span_plain_string(struct vk_str value, struct vk_str *ret)
{
    if (value.n < 2 || value.p[0] != '"' || value.p[value.n - 1] != '"' ||
        memchr(value.p, '\\', value.n))
        return false;
    *ret = (struct vk_str){.p = value.p + 1, .n = value.n - 2};
    return true;
}
