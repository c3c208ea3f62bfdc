/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container failed its liveness or startup probe. Kubernetes ends that container and lets
 * restartPolicy decide; a platform may be able to start anew all containers of a pod together, and
 * no single one. Under restartPolicy Never the pod has failed.
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

static const char *probe_name(enum probe_kind kind)
{
    return kind == PROBE_STARTUP ? "startup" : "liveness";
}

static bool is_alone(const struct pod *pod)
{
    const struct container *init = pod->spec.init_containers.v;
    size_t n = pod->spec.containers.n;

    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        n += container_is_sidecar(&init[i]);
    return n <= 1;
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

/* A container whose postStart hook failed runs too, although its status does not say so. */
static const struct pod_status *true_status(const struct pod_worker *w)
{
    const struct pod_status *platform = lifecycle_starts_platform(w->starts);

    return platform ? platform : worker_status(w);
}

/* restartPolicy Never: nothing runs again, and what still runs goes with the group. */
static void fail_pod(struct pod_worker *w, const char *message)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod_status s;

    status_of_terminated(w->pod, true_status(w), vk_wall_ns(), arena, &s);
    mark_killed(&s.container_statuses, message);
    mark_killed(&s.init_container_statuses, message);
    s.phase = "Failed";
    status_manager_set(w->all->config.status, w->pod, &s);
    worker_set_state(w, POD_WORKER_FINISHED);
    w->drop_group = true;
    worker_queue(w);
}

/* When the container's run began; 0: it does not run. */
static int64_t run_of(const struct pod_worker *w, const char *container)
{
    const struct container_status *s = pod_status_container(true_status(w), container);

    return s && s->state.kind == CONTAINER_RUNNING ? s->state.started_at_ns : 0;
}

void pod_workers_unhealthy(struct pod_workers *all, const char *uid, const char *container,
                           enum probe_kind kind)
{
    struct pod_worker *w = vk_map_get(all->by_uid, uid);

    if (!w || all->stopped || w->is_deleted || w->state != POD_WORKER_RUNNING)
        return;
    log_info("A container failed its probe for good", LS("pod", pod_key(w->pod)), LS("podUID", uid),
             LS("containerName", container), LS("probe", probe_name(kind)));
    worker_end_container(w, container, kind == PROBE_STARTUP ? "startup probe" : "liveness probe");
}

void worker_end_container(struct pod_worker *w, const char *container, const char *failed)
{
    const struct provider *p = w->all->config.provider;
    const bool is_final = vk_streq(w->pod->spec.restart_policy, "Never");
    char *message VK_AUTOFREE = vk_asprintf(
        "Container %s failed %s%s%s", container, failed, is_final ? "" : ", will be restarted",
        is_alone(w->pod) ? "" : " with all containers of the pod");

    if (!is_final && !p->ops->restart_pod) {
        worker_event(w, "Warning", "FailedKillPod",
                     "A container failed, and this node can't restart it");
        return;
    }
    worker_event(w, "Normal", "Killing", message);
    if (is_final) {
        fail_pod(w, message);
        return;
    }
    w->wants_restart = true;
    (void)vk_strcpy_to(w->restart_container, sizeof(w->restart_container), container);
    w->restart_run_ns = run_of(w, container);
    worker_queue(w);
}

/* The next restart comes no sooner. */
static void back_off(struct pod_worker *w)
{
    const int64_t now = vk_mono_ms();

    if (!w->restart_at_ms || now - w->restart_at_ms > BACKOFF_RESET_MS)
        w->restart_backoff =
            (struct backoff){.initial_ms = BACKOFF_INITIAL_MS, .max_ms = BACKOFF_MAX_MS};
    w->restart_at_ms = now + backoff_next_ms(&w->restart_backoff);
}

static bool is_up(const struct pod_worker *w)
{
    return !w->is_deleted && (w->state == POD_WORKER_RUNNING || w->state == POD_WORKER_STARTING);
}

static void on_restarted(void *user, const struct vk_err *err)
{
    struct pod_worker *w = user;
    const struct provider *p = w->all->config.provider;
    const struct pod_identity id = worker_identity(w);

    w->operations--;
    if (w->all->stopped)
        return;
    if (err && is_up(w)) {
        log_warning("Failed to restart the pod's containers, trying again",
                    LS("pod", pod_key(w->pod)), LS("podUID", id.uid), LERR(err));
        worker_event(w, "Warning", "FailedKillPod", err->msg);
        w->wants_restart = true;
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
    if (w->is_deleted || w->is_overdue)
        worker_queue(w);
}

void worker_restart(struct pod_worker *w)
{
    const struct provider *p = w->all->config.provider;
    const struct pod_identity id = worker_identity(w);
    const int64_t now = vk_mono_ms();

    if (!is_up(w) || worker_must_wait(w))
        return;
    /* A try of which nobody knows the outcome, or the container itself, came before. */
    if (run_of(w, w->restart_container) != w->restart_run_ns) {
        w->wants_restart = false;
        return;
    }
    if (now < w->restart_at_ms) {
        work_queue_add_after(w->all->queue, id.uid, w->restart_at_ms - now);
        return;
    }
    w->wants_restart = false;
    w->operations++;
    p->ops->restart_pod(p->p, &id, on_restarted, w);
}
