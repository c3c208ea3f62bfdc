/* SPDX-License-Identifier: Apache-2.0 */
/* The limits that requests to ARM are kept below, and how users write them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "aci/sliding_window.h"
#include "base/vk_err.h"

/* ARM's operation kinds: GET; PUT, PATCH and POST; DELETE. */
enum throttle_kind { THROTTLE_READS, THROTTLE_WRITES, THROTTLE_DELETES };
#define THROTTLE_KINDS 3

struct throttle_bucket_limit {
    int64_t size, rate_per_s; /* size 0: no limit */
};
struct throttle_limits {
    struct throttle_bucket_limit buckets[THROTTLE_KINDS];
    struct sliding_limit creates[SLIDING_WINDOW_LIMITS], deletes[SLIDING_WINDOW_LIMITS];
    size_t create_count, delete_count; /* 0: no limit */
    size_t max_in_flight;              /* 0: no limit; users' requests may exceed it */
};
/*
 * ARM's and ACI's documented numbers: reads 250+25/s, writes and deletes 200+10/s; creates and
 * deletes of groups 100 in 5 minutes and 300 in an hour each; 64 under way.
 */
struct throttle_limits throttle_limits_default(void);
/*
 * "reads=250+25,writes=200+10,deletes=200+10" (those not named keep their value) or "off". Errors:
 * VK_INVALID with the form that is expected.
 */
VK_MUST_CHECK int throttle_limits_parse_buckets(const char *text, struct throttle_limits *limits,
                                                struct vk_err *err);
/*
 * "100/5m,300/1h" (at most 4; units ms, s, m, h) or "off". *ret_limits has SLIDING_WINDOW_LIMITS
 * places. Errors as above.
 */
VK_MUST_CHECK int throttle_limits_parse_windows(const char *text, struct sliding_limit *ret_limits,
                                                size_t *ret_count, struct vk_err *err);
