/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the provider tells Prometheus: groups by state, how old what it knows of them is, what is
 * paid for, and the requests to ARM. Label sets are bounded: namespaces beyond the first hundred
 * count as "other".
 */
#pragma once

#include "base/buf.h"
#include "provider/tracker.h"

/* What one hour costs, in any currency. */
struct metrics_prices {
    double cpu_hour, gb_hour;
};
/* "cpu=0.0486,gb=0.0053": prices of a vCPU and of a GB for an hour; empty: none, and nothing is
 * said of costs. Errors: VK_INVALID. */
VK_MUST_CHECK int metrics_prices_parse(const char *text, struct metrics_prices *ret,
                                       struct vk_err *err);

struct metrics;
/* tracker and arm are borrowed. */
struct metrics *metrics_new(struct vk_loop *loop, struct tracker *tracker, struct arm_client *arm,
                            const struct metrics_prices *prices);
/* NULL is fine. */
void metrics_free(struct metrics *m);
void metrics_stop(struct metrics *m);
/* provider_ops.write_metrics */
void metrics_write(struct metrics *m, struct vk_buf *out);
