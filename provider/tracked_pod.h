/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the provider knows of one pod and its group. Owned by the tracker, keyed by UID; everything
 * in it can be rebuilt from ARM and the kubelet.
 */
#pragma once

#include "aci/container_groups.h"
#include "base/list.h"
#include "kubelet/provider.h"
#include "provider/group_identity.h"

struct tracked_event {
    uint64_t hash; /* of name, message, first time and container */
    int64_t count;
};

struct tracker;

struct tracked_pod {
    struct vk_list link;
    struct tracker *tracker; /* borrowed */
    char *namespace_, *name, *uid;
    char group[GROUP_NAME_MAX + 1];

    bool wanted;        /* the kubelet asked for it, or the API server has its pod: no orphan */
    bool exists;        /* the group is known to exist */
    bool refused;       /* the last PUT was refused for good: what stands there never ran */
    bool image_refused; /* ... because its image can't be pulled */
    bool uncertain;     /* the outcome of a PUT is unknown: look before the next one */
    bool tried;         /* create_pod was called */
    bool inherited;     /* ... for a pod that a process before this one may have sent a PUT for */
    bool forgotten;     /* goes as soon as no write and no upcall is under way */
    unsigned pins;      /* upcalls under way */
    int64_t put_may_come_mono_ms; /* until then a PUT without an answer may make the group */
    int64_t exists_since_mono_ms;
    int64_t accepted_mono_ms; /* when our PUT was accepted; 0: found */
    struct write_op *write;   /* PUT or DELETE under way, see group_writer.h */

    /* Tracking. */
    char provisioning[24]; /* as the last LIST or GET said */
    uint64_t listed_in;    /* number of the last LIST that named the group */
    bool suspect;          /* something changed: read soon */
    bool in_transition;    /* not all settled: read often */
    bool finished;         /* all containers ended for good: LIST is enough */
    bool runs_on;          /* ended by Kubernetes' rules, but ACI runs it again */
    bool may_run_again;    /* ended, but ACI may run it again */
    int64_t read_due_mono_ms, read_interval_ms, last_read_mono_ms;
    int64_t transition_since_mono_ms;
    struct groups_call *read;
    unsigned missing; /* GETs in a row that said 404, no more than TRACKED_POD_DENIED */

    /* What the group costs by: the sum of what its containers ask for. */
    int64_t cpu_milli, memory_bytes;

    /* What was last reported. */
    bool was_reported;
    struct vk_arena *status_arena;
    struct pod_status status;
    struct tracked_event *events;
    size_t event_count, event_cap;

    int64_t restart_asked_ns; /* wall clock: we asked ACI to run its containers anew; 0: never */

    /* Retirement. */
    unsigned retire_tries; /* how often a log could not be read */

    /* Orphan sweep. */
    bool being_checked;
    uint64_t confirmed_in; /* number of the last sweep that found the pod gone */
};

/* So many GETs in a row did not find the group: whoever shows it, LIST, is not believed. */
#define TRACKED_POD_DENIED 2
static inline bool tracked_pod_is_denied(const struct tracked_pod *pod)
{
    return pod->missing >= TRACKED_POD_DENIED;
}

/* A GET at that time, ahead of groups that are only looked at in turn. */
static inline void tracked_pod_read_at(struct tracked_pod *pod, int64_t mono_ms)
{
    pod->suspect = true;
    pod->read_due_mono_ms = mono_ms;
}

/* No sooner after the last GET does a hint lead to the next. */
#define TRACKED_POD_HINT_MS 2000
/* True: the group, which may have changed, is to be read. */
bool tracked_pod_take_hint(struct tracked_pod *pod, int64_t now_mono_ms);

struct tracked_pod *tracked_pod_new(const struct pod_identity *id);
/* Cancels its read. No write may be under way. */
void tracked_pod_free(struct tracked_pod *pod);
/* Borrowed from the pod. */
struct pod_identity tracked_pod_identity(const struct tracked_pod *pod);
/* What the kubelet is told; borrows from the pod and the arena. */
struct provider_pod_status tracked_pod_report(const struct tracked_pod *pod, bool group_exists,
                                              struct vk_arena *arena);

/* A GET showed the pod's group: it exists, and this is what it costs by. */
void tracked_pod_note_group(struct tracked_pod *pod, const struct container_group *group);
/* True, and remembered, when this status differs from the last one. */
bool tracked_pod_set_status(struct tracked_pod *pod, const struct pod_status *status);
/* We ask ACI for another run of the pod's containers. NULL is fine. */
void tracked_pod_note_restart(struct tracked_pod *pod, int64_t now_wall_ns);
/* True when what ended at that time may have by our own word: not by the platform's. */
bool tracked_pod_ended_by_us(const struct tracked_pod *pod, int64_t finish_ns);
/* True when the event is new or was counted further since; remembers it. `where`: the container's
 * name, or "". */
bool tracked_pod_note_event(struct tracked_pod *pod, const struct group_event *event,
                            const char *where);
