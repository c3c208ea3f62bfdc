/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/stats_counter.h"

/* A container that did anything used this much. */
#define LEAST_NS 1000

static void note_rate(struct usage_stats *u, uint64_t used_ns, int64_t since_wall_ns)
{
    const int64_t span_ns = u->sampled_wall_ns - since_wall_ns;

    if (span_ns > 0)
        u->cpu_nano_cores = (uint64_t)((double)used_ns * 1e9 / (double)span_ns);
}

uint64_t stats_counter_total(struct stats_counter *c, uint64_t cpu_ns, int64_t sampled_wall_ns,
                             int64_t started_wall_ns)
{
    struct usage_stats *u = &c->usage;
    const int64_t last = u->sampled_wall_ns;

    if (sampled_wall_ns <= last)
        return 0;
    const bool follows_means = c->is_of_means && last > 0;
    const bool has_restarted =
        !follows_means && last > 0 && (cpu_ns < c->last_total || started_wall_ns > last);
    uint64_t used = has_restarted ? cpu_ns : cpu_ns - c->last_total;
    if (follows_means) {
        c->ahead = u->cpu_ns - cpu_ns;
        used = 0;
    } else if (has_restarted) {
        c->ahead = 0;
        /* After the last look, whatever is known of when. */
        u->start_wall_ns = last;
    }
    if (u->start_wall_ns < started_wall_ns && started_wall_ns < sampled_wall_ns)
        u->start_wall_ns = started_wall_ns;
    c->last_total = cpu_ns;
    c->is_of_means = false;
    u->cpu_ns = cpu_ns + c->ahead;
    u->sampled_wall_ns = sampled_wall_ns;
    if (!follows_means)
        note_rate(u, used, last > 0 && !has_restarted ? last : u->start_wall_ns);
    return used;
}

uint64_t stats_counter_mean(struct stats_counter *c, double cpu_milli, int64_t begin_wall_ns,
                            int64_t end_wall_ns, int64_t started_wall_ns)
{
    struct usage_stats *u = &c->usage;

    if (end_wall_ns <= u->sampled_wall_ns || end_wall_ns <= started_wall_ns)
        return 0;
    if (u->start_wall_ns < started_wall_ns || u->start_wall_ns == 0) {
        u->start_wall_ns = begin_wall_ns > started_wall_ns ? begin_wall_ns : started_wall_ns;
        u->cpu_ns = 0;
    }
    int64_t from = begin_wall_ns;
    if (from < u->start_wall_ns)
        from = u->start_wall_ns;
    if (from < u->sampled_wall_ns)
        from = u->sampled_wall_ns;
    if (from >= end_wall_ns)
        return 0;
    /* Nanoseconds of a CPU: thousandths of one times nanoseconds, by a thousand. */
    uint64_t used = (uint64_t)(cpu_milli * (double)(end_wall_ns - from) / 1000);
    if (used < LEAST_NS)
        used = LEAST_NS;
    c->is_of_means = true;
    u->cpu_ns += used;
    u->sampled_wall_ns = end_wall_ns;
    note_rate(u, used, from);
    return used;
}
