/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that wait to be written, oldest first, in bounded memory. One that is about an Event which
 * already waits only raises its count. Where there is no room, repeats of Normal events make it
 * first, then Normal ones; a Warning is the last to go. Pure: no clock, no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/* The object an event is about. */
struct object_reference {
    const char *kind, *namespace_, *name, *uid, *api_version, *field_path, *resource_version;
};

enum event_step {
    EVENT_CREATE,
    EVENT_PATCH,      /* counts up an Event that this process created */
    EVENT_COMPARE,    /* a counted event exists already: read its count ... */
    EVENT_PATCH_GREW, /* ... and raise it */
};

/* Texts live in the same piece of memory. */
struct pending_event {
    struct vk_list link;
    uint64_t number; /* in the order of arrival */
    struct object_reference about;
    const char *type, *reason, *message;
    const char *name;        /* of the Event object */
    const char *counted_key; /* NULL: not counted by the platform */
    int64_t count, first_ns, last_ns;
    enum event_step step;
    unsigned tries;
};

struct event_queue;
/* dropped: the event is about to go for want of room. */
struct event_queue *event_queue_new(size_t max_waiting,
                                    void (*dropped)(void *user, const struct pending_event *e),
                                    void *user);
/* NULL is fine. */
void event_queue_free(struct event_queue *q);
/* Copies e with its texts, NULL ones as "" except counted_key and those of about. */
void event_queue_add(struct event_queue *q, const struct pending_event *e);
/* Takes the oldest out, for event_free; NULL when none waits. */
struct pending_event *event_queue_take(struct event_queue *q);
void event_free(struct pending_event *e);
size_t event_queue_len(const struct event_queue *q);
