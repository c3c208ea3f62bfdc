/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/quantity.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* The digits of a number with the place of its point; nothing is rounded before the end. */
struct decimal {
    bool negative;
    const char *digits, *end; /* whole and fraction, with the point between them */
    const char *point;        /* == end when there is none */
};

struct suffix {
    const char *text;
    int exponent; /* of ten, or of two */
    bool binary;
};
static const struct suffix suffixes[] = {
    {"", 0, false},   {"n", -9, false}, {"u", -6, false}, {"m", -3, false},
    {"k", 3, false},  {"M", 6, false},  {"G", 9, false},  {"T", 12, false},
    {"P", 15, false}, {"E", 18, false}, {"Ki", 10, true}, {"Mi", 20, true},
    {"Gi", 30, true}, {"Ti", 40, true}, {"Pi", 50, true}, {"Ei", 60, true},
};
/* Far beyond what any number of digits that we accept can bring back into range. */
#define MAX_EXPONENT 1000
#define MAX_TEXT_BYTES 256

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "e3", "E-3": the exponent, clamped. */
static bool parse_exponent(const char *text, int *ret)
{
    bool negative = false;
    int value = 0;

    if (*text != 'e' && *text != 'E')
        return false;
    text++;
    if (*text == '+' || *text == '-')
        negative = *text++ == '-';
    if (!is_digit(*text))
        return false;
    for (; is_digit(*text); text++) {
        if (value < MAX_EXPONENT)
            value = value * 10 + (*text - '0');
    }
    *ret = negative ? -value : value;
    return *text == '\0';
}

static bool parse_suffix(const char *text, struct suffix *ret)
{
    for (size_t i = 0; i < VK_COUNT(suffixes); i++) {
        if (vk_streq(text, suffixes[i].text)) {
            *ret = suffixes[i];
            return true;
        }
    }
    *ret = (struct suffix){.text = text};
    return parse_exponent(text, &ret->exponent);
}

static bool parse(const char *text, struct decimal *ret, struct suffix *ret_suffix)
{
    const char *p = text;
    size_t count;

    if (!text || strnlen(text, MAX_TEXT_BYTES) == MAX_TEXT_BYTES)
        return false;
    ret->negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    ret->digits = p;
    while (is_digit(*p))
        p++;
    count = (size_t)(p - ret->digits);
    ret->point = p;
    if (*p == '.') {
        p++;
        while (is_digit(*p))
            p++;
        count += (size_t)(p - ret->point) - 1;
    }
    ret->end = p;
    return count > 0 && parse_suffix(p, ret_suffix);
}

static int64_t saturate(bool negative)
{
    return negative ? INT64_MIN : INT64_MAX;
}

/* Shifts the point by `shift` digits and rounds up; no arithmetic on fractions is needed. */
static int64_t shift_decimal(const struct decimal *d, int shift)
{
    int64_t left = (d->point - d->digits) + shift; /* digits before the shifted point */
    int64_t value = 0;
    bool rest = false;

    for (const char *p = d->digits; p < d->end; p++) {
        if (*p == '.')
            continue;
        if (left-- <= 0)
            rest = rest || *p != '0';
        else if (__builtin_mul_overflow(value, 10, &value) ||
                 __builtin_add_overflow(value, *p - '0', &value))
            return saturate(d->negative);
    }
    for (; left > 0 && value; left--) {
        if (__builtin_mul_overflow(value, 10, &value))
            return saturate(d->negative);
    }
    if (rest && __builtin_add_overflow(value, 1, &value))
        return saturate(d->negative);
    return d->negative ? -value : value;
}

/* number * 2^exponent * multiplier, rounded up. */
static int64_t shift_binary(const struct decimal *d, int exponent, int64_t multiplier)
{
    const int64_t fraction_unit = 1000000000000000000; /* 18 digits are more than any use */
    __extension__ typedef __int128 wide;
    int64_t whole = 0, fraction = 0, unit = fraction_unit;
    wide part, value;
    bool rest = false;

    for (const char *p = d->digits; p < d->point; p++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, *p - '0', &whole))
            return saturate(d->negative);
    }
    for (const char *p = d->point + 1; p < d->end; p++) {
        unit /= 10;
        fraction += unit * (*p - '0');
        rest = rest || (unit == 0 && *p != '0');
    }
    if (whole > INT64_MAX >> exponent)
        return saturate(d->negative);
    part = (wide)fraction << exponent;
    value = ((wide)whole << exponent) * (wide)multiplier;
    value += part / (wide)fraction_unit * (wide)multiplier;
    part = part % (wide)fraction_unit * (wide)multiplier;
    value += part / (wide)fraction_unit;
    if (part % (wide)fraction_unit || rest)
        value++;
    if (value > (wide)INT64_MAX)
        return saturate(d->negative);
    return d->negative ? -(int64_t)value : (int64_t)value;
}

static bool convert(const char *text, int decimals, int64_t multiplier, int64_t *ret)
{
    struct decimal d;
    struct suffix suffix;

    if (!parse(text, &d, &suffix))
        return false;
    *ret = suffix.binary ? shift_binary(&d, suffix.exponent, multiplier)
                         : shift_decimal(&d, suffix.exponent + decimals);
    return true;
}

bool quantity_milli(const char *text, int64_t *ret)
{
    return convert(text, 3, 1000, ret);
}

bool quantity_value(const char *text, int64_t *ret)
{
    return convert(text, 0, 1, ret);
}
