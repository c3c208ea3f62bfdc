/* SPDX-License-Identifier: Apache-2.0 */
/* One thing that was looked at before the program is run for good: how it is, and what to do. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum finding_state {
    FINDING_OK,
    FINDING_WARNING, /* the program runs, with less */
    FINDING_FAILED,
    FINDING_SKIPPED, /* does not matter here, or something else failed first */
};
struct finding {
    enum finding_state state;
    const char *name;   /* static: "quota" */
    const char *detail; /* one sentence without a full stop */
    const char *remedy; /* what to do; "" where all is well */
};
/* Borrowed for the call. */
typedef void (*finding_fn)(void *user, const struct finding *finding);

/*
 * How much it matters that `whose` clock is ahead of ours by so much: from 10 s a warning, from 5
 * min a failure: token issuers allow as much. is_known false: no time was said.
 */
void finding_of_clock(const char *name, const char *whose, bool is_known, int64_t ahead_ms,
                      finding_fn found, void *user);
