/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prometheus_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME 200
#define MAX_VALUE 63

static bool is_name_char(char c, bool first)
{
    return isalpha((unsigned char)c) || c == '_' || c == ':' ||
           (!first && isdigit((unsigned char)c));
}

static size_t name_length(struct vk_str s)
{
    size_t n = 0;

    while (n < s.n && is_name_char(s.p[n], n == 0))
        n++;
    return n;
}

static void skip(struct vk_str *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

static void skip_blanks(struct vk_str *s)
{
    while (s->n && (*s->p == ' ' || *s->p == '\t'))
        skip(s, 1);
}

/* s begins behind the opening quote; returns the length up to the closing one, or s.n when there is
 * none. */
static size_t quoted_length(struct vk_str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] != '"')
        n += s.p[n] == '\\' ? 2 : 1;
    return n < s.n ? n : s.n;
}

/* One label, NAME="VALUE", off the front of *rest with what follows it up to the next one. */
static bool take_label(struct vk_str *rest, struct vk_str *ret_name, struct vk_str *ret_value)
{
    size_t n;

    skip_blanks(rest);
    n = name_length(*rest);
    *ret_name = (struct vk_str){.p = rest->p, .n = n};
    skip(rest, n);
    skip_blanks(rest);
    if (!n || !rest->n || *rest->p != '=')
        return false;
    skip(rest, 1);
    skip_blanks(rest);
    if (!rest->n || *rest->p != '"')
        return false;
    skip(rest, 1);
    n = quoted_length(*rest);
    if (n == rest->n)
        return false;
    *ret_value = (struct vk_str){.p = rest->p, .n = n};
    skip(rest, n + 1);
    skip_blanks(rest);
    if (rest->n && *rest->p == ',')
        skip(rest, 1);
    skip_blanks(rest);
    return true;
}

/* "{...}" off the front of *line. */
static bool take_labels(struct vk_str *line, struct vk_str *ret)
{
    struct vk_str rest = *line, name, value;

    skip(&rest, 1);
    ret->p = rest.p;
    skip_blanks(&rest);
    while (rest.n && *rest.p != '}')
        if (!take_label(&rest, &name, &value))
            return false;
    if (!rest.n)
        return false;
    ret->n = (size_t)(rest.p - ret->p);
    skip(&rest, 1);
    *line = rest;
    return true;
}

static bool read_value(struct vk_str text, double *ret)
{
    char digits[MAX_VALUE + 1], *end;

    if (!text.n || text.n > MAX_VALUE)
        return false;
    memcpy(digits, text.p, text.n);
    digits[text.n] = '\0';
    *ret = strtod(digits, &end);
    return !*end && !isspace((unsigned char)*digits);
}

static bool read_sample(struct vk_str line, prometheus_sample_fn fn, void *user)
{
    char name[MAX_NAME + 1];
    struct prometheus_sample sample = {.name = name, .labels = {.p = "", .n = 0}};
    const size_t n = name_length(line);
    struct vk_str stamp;

    if (!n || n > MAX_NAME)
        return false;
    memcpy(name, line.p, n);
    name[n] = '\0';
    skip(&line, n);
    skip_blanks(&line);
    if (line.n && *line.p == '{' && !take_labels(&line, &sample.labels))
        return false;
    skip_blanks(&line);
    if (!read_value(vk_str_cut(line, ' ', &stamp), &sample.value))
        return false;
    fn(user, &sample);
    return true;
}

int prometheus_parse(struct vk_str text, prometheus_sample_fn fn, void *user, struct vk_err *err)
{
    for (size_t number = 1; text.n; number++) {
        const struct vk_str line = vk_str_trim(vk_str_cut(text, '\n', &text));

        if (line.n && *line.p != '#' && !read_sample(line, fn, user))
            return vk_err_set(err, VK_INVALID, "line %zu of the metrics is no sample", number);
    }
    return 0;
}

const char *prometheus_label(const struct prometheus_sample *sample, const char *name,
                             struct vk_arena *arena)
{
    struct vk_str rest = sample->labels, key, value;
    char *out;
    size_t n = 0;

    do {
        if (!rest.n || !take_label(&rest, &key, &value))
            return "";
    } while (!vk_str_is(key, name));
    out = vk_arena_alloc(arena, value.n + 1);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\\' && i + 1 < value.n)
            i++, out[n++] = value.p[i] == 'n' ? '\n' : value.p[i];
        else
            out[n++] = value.p[i];
    }
    out[n] = '\0';
    return out;
}
