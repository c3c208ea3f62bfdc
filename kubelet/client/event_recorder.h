/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events (core/v1) on pods and the node: equal ones are counted by patch instead of created again,
 * similar ones are aggregated, each object has a budget (25 at once, then one per 5 min), at most
 * 8,192 wait (see event_queue.h); what is dropped beyond is counted and logged once. Source: k8s
 * v1.37.2 client-go tools/record/events_cache.go.
 */
#pragma once

#include "kubelet/client/event_queue.h"
#include "kubelet/client/rest.h"

struct event_recorder;

struct event_recorder *event_recorder_new(struct vk_loop *loop, struct rest_client *client,
                                          const char *component, const char *host);
/* Pending events are dropped. */
void event_recorder_free(struct event_recorder *r);
/* How many events wait to be written; 0 while the API server takes none. */
size_t event_recorder_waiting(const struct event_recorder *r);
/* Since the start, but for waiting. */
struct event_counts {
    size_t waiting;
    uint64_t over_budget; /* dropped: the object had used up its budget */
    uint64_t no_room;     /* ...      too many waited */
    uint64_t refused;     /* ...      the API server did not take them */
};
void event_recorder_count(const struct event_recorder *r, struct event_counts *ret);
/* about is copied; type "Normal" or "Warning"; message is cut to 1,024 bytes. Never fails towards
 * the caller. */
void event_recorder_emit(struct event_recorder *r, const struct object_reference *about,
                         const char *type, const char *reason, const char *message);
/*
 * An event that the platform counted: key and first_ns name it for ever (the Event object's name is
 * made from them), so that a restart of the process finds it again instead of writing it twice.
 * first_ns 0: now, and no part of the name.
 */
void event_recorder_emit_counted(struct event_recorder *r, const struct object_reference *about,
                                 const char *type, const char *reason, const char *message,
                                 const char *key, int64_t count, int64_t first_ns, int64_t last_ns);
