/* SPDX-License-Identifier: Apache-2.0 */
/* What `aci-kubelet top` shows: read from a kubelet's metrics, written as a table, a line or JSON.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/vk_err.h"

enum top_pod_state {
    TOP_PENDING,
    TOP_RESOLVING,
    TOP_CREATING,
    TOP_STARTING,
    TOP_RUNNING,
    TOP_FINISHED,
    TOP_TERMINATING,
};
#define TOP_POD_STATES (TOP_TERMINATING + 1)
enum top_bucket { TOP_READS, TOP_WRITES, TOP_DELETES };
#define TOP_BUCKETS (TOP_DELETES + 1)
/* bound, resolve, put, provisioning, pull, start, ready; the last one is all of them. */
#define TOP_PHASES 8
#define TOP_QUOTAS 4

struct top_phase {
    double sum, count; /* seconds and pods since the kubelet began */
};
struct top_quota {
    char name[32];
    int64_t used, limit;
};
/* One look. */
struct top_sample {
    int64_t wall_ms;
    int64_t pods[TOP_POD_STATES];
    int64_t groups;
    int64_t left[TOP_BUCKETS], size[TOP_BUCKETS]; /* size 0: no limit */
    int64_t waiting;
    double longest_wait;
    int64_t throttled;
    bool is_arm_away;
    struct top_phase phases[TOP_PHASES];
    struct top_quota quotas[TOP_QUOTAS];
    size_t quota_count;
    double billed_vcpu_seconds;
};

/* text: what /metrics answers. Errors: VK_INVALID, no metrics of an aci-kubelet. */
VK_MUST_CHECK int top_sample_read(struct vk_str text, int64_t wall_ms, struct top_sample *ret,
                                  struct vk_err *err);
/* before: an earlier look, or NULL; what happened in between has a column of its own. columns:
 * where lines are cut, 0: nowhere. */
void top_view_table(const char *node, const struct top_sample *now, const struct top_sample *before,
                    size_t columns, struct vk_buf *out);
/* One line, for a log. */
void top_view_line(const struct top_sample *now, const struct top_sample *before,
                   struct vk_buf *out);
/* One line with one object. */
void top_view_json(const char *node, const struct top_sample *now, const struct top_sample *before,
                   struct vk_buf *out);
