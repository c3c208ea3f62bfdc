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
    int64_t rate_per_s, burst;
    int64_t milli_; /* thousandths of a read */
    int64_t at_ms_;
    int64_t paused_until_ms_;
};
void read_budget_init(struct read_budget *b, int64_t rate_per_s, int64_t burst, int64_t now_ms);
/* Takes one read unless fewer than `reserve` would be left, or ARM asked to wait. */
bool read_budget_take(struct read_budget *b, int64_t now_ms, int64_t reserve);
/* ARM answered 429: nothing for that long, and an empty bucket then. */
void read_budget_pause(struct read_budget *b, int64_t now_ms, int64_t wait_ms);
