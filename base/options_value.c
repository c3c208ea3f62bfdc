/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options_value.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

char *option_env_name(const char *prefix, const char *name, struct vk_arena *arena)
{
    char *text = vk_arena_printf(arena, "%s_%s", prefix, name);

    for (char *p = text + strlen(prefix); *p; p++) {
        if (*p == '-' || *p == '.')
            *p = '_';
        else if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - ('a' - 'A'));
    }
    return text;
}

static int bad_value(const struct option_def *def, const char *text, const char *origin,
                     const char *expected, struct vk_err *err)
{
    if (def->secret)
        return vk_err_set(err, VK_INVALID, "%s: the value is not valid: expected %s", origin,
                          expected);
    return vk_err_set(err, VK_INVALID, "%s: \"%.100s\" is not valid: expected %s", origin, text,
                      expected);
}

static bool take_unit(struct vk_str *s, int64_t *ret_ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"ns", 1},       {"us", 1000},      {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},
        {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000},  {"h", 3600000000000},
    };

    for (size_t i = 0; i < VK_COUNT(units); i++) {
        /* The unit ends where the next number begins, so "m" does not take the front of "ms". */
        struct vk_str name = vk_str_of(units[i].name);

        if (vk_str_starts(*s, name)) {
            struct vk_str rest = {.p = s->p + name.n, .n = s->n - name.n};

            if (rest.n && rest.p[0] != '.' && (rest.p[0] < '0' || rest.p[0] > '9'))
                continue;
            *ret_ns = units[i].ns;
            *s = rest;
            return true;
        }
    }
    return false;
}

/* "1.5" in front of a unit: whole part, and the fraction as numerator and scale. */
static bool take_number(struct vk_str *s, int64_t *whole, int64_t *part, int64_t *scale)
{
    size_t digits = 0;

    *whole = *part = 0;
    *scale = 1;
    for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; s->p++, s->n--, digits++) {
        if (__builtin_mul_overflow(*whole, 10, whole) ||
            __builtin_add_overflow(*whole, s->p[0] - '0', whole))
            return false;
    }
    if (s->n == 0 || s->p[0] != '.')
        return digits > 0;
    for (s->p++, s->n--; s->n && s->p[0] >= '0' && s->p[0] <= '9'; s->p++, s->n--, digits++) {
        if (*scale < 1000000) { /* more digits than matter for milliseconds are cut */
            *part = *part * 10 + (s->p[0] - '0');
            *scale *= 10;
        }
    }
    return digits > 0;
}

bool option_parse_duration(struct vk_str s, int64_t *ret_ms)
{
    bool negative = s.n && s.p[0] == '-';
    int64_t total = 0;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        s.p++;
        s.n--;
    }
    if (vk_str_is(s, "0")) {
        *ret_ms = 0;
        return true;
    }
    if (s.n == 0)
        return false;
    while (s.n) {
        int64_t whole, part, scale, unit;

        if (!take_number(&s, &whole, &part, &scale) || !take_unit(&s, &unit) ||
            __builtin_mul_overflow(whole, unit, &whole) ||
            __builtin_add_overflow(total, whole, &total) ||
            __builtin_add_overflow(total, (int64_t)((double)part / (double)scale * (double)unit),
                                   &total))
            return false;
    }
    total /= 1000000;
    *ret_ms = negative ? -total : total;
    return true;
}

static bool has_range(const struct option_def *def)
{
    return def->min != 0 || def->max != 0;
}

static int set_number(const struct option_def *def, const char *text, const char *origin, char *out,
                      struct vk_err *err)
{
    int64_t min = has_range(def) ? def->min : INT64_MIN;
    int64_t max = has_range(def) ? def->max : INT64_MAX;
    char expected[96];
    int64_t value;

    if (def->kind == OPTION_INT) {
        if (!vk_str_int64(vk_str_of(text), min, max, &value)) {
            if (has_range(def))
                snprintf(expected, sizeof(expected), "a number in %" PRId64 "..%" PRId64, min, max);
            return bad_value(def, text, origin, has_range(def) ? expected : "a number", err);
        }
    } else {
        if (!option_parse_duration(vk_str_of(text), &value))
            return bad_value(def, text, origin, "a duration such as 10s, 1m30s or 250ms", err);
        if (value < min || value > max) {
            snprintf(expected, sizeof(expected), "a duration from %" PRId64 "ms to %" PRId64 "ms",
                     min, max);
            return bad_value(def, text, origin, expected, err);
        }
    }
    memcpy(out + def->offset, &value, sizeof(value));
    return 0;
}

/* The words of Go's strconv.ParseBool. */
static int set_bool(const struct option_def *def, const char *text, const char *origin, char *out,
                    struct vk_err *err)
{
    static const char *const words[] = {"false", "False", "FALSE", "f", "F", "0",
                                        "true",  "True",  "TRUE",  "t", "T", "1"};

    for (size_t i = 0; i < VK_COUNT(words); i++) {
        if (vk_streq(text, words[i])) {
            bool value = i >= VK_COUNT(words) / 2;

            memcpy(out + def->offset, &value, sizeof(value));
            return 0;
        }
    }
    return bad_value(def, text, origin, "true or false", err);
}

static int set_enum(const struct option_def *def, const char *text, const char *origin, char *out,
                    struct vk_arena *arena, struct vk_err *err)
{
    struct vk_str rest = vk_str_of(def->choices);
    char expected[160];

    while (rest.p) {
        if (vk_str_is(vk_str_cut(rest, '|', &rest), text)) {
            const char *value = vk_arena_strdup(arena, text);

            memcpy(out + def->offset, &value, sizeof(value));
            return 0;
        }
    }
    snprintf(expected, sizeof(expected), "one of %s", def->choices);
    return bad_value(def, text, origin, expected, err);
}

/* Commas separate; blanks around and empty pieces do not count. */
static void set_strings(const struct option_def *def, const char *const *texts, size_t count,
                        char *out, struct vk_arena *arena)
{
    struct json_strs value = {0};
    size_t pieces = 0;

    for (size_t i = 0; i < count; i++) {
        pieces++;
        for (const char *p = texts[i]; *p; p++)
            pieces += *p == ',';
    }
    value.v = vk_arena_array(arena, pieces, sizeof(value.v[0]));
    for (size_t i = 0; i < count; i++) {
        struct vk_str rest = vk_str_of(texts[i]);

        while (rest.p) {
            struct vk_str piece = vk_str_trim(vk_str_cut(rest, ',', &rest));

            if (piece.n)
                value.v[value.n++] = vk_arena_str(arena, piece);
        }
    }
    memcpy(out + def->offset, &value, sizeof(value));
}

int option_set_value(const struct option_def *def, const char *const *texts, size_t count,
                     const char *origin, void *out, struct vk_arena *arena, struct vk_err *err)
{
    const char *text = texts[count - 1];
    const char *copy;

    switch (def->kind) {
    case OPTION_STRING:
        copy = vk_arena_strdup(arena, text);
        memcpy((char *)out + def->offset, &copy, sizeof(copy));
        return 0;
    case OPTION_INT:
    case OPTION_DURATION:
        return set_number(def, text, origin, out, err);
    case OPTION_BOOL:
        return set_bool(def, text, origin, out, err);
    case OPTION_STRINGS:
        set_strings(def, texts, count, out, arena);
        return 0;
    case OPTION_ENUM:
        return set_enum(def, text, origin, out, arena, err);
    default:
        return vk_err_set(err, VK_INTERNAL, "%s: unknown kind of option", origin);
    }
}
