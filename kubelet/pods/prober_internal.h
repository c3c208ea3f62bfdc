/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to prober*.c: pods are in prober.c, tries in prober_try.c, what results mean for a status
 * in prober_judge.c.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "kubelet/pods/probe_action.h"
#include "kubelet/pods/probe_worker.h"
#include "kubelet/pods/prober.h"

#define PROBE_KINDS 3
/* Startup first: the others ask whether it succeeded. */
extern const enum probe_kind prober_order[PROBE_KINDS];

struct probed_container;

/* One probe; owned by its container. */
struct probe_slot {
    struct probed_container *container;
    struct probe_worker worker;
    struct vk_timer timer;
    struct probe_action *action; /* a try is under way */
    struct vk_list waiting;      /* in prober->waiting */
    uint64_t tries[PROBE_TRIES]; /* ended so far */
};
struct probed_container {
    struct probed_pod *pod;
    const struct container *spec; /* the pod's */
    struct probe_container seen;  /* id is owned */
    struct probe_slot *slots[PROBE_KINDS];
    struct probe_shell *shell; /* NULL without exec probes */
};
struct probed_pod {
    struct prober *prober;
    struct pod *pod;
    char *ip;
    struct probed_container *containers; /* those with probes of ours */
    size_t count;
};
struct prober {
    struct vk_loop *loop;
    struct prober_config config;
    char *user_agent;
    struct probe_tools tools;
    struct probe_shells *shells;
    struct vk_map *pods;    /* UID -> struct probed_pod */
    struct vk_list waiting; /* slots whose turn it is, but for the limit */
    size_t in_flight;
    int64_t began_wall_ms;
    bool stopped;
};

/* prober_judge.c */
const struct probe *prober_spec(const struct container *c, enum probe_kind kind);
/* The container has such a probe, and it is not the platform's. */
bool prober_runs(const struct prober *p, const struct pod *pod, const struct container *c,
                 bool is_init, enum probe_kind kind);
bool prober_runs_any(const struct prober *p, const struct pod *pod, const struct container *c,
                     bool is_init);
/* What the API server has of this very run; NULL: nothing. */
const struct container_status *prober_told(const struct pod *pod, const struct container_status *s);

/* prober_try.c */
void prober_slot_init(struct probe_slot *s, struct probed_container *c, enum probe_kind kind);
/* Arms the timer of the next try. */
void prober_schedule(struct probe_slot *s);
void prober_schedule_all(struct probed_container *c);
/* Ends a try without a result; nothing of a former run may end as a result of the next. */
void prober_give_up(struct probe_slot *s);
/* Begins what waits for a place. */
void prober_pump(struct prober *p);
