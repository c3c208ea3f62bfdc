/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups that carry our cluster's and node's tags while no pod wants them: leaked groups cost
 * money. The cache never decides: each candidate's pod is asked for at the API server by UID, and
 * only a clear "no" removes the group. Groups of other clusters, other nodes and of nobody are
 * never seen here, since the tracker remembers ours alone.
 */
#pragma once

#include "provider/tracker.h"

struct orphans;

/* sweep_ms: from the end of one sweep to the next. */
struct orphans *orphans_new(struct vk_loop *loop, struct container_groups *groups,
                            struct tracker *tracker, int64_t sweep_ms);
/* Before tracker_free; no answer of the kubelet may come afterwards. NULL is fine. */
void orphans_free(struct orphans *o);
/* No question and no deletion begins any more; returns how many deletions were sent. */
size_t orphans_settle(struct orphans *o);
/* No question and no deletion afterwards; deletions in flight are cancelled on our side. */
void orphans_stop(struct orphans *o);

/*
 * A complete LIST was read: starts a sweep when one is due (sweep_ms after the last; 5 s after
 * a LIST that showed an unknown group, where that is sooner). A sweep that would remove more than
 * 10 groups and more than a fifth of all removes nothing unless the sweep before confirmed the same
 * groups.
 */
void orphans_on_listed(struct orphans *o);
/* Groups removed so far. */
uint64_t orphans_removed(const struct orphans *o);
