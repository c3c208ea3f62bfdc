/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that reads time. Monotonic for deadlines, wall clock only for API fields. Tests
 * freeze both. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

int64_t vk_mono_ms(void);
int64_t vk_mono_us(void);
int64_t vk_wall_ms(void);
int64_t vk_wall_ns(void);

/* Tests: freeze (mono and wall in ms), advance, thaw. */
void vk_clock_freeze(int64_t mono_ms, int64_t wall_ms);
void vk_clock_advance(int64_t ms);
void vk_clock_thaw(void);

/*
 * RFC 3339 in UTC. Formats: seconds "2026-11-24T15:41:53Z" (metav1.Time), micro "...53.000000Z"
 * (metav1.MicroTime), nano with all nine digits (container logs). `out` must hold VK_TIME_MAX
 * bytes. Years 1 to 9999.
 */
#define VK_TIME_MAX 40
void vk_time_format_s(int64_t wall_ms, char out[VK_TIME_MAX]);
void vk_time_format_us(int64_t wall_us, char out[VK_TIME_MAX]);
void vk_time_format_ns(int64_t wall_ns, char out[VK_TIME_MAX]);
/*
 * Any RFC 3339 time: offset, fractional digits (from the tenth on they are cut), leap second.
 * Nanoseconds since 1970, INT64_MAX for times after 2262 ("9999-12-31T23:59:59Z" means never).
 * False on bad input and before 1678.
 */
bool vk_time_parse(struct vk_str s, int64_t *ret_wall_ns);
