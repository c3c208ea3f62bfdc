/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node offers to the scheduler: what the options say, or less where the subscription's
 * quotas in the region leave less. Allocatable is the quota without what others use of it, so that
 * it holds whatever this node runs; it is read every 5 minutes, and every 15 s while pods wait for
 * a quota. ACI bills CPU by group, at least one each, while the scheduler counts what pods ask for:
 * so CPU is what the node's pods ask for and what is free, and pods are bound by free cores too.
 */
#pragma once

#include "aci/arm_client.h"
#include "base/buf.h"
#include "provider/tracker.h"

struct capacity;

/* Text is copied, the rest is borrowed. */
struct capacity_config {
    struct arm_client *arm;
    struct tracker *tracker;
    const char *subscription, *location;
    struct node_capacity most; /* by the options; without the limits of quotas */
};
struct capacity *capacity_new(struct vk_loop *loop, const struct capacity_config *config);
/* No upcall afterwards. */
void capacity_stop(struct capacity *c);
/* NULL is fine. */
void capacity_free(struct capacity *c);

/* A complete LIST was read: what is ours is known. Begins to read quotas. */
void capacity_on_listed(struct capacity *c);
/* As get_capacity of struct provider_ops. */
void capacity_get(const struct capacity *c, struct node_capacity *ret);

/* For Prometheus: limit and usage of each quota as last read; nothing while none may be read. */
void capacity_write_metrics(const struct capacity *c, struct vk_buf *out);

/*
 * May a group with so much CPU be asked for? Refused, with reason PROVIDER_REASON_QUOTA and a
 * message that names quota, limit and usage, where a fresh reading says that Azure would: it spares
 * ACI's limit on creations.
 */
VK_MUST_CHECK int capacity_admit(struct capacity *c, int64_t cpu_milli, struct vk_err *err);
/* What was admitted did not become a group. */
void capacity_give_back(struct capacity *c, int64_t cpu_milli);
/* Azure refused a group for a quota: what we think of quotas is out of date. */
void capacity_refused(struct capacity *c);
/* A group of ours is gone. */
void capacity_freed(struct capacity *c);
