/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARM's token buckets (per kind of operation, and the 15 times larger ones of the subscription) and
 * the service's own limits on creating and deleting container groups. All principals together,
 * since the emulator has one. Sources: ARM request limits and throttling; ACI quotas and limits.
 * What the refusal of the service's own limits looks like is assumed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/json_writer.h"
#include "base/vk_err.h"

enum rate_kind { RATE_READS, RATE_WRITES, RATE_DELETES };
#define RATE_KINDS 3

struct rate_limits;
/*
 * buckets: "on" (reads=250+25,writes=200+10,deletes=200+10), "off", or some of these with other
 * numbers; creates, deletes: "100/5m,300/1h" or "off". NULL is off. Errors: VK_INVALID names the
 * flag.
 */
VK_MUST_CHECK int rate_limits_new(const char *buckets, const char *creates, const char *deletes,
                                  struct rate_limits **ret, struct vk_err *err);
void rate_limits_free(struct rate_limits *l);

enum rate_kind rate_kind_of(const char *method);
/*
 * Counts one request; group_write: it creates or deletes a container group. Errors: 429 with the
 * seconds to wait, when it is one too many.
 */
VK_MUST_CHECK int rate_limits_take(struct rate_limits *l, enum rate_kind kind, bool group_write,
                                   const char *subscription, int64_t now_ms, struct vk_err *err);

/* What the headers of an answer say is left. Without limits: as if nothing had been asked before.
 */
struct rate_left {
    int64_t bucket, subscription;
    int64_t in_5m, in_1h; /* of creates or deletes; the first two limits, whatever their periods */
};
struct rate_left rate_limits_left(const struct rate_limits *l, enum rate_kind kind, int64_t now_ms);

/* Member "throttled": how many were refused, by kind and for the service's own limits. */
void rate_limits_write(const struct rate_limits *l, struct json_writer *w);
