/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to pod_workers.c and pod_worker_*.c: one worker, and the steps that take it from one
 * state to the next. A step begins at most one thing and returns; whatever ends puts the worker
 * into the queue again. One operation of the provider is under way at a time, but for a deletion,
 * which waits for no creation, update or restart.
 */
#pragma once

#include "base/backoff.h"
#include "base/list.h"
#include "base/map.h"
#include "kubelet/pods/lifecycle_shutdown.h"
#include "kubelet/pods/lifecycle_start.h"
#include "kubelet/pods/pod_workers.h"
#include "kubelet/pods/refusal_pace.h"
#include "kubelet/pods/status_generate.h"
#include "kubelet/pods/work_queue.h"

struct pod_workers {
    struct vk_loop *loop;
    struct pod_workers_config config;
    struct work_queue *queue; /* keyed by UID */
    struct vk_map *by_uid;    /* UID -> struct pod_worker */
    struct vk_map *early;     /* UID -> struct early_report, until the pods are known */
    struct refusal_pace *refusals;
    struct vk_list resolve_wait; /* workers that wait until fewer resolve */
    size_t resolving;
    size_t counts[POD_WORKER_STATES];
    bool pods_synced, provider_synced, stopped;
    bool lacks_rights; /* some worker may wait for one of the node's on the platform */
};

enum restart_step {
    RESTART_NONE,
    RESTART_ENDING, /* it is asked to end */
    RESTART_ENDED,  /* it did, or had its time */
    RESTART_SENT,   /* the provider restarts the pod */
};

struct pod_worker {
    struct pod_workers *all;
    struct pod *pod;  /* as last seen */
    struct pod *made; /* as the provider was told to create it; NULL: not by this process */
    enum pod_worker_state state;
    struct pod_resolution *resolution; /* while RESOLVING */
    struct vk_list resolve_wait;       /* in all->resolve_wait */
    unsigned operations;               /* of the provider, under way */
    struct rest_call *deletion;        /* DELETE of the object is under way */
    struct vk_timer deadline;          /* when activeDeadlineSeconds are over */

    struct lifecycle_starts *starts;     /* its postStart hooks; NULL: none */
    struct lifecycle_shutdown *shutdown; /* its containers are ending */

    bool is_accepted; /* the first status was set */
    bool may_exist;   /* a group may exist: look before the first PUT, delete it at the end */
    bool is_tried;    /* create_pod was called by this process */
    bool is_absent;   /* find_pod did not find the group */
    bool group_seen;  /* the provider reported the group */
    bool group_gone;  /* and it is gone for sure */
    bool drop_group;  /* the pod has ended and its group must not stay */
    bool was_initial; /* it was there when we started */
    bool shows_error; /* its status tells of an error */
    bool is_deleted;  /* deletion was asked for */
    bool is_removed;  /* the object is gone from the API server */
    bool is_terminal; /* the last status was set */
    bool is_overdue;  /* its deadline has passed */
    bool is_ending;   /* and its containers are told so */
    bool is_shutdown; /* they ended, or have had their time */
    bool needs_image; /* its group may run other images than it names */
    bool is_changing; /* update_pod or restart_pod is under way: no deletion waits for its end */
    bool is_compared; /* with the images of a group that this process has not made */
    bool shows_stale; /* told that a volume shows old labels or annotations */
    bool is_refused;  /* it can't run here, in generation ..., and waits */
    int64_t refused_generation, update_generation;
    int64_t finished_at_ms; /* wall clock: when we noticed that the pod had ended */
    int64_t finished_mono_ms;
    int64_t retry_at_ms; /* monotonic; nothing but a restart is tried before */
    int64_t lost_at_ms;  /* monotonic; when its group was last made anew; 0: never */

    struct vk_list failed;          /* struct failed_container: those to be ended, one by one */
    enum restart_step restart_step; /* of the one whose turn it is */
    char restart_container[64];     /* that one, */
    const char *restart_cause;      /* what it failed (static), */
    int64_t restart_run_s;          /* the run of it that is to end, */
    int64_t restart_grace_ms;       /* and the time that it has for that */
    struct lifecycle_shutdown *restarting;
    /* monotonic: what the provider shows then is what became of it; no restart sooner */
    int64_t restart_look_ms, restart_after_ms;
    int64_t restarted_mono_ms; /* when the provider took the last one; 0: never */
    struct backoff restart_backoff;
    int64_t restart_retry_ms; /* monotonic: the provider refused one, and is not asked before */
    struct backoff restart_retry;

    struct backoff image_backoff;
    bool image_waits, image_backoff_shown;
    struct backoff rights_backoff;
    int64_t forbidden_mono_ms; /* when the platform last said so; 0: it does not */
    int64_t rights_wait_ms;    /* for how long it waits since then */
    struct vk_err last_error;  /* the last one that an Event told of */
};

/* Borrows from the worker's pod. */
struct pod_identity worker_identity(const struct pod_worker *w);
/* What is queued is looked at later, never from inside the call. */
void worker_queue(struct pod_worker *w);
void worker_set_state(struct pod_worker *w, enum pod_worker_state state);
/* STARTING, RUNNING or FINISHED, by what the status says of the containers. */
void worker_settle(struct pod_worker *w);
/* The wanted status, or what the API server has. */
const struct pod_status *worker_status(const struct pod_worker *w);
void worker_event(struct pod_worker *w, const char *type, const char *reason, const char *message);
/* An Event on one container. */
void worker_container_event(struct pod_worker *w, const char *container, const char *type,
                            const char *reason, const char *message);
/* True: it is too early; the worker comes again by itself. */
bool worker_must_wait(struct pod_worker *w);
/* Waits for its back-off, or longer where the peer named a time. */
void worker_retry(struct pod_worker *w, int64_t retry_after_ms);
void worker_free(void *p);

/* PENDING: resolve what the pod refers to, then create its group. */
void worker_create(struct pod_worker *w);
void worker_cancel_resolution(struct pod_worker *w);
/* False: so many resolve that this one waits for its turn, and is queued then. */
bool worker_begin_resolution(struct pod_worker *w, pod_resolver_done_fn done);
/* One that was counted in all->resolving has ended. */
void worker_resolution_ended(struct pod_worker *w);

/* What an error means for the pod. is_platform: it is create_pod's, not the API server's. */
void worker_create_failed(struct pod_worker *w, const struct vk_err *err, bool is_platform);
/* The platform does not let the node: waits for longer. */
void worker_wait_for_rights(struct pod_worker *w);
/* The platform made a group: this worker lacks no right, and others may not either. */
void worker_had_rights(struct pod_worker *w);
/* The pod can't run here. It fails, at once or, where it would be replaced, at its controller's
 * pace (refusal_pace.h); a DaemonSet's stays Pending. */
void worker_refuse(struct pod_worker *w, const char *reason, const char *message);
/* True while it waits for that and is as it was when it was refused. */
bool worker_is_refused(const struct pod_worker *w);
/* Such a one fails if it is its turn. */
void worker_fail_in_turn(struct pod_worker *w);
/* Phase Failed with an Event; nothing is tried again. _told: there has been an Event. */
void worker_fail(struct pod_worker *w, const char *reason, const char *message);
void worker_fail_told(struct pod_worker *w, const char *reason, const char *message);
/* The status tells what the pod waits for. */
void worker_show_waiting(struct pod_worker *w, const struct waiting_reason *why);
/* A group that was there is not any more. True: the pod has failed; else it is to be made anew. */
bool worker_group_lost(struct pod_worker *w);
/* ErrImagePull becomes ImagePullBackOff while the pod waits for the next try. */
void worker_show_image_backoff(struct pod_worker *w);

/* The pod, its status or its state changed: the timer follows. */
void worker_watch_deadline(struct pod_worker *w);
/* The timer's function; user is the worker. */
void worker_deadline_timer(void *user);
/* Its deadline has passed: the pod fails, and its group goes. */
void worker_end_overdue(struct pod_worker *w);

/* Its object changed: its group follows, or what it can't follow is told. */
void worker_changed(struct pod_worker *w, const struct pod *before);
/* A group of an earlier process: the pod may have changed since. Once, when images are told. */
void worker_compare_images(struct pod_worker *w, const struct pod_status *platform);
/* STARTING or RUNNING, and needs_image. */
void worker_update(struct pod_worker *w);
/* What the platform says goes to the status manager, as far as postStart hooks let it. */
void worker_set_platform_status(struct pod_worker *w, const struct pod_status *platform);
/* Prepares the pod's postStart hooks. */
void worker_prepare_starts(struct pod_worker *w);
/* The pod ends: no hook of that kind any more, and its status tells what runs. */
void worker_halt_starts(struct pod_worker *w);

/*
 * Hooks and signals before the group goes, for a pod that is being deleted or whose deadline passed
 * then. True: its containers are still ending, and the worker comes again when they have.
 */
bool worker_shuts_down(struct pod_worker *w, int64_t overdue_since_ns);
/* Nothing is waited for any more. */
void worker_end_shutdown(struct pod_worker *w);
/*
 * Pure: what is left of the grace period of a pod that is being deleted, or whose deadline passed
 * then. 0: it asks for none. Never less than LIFECYCLE_LEAST_GRACE_MS otherwise, also when the time
 * ran out while no process was there.
 */
int64_t worker_grace_left_ms(const struct pod *pod, int64_t overdue_since_ns, int64_t now_ns);

/* The grace period of a pod that says nothing else at its deletion. */
int64_t worker_spec_grace_ms(const struct pod_spec *spec);

/* TERMINATING: end the containers, delete the group, then the object, then forget; frees the worker
 * at the end. */
void worker_terminate(struct pod_worker *w);

/* Deletes the group for good, also one that is being created. */
void worker_delete_group(struct pod_worker *w);

/* STARTING or RUNNING: the next step on the way to a new run of a container. */
void worker_restart(struct pod_worker *w);
/* A container failed and has not run anew yet. */
bool worker_wants_restart(const struct pod_worker *w);
/* By that status the container has ended well, but since it had to: it is started anew. */
bool worker_will_start_anew(const struct pod_worker *w, const struct pod_status *status);
/* Something else ends the containers. */
void worker_cancel_restart(struct pod_worker *w);
/*
 * A container failed what Kubernetes ends it for ("its postStart hook", static): it is ended and,
 * by the pod's restartPolicy, runs anew; see pod_worker_restart.c.
 */
void worker_end_container(struct pod_worker *w, const char *container, const char *failed);
/* The platform's last word where it is not what is told: containers whose postStart hook failed
 * run too. */
const struct pod_status *worker_platform_status(const struct pod_worker *w);

/* FINISHED: the group goes when its time is over, the object stays. */
void worker_finish(struct pod_worker *w);
/* Removes the group of a pod that stays; what remains readable of it is the provider's matter. */
void worker_retire_group(struct pod_worker *w);
/* A quota is reached: of the finished pods' groups the oldest goes. */
void pod_workers_make_room(struct pod_workers *all);
