/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/pods/deadlines.h"
#include "kubelet/pods/pod_worker.h"
#include "kubelet/pods/status_generate.h"

/* A wall clock that is set forward is noticed so late. */
#define LOOK_AGAIN_MS (60 * 1000)
#define SECOND_NS INT64_C(1000000000)

static bool has_ended(const struct pod_worker *w)
{
    return w->state == POD_WORKER_FINISHED || w->state == POD_WORKER_GONE;
}

void worker_watch_deadline(struct pod_worker *w)
{
    int64_t left_ms = -1;

    if (!w->is_deleted && !has_ended(w))
        left_ms = deadline_left_ms(w->pod, worker_status(w), vk_wall_ns());
    if (left_ms < 0)
        vk_timer_disarm(&w->deadline);
    else if (left_ms > 0)
        vk_timer_arm(&w->deadline, left_ms < LOOK_AGAIN_MS ? left_ms : LOOK_AGAIN_MS);
    else if (!w->is_overdue)
        worker_queue(w);
    w->is_overdue = left_ms == 0;
}

void worker_deadline_timer(void *user)
{
    worker_watch_deadline(user);
}

void worker_end_overdue(struct pod_worker *w)
{
    const struct pod_spec *spec = &w->pod->spec;
    struct vk_arena *arena VK_ARENA_AUTO = NULL;
    struct pod_status s;

    w->is_ending = true;
    if (worker_shuts_down(w, worker_status(w)->start_time_ns +
                                 spec->active_deadline_seconds * SECOND_NS))
        return;
    arena = vk_arena_new();
    log_info("The pod's deadline has passed", LS("pod", pod_key(w->pod)),
             LS("podUID", w->pod->meta.uid));
    worker_cancel_resolution(w);
    vk_list_remove(&w->resolve_wait);
    status_of_failed(w->pod, worker_status(w), DEADLINE_REASON, DEADLINE_MESSAGE, arena, &s);
    status_manager_set(w->all->config.status, w->pod, &s);
    worker_event(w, "Normal", DEADLINE_REASON, DEADLINE_MESSAGE);
    worker_set_state(w, POD_WORKER_FINISHED);
    w->drop_group = true;
    /* A creation may have to wait for an hour until its turn comes. */
    if (w->operations)
        worker_delete_group(w);
    else
        worker_queue(w);
}
