/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which request to ARM goes next, and when. Requests wait here instead of being refused there:
 * ARM's token buckets per kind, ACI's own limits on creates and deletes, so many requests under way
 * at most. Among those that wait: by priority, inside it fair between owners (namespaces), for one
 * owner first come first served. Stops and creates want the same bucket and are worth the same: a
 * thousand pods that end would keep others from starting for as long as their grace period lasts,
 * and the other way round. Decides only; the caller brings the time and sends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aci/throttle_limits.h"
#include "base/list.h"

/* The most urgent first. */
enum throttle_priority {
    THROTTLE_USER, /* somebody waits at a terminal: exec, logs */
    THROTTLE_DELETE,
    THROTTLE_STOP, /* a container is told to end; takes turns with creates */
    THROTTLE_CREATE,
    THROTTLE_TRACK,
    THROTTLE_RETRY_IMAGE, /* a PUT that failed for its image before */
};
#define THROTTLE_PRIORITIES 6

/* More than this waiting is refused: 5,000 pods with a few requests each. */
#define THROTTLE_MAX_WAITING 20000

struct throttle_owner;

/* One request, in its caller's memory. */
struct throttle_ticket {
    enum throttle_kind kind;
    enum throttle_priority priority;
    bool is_group_write; /* creates or deletes a group: ACI's own limits count it */
    struct vk_list link_;
    struct throttle_owner *owner_;
    int64_t queued_ms_;
    enum { TICKET_IDLE, TICKET_WAITING, TICKET_GONE } state_;
};

struct throttle;
struct throttle *throttle_new(const struct throttle_limits *limits, int64_t now_ms);
/* No ticket may be waiting or under way. NULL is fine. */
void throttle_free(struct throttle *t);

/* Queues. kind, priority and is_group_write must be set. owner is copied. False: too many wait. */
bool throttle_enter(struct throttle *t, struct throttle_ticket *ticket, const char *owner,
                    int64_t now_ms);
/*
 * The next ticket that may go now, which counts as under way from here on; NULL when none may, then
 * *ret_wait_ms says when to ask again: -1 when time changes nothing. reads_only: what else is
 * waiting stays, whatever its priority.
 */
struct throttle_ticket *throttle_next(struct throttle *t, int64_t now_ms, bool reads_only,
                                      int64_t *ret_wait_ms);

/* What an answer said. -1: nothing. */
struct throttle_answer {
    int64_t remaining;                  /* of the kind's bucket */
    int64_t remaining_5m, remaining_1h; /* of ACI's own limits, in the order they are set */
    bool is_throttled;                  /* 429 */
    bool is_group_limit;                /* ... because of ACI's own limits */
    int64_t retry_after_ms;
};
/* The request ended; answer is NULL when there was none. */
void throttle_done(struct throttle *t, struct throttle_ticket *ticket, int64_t now_ms,
                   const struct throttle_answer *answer);
/* After throttle_done, a request that was throttled all the same: it goes before its owner's
 * others. */
void throttle_again(struct throttle *t, struct throttle_ticket *ticket, const char *owner);
/* Leaves, waiting or under way. Idle is fine. */
void throttle_leave(struct throttle *t, struct throttle_ticket *ticket, int64_t now_ms);
bool throttle_is_waiting(const struct throttle_ticket *ticket);

/* For metrics. */
struct throttle_state {
    size_t waiting[THROTTLE_PRIORITIES];
    int64_t longest_wait_ms[THROTTLE_PRIORITIES]; /* of those that wait now */
    size_t in_flight[THROTTLE_KINDS];
    /* Our copies of ARM's buckets: whole requests. size 0: no limit. */
    int64_t size[THROTTLE_KINDS], left[THROTTLE_KINDS];
    uint64_t sent[THROTTLE_KINDS], throttled[THROTTLE_KINDS];
};
void throttle_describe(struct throttle *t, int64_t now_ms, struct throttle_state *ret);
