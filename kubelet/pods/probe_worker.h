/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One probe of one container: when it is tried next, and what a row of tries says. Pure: no clock,
 * no I/O. Source: k8s v1.37.2 pkg/kubelet/prober/worker.go.
 */
#pragma once

#include "kubelet/api/container.h"
#include "kubelet/provider.h"

enum probe_result { PROBE_UNKNOWN, PROBE_SUCCESS, PROBE_FAILURE };

/* What the platform says of the container, and what other probes said. Borrowed for the call. */
struct probe_container {
    const char *id; /* NULL or "": it never ran */
    bool is_running;
    int64_t started_at_ns; /* wall clock, whole seconds; 0: unknown */
    bool has_started;      /* its startup probe succeeded, or it has none */
    bool is_terminating;   /* the pod's deletion was asked for */
    /* What the API server was told of this very run, by us or by a process before us. */
    bool was_ready, was_started;
};
struct probe_time {
    int64_t mono_ms, wall_ms;
};

struct probe_worker {
    enum probe_kind kind;
    int64_t initial_delay_ms, period_ms, timeout_ms;
    int64_t success_threshold, failure_threshold;

    char *run_id; /* of the run that all of the following is about; NULL: none yet; owned */
    int64_t run_started_ns;
    enum probe_result result;
    enum probe_result last; /* of the last try */
    int64_t in_a_row;       /* tries with that result */
    bool on_hold;           /* nothing is tried before the container runs anew */
    bool was_tried;
    int64_t tried_mono_ms;      /* when the last try began */
    int64_t not_before_mono_ms; /* the first try of all, see probe_worker_init */
};

/*
 * Defaults of Kubernetes stand in for what is 0. not_before_mono_ms: spreads the first tries after
 * a start of this process; 0: at once.
 */
void probe_worker_init(struct probe_worker *w, enum probe_kind kind, const struct probe *spec,
                       int64_t not_before_mono_ms);
void probe_worker_release(struct probe_worker *w);

/*
 * The container may have changed; a new run (another id, or another start) begins with a fresh
 * result. A run that this worker finds already judged keeps that: a new process does not take
 * readiness away. True: the result changed.
 */
bool probe_worker_see(struct probe_worker *w, const struct probe_container *c);
/* Milliseconds until the next try, 0: now, negative: not before something else changes. */
int64_t probe_worker_due(const struct probe_worker *w, const struct probe_container *c,
                         struct probe_time now);
void probe_worker_begin(struct probe_worker *w, struct probe_time now);

enum probe_verdict {
    PROBE_AS_BEFORE,
    PROBE_CHANGED,
    PROBE_RESTART, /* the container has to be started anew; on hold until it was */
};
/* The end of a try; one that could not be made is not told. */
enum probe_verdict probe_worker_take(struct probe_worker *w, bool succeeded);

/* True: the worker's result is about this run. */
bool probe_worker_knows(const struct probe_worker *w, const char *id, int64_t started_at_ns);
