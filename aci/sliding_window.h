/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACI's own limits on creates and deletes: at most so many within each stretch of time, all at
 * once. The caller brings the time. Source: ACI quotas and limits, 100 in 5 minutes and 300 in an
 * hour; x-ms-ratelimit-remaining-subscription-resource-requests-pt5m and -pt1h on the answers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLIDING_WINDOW_LIMITS 4
/* The highest count that a limit may have. */
#define SLIDING_WINDOW_MAX_COUNT 100000

struct sliding_limit {
    int64_t count, period_ms;
};

struct sliding_window {
    struct sliding_limit limits[SLIDING_WINDOW_LIMITS];
    size_t limit_count; /* 0: no limit */
    struct {
        int64_t allowed;   /* the count, or more where the answers told so */
        int64_t remaining; /* as the last answer said, less what went since */
        int64_t heard_ms;  /* 0: never */
    } state_[SLIDING_WINDOW_LIMITS];
    int64_t *times_; /* ring of when the last ones had ended, owned */
    size_t capacity_, next_, used_;
    int64_t under_way_; /* may be counted at any moment until they end */
    int64_t paused_until_ms_;
    bool may_try_; /* one, to hear whether there is room again */
};

/* Limits are copied. */
void sliding_window_init(struct sliding_window *w, const struct sliding_limit *limits,
                         size_t limit_count);
void sliding_window_release(struct sliding_window *w);
/* 0: one may go now; else how long until then; -1: not before one under way has ended. */
int64_t sliding_window_wait_ms(const struct sliding_window *w, int64_t now_ms);
/* One goes. */
void sliding_window_take(struct sliding_window *w);
/* It ended; is_counted: unless ACI surely did not count it. */
void sliding_window_end(struct sliding_window *w, int64_t now_ms, bool is_counted);
/*
 * An answer, whose request has ended, said how many are left in limit number i; those under way may
 * not be in that number yet. It wins over our own count: somebody else may create too, or our quota
 * be higher.
 */
void sliding_window_learn(struct sliding_window *w, size_t i, int64_t now_ms, int64_t remaining);
/* Refused for these limits: nothing before wait_ms (at least a second, at most an hour). Then one
 * goes; where answers tell how many are left, the others wait for its. */
void sliding_window_pause(struct sliding_window *w, int64_t now_ms, int64_t wait_ms);
