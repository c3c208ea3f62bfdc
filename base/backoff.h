/* SPDX-License-Identifier: Apache-2.0 */
/* Exponential back-off with jitter; a pure value. Source: client-go wait.Backoff semantics. */
#pragma once

#include <stdint.h>

struct backoff {
    int64_t initial_ms, max_ms;
    unsigned attempts;
};
/* Delay before the next attempt: initial * 2^attempts up to max, times a random factor in
 * [0.75, 1.25); counts up. */
int64_t backoff_next_ms(struct backoff *b);
void backoff_reset(struct backoff *b);
