/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/read_budget.h"

#define MAX_PAUSE_MS (10ll * 60 * 1000)
/* Of ARM's bucket: as many as the tracker may have under way, so that they can't empty it. */
#define HEADROOM 50
/* Without a limit of ARM's, the limit is what one small peer stands. */
#define LIFTED_RATE_PER_S 200
#define LIFTED_BURST 400

void read_budget_init(struct read_budget *b, int64_t rate_per_s, int64_t burst, int64_t now_ms)
{
    *b = (struct read_budget){
        .rate_per_s = rate_per_s,
        .burst = burst,
        .set_rate_per_s_ = rate_per_s,
        .set_burst_ = burst,
        .milli_ = burst * 1000,
        .at_ms_ = now_ms,
    };
}

static void refill(struct read_budget *b, int64_t now_ms)
{
    const int64_t passed = now_ms - b->at_ms_;
    if (passed <= 0)
        return;
    b->at_ms_ = now_ms;
    const int64_t full = b->burst * 1000;
    if (b->milli_ >= full)
        return;
    /* A long sleep fills the bucket; it must not overflow the product. */
    b->milli_ = passed > full ? full : b->milli_ + passed * b->rate_per_s;
    if (b->milli_ > full)
        b->milli_ = full;
}

bool read_budget_take(struct read_budget *b, int64_t now_ms, int64_t reserve)
{
    refill(b, now_ms);
    if (now_ms < b->paused_until_ms_ || b->milli_ < (reserve + 1) * 1000)
        return false;
    b->milli_ -= 1000;
    return true;
}

void read_budget_debit(struct read_budget *b, int64_t reads)
{
    b->milli_ -= reads * 1000;
}

void read_budget_learn(struct read_budget *b, int64_t now_ms, int64_t remaining)
{
    refill(b, now_ms);
    b->rate_per_s = b->set_rate_per_s_;
    b->burst = b->set_burst_;
    b->milli_ = (remaining - HEADROOM) * 1000;
}

void read_budget_lift(struct read_budget *b)
{
    if (b->rate_per_s < LIFTED_RATE_PER_S)
        b->rate_per_s = LIFTED_RATE_PER_S;
    if (b->burst < LIFTED_BURST)
        b->burst = LIFTED_BURST;
}

void read_budget_pause(struct read_budget *b, int64_t now_ms, int64_t wait_ms)
{
    if (wait_ms < 1000)
        wait_ms = 1000;
    if (wait_ms > MAX_PAUSE_MS)
        wait_ms = MAX_PAUSE_MS;
    if (now_ms + wait_ms > b->paused_until_ms_)
        b->paused_until_ms_ = now_ms + wait_ms;
    b->milli_ = 0;
    b->rate_per_s = b->set_rate_per_s_;
    b->burst = b->set_burst_;
}
