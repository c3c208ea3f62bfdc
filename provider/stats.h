/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pods use, gathered while somebody asks: every 10 s from the realtime extension inside
 * each group's network, which costs ARM nothing; else each minute from Azure Monitor, one read per
 * group, from what the tracker leaves of ARM's reads. Whoever asks is answered from memory.
 */
#pragma once

#include "aci/monitor.h"
#include "base/http_client.h"
#include "provider/tracker.h"

struct stats;

/* All are borrowed. */
struct stats_config {
    struct http_client *http;
    struct arm_client *arm;
    struct monitor *monitor;
    struct tracker *tracker;
    bool realtime;     /* groups are created with the extension */
    int realtime_port; /* 0: the extension's */
};
struct stats *stats_new(struct vk_loop *loop, const struct stats_config *config);
/* NULL is fine. */
void stats_free(struct stats *s);
/* No request afterwards. */
void stats_stop(struct stats *s);

/* provider_ops.get_stats */
void stats_get(struct stats *s, struct vk_arena *arena, struct provider_stats *ret);
