/* SPDX-License-Identifier: Apache-2.0 */
/* The platform's word on its way into the pod's status, past postStart hooks. */
#include "kubelet/pods/pod_resize.h"
#include "kubelet/pods/pod_worker.h"
#include "kubelet/pods/status_generate.h"

const struct pod_status *worker_platform_status(const struct pod_worker *w)
{
    const struct pod_status *platform = lifecycle_starts_platform(w->starts);

    return platform ? platform : worker_status(w);
}

static void set_status(struct pod_worker *w, const struct pod_status *status)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod_status s = *status;

    if (w->made)
        pod_resize_note_made(w->made, &s, arena);
    /* What its containers make of their end does not count: the deadline does, or the next run. */
    if ((w->is_ending || worker_will_start_anew(w, &s)) && status_is_terminal(&s))
        s.phase = "Running";
    status_manager_set(w->all->config.status, w->pod, &s);
    if (w->shutdown)
        lifecycle_shutdown_observe(w->shutdown, worker_status(w));
    if (w->restarting)
        lifecycle_shutdown_observe(w->restarting, worker_platform_status(w));
}

static void show(struct pod_worker *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const bool was_running = vk_streq(worker_status(w)->phase, "Running");
    struct pod_status s;

    lifecycle_starts_show(w->starts, was_running, arena, &s);
    set_status(w, &s);
}

void worker_set_platform_status(struct pod_worker *w, const struct pod_status *platform)
{
    if (!w->starts) {
        set_status(w, platform);
        return;
    }
    lifecycle_starts_observe(w->starts, platform, &w->pod->status);
    show(w);
}

void worker_halt_starts(struct pod_worker *w)
{
    lifecycle_starts_halt(w->starts);
    if (lifecycle_starts_platform(w->starts))
        show(w);
}

static void on_event(void *user, const char *container, const char *type, const char *reason,
                     const char *message)
{
    worker_container_event(user, container, type, reason, message);
}

static void on_changed(void *user)
{
    struct pod_worker *w = user;

    show(w);
    if (w->state == POD_WORKER_STARTING || w->state == POD_WORKER_RUNNING)
        worker_settle(w);
}

static void on_failed(void *user, const char *container)
{
    worker_end_container(user, container, "its postStart hook");
}

void worker_prepare_starts(struct pod_worker *w)
{
    static const struct lifecycle_starts_events events = {
        .event = on_event, .changed = on_changed, .failed = on_failed};

    w->starts = lifecycle_starts_new(&w->all->config.lifecycle, w->pod, &events, w);
}
