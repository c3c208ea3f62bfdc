/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's state machine of a container group over an engine: pending, sandbox, init
 * containers one after the other, containers, restarts by policy, stop, restart, deletion. Whatever
 * is in flight when a group is deleted is waited for or undone: nothing stays behind.
 *
 *   CHECKING -> PENDING -> INIT -> RUNNING -> ENDED
 *                 ^                  |  \-> STOPPING -> STOPPED -> PENDING
 *                 +---- restart -----+           any of them -> DELETING -> gone
 */
#pragma once

#include "aci/emulator/group.h"
#include "aci/emulator/storage_accounts.h"

/* The platform sent the termination signal, or killed (aci-limits.md 5.3). */
#define LIFECYCLE_EXIT_TERMINATED 7147
#define LIFECYCLE_EXIT_KILLED 7148

struct lifecycle_config {
    int64_t start_latency_ms;                  /* least time from acceptance to the sandbox */
    int64_t delete_latency_ms;                 /* least time that a deletion takes */
    int64_t stop_grace_ms;                     /* from SIGTERM to SIGKILL when a group is stopped */
    const struct storage_accounts *accounts;   /* whose keys open file shares; NULL: any */
    void (*gone)(void *user, struct group *g); /* a deletion is complete: free the group */
    void *user;
};

struct lifecycle *lifecycle_new(struct vk_loop *loop, struct engine *engine,
                                const struct lifecycle_config *config);
void lifecycle_free(struct lifecycle *l);
struct engine *lifecycle_engine(const struct lifecycle *l);
/* Sandboxes that exist, are being made or are being removed. */
size_t lifecycle_sandboxes(const struct lifecycle *l);
/* detailStatus of a container that the kernel killed for its memory; "Error" unless set. Copied. */
void lifecycle_set_oom_detail(struct lifecycle *l, const char *detail);
const char *lifecycle_oom_detail(const struct lifecycle *l);

/* For groups.c: prepares a group, drops its waiters and timers. */
void lifecycle_attach(struct group *g, struct vk_loop *loop);
void lifecycle_forget(struct group *g);

typedef void (*lifecycle_fn)(void *user, struct group *g);

/* Runs a group without a sandbox; provisioning_state "Pending" or "Updating" is what it shows until
 * it settles. */
void lifecycle_run(struct group *g, const char *provisioning_state);
/* Removes the sandbox of an accepted group, counting its containers as restarted; fn follows, also
 * when a deletion overtakes (then the phase is DELETING). */
void lifecycle_clear(struct group *g, lifecycle_fn fn, void *user);
/* Restarts all containers, in a new sandbox. */
void lifecycle_restart(struct group *g);
/* The same by the platform, whatever the restart policy; exit_code: of the runs that it ended.
 * False: the group does not run. */
bool lifecycle_interrupt(struct group *g, int64_t exit_code);
/* Runs containers again that ended with another code than 0, whatever the restart policy, as the
 * service does not promise not to. False: there is none. */
bool lifecycle_rerun(struct group *g);
/* Runs a stopped or ended group as if it were new. */
void lifecycle_start(struct group *g);
/* SIGTERM, grace, SIGKILL; fn when all have ended. */
void lifecycle_stop(struct group *g, lifecycle_fn fn, void *user);
/* Ends whatever goes on. fn when nothing is left, before the group itself is freed. May be called
 * again while it goes on. */
void lifecycle_delete(struct group *g, lifecycle_fn fn, void *user);

/* From container_run.c: a container started, ended or began to wait. */
void lifecycle_container_changed(struct group *g);
