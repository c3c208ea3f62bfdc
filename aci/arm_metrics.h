/* SPDX-License-Identifier: Apache-2.0 */
/* What requests to ARM cost, counted and written for Prometheus. Label sets are bounded. */
#pragma once

#include "aci/throttle.h"
#include "base/prometheus.h"

/* Statuses that are told apart; the others count as "other". */
#define ARM_METRICS_CODES 16
/* Operations that are told apart. */
#define ARM_METRICS_ROWS 32

struct arm_metrics_row {
    const char *operation, *method; /* static */
    uint64_t codes[ARM_METRICS_CODES];
    struct prometheus_histogram seconds;
};
struct arm_metrics {
    struct arm_metrics_row rows[ARM_METRICS_ROWS];
    size_t count;
    struct prometheus_histogram waits[THROTTLE_PRIORITIES];
};

/* A request waited for its turn. */
void arm_metrics_waited(struct arm_metrics *m, enum throttle_priority priority, int64_t ms);
/* It ended; status 0: without an answer. Text is static. */
void arm_metrics_ended(struct arm_metrics *m, const char *operation, const char *method, int status,
                       int64_t ms);
void arm_metrics_write(const struct arm_metrics *m, const struct throttle_state *state,
                       bool is_away, struct vk_buf *out);
