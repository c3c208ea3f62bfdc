/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Circuit breaker: after failures in a row the peer counts as away, and only a probe now and then
 * goes out until one is answered. A pure value; the caller brings the time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct breaker {
    bool is_open;
    unsigned failures;        /* in a row */
    int64_t first_failure_ms; /* of those */
    int64_t probe_due_ms_;
};

enum breaker_gate {
    BREAKER_CLOSED, /* all may go */
    BREAKER_PROBE,  /* one harmless request may go */
    BREAKER_OPEN,   /* nothing may go for breaker_wait_ms */
};

enum breaker_gate breaker_gate(const struct breaker *b, int64_t now_ms);
/* Until the next probe; 0 while closed. */
int64_t breaker_wait_ms(const struct breaker *b, int64_t now_ms);
/* A probe went: the next one is due 10 s later, whatever becomes of this one. */
void breaker_probe_sent(struct breaker *b, int64_t now_ms);
/* True when this opened it: five in a row over at least two seconds, so that one broken proxy,
 * which resets all connections at once, does not. */
bool breaker_failed(struct breaker *b, int64_t now_ms);
/* The peer answered. True when this closed it. */
bool breaker_answered(struct breaker *b);
