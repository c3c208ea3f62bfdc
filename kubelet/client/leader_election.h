/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several processes, one of which leads, by a Lease. Until it leads a process only looks at the
 * Lease. One that has led and does so no longer gets no callback of the loop any more: whatever it
 * was about to write is not sent, also where it was stopped (SIGSTOP, a machine that hangs) for
 * longer than the Lease lasts. What stays open is the instant between that check and the system
 * call. The rules are leader_state.h's. Rights needed: get, create and patch of Leases in the
 * namespace.
 */
#pragma once

#include "kubelet/client/leader_state.h"
#include "kubelet/client/rest.h"

struct leader_election;

/* Text is copied. */
struct leader_lease {
    const char *namespace_, *name;
    struct leader_timing timing; /* as leader_timing_check takes it */
};
struct leader_election_config {
    struct leader_lease lease;
    const char *identity;      /* NULL: host name and a UUID, as Kubernetes' components have it */
    void (*leads)(void *user); /* once */
    /* Once, last: the process must end and start again as one that waits. */
    void (*lost)(void *user, const struct vk_err *err);
    void *user;
};

struct leader_election *leader_election_new(struct vk_loop *loop, struct rest_client *client,
                                            const struct leader_election_config *config);
void leader_election_start(struct leader_election *e);
/* Gives the Lease back, if it is ours, so that another process leads at once. done is called once,
 * also where the API server does not answer within 5 s, never from inside the call. */
void leader_election_release(struct leader_election *e, void (*done)(void *user), void *user);
/* NULL is fine. The Lease stays as it is. */
void leader_election_free(struct leader_election *e);

/* The last look at the Lease, or write of it, went well; false before the first. */
bool leader_election_works(const struct leader_election *e);
/* Of the Lease. */
const char *leader_election_name(const struct leader_election *e);
bool leader_election_leads(const struct leader_election *e);
/* Who was seen to lead, or "". Borrowed until the next turn of the loop. */
const char *leader_election_holder(const struct leader_election *e);
