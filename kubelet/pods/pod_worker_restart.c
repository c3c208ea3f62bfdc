/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container failed its liveness or startup probe, or its postStart hook. It is ended as at a
 * deletion: its preStop hook, SIGTERM, a grace period; restartPolicy, which the platform follows,
 * does the rest. What can't be ended so is started anew together with all containers of the pod,
 * since a platform may have no other way; under restartPolicy Never the pod has failed then.
 * Source: k8s v1.37.2 pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions).
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/pods/pod_worker.h"
#include "kubelet/pods/status_generate.h"

/* 128 + SIGKILL. */
#define EXIT_CODE_KILLED 137
/* As the back-off of containers that crash. Source: k8s v1.37.2 pkg/kubelet/kubelet.go. */
#define BACKOFF_INITIAL_MS 10000
#define BACKOFF_MAX_MS 300000
#define BACKOFF_RESET_MS (10 * 60 * 1000)
/* For so long a container that has ended may still be told to run. */
#define LOOK_MS 6000

static bool is_final(const struct pod_worker *w)
{
    return vk_streq(w->pod->spec.restart_policy, "Never");
}

static bool is_alone(const struct pod *pod)
{
    const struct container *init = pod->spec.init_containers.v;
    size_t n = pod->spec.containers.n;

    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        n += container_is_sidecar(&init[i]);
    return n <= 1;
}

static const struct container_status *container_of(const struct pod_worker *w)
{
    return pod_status_container(worker_platform_status(w), w->restart_container);
}

/* When the container's run began, 1 where nobody tells; 0: it does not run. */
static int64_t run_of(const struct pod_worker *w)
{
    const struct container_status *s = container_of(w);

    if (!s || s->state.kind != CONTAINER_RUNNING)
        return 0;
    return s->state.started_at_ns ? s->state.started_at_ns : 1;
}

static bool is_up(const struct pod_worker *w)
{
    return !w->is_deleted && !w->is_ending &&
           (w->state == POD_WORKER_RUNNING || w->state == POD_WORKER_STARTING);
}

/* failed is static; grace_ms 0: the pod's own. */
static void want_end(struct pod_worker *w, const char *container, const char *failed,
                     int64_t grace_ms)
{
    char *message VK_AUTOFREE = vk_asprintf("Container %s failed %s%s", container, failed,
                                            is_final(w) ? "" : ", will be restarted");

    if (!is_up(w) || w->restart_step != RESTART_NONE)
        return;
    log_info("A container failed and is to be ended", LS("pod", pod_key(w->pod)),
             LS("podUID", w->pod->meta.uid), LS("containerName", container), LS("failed", failed));
    worker_container_event(w, container, "Normal", "Killing", message);
    (void)vk_strcpy_to(w->restart_container, sizeof(w->restart_container), container);
    w->restart_cause = failed;
    w->restart_grace_ms = grace_ms ? grace_ms : worker_spec_grace_ms(&w->pod->spec);
    w->restart_run_ns = run_of(w);
    w->restart_step = RESTART_WANTED;
    worker_queue(w);
}

void worker_end_container(struct pod_worker *w, const char *container, const char *failed)
{
    want_end(w, container, failed, 0);
}

void pod_workers_unhealthy(struct pod_workers *all, const char *uid, const char *container,
                           enum probe_kind kind)
{
    const bool is_startup = kind == PROBE_STARTUP;
    struct pod_worker *w = vk_map_get(all->by_uid, uid);
    const struct container *c;
    const struct probe *p;

    if (!w || all->stopped)
        return;
    c = pod_find_container(w->pod, container);
    p = is_startup ? c->startup_probe : c->liveness_probe;
    want_end(w, container, is_startup ? "startup probe" : "liveness probe",
             p && p->has_termination_grace_period ? p->termination_grace_period_seconds * 1000 : 0);
}

/* --- step by step --- */

static void on_event(void *user, const char *container, const char *type, const char *reason,
                     const char *message)
{
    worker_container_event(user, container, type, reason, message);
}

static void on_ended(void *user)
{
    struct pod_worker *w = user;
    const struct provider *p = w->all->config.provider;
    const struct pod_identity id = worker_identity(w);

    w->restarting = NULL;
    w->restart_step = RESTART_ENDED;
    if (p->ops->stop_container && p->ops->look_at_pod) {
        w->restart_look_ms = vk_mono_ms() + LOOK_MS;
        p->ops->look_at_pod(p->p, &id);
    }
    worker_queue(w);
}

/* Of a status that tells of this container alone, the others are left as they are. */
static void end_container(struct pod_worker *w)
{
    static const struct lifecycle_shutdown_events events = {.event = on_event, .ended = on_ended};
    struct pod_status s = *worker_platform_status(w);
    struct container_status one = *container_of(w);

    s.container_statuses = (struct json_array){.v = &one, .n = 1};
    s.init_container_statuses = (struct json_array){0};
    w->restart_step = RESTART_ENDING;
    w->restarting = lifecycle_shutdown_start(&w->all->config.lifecycle, w->pod, &s,
                                             w->restart_grace_ms, &events, w);
    if (!w->restarting)
        on_ended(w);
}

static void mark_killed(struct json_array *list, const char *message)
{
    struct container_status *c = list->v;

    for (size_t i = 0; i < list->n; i++) {
        if (c[i].state.kind != CONTAINER_TERMINATED ||
            !vk_streq(c[i].state.reason, "ContainerStatusUnknown"))
            continue;
        c[i].state.exit_code = EXIT_CODE_KILLED;
        c[i].state.reason = "Error";
        c[i].state.message = message;
    }
}

/* restartPolicy Never: nothing runs again, and what still runs goes with the group. */
static void fail_pod(struct pod_worker *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *message =
        vk_arena_printf(arena, "Container %s failed %s", w->restart_container, w->restart_cause);
    struct pod_status s;

    status_of_terminated(w->pod, worker_platform_status(w), vk_wall_ns(), arena, &s);
    mark_killed(&s.container_statuses, message);
    mark_killed(&s.init_container_statuses, message);
    s.phase = "Failed";
    status_manager_set(w->all->config.status, w->pod, &s);
    worker_set_state(w, POD_WORKER_FINISHED);
    w->drop_group = true;
    worker_queue(w);
}

/* The next restart comes no sooner. */
static void back_off(struct pod_worker *w)
{
    const int64_t now = vk_mono_ms();

    if (!w->restart_after_ms || now - w->restart_after_ms > BACKOFF_RESET_MS)
        w->restart_backoff =
            (struct backoff){.initial_ms = BACKOFF_INITIAL_MS, .max_ms = BACKOFF_MAX_MS};
    w->restart_after_ms = now + backoff_next_ms(&w->restart_backoff);
}

static void on_restarted(void *user, const struct vk_err *err)
{
    struct pod_worker *w = user;
    const struct provider *p = w->all->config.provider;
    const struct pod_identity id = worker_identity(w);

    w->operations--;
    if (w->all->stopped)
        return;
    w->restart_step = RESTART_NONE;
    if (err && is_up(w)) {
        log_warning("Failed to restart the pod's containers, trying again",
                    LS("pod", pod_key(w->pod)), LS("podUID", id.uid), LERR(err));
        worker_event(w, "Warning", "FailedKillPod", err->msg);
        w->restart_step = RESTART_ENDED;
        worker_retry(w, err->retry_after_ms);
    } else if (!err) {
        log_v(2, "Restarted the pod's containers", LS("pod", pod_key(w->pod)),
              LS("podUID", id.uid));
        back_off(w);
        work_queue_forget(w->all->queue, id.uid);
        w->retry_at_ms = 0;
        if (p->ops->look_at_pod)
            p->ops->look_at_pod(p->p, &id);
    }
    worker_queue(w);
}

/* The container goes on, or has ended in a way after which the platform does not run it again. */
static bool needs_start(const struct pod_worker *w)
{
    const struct container_status *c = container_of(w);

    if (run_of(w) == w->restart_run_ns)
        return true;
    return vk_streq(w->pod->spec.restart_policy, "OnFailure") && c &&
           c->state.kind == CONTAINER_TERMINATED && c->state.exit_code == 0;
}

/* True: it is too early; the worker comes again. */
static bool is_early(struct pod_worker *w)
{
    const int64_t now = vk_mono_ms();
    int64_t at_ms = w->restart_after_ms;

    if (run_of(w) == w->restart_run_ns && w->restart_look_ms > at_ms)
        at_ms = w->restart_look_ms;
    if (now >= at_ms)
        return false;
    work_queue_add_after(w->all->queue, w->pod->meta.uid, at_ms - now);
    return true;
}

static void start_anew(struct pod_worker *w)
{
    const struct provider *p = w->all->config.provider;
    const struct pod_identity id = worker_identity(w);

    if (!needs_start(w)) {
        w->restart_step = RESTART_NONE;
        return;
    }
    if (worker_must_wait(w) || is_early(w))
        return;
    w->restart_step = RESTART_NONE;
    if (is_final(w)) {
        fail_pod(w);
        return;
    }
    if (!p->ops->restart_pod) {
        worker_container_event(w, w->restart_container, "Warning", "FailedKillPod",
                               "The container did not end, and this node can't restart it");
        return;
    }
    if (!is_alone(w->pod))
        worker_event(w, "Warning", "AllContainersRestarted",
                     "A container that failed can't be started anew alone: all "
                     "containers of the pod are");
    w->restart_step = RESTART_SENT;
    w->operations++;
    p->ops->restart_pod(p->p, &id, on_restarted, w);
}

void worker_restart(struct pod_worker *w)
{
    if (!is_up(w))
        return;
    switch (w->restart_step) {
    case RESTART_WANTED:
        if (run_of(w) == w->restart_run_ns && w->restart_run_ns)
            end_container(w);
        else
            w->restart_step = RESTART_NONE;
        break;
    case RESTART_ENDED:
        start_anew(w);
        break;
    case RESTART_NONE:
    case RESTART_ENDING:
    case RESTART_SENT:
        break;
    }
}

void worker_cancel_restart(struct pod_worker *w)
{
    lifecycle_shutdown_cancel(vk_take(w->restarting));
    if (w->restart_step != RESTART_SENT)
        w->restart_step = RESTART_NONE;
}
