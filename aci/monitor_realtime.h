/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extension "realtime-metrics" of a container group: what its PUT says, and what its port
 * answers, from inside the group's network and without any limit of ARM's. Undocumented by the
 * service; source: virtual-kubelet/azure-aci pkg/client/extensions.go and pkg/metrics/real_time.go.
 */
#pragma once

#include "base/arena.h"
#include "base/json_writer.h"
#include "base/vk_err.h"

#define MONITOR_REALTIME_PORT 18899
#define MONITOR_REALTIME_PATH "/v1/stats"
#define MONITOR_REALTIME_MAX_BYTES (256u << 10)

struct realtime_usage {
    int64_t cpu_ns; /* since the beginning of what it is of */
    int64_t memory_bytes, working_set_bytes, rss_bytes;
};
struct realtime_container {
    const char *name;
    struct realtime_usage usage;
};
struct realtime_network {
    const char *name; /* of the interface; NULL: nothing is known */
    int64_t rx_bytes, rx_errors, tx_bytes, tx_errors;
};
struct realtime_figures {
    int64_t sampled_wall_ns; /* by the group's clock */
    struct realtime_usage usage;
    struct realtime_network network;
    struct realtime_container *containers; /* with those of the platform */
    size_t count;
};

/* Pure. ret lives in the arena. Errors: VK_PROTOCOL. */
VK_MUST_CHECK int monitor_realtime_parse(struct vk_str text, struct vk_arena *arena,
                                         struct realtime_figures *ret, struct vk_err *err);
/* One element of "extensions" among a group's properties. */
void monitor_realtime_write(struct json_writer *w);
