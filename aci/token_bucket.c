/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/token_bucket.h"

#define MIN_PAUSE_MS 1000
#define MAX_PAUSE_MS (10ll * 60 * 1000)

void token_bucket_init(struct token_bucket *b, int64_t size, int64_t rate_per_s, int64_t now_ms)
{
    *b = (struct token_bucket){
        .size = size, .rate_per_s = rate_per_s, .milli_ = size * 1000, .at_ms_ = now_ms};
}

static void refill(struct token_bucket *b, int64_t now_ms)
{
    const int64_t passed = now_ms - b->at_ms_;
    if (passed <= 0)
        return;
    b->at_ms_ = now_ms;
    const int64_t full = b->size * 1000;
    /* A long sleep must not overflow the product. */
    const int64_t gained = passed > full ? full : passed * b->rate_per_s;
    if (b->milli_ < full)
        b->milli_ = b->milli_ + gained < full ? b->milli_ + gained : full;
}

int64_t token_bucket_wait_ms(struct token_bucket *b, int64_t now_ms, int64_t reserve)
{
    refill(b, now_ms);
    const int64_t pause = b->paused_until_ms_ > now_ms ? b->paused_until_ms_ - now_ms : 0;
    if (b->size == 0)
        return pause;
    const int64_t missing = (reserve + 1) * 1000 - b->milli_;
    if (missing <= 0)
        return pause;
    const int64_t wait = (missing + b->rate_per_s - 1) / b->rate_per_s;
    return wait > pause ? wait : pause;
}

void token_bucket_take(struct token_bucket *b, int64_t now_ms)
{
    refill(b, now_ms);
    if (b->size > 0)
        b->milli_ -= 1000;
}

void token_bucket_learn(struct token_bucket *b, int64_t now_ms, int64_t remaining,
                        int64_t in_flight)
{
    if (b->size == 0)
        return;
    refill(b, now_ms);
    if (remaining > b->size)
        b->size = remaining;
    b->milli_ = (remaining - in_flight) * 1000;
}

void token_bucket_pause(struct token_bucket *b, int64_t now_ms, int64_t wait_ms)
{
    refill(b, now_ms);
    if (wait_ms < MIN_PAUSE_MS)
        wait_ms = MIN_PAUSE_MS;
    if (wait_ms > MAX_PAUSE_MS)
        wait_ms = MAX_PAUSE_MS;
    if (now_ms + wait_ms > b->paused_until_ms_)
        b->paused_until_ms_ = now_ms + wait_ms;
    if (b->milli_ > 0)
        b->milli_ = 0;
}

int64_t token_bucket_left(struct token_bucket *b, int64_t now_ms)
{
    refill(b, now_ms);
    if (b->paused_until_ms_ > now_ms || b->milli_ < 0)
        return 0;
    return b->milli_ / 1000;
}
