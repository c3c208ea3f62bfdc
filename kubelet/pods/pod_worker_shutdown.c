/* SPDX-License-Identifier: Apache-2.0 */
/* The time between the word that a pod must go and the removal of its group. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/pods/pod_worker.h"

#define MS_NS 1000000
#define SECOND_MS INT64_C(1000)
/* What the API server fills in where a pod says nothing. */
#define DEFAULT_GRACE_SECONDS 30
#define MAX_GRACE_SECONDS INT32_MAX

static int64_t seconds_to_ms(int64_t seconds)
{
    if (seconds < 0)
        seconds = 0;
    return (seconds < MAX_GRACE_SECONDS ? seconds : MAX_GRACE_SECONDS) * SECOND_MS;
}

int64_t worker_spec_grace_ms(const struct pod_spec *spec)
{
    return seconds_to_ms(spec->has_termination_grace_period ? spec->termination_grace_period_seconds
                                                            : DEFAULT_GRACE_SECONDS);
}

int64_t worker_grace_left_ms(const struct pod *pod, int64_t overdue_since_ns, int64_t now_ns)
{
    const struct object_meta *m = &pod->meta;
    int64_t grace_ms = worker_spec_grace_ms(&pod->spec), left_ms;

    if (pod_is_terminating(pod)) {
        if (m->has_deletion_grace_period)
            grace_ms = seconds_to_ms(m->deletion_grace_period_seconds);
        left_ms = (m->deletion_timestamp_ns - now_ns) / MS_NS;
    } else {
        left_ms = overdue_since_ns / MS_NS + grace_ms - now_ns / MS_NS;
    }
    if (!grace_ms)
        return 0;
    /* The API server's clock may be another one than ours; and we may have been away. */
    if (left_ms > grace_ms)
        left_ms = grace_ms;
    return left_ms > LIFECYCLE_LEAST_GRACE_MS ? left_ms : LIFECYCLE_LEAST_GRACE_MS;
}

static void on_event(void *user, const char *container, const char *type, const char *reason,
                     const char *message)
{
    worker_container_event(user, container, type, reason, message);
}

static void on_ended(void *user)
{
    struct pod_worker *w = user;

    w->shutdown = NULL;
    w->is_shutdown = true;
    worker_queue(w);
}

void worker_end_shutdown(struct pod_worker *w)
{
    lifecycle_shutdown_cancel(vk_take(w->shutdown));
    w->is_shutdown = true;
}

bool worker_shuts_down(struct pod_worker *w, int64_t overdue_since_ns)
{
    static const struct lifecycle_shutdown_events events = {.event = on_event, .ended = on_ended};
    const int64_t left_ms = worker_grace_left_ms(w->pod, overdue_since_ns, vk_wall_ns());

    if (w->is_shutdown)
        return false;
    if (w->is_removed || !left_ms) {
        worker_end_shutdown(w);
        return false;
    }
    if (w->shutdown) {
        lifecycle_shutdown_shorten(w->shutdown, left_ms);
        return true;
    }
    worker_halt_starts(w);
    worker_cancel_restart(w);
    w->shutdown = lifecycle_shutdown_start(&w->all->config.lifecycle, w->pod, worker_status(w),
                                           left_ms, &events, w);
    w->is_shutdown = !w->shutdown;
    if (w->shutdown)
        log_v(2, "Ending the pod's containers", LS("pod", pod_key(w->pod)),
              LS("podUID", w->pod->meta.uid), LI("leftMs", left_ms));
    return w->shutdown != NULL;
}
