/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tracker may spend of ARM's reads: a token bucket with reserves, so that what matters
 * more finds tokens left. A pure value; the caller brings the time. Source: ARM's read bucket, 250
 * filled by 25 a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct read_budget {
    int64_t rate_per_s, burst; /* in force now */
    int64_t set_rate_per_s_, set_burst_;
    int64_t milli_; /* thousandths of a read */
    int64_t at_ms_;
    int64_t paused_until_ms_;
};
void read_budget_init(struct read_budget *b, int64_t rate_per_s, int64_t burst, int64_t now_ms);
/* Takes one read unless fewer than `reserve` would be left, or ARM asked to wait. */
bool read_budget_take(struct read_budget *b, int64_t now_ms, int64_t reserve);
/* Reads that were spent without asking, as by the further pages of a list. */
void read_budget_debit(struct read_budget *b, int64_t reads);
/*
 * ARM said how many reads are left in its own bucket, which is the truth: some stay for users'
 * requests and for what is under way, the rest is ours.
 */
void read_budget_learn(struct read_budget *b, int64_t now_ms, int64_t remaining);
/* ARM answers without saying so: it does not count, until it proves otherwise by a 429. */
void read_budget_lift(struct read_budget *b);
/* ARM answered 429: nothing for that long, then an empty bucket and the rate that was set. */
void read_budget_pause(struct read_budget *b, int64_t now_ms, int64_t wait_ms);
