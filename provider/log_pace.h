/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the log of a container that is followed is read again. Each read is one of ARM's; what the
 * container's attachment shows says when one is worth it. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A follower without an attachment reads at this pace. */
#define LOG_PACE_POLL_MS 2000
/* One with an attachment that shows nothing: it may have died without a word. */
#define LOG_PACE_QUIET_MS 10000
/* Between two reads of one follower, and between any two of all together. */
#define LOG_PACE_GAP_MS 250
#define LOG_PACE_GAP_OF_ALL_MS 125

struct log_pace {
    bool attached; /* set by the owner */
    bool wanted;   /* a read is worth it, for what came up since the last one began */
    bool shown;    /* that is a line, which the log has or will have */
    bool was_shown;
    unsigned misses; /* reads in a row that did not find what was shown */
    int64_t last_mono_ms;
};

/* The attachment shows lines. */
void log_pace_hint(struct log_pace *p);
/* It began or ended: one read will do. */
void log_pace_want(struct log_pace *p);
void log_pace_reads(struct log_pace *p, int64_t now_mono_ms);
/* found: there were lines that were not read before. */
void log_pace_has_read(struct log_pace *p, int64_t now_mono_ms, bool found);
/* When to read next; followers: how many there are, this one included. */
int64_t log_pace_due_mono_ms(const struct log_pace *p, unsigned followers);
