/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure Monitor's figures of a container group: per container and minute the mean of CPU and
 * memory, minutes late. One read of ARM per group, whatever its number of containers. Source:
 * Microsoft.Insights/metrics api-version 2018-01-01; metrics CpuUsage (thousandths of a CPU) and
 * MemoryUsage (bytes), dimension containerName.
 */
#pragma once

#include "aci/arm_client.h"
#include "base/arena.h"

#define MONITOR_MINUTE_NS (60ll * 1000000000)

struct monitor_point {
    int64_t begin_wall_ns; /* of its minute */
    bool has_cpu, has_memory;
    double cpu_milli, memory_bytes; /* means */
};
struct monitor_series {
    const char *container;        /* as Monitor spells it */
    struct monitor_point *points; /* oldest first; minutes without any figure are left out */
    size_t count;
};
struct monitor_answer {
    struct monitor_series *series;
    size_t count;
};

/* Pure. ret lives in the arena. Errors: VK_PROTOCOL; VK_UNAVAILABLE when Monitor says that it could
 * not read a metric. */
VK_MUST_CHECK int monitor_parse(struct vk_str text, struct vk_arena *arena,
                                struct monitor_answer *ret, struct vk_err *err);

struct monitor;
/* arm is borrowed. Text is copied. */
struct monitor *monitor_new(struct arm_client *arm, const char *subscription,
                            const char *resource_group);
/* All calls must have ended or been cancelled. NULL is fine. */
void monitor_free(struct monitor *m);

struct monitor_call;
/* answer is borrowed for the call; NULL with err set. */
typedef void (*monitor_fn)(void *user, const struct monitor_answer *answer,
                           const struct vk_err *err);
/* Minutes that begin in [from, to), wall time in ns. Completes once, never from inside the start.
 */
struct monitor_call *monitor_get(struct monitor *m, const char *group, int64_t from_wall_ns,
                                 int64_t to_wall_ns, monitor_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void monitor_call_cancel(struct monitor_call *call);
