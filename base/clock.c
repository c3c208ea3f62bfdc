/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define NS_PER_S 1000000000LL
#define MS_PER_DAY 86400000LL

static struct {
    bool on;
    int64_t mono_ms, wall_ms;
} frozen;

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t vk_mono_us(void)
{
    return frozen.on ? frozen.mono_ms * 1000 : read_ns(CLOCK_MONOTONIC) / 1000;
}

int64_t vk_mono_ms(void)
{
    return vk_mono_us() / 1000;
}

int64_t vk_wall_ns(void)
{
    return frozen.on ? frozen.wall_ms * 1000000 : read_ns(CLOCK_REALTIME);
}

int64_t vk_wall_ms(void)
{
    return vk_wall_ns() / 1000000;
}

void vk_clock_freeze(int64_t mono_ms, int64_t wall_ms)
{
    frozen.on = true;
    frozen.mono_ms = mono_ms;
    frozen.wall_ms = wall_ms;
}

void vk_clock_advance(int64_t ms)
{
    frozen.mono_ms += ms;
    frozen.wall_ms += ms;
}

void vk_clock_thaw(void)
{
    frozen.on = false;
}

/*
 * Days since 1970-01-01 in the proleptic Gregorian calendar. Years begin in March here, so that the
 * leap day is the last one and month lengths follow one formula.
 */
static int64_t days_of_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400; /* years 1 to 9999: never negative */
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    int64_t since = days + 719468; /* since 0000-03-01 */
    int64_t era = since / 146097;
    int64_t of_era = since - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2 ? 1 : 0));
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

/* units: fractions per second; times outside years 1 to 9999 show the nearest end. */
static void format_time(int64_t time, int64_t units, int digits, char out[VK_TIME_MAX])
{
    static const int64_t first = -62135596800, last = 253402300799; /* seconds */
    int64_t s = floor_div(time, units);
    int64_t fraction = time % units < 0 ? time % units + units : time % units;
    int year, month, day;
    int of_day, n;

    if (s < first) {
        s = first;
        fraction = 0;
    } else if (s > last) {
        s = last;
        fraction = units - 1;
    }
    date_of_days(floor_div(s, 86400), &year, &month, &day);
    of_day = (int)(s - floor_div(s, 86400) * 86400);
    n = snprintf(out, VK_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, of_day / 3600,
                 of_day / 60 % 60, of_day % 60);
    if (digits)
        snprintf(out + n, VK_TIME_MAX - (size_t)n, ".%0*lldZ", digits, (long long)fraction);
    else
        snprintf(out + n, VK_TIME_MAX - (size_t)n, "Z");
}

void vk_time_format_s(int64_t wall_ms, char out[VK_TIME_MAX])
{
    format_time(wall_ms, 1000, 0, out);
}

void vk_time_format_us(int64_t wall_us, char out[VK_TIME_MAX])
{
    format_time(wall_us, 1000000, 6, out);
}

void vk_time_format_ns(int64_t wall_ns, char out[VK_TIME_MAX])
{
    format_time(wall_ns, NS_PER_S, 9, out);
}

/* Exactly `digits` digits from the front of *s; -1 when they are not there. */
static int take_digits(struct vk_str *s, unsigned digits)
{
    int value = 0;

    if (s->n < digits)
        return -1;
    for (unsigned i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return -1;
        value = value * 10 + (s->p[i] - '0');
    }
    s->p += digits;
    s->n -= digits;
    return value;
}

static bool take_char(struct vk_str *s, char upper)
{
    if (s->n == 0 || (s->p[0] != upper && !(upper >= 'A' && s->p[0] == upper + ('a' - 'A'))))
        return false;
    s->p++;
    s->n--;
    return true;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool take_date(struct vk_str *s, int64_t *ret_days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;

    if ((year = take_digits(s, 4)) < 1 || !take_char(s, '-'))
        return false;
    if ((month = take_digits(s, 2)) < 1 || month > 12 || !take_char(s, '-'))
        return false;
    if ((day = take_digits(s, 2)) < 1 ||
        day > lengths[month - 1] + (month == 2 && is_leap(year) ? 1 : 0))
        return false;
    *ret_days = days_of_date(year, month, day);
    return true;
}

/* A leap second (":60", RFC 3339 5.7) counts as the second after it. */
static bool take_time_of_day(struct vk_str *s, int64_t *ret_seconds)
{
    int hour, minute, second;

    if ((hour = take_digits(s, 2)) < 0 || hour > 23 || !take_char(s, ':'))
        return false;
    if ((minute = take_digits(s, 2)) < 0 || minute > 59 || !take_char(s, ':'))
        return false;
    if ((second = take_digits(s, 2)) < 0 || second > 60)
        return false;
    *ret_seconds = hour * 3600 + minute * 60 + second;
    return true;
}

static bool take_fraction(struct vk_str *s, int64_t *ret_ns)
{
    int64_t unit = NS_PER_S / 10;
    size_t n = 0;

    *ret_ns = 0;
    if (!take_char(s, '.'))
        return true;
    for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; s->p++, s->n--, n++) {
        *ret_ns += (s->p[0] - '0') * unit;
        unit /= 10;
    }
    return n > 0;
}

static bool take_offset(struct vk_str *s, int64_t *ret_seconds)
{
    int sign, hours, minutes;

    *ret_seconds = 0;
    if (take_char(s, 'Z'))
        return true;
    if (take_char(s, '+'))
        sign = 1;
    else if (take_char(s, '-'))
        sign = -1;
    else
        return false;
    if ((hours = take_digits(s, 2)) < 0 || hours > 23 || !take_char(s, ':'))
        return false;
    if ((minutes = take_digits(s, 2)) < 0 || minutes > 59)
        return false;
    *ret_seconds = (int64_t)sign * (hours * 3600 + minutes * 60);
    return true;
}

bool vk_time_parse(struct vk_str s, int64_t *ret_wall_ns)
{
    int64_t days, of_day, ns, offset, seconds, result;

    if (!take_date(&s, &days) || !take_char(&s, 'T') || !take_time_of_day(&s, &of_day) ||
        !take_fraction(&s, &ns) || !take_offset(&s, &offset) || s.n != 0)
        return false;
    seconds = days * (MS_PER_DAY / 1000) + of_day - offset;
    if (__builtin_mul_overflow(seconds, NS_PER_S, &result) ||
        __builtin_add_overflow(result, ns, &result)) {
        if (seconds < 0)
            return false;
        result = INT64_MAX;
    }
    *ret_wall_ns = result;
    return true;
}
