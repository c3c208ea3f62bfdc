/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a pod's group after its containers have ended for good: it stays for a time, for
 * those who want to look at it, and goes earlier where the platform has no room for other pods.
 */
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/pods/pod_worker.h"
#include "kubelet/pods/status_generate.h"

#define MS_NS 1000000

/* Without a reported end, it ended when we noticed. */
static int64_t ended_at_ms(const struct pod_worker *w)
{
    int64_t ended_ns = status_ended_ns(worker_status(w));

    return ended_ns ? ended_ns / MS_NS : w->finished_at_ms;
}

static int64_t time_left_ms(const struct pod_worker *w)
{
    int64_t ttl_ms = w->all->config.finished_group_ttl_ms;
    int64_t left_ms = ended_at_ms(w) + ttl_ms - vk_wall_ns() / MS_NS;
    /* Our clock may have been set back, the platform's may be ahead: neither makes it longer. */
    int64_t most_ms = w->finished_mono_ms + ttl_ms - vk_mono_ms();

    return left_ms > most_ms ? most_ms : left_ms;
}

static bool has_group(const struct pod_worker *w)
{
    /* Of one that was not reported yet, it is known that it may be there. */
    return (w->group_seen || (w->drop_group && w->is_tried)) && !w->group_gone;
}

void worker_finish(struct pod_worker *w)
{
    int64_t left_ms;

    if (!has_group(w) || worker_must_wait(w))
        return;
    left_ms = w->drop_group ? 0 : time_left_ms(w);
    if (left_ms > 0) {
        work_queue_add_after(w->all->queue, w->pod->meta.uid, left_ms);
        return;
    }
    /* Whoever comes after a crash must find the end written down, or the group. */
    if (status_manager_is_written(w->all->config.status, w->pod->meta.uid))
        worker_retire_group(w);
}

void pod_workers_make_room(struct pod_workers *all)
{
    struct pod_worker *oldest = NULL;
    size_t it = 0;
    const char *uid;
    void *value;

    while (vk_map_next(all->by_uid, &it, &uid, &value)) {
        struct pod_worker *w = value;

        if (w->state != POD_WORKER_FINISHED || !has_group(w) || w->drop_group || w->is_deleted)
            continue;
        if (!oldest || ended_at_ms(w) < ended_at_ms(oldest))
            oldest = w;
    }
    if (!oldest)
        return;
    log_info("Removing the container group of a finished pod, since a quota is reached",
             LS("pod", pod_key(oldest->pod)), LS("podUID", oldest->pod->meta.uid));
    oldest->drop_group = true;
    worker_queue(oldest);
}
