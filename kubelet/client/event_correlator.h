/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides what becomes of an event before it is sent: counted on an earlier equal one, folded into
 * an aggregate of similar ones, or dropped because its object has used up its budget. Pure: time is
 * an argument. Source: k8s v1.37.2 client-go tools/record/events_cache.go (EventCorrelator).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct event_correlator;

struct correlated_event {
    /* Name of the Event object; an existing one when count is over 1. */
    char name[254];
    int64_t count, first_ns;
    bool is_aggregate; /* the message stands for several: it gets a prefix that says so */
};

struct event_correlator *event_correlator_new(void);
void event_correlator_free(struct event_correlator *c);
/*
 * object: all that tells the object, its source and the type apart, as one text. False: dropped.
 * now_ns: wall clock, also the source of new names ("<object_name>.<hex of now_ns>").
 */
bool event_correlate(struct event_correlator *c, const char *object, const char *object_name,
                     const char *reason, const char *message, int64_t now_ns,
                     struct correlated_event *ret);
/* False when the object has used up its budget of counted events; those of the platform have one of
 * their own. */
bool event_correlator_take(struct event_correlator *c, const char *object, int64_t now_ns);

/* "<object_name>.<suffix>", of which 32 characters count, cut so that it is a valid name of an
 * object. */
void event_name(char out[254], const char *object_name, const char *suffix);
