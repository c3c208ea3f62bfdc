/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/rate_limits.h"

#include <inttypes.h>

#include "aci/emulator/arm_error.h"
#include "base/alloc.h"
#include "base/str.h"

/* The subscription's buckets are as many times larger than those of one principal. */
#define SUBSCRIPTION_FACTOR 15
#define MAX_BUCKET 1000000
#define MAX_WINDOWS 4
#define MAX_COUNT 100000
#define MAX_PERIOD_MS (24ll * 60 * 60 * 1000)

struct bucket {
    int64_t size, rate_per_s; /* size 0: no limit */
    int64_t milli, at_ms;
};

struct window {
    int64_t count, period_ms;
};
/* The limits of one operation share their history. */
struct windows {
    struct window v[MAX_WINDOWS];
    size_t n;
    int64_t *times; /* ring of when the last ones were taken, owned */
    size_t capacity, next, used;
};

struct rate_limits {
    struct bucket own[RATE_KINDS], subscription[RATE_KINDS];
    struct windows windows[RATE_KINDS]; /* of group writes; none for reads */
    int64_t refused[RATE_KINDS], refused_groups[RATE_KINDS];
};

static const struct {
    const char *name, *verb, *action;
    int64_t size, rate_per_s;
} kinds[RATE_KINDS] = {
    {"reads", "read", NULL, 250, 25},
    {"writes", "write", "Microsoft.ContainerInstance/containerGroups/write", 200, 10},
    {"deletes", "delete", "Microsoft.ContainerInstance/containerGroups/delete", 200, 10},
};

static bool parse_bucket(struct vk_str text, struct rate_limits *l)
{
    struct vk_str numbers, rate_text;
    struct vk_str name = vk_str_cut(text, '=', &numbers);
    struct vk_str size_text = vk_str_cut(numbers, '+', &rate_text);
    int64_t size, rate;

    if (!vk_str_int64(size_text, 1, MAX_BUCKET, &size) ||
        !vk_str_int64(rate_text, 1, MAX_BUCKET, &rate))
        return false;
    for (int k = 0; k < RATE_KINDS; k++) {
        if (vk_str_is(name, kinds[k].name)) {
            l->own[k] = (struct bucket){.size = size, .rate_per_s = rate};
            return true;
        }
    }
    return false;
}

static int parse_buckets(const char *text, struct rate_limits *l, struct vk_err *err)
{
    struct vk_str rest = vk_str_of(text);

    if (vk_str_empty(text) || vk_streq(text, "off"))
        return 0;
    for (int k = 0; k < RATE_KINDS; k++)
        l->own[k] = (struct bucket){.size = kinds[k].size, .rate_per_s = kinds[k].rate_per_s};
    while (rest.n && !vk_streq(text, "on")) {
        if (!parse_bucket(vk_str_trim(vk_str_cut(rest, ',', &rest)), l))
            return vk_err_set(err, VK_INVALID,
                              "--arm-buckets '%s': expected on, off, or sizes and rates a second "
                              "like reads=250+25,writes=200+10,deletes=200+10",
                              text);
    }
    return 0;
}

static bool parse_window(struct vk_str text, struct window *ret)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    struct vk_str period;
    struct vk_str count = vk_str_cut(text, '/', &period);
    struct vk_str number = period;
    int64_t n;

    while (number.n && (number.p[number.n - 1] < '0' || number.p[number.n - 1] > '9'))
        number.n--;
    for (size_t i = 0; i < VK_COUNT(units); i++) {
        struct vk_str unit = {.p = period.p + number.n, .n = period.n - number.n};

        if (vk_str_is(unit, units[i].unit) && vk_str_int64(count, 1, MAX_COUNT, &ret->count) &&
            vk_str_int64(number, 1, MAX_PERIOD_MS / units[i].ms, &n)) {
            ret->period_ms = n * units[i].ms;
            return true;
        }
    }
    return false;
}

static int parse_windows(const char *flag, const char *text, struct windows *w, struct vk_err *err)
{
    struct vk_str rest = vk_str_of(text);

    if (vk_str_empty(text) || vk_streq(text, "off"))
        return 0;
    while (rest.n) {
        if (w->n == MAX_WINDOWS ||
            !parse_window(vk_str_trim(vk_str_cut(rest, ',', &rest)), &w->v[w->n]))
            return vk_err_set(err, VK_INVALID,
                              "--%s '%s': expected off, or up to %d counts and periods like "
                              "100/5m,300/1h",
                              flag, text, MAX_WINDOWS);
        if ((size_t)w->v[w->n].count > w->capacity)
            w->capacity = (size_t)w->v[w->n].count;
        w->n++;
    }
    w->times = vk_calloc(w->capacity, sizeof(*w->times));
    return 0;
}

int rate_limits_new(const char *buckets, const char *creates, const char *deletes,
                    struct rate_limits **ret, struct vk_err *err)
{
    struct rate_limits *l = vk_calloc(1, sizeof(*l));

    if (parse_buckets(buckets, l, err) < 0 ||
        parse_windows("create-limits", creates, &l->windows[RATE_WRITES], err) < 0 ||
        parse_windows("delete-limits", deletes, &l->windows[RATE_DELETES], err) < 0) {
        rate_limits_free(l);
        return -1;
    }
    for (int k = 0; k < RATE_KINDS; k++) {
        l->own[k].milli = l->own[k].size * 1000;
        l->subscription[k] =
            (struct bucket){.size = l->own[k].size * SUBSCRIPTION_FACTOR,
                            .rate_per_s = l->own[k].rate_per_s * SUBSCRIPTION_FACTOR,
                            .milli = l->own[k].milli * SUBSCRIPTION_FACTOR};
    }
    *ret = l;
    return 0;
}

void rate_limits_free(struct rate_limits *l)
{
    if (!l)
        return;
    for (int k = 0; k < RATE_KINDS; k++)
        vk_free(l->windows[k].times);
    vk_free(l);
}

enum rate_kind rate_kind_of(const char *method)
{
    if (vk_streq(method, "GET"))
        return RATE_READS;
    return vk_streq(method, "DELETE") ? RATE_DELETES : RATE_WRITES;
}

static int64_t filled(const struct bucket *b, int64_t now_ms)
{
    int64_t passed = now_ms - b->at_ms, full = b->size * 1000;
    int64_t milli = passed > full ? full : b->milli + passed * b->rate_per_s;

    return milli < full ? milli : full;
}

/* 0 and one less in it; else how long until there is one. */
static int64_t take_token(struct bucket *b, int64_t now_ms)
{
    if (b->size == 0)
        return 0;
    b->milli = filled(b, now_ms);
    b->at_ms = now_ms;
    if (b->milli < 1000)
        return (1000 - b->milli + b->rate_per_s - 1) / b->rate_per_s;
    b->milli -= 1000;
    return 0;
}

/* When the n-th last was taken, n from 1. */
static int64_t nth_last(const struct windows *w, size_t n)
{
    return w->times[(w->next + w->capacity - n) % w->capacity];
}

static int64_t left_in(const struct windows *w, size_t i, int64_t now_ms)
{
    int64_t left = w->v[i].count;

    for (size_t n = 1; n <= w->used && left > 0; n++) {
        if (now_ms - nth_last(w, n) >= w->v[i].period_ms)
            break;
        left--;
    }
    return left;
}

/* The window that is full, or NULL after counting one. */
static const struct window *take_place(struct windows *w, int64_t now_ms, int64_t *ret_wait_ms)
{
    for (size_t i = 0; i < w->n; i++) {
        if (left_in(w, i, now_ms) > 0)
            continue;
        *ret_wait_ms = nth_last(w, (size_t)w->v[i].count) + w->v[i].period_ms - now_ms;
        return &w->v[i];
    }
    if (w->n) {
        w->times[w->next] = now_ms;
        w->next = (w->next + 1) % w->capacity;
        w->used += w->used < w->capacity;
    }
    return NULL;
}

static int64_t seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

static int refuse_bucket(const char *verb, const char *subscription, int64_t wait_ms,
                         struct vk_err *err)
{
    arm_error_set(err, 429, "SubscriptionRequestsThrottled",
                  "Number of '%s' requests for subscription '%.60s' actor 'emulated' exceeded. "
                  "Please try again after '%" PRId64 "' seconds after additional tokens are "
                  "available.",
                  verb, subscription ? subscription : "-", seconds(wait_ms));
    err->retry_after_ms = wait_ms;
    return -1;
}

int rate_limits_take(struct rate_limits *l, enum rate_kind kind, bool group_write,
                     const char *subscription, int64_t now_ms, struct vk_err *err)
{
    int64_t wait_ms = take_token(&l->own[kind], now_ms);
    const struct window *full = NULL;

    if (wait_ms == 0)
        wait_ms = take_token(&l->subscription[kind], now_ms);
    if (wait_ms > 0) {
        l->refused[kind]++;
        return refuse_bucket(kinds[kind].verb, subscription, wait_ms, err);
    }
    if (group_write)
        full = take_place(&l->windows[kind], now_ms, &wait_ms);
    if (!full)
        return 0;
    l->refused_groups[kind]++;
    arm_error_set(err, 429, "ResourceRequestsThrottled",
                  "Number of requests for action '%s' exceeded the limit of '%" PRId64
                  "' for time interval '%02" PRId64 ":%02" PRId64 ":%02" PRId64
                  "'. Please try again after '%" PRId64 "' seconds.",
                  kinds[kind].action, full->count, full->period_ms / 3600000,
                  full->period_ms / 60000 % 60, full->period_ms / 1000 % 60, seconds(wait_ms));
    err->retry_after_ms = wait_ms;
    return -1;
}

struct rate_left rate_limits_left(const struct rate_limits *l, enum rate_kind kind, int64_t now_ms)
{
    const struct bucket *own = &l->own[kind], *all = &l->subscription[kind];
    const struct windows *w = &l->windows[kind];
    /* A bucket that is off looks full, less the request that is answered. */
    struct rate_left left = {.bucket = kinds[kind].size - 1,
                             .subscription = kinds[kind].size * SUBSCRIPTION_FACTOR - 1,
                             .in_5m = 99,
                             .in_1h = 299};

    if (own->size) {
        left.bucket = filled(own, now_ms) / 1000;
        left.subscription = filled(all, now_ms) / 1000;
    }
    if (w->n > 0)
        left.in_5m = left_in(w, 0, now_ms);
    if (w->n > 1)
        left.in_1h = left_in(w, 1, now_ms);
    return left;
}

void rate_limits_write(const struct rate_limits *l, struct json_writer *w)
{
    json_begin_object(w, "throttled");
    for (int k = 0; k < RATE_KINDS; k++)
        json_put_int(w, kinds[k].name, l->refused[k]);
    json_put_int(w, "creates", l->refused_groups[RATE_WRITES]);
    json_put_int(w, "groupDeletes", l->refused_groups[RATE_DELETES]);
    json_end_object(w);
}
