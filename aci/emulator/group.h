/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One container group as the emulator keeps it: what was asked for (spec) and what became of it.
 * lifecycle.c and container_run.c change it, group_view.c shows it, groups.c stores it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aci/emulator/engine.h"
#include "aci/emulator/event_log.h"
#include "aci/emulator/group_spec.h"
#include "base/loop.h"

struct lifecycle;
struct group;

enum container_state_kind { CONTAINER_WAITING, CONTAINER_RUNNING, CONTAINER_TERMINATED };
struct container_state {
    enum container_state_kind kind;
    int64_t start_ns, finish_ns; /* wall; 0: none */
    bool has_exit_code;
    int64_t exit_code;
    char detail[128];
};

enum container_phase {
    CONTAINER_IDLE,     /* its turn has not come */
    CONTAINER_STARTING, /* the engine was asked */
    CONTAINER_HELD,     /* the engine could not: asked again by restart_timer */
    CONTAINER_UP,
    CONTAINER_BACKOFF, /* waits for restart_timer */
    CONTAINER_DONE,    /* will not run again by the restart policy */
};

/* The runtime of one container. Survives updates and restarts of its group by name. */
struct container {
    struct group *group;               /* borrowed */
    const struct container_spec *spec; /* borrowed from the group's spec */
    char *name;                        /* owned */
    bool is_init;
    enum container_phase phase;
    struct container_state current, previous;
    bool has_previous;
    bool restarting; /* the next start counts as a restart */
    int64_t restart_count;
    struct event_log events;
    struct liveness *liveness; /* of its run; NULL: none */
    struct vk_timer restart_timer;
    int64_t backoff_ms; /* next delay; 0: none yet */
    int64_t up_since_mono_ms;
};

/* An image of the group that was pulled while the PUT was answered. */
struct group_image {
    char *image, *id; /* as written; "repo@sha256:..." */
    int64_t pulling_ns, pulled_ns;
};

enum group_phase {
    GROUP_CHECKING, /* a PUT of a new group is being answered: nobody sees it yet */
    GROUP_PENDING,  /* accepted; waits for its start or for its sandbox */
    GROUP_INIT,
    GROUP_RUNNING,
    GROUP_ENDED, /* all containers are done */
    GROUP_STOPPING,
    GROUP_STOPPED,
    GROUP_DELETING,
};
/* What follows when the sandbox is gone. CLEARED: whoever asked for it goes on. */
enum group_next { NEXT_NOTHING, NEXT_CLEARED, NEXT_RUN, NEXT_STOPPED, NEXT_GONE };

struct group {
    struct lifecycle *lifecycle; /* borrowed */
    uint64_t uid;                /* unique in this process: a new group of an old name differs */
    uint64_t generation;         /* counts runs: PUTs, starts and restarts */
    char *subscription, *resource_group, *name, *id; /* owned; the id as created */
    char *key;                                       /* owned; lower-case "resource group/name" */
    char *tags;                                      /* owned; JSON object */
    struct group_spec *spec;                         /* owned; NULL while CHECKING */
    bool updating;                                   /* a PUT on it is being answered */

    enum group_phase phase;
    const char *provisioning_state; /* static */
    struct container *containers;   /* owned; init containers first */
    size_t container_count;
    struct group_image *images; /* owned */
    size_t image_count;
    struct event_log events;

    struct engine_sandbox *sandbox;
    char ip[64];
    bool sandbox_creating, sandbox_deleting;
    enum group_next next;
    struct vk_timer timer;
    int64_t gone_at_mono_ms;
    struct group_waiter *waiters; /* lifecycle.c's */

    int64_t created_wall_ns;
    int64_t cpu_milli; /* asked for, also while CHECKING */
    int64_t puts;
};

/* True while ARM would answer 409 ContainerGroupTransitioning. */
bool group_is_in_transition(const struct group *g);
/* instanceView.state. */
const char *group_state(const struct group *g);
/* Init containers included; NULL when there is none. */
struct container *group_container(const struct group *g, const char *name);
