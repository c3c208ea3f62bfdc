/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Azure Monitor knows of container groups: one point a minute and series, taken from the
 * engine's figures every few seconds, kept for an hour also after the group is gone.
 */
#pragma once

#include "aci/emulator/groups.h"

#define METRICS_MINUTE_NS (60ll * 1000000000)

enum metric {
    METRIC_CPU_USAGE,    /* thousandths of a CPU */
    METRIC_MEMORY_USAGE, /* bytes */
    METRIC_BYTES_IN,     /* a second; of the group */
    METRIC_BYTES_OUT,
};
#define METRIC_COUNT (METRIC_BYTES_OUT + 1)

/* What was seen within a minute. samples 0: nothing. */
struct metric_point {
    int64_t minute; /* since 1970 */
    int64_t samples;
    double sum, min, max;
};

struct metrics;
/* groups and engine are borrowed. */
struct metrics *metrics_new(struct vk_loop *loop, const struct groups *groups,
                            struct engine *engine);
void metrics_free(struct metrics *m);
/* One look at every container; the timer does it. */
void metrics_sample(struct metrics *m);

/*
 * The point of one series. container: NULL for what the group has as a whole. A point that is not
 * known has no samples.
 */
struct metric_point metrics_point(const struct metrics *m, const struct group *g,
                                  const char *container, enum metric metric, int64_t minute);
