/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CPU counter that its readers can trust, made of what the platform says: it goes back only
 * together with a later start. Readers (metrics-server v0.9.0 pkg/storage) take it to have been
 * zero at its start. Pure.
 */
#pragma once

#include "kubelet/provider.h"

struct stats_counter {
    struct usage_stats usage;
    uint64_t last_total; /* as the platform said it */
    uint64_t ahead;      /* what usage.cpu_ns has beyond that */
    bool is_of_means;    /* the last figure was one */
};

/*
 * A cumulative figure of the platform. started_wall_ns: since when the container runs, as far as it
 * is known; the platform may have restarted it since. Returns what was used since the last figure;
 * an older figure changes nothing. After means the counter goes on from where it is.
 */
uint64_t stats_counter_total(struct stats_counter *c, uint64_t cpu_ns, int64_t sampled_wall_ns,
                             int64_t started_wall_ns);
/*
 * The mean over a span of time, which counts once and only where it was later than what was counted
 * before. Never nothing at all: readers take zero for "unknown". Returns what was added.
 */
uint64_t stats_counter_mean(struct stats_counter *c, double cpu_milli, int64_t begin_wall_ns,
                            int64_t end_wall_ns, int64_t started_wall_ns);
