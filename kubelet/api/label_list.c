/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/label_list.h"

#include <string.h>

#define NAME_MAX_BYTES 63
#define PREFIX_MAX_BYTES 253

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters and digits at both ends, also '-', '_' and '.' between them. */
bool label_is_value(struct vk_str s)
{
    if (s.n == 0 || s.n > NAME_MAX_BYTES || !is_alphanumeric(s.p[0]) ||
        !is_alphanumeric(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alphanumeric(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return true;
}

static bool is_dns_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* Parts of lower case letters, digits and '-', which begins and ends none, with '.' between. */
bool label_is_subdomain(struct vk_str s)
{
    char before = '.';

    if (s.n == 0 || s.n > PREFIX_MAX_BYTES)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool is_edge = before == '.' || before == '-';

        if (c == '.' ? is_edge : !is_dns_character(c) || (c == '-' && before == '.'))
            return false;
        before = c;
    }
    return before != '.' && before != '-';
}

bool label_is_key(struct vk_str s)
{
    const char *slash = memchr(s.p, '/', s.n);
    size_t prefix;

    if (!slash)
        return label_is_value(s);
    prefix = (size_t)(slash - s.p);
    return label_is_subdomain((struct vk_str){s.p, prefix}) &&
           label_is_value((struct vk_str){slash + 1, s.n - prefix - 1});
}

static bool has_key(const struct json_pairs *pairs, const char *key)
{
    for (size_t i = 0; i < pairs->n; i++)
        if (vk_streq(pairs->v[i].key, key))
            return true;
    return false;
}

int label_list_parse(const struct json_strs *list, struct vk_arena *arena, struct json_pairs *ret,
                     struct vk_err *err)
{
    struct json_pairs out = {.v = vk_arena_array(arena, list->n, sizeof(*out.v))};

    for (size_t i = 0; i < list->n; i++) {
        const struct vk_str item = vk_str_of(list->v[i]);
        const char *equals = memchr(item.p, '=', item.n);
        const size_t n = equals ? (size_t)(equals - item.p) : item.n;
        const struct vk_str key = {item.p, n};
        const struct vk_str value = {equals ? equals + 1 : "", equals ? item.n - n - 1 : 0};

        if (!label_is_key(key))
            return vk_err_set(err, VK_INVALID,
                              "'%s': '%.*s' is no key of a label; expected a name like tier or "
                              "example.com/tier",
                              list->v[i], (int)key.n, key.p);
        if (value.n > 0 && !label_is_value(value))
            return vk_err_set(err, VK_INVALID,
                              "'%s': '%.*s' is no value of a label: at most 63 letters, digits, "
                              "'-', '_' and '.', a letter or digit at both ends",
                              list->v[i], (int)value.n, value.p);
        const char *text = vk_arena_strndup(arena, key.p, key.n);
        if (has_key(&out, text))
            return vk_err_set(err, VK_INVALID, "'%s' is there twice", text);
        out.v[out.n++] =
            (struct json_pair){.key = text, .value = vk_arena_strndup(arena, value.p, value.n)};
    }
    *ret = out;
    return 0;
}
