/* SPDX-License-Identifier: Apache-2.0 */
/* room: aci */
#include <stdint.h>
#include <stdlib.h>

#include "aci/monitor.h"
#include "aci/monitor_realtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_series(const struct monitor_series *s)
{
    if (!s->container)
        abort();
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0 && s->points[i - 1].begin_wall_ns >= s->points[i].begin_wall_ns)
            abort();
        if (s->points[i].cpu_milli < 0 || s->points[i].memory_bytes < 0)
            abort();
    }
}

/* Whatever a group's port or Azure Monitor say: points in the order of time, nothing below zero. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct vk_str text = {.p = (const char *)data, .n = size};
    struct monitor_answer answer;
    struct realtime_figures figures;
    struct vk_err err;

    if (monitor_parse(text, arena, &answer, &err) == 0) {
        for (size_t i = 0; i < answer.count; i++)
            check_series(&answer.series[i]);
    }
    if (monitor_realtime_parse(text, arena, &figures, &err) == 0) {
        if (figures.sampled_wall_ns <= 0 || figures.usage.cpu_ns < 0)
            abort();
        for (size_t i = 0; i < figures.count; i++) {
            if (!figures.containers[i].name || figures.containers[i].usage.cpu_ns < 0)
                abort();
        }
    }
    return 0;
}
