/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our copy of one of ARM's token buckets: so many requests at once, then so many a second. A pure
 * value; the caller brings the time. Source: ARM request limits and throttling, token bucket.
 */
#pragma once

#include <stdint.h>

struct token_bucket {
    int64_t size, rate_per_s; /* size 0: no limit */
    int64_t milli_;           /* thousandths of a request; negative after a correction */
    int64_t at_ms_;
    int64_t paused_until_ms_;
};

/* Full at now_ms. */
void token_bucket_init(struct token_bucket *b, int64_t size, int64_t rate_per_s, int64_t now_ms);
/* 0: a request may go now and `reserve` more are left for others; else how long until then. */
int64_t token_bucket_wait_ms(struct token_bucket *b, int64_t now_ms, int64_t reserve);
/* A request goes, whether there was one left or not. */
void token_bucket_take(struct token_bucket *b, int64_t now_ms);
/*
 * ARM said how many it has left, which is the truth in both directions; requests under way may not
 * be in that number yet. More than `size` means that the bucket is a larger one.
 */
void token_bucket_learn(struct token_bucket *b, int64_t now_ms, int64_t remaining,
                        int64_t in_flight);
/* ARM answered 429: empty, and nothing before wait_ms (at least a second, at most 10 minutes). */
void token_bucket_pause(struct token_bucket *b, int64_t now_ms, int64_t wait_ms);
/* Whole requests that may go now. */
int64_t token_bucket_left(struct token_bucket *b, int64_t now_ms);
