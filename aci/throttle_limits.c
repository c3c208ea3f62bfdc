/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/throttle_limits.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

#define MAX_PERIOD_MS (24ll * 60 * 60 * 1000)
#define MAX_BUCKET 1000000

struct throttle_limits throttle_limits_default(void)
{
    static const struct throttle_limits limits = {
        .buckets = {[THROTTLE_READS] = {250, 25},
                    [THROTTLE_WRITES] = {200, 10},
                    [THROTTLE_DELETES] = {200, 10}},
        .creates = {{100, 5ll * 60 * 1000}, {300, 60ll * 60 * 1000}},
        .deletes = {{100, 5ll * 60 * 1000}, {300, 60ll * 60 * 1000}},
        .create_count = 2,
        .delete_count = 2,
        .max_in_flight = 64,
    };
    return limits;
}

int throttle_limits_parse_buckets(const char *text, struct throttle_limits *limits,
                                  struct vk_err *err)
{
    static const char *const names[THROTTLE_KINDS] = {"reads", "writes", "deletes"};
    struct throttle_limits out = *limits;
    struct vk_str rest = vk_str_of(vk_streq(text, "off") ? "" : text);
    if (vk_streq(text, "off"))
        memset(out.buckets, 0, sizeof(out.buckets));
    else if (rest.n == 0)
        rest = VK_STR("-");
    while (rest.n) {
        struct vk_str numbers, rate;
        struct vk_str one = vk_str_trim(vk_str_cut(rest, ',', &rest));
        const struct vk_str name = vk_str_cut(one, '=', &numbers);
        const struct vk_str size = vk_str_cut(numbers, '+', &rate);
        struct throttle_bucket_limit limit;
        size_t k = 0;
        while (k < THROTTLE_KINDS && !vk_str_is(name, names[k]))
            k++;
        if (k == THROTTLE_KINDS || !vk_str_int64(size, 1, MAX_BUCKET, &limit.size) ||
            !vk_str_int64(rate, 1, MAX_BUCKET, &limit.rate_per_s))
            return vk_err_set(err, VK_INVALID,
                              "'%s': expected off, or sizes and rates a second like "
                              "reads=250+25,writes=200+10,deletes=200+10",
                              text ? text : "");
        out.buckets[k] = limit;
    }
    *limits = out;
    return 0;
}

static bool parse_period(struct vk_str text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    const struct vk_str unit = {.p = text.p + digits, .n = text.n - digits};
    for (size_t i = 0; i < VK_COUNT(units); i++) {
        int64_t n;
        if (vk_str_is(unit, units[i].unit) &&
            vk_str_int64((struct vk_str){.p = text.p, .n = digits}, 1, MAX_PERIOD_MS / units[i].ms,
                         &n)) {
            *ret_ms = n * units[i].ms;
            return true;
        }
    }
    return false;
}

int throttle_limits_parse_windows(const char *text, struct sliding_limit *ret_limits,
                                  size_t *ret_count, struct vk_err *err)
{
    struct sliding_limit limits[SLIDING_WINDOW_LIMITS];
    size_t count = 0;
    struct vk_str rest = vk_str_of(vk_streq(text, "off") ? "" : text);
    if (rest.n == 0 && !vk_streq(text, "off"))
        rest = VK_STR("-");
    while (rest.n) {
        struct vk_str period;
        struct vk_str one = vk_str_trim(vk_str_cut(rest, ',', &rest));
        const struct vk_str n = vk_str_cut(one, '/', &period);
        if (count == SLIDING_WINDOW_LIMITS ||
            !vk_str_int64(n, 1, SLIDING_WINDOW_MAX_COUNT, &limits[count].count) ||
            !parse_period(period, &limits[count].period_ms))
            return vk_err_set(err, VK_INVALID,
                              "'%s': expected off, or up to %d counts and periods like "
                              "100/5m,300/1h",
                              text ? text : "", SLIDING_WINDOW_LIMITS);
        count++;
    }
    memcpy(ret_limits, limits, count * sizeof(*limits));
    *ret_count = count;
    return 0;
}
