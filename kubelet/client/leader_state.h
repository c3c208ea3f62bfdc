/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who of several processes leads, by a Lease that they all write: the rules alone, without I/O and
 * without a clock. Times of others are never compared with a clock of ours: a lease counts as held
 * for its duration after we last saw its record change (monotonic). We ourselves lead until
 * renew_deadline_ms after the last write that the API server took was SENT, so that the leader has
 * stopped for sure when another one may begin. Source: k8s v1.37.2 client-go
 * tools/leaderelection/leaderelection.go, which counts from later on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/vk_err.h"

#define LEADER_ID_MAX 256

struct leader_timing {
    int64_t lease_duration_ms; /* how long others wait for a leader that is silent; whole seconds */
    int64_t renew_deadline_ms; /* how long the leader goes on without a renewal */
    int64_t retry_period_ms;   /* between two tries */
};
#define LEADER_TIMING_DEFAULT                                                                      \
    {                                                                                              \
        15000, 10000, 2000                                                                         \
    }
/* As client-go demands it: each time longer than the next, by its jitter. Errors: VK_INVALID. */
VK_MUST_CHECK int leader_timing_check(const struct leader_timing *timing, struct vk_err *err);

/* The spec of a Lease, and the version of the object that it was read from. */
struct leader_record {
    char holder[LEADER_ID_MAX]; /* "": nobody */
    int64_t acquired_ns, renewed_ns;
    int64_t duration_s, transitions;
    char version[64];
};

enum leader_step {
    LEADER_READ,   /* GET the Lease */
    LEADER_CREATE, /* POST: there is none */
    LEADER_WRITE,  /* PATCH, provided that its version is still the one that was read */
};

/* Members are private, but for reading in tests. */
struct leader_state {
    struct leader_timing timing;
    char identity[LEADER_ID_MAX];
    bool is_leader, has_lost;
    bool is_fresh;  /* just read or written: the next write builds on it */
    bool is_absent; /* ... there is no Lease */
    bool has_seen;
    struct leader_record seen;
    int64_t seen_mono_ms;  /* when it last changed */
    int64_t sent_mono_ms;  /* when the last step was sent */
    int64_t valid_mono_ms; /* until then we lead */
};

void leader_state_init(struct leader_state *s, const struct leader_timing *timing,
                       const char *identity);
/*
 * What to send now. now_ns is wall time, for the record alone. *ret is filled in for CREATE and
 * WRITE.
 */
enum leader_step leader_state_next(struct leader_state *s, int64_t now_mono_ms, int64_t now_ns,
                                   struct leader_record *ret);
/*
 * The answer to a step that brought the record; NULL: there is no Lease. True: the next step may
 * follow at once; false: after leader_state_delay_ms.
 */
bool leader_state_read(struct leader_state *s, const struct leader_record *record,
                       int64_t now_mono_ms);
/* The answer to CREATE or WRITE: what was written, with its new version. */
void leader_state_written(struct leader_state *s, const struct leader_record *record,
                          int64_t now_mono_ms);
/* A step failed, or nobody knows what became of it: the Lease is read before the next write. */
void leader_state_failed(struct leader_state *s);

/* True while we may act as the leader. It never comes back once it was lost. */
bool leader_state_leads(const struct leader_state *s, int64_t now_mono_ms);
/*
 * Until the next step. random: 0 to 1, spreads those who wait over retry_period_ms and 1.2 times
 * more, as client-go's JitterFactor does. The leader's period counts from the last step that was
 * sent.
 */
int64_t leader_state_delay_ms(const struct leader_state *s, int64_t now_mono_ms, double random);
/* The record that gives the Lease back; false: it is not ours. */
bool leader_state_release(const struct leader_state *s, int64_t now_ns, struct leader_record *ret);
