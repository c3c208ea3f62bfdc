/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/probe_worker.h"

#include "base/alloc.h"
#include "base/str.h"

#define SECOND_MS 1000
#define MS_NS 1000000
/* Source: k8s v1.37.2 pkg/apis/core/v1/defaults.go. */
#define DEFAULT_PERIOD_S 10
#define DEFAULT_TIMEOUT_S 1
#define DEFAULT_SUCCESS_THRESHOLD 1
#define DEFAULT_FAILURE_THRESHOLD 3

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

void probe_worker_init(struct probe_worker *w, enum probe_kind kind, const struct probe *spec,
                       int64_t not_before_mono_ms)
{
    *w = (struct probe_worker){
        .kind = kind,
        .initial_delay_ms = spec->initial_delay_seconds * SECOND_MS,
        .period_ms = or_default(spec->period_seconds, DEFAULT_PERIOD_S) * SECOND_MS,
        .timeout_ms = or_default(spec->timeout_seconds, DEFAULT_TIMEOUT_S) * SECOND_MS,
        .success_threshold = or_default(spec->success_threshold, DEFAULT_SUCCESS_THRESHOLD),
        .failure_threshold = or_default(spec->failure_threshold, DEFAULT_FAILURE_THRESHOLD),
        .not_before_mono_ms = not_before_mono_ms,
    };
}

void probe_worker_release(struct probe_worker *w)
{
    vk_free(vk_take(w->run_id));
}

bool probe_worker_knows(const struct probe_worker *w, const char *id, int64_t started_at_ns)
{
    return w->run_id && vk_streq(w->run_id, id) &&
           (!started_at_ns || started_at_ns == w->run_started_ns);
}

static enum probe_result first_result(const struct probe_worker *w, const struct probe_container *c)
{
    switch (w->kind) {
    case PROBE_LIVENESS:
        return PROBE_SUCCESS;
    case PROBE_READINESS:
        return c->was_ready ? PROBE_SUCCESS : PROBE_FAILURE;
    case PROBE_STARTUP:
        return c->was_started ? PROBE_SUCCESS : PROBE_UNKNOWN;
    }
    return PROBE_UNKNOWN;
}

static void begin_run(struct probe_worker *w, const struct probe_container *c)
{
    vk_free(w->run_id);
    w->run_id = vk_strdup(c->id);
    w->run_started_ns = c->started_at_ns;
    w->result = first_result(w, c);
    w->last = PROBE_UNKNOWN;
    w->in_a_row = 0;
    w->on_hold = false;
    w->was_tried = false;
}

bool probe_worker_see(struct probe_worker *w, const struct probe_container *c)
{
    const enum probe_result before = w->result;
    const bool had_run = w->run_id != NULL;

    if (vk_str_empty(c->id))
        return false;
    if (!c->is_running) {
        /* Of a run that ended nothing more is said. */
        w->result = PROBE_FAILURE;
        return had_run && before != w->result;
    }
    if (probe_worker_knows(w, c->id, c->started_at_ns))
        return false;
    begin_run(w, c);
    return before != w->result;
}

int64_t probe_worker_due(const struct probe_worker *w, const struct probe_container *c,
                         struct probe_time now)
{
    int64_t due_ms = 0, left_ms;

    if (!c->is_running || !w->run_id || w->on_hold)
        return -1;
    if (w->kind != PROBE_READINESS && c->is_terminating)
        return -1;
    /* Startup comes first, once per run. */
    if (c->has_started == (w->kind == PROBE_STARTUP))
        return -1;
    if (c->started_at_ns) {
        due_ms = c->started_at_ns / MS_NS + w->initial_delay_ms - now.wall_ms;
        /* A platform's clock that is ahead of ours makes nobody wait for longer. */
        if (due_ms > w->initial_delay_ms)
            due_ms = w->initial_delay_ms;
    }
    left_ms = w->was_tried ? w->tried_mono_ms + w->period_ms - now.mono_ms
                           : w->not_before_mono_ms - now.mono_ms;
    if (left_ms > due_ms)
        due_ms = left_ms;
    return due_ms > 0 ? due_ms : 0;
}

void probe_worker_begin(struct probe_worker *w, struct probe_time now)
{
    w->was_tried = true;
    w->tried_mono_ms = now.mono_ms;
    w->not_before_mono_ms = 0;
}

enum probe_verdict probe_worker_take(struct probe_worker *w, bool succeeded)
{
    const enum probe_result now = succeeded ? PROBE_SUCCESS : PROBE_FAILURE;
    const enum probe_result before = w->result;

    w->in_a_row = w->last == now ? w->in_a_row + 1 : 1;
    w->last = now;
    if (w->in_a_row < (succeeded ? w->success_threshold : w->failure_threshold))
        return PROBE_AS_BEFORE;
    w->result = now;
    if (!succeeded && w->kind != PROBE_READINESS) {
        w->on_hold = true;
        w->in_a_row = 0;
        return PROBE_RESTART;
    }
    return before == now ? PROBE_AS_BEFORE : PROBE_CHANGED;
}
