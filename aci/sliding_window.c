/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/sliding_window.h"

#include "base/alloc.h"

#define MIN_PAUSE_MS 1000
#define MAX_PAUSE_MS (60ll * 60 * 1000)
/* What is remembered at least, so that a quota above the setting can be learnt. */
#define MIN_CAPACITY 1024
/* What went this long ago, in percent of the period, may not be counted any more at ACI: our own
 * times are those of the ends, which come later. */
#define SURE_PERCENT 95
/* An empty window of which we have no history is tried this many times in its period. */
#define TRIES_PER_PERIOD 10

void sliding_window_init(struct sliding_window *w, const struct sliding_limit *limits,
                         size_t limit_count)
{
    *w = (struct sliding_window){.limit_count = limit_count};
    if (limit_count == 0)
        return;
    w->capacity_ = MIN_CAPACITY;
    for (size_t i = 0; i < limit_count; i++) {
        w->limits[i] = limits[i];
        w->state_[i].allowed = limits[i].count;
        if ((size_t)limits[i].count > w->capacity_)
            w->capacity_ = (size_t)limits[i].count;
    }
    w->times_ = vk_calloc(w->capacity_, sizeof(*w->times_));
}

void sliding_window_release(struct sliding_window *w)
{
    vk_free(w->times_);
    *w = (struct sliding_window){0};
}

/* When the n-th last one went, n from 1. */
static int64_t nth_last(const struct sliding_window *w, size_t n)
{
    return w->times_[(w->next_ + w->capacity_ - n) % w->capacity_];
}

static int64_t wait_of_limit(const struct sliding_window *w, size_t i, int64_t now_ms)
{
    const int64_t period = w->limits[i].period_ms;
    const int64_t heard_ago = now_ms - w->state_[i].heard_ms;
    const bool is_told = w->state_[i].heard_ms != 0 && heard_ago < period;
    if (is_told && w->state_[i].remaining > 0)
        return 0;
    const int64_t allowed = w->state_[i].allowed - w->under_way_;
    if (allowed <= 0)
        return -1;
    int64_t wait = 0;
    if (is_told && !w->may_try_ && period / TRIES_PER_PERIOD > heard_ago)
        wait = period / TRIES_PER_PERIOD - heard_ago;
    if (w->used_ >= (size_t)allowed) {
        const int64_t own = nth_last(w, (size_t)allowed) + period - now_ms;
        wait = own > wait ? own : wait;
    }
    return wait;
}

int64_t sliding_window_wait_ms(const struct sliding_window *w, int64_t now_ms)
{
    int64_t wait = w->paused_until_ms_ > now_ms ? w->paused_until_ms_ - now_ms : 0;
    for (size_t i = 0; i < w->limit_count; i++) {
        const int64_t one = wait_of_limit(w, i, now_ms);
        if (one < 0)
            return -1;
        wait = one > wait ? one : wait;
    }
    return wait;
}

void sliding_window_take(struct sliding_window *w)
{
    w->under_way_++;
    w->may_try_ = false;
    for (size_t i = 0; i < w->limit_count; i++)
        w->state_[i].remaining--;
}

void sliding_window_end(struct sliding_window *w, int64_t now_ms, bool is_counted)
{
    w->under_way_--;
    if (w->limit_count == 0 || !is_counted)
        return;
    /* ACI counted it when it came, at the latest now: what follows a period later is safe. */
    w->times_[w->next_] = now_ms;
    w->next_ = (w->next_ + 1) % w->capacity_;
    if (w->used_ < w->capacity_)
        w->used_++;
}

/* How many of ours ended within the period; they are in order of time. */
static int64_t count_within(const struct sliding_window *w, int64_t period_ms, int64_t now_ms)
{
    size_t low = 0, high = w->used_;
    while (low < high) {
        const size_t middle = low + (high - low + 1) / 2;
        if (now_ms - nth_last(w, middle) < period_ms)
            low = middle;
        else
            high = middle - 1;
    }
    return (int64_t)low;
}

void sliding_window_learn(struct sliding_window *w, size_t i, int64_t now_ms, int64_t remaining)
{
    if (i >= w->limit_count)
        return;
    w->state_[i].remaining = remaining - w->under_way_;
    w->state_[i].heard_ms = now_ms;
    const int64_t sure = w->limits[i].period_ms * SURE_PERCENT / 100;
    int64_t quota = count_within(w, sure, now_ms) + (remaining > 0 ? remaining : 0);
    if (quota > (int64_t)w->capacity_)
        quota = (int64_t)w->capacity_;
    if (quota > w->state_[i].allowed)
        w->state_[i].allowed = quota;
}

void sliding_window_pause(struct sliding_window *w, int64_t now_ms, int64_t wait_ms)
{
    if (wait_ms < MIN_PAUSE_MS)
        wait_ms = MIN_PAUSE_MS;
    if (wait_ms > MAX_PAUSE_MS)
        wait_ms = MAX_PAUSE_MS;
    if (now_ms + wait_ms > w->paused_until_ms_)
        w->paused_until_ms_ = now_ms + wait_ms;
    w->may_try_ = true;
    for (size_t i = 0; i < w->limit_count; i++)
        w->state_[i].remaining = 0;
}
