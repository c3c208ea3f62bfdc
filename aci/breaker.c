/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/breaker.h"

#define FAILURES 5
#define FAILING_MS 2000
#define PROBE_MS 10000

enum breaker_gate breaker_gate(const struct breaker *b, int64_t now_ms)
{
    if (!b->is_open)
        return BREAKER_CLOSED;
    return now_ms >= b->probe_due_ms_ ? BREAKER_PROBE : BREAKER_OPEN;
}

int64_t breaker_wait_ms(const struct breaker *b, int64_t now_ms)
{
    return b->is_open && b->probe_due_ms_ > now_ms ? b->probe_due_ms_ - now_ms : 0;
}

void breaker_probe_sent(struct breaker *b, int64_t now_ms)
{
    b->probe_due_ms_ = now_ms + PROBE_MS;
}

bool breaker_failed(struct breaker *b, int64_t now_ms)
{
    if (b->failures == 0)
        b->first_failure_ms = now_ms;
    if (b->failures < UINT32_MAX)
        b->failures++;
    if (b->is_open || b->failures < FAILURES || now_ms - b->first_failure_ms < FAILING_MS)
        return false;
    b->is_open = true;
    b->probe_due_ms_ = now_ms + PROBE_MS;
    return true;
}

bool breaker_answered(struct breaker *b)
{
    const bool was_open = b->is_open;
    b->is_open = false;
    b->failures = 0;
    return was_open;
}
