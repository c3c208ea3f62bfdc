/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container failed its liveness or startup probe, or its postStart hook. It is ended as at a
 * deletion: its preStop hook, SIGTERM, a grace period; restartPolicy, which the platform follows,
 * does the rest. What can't be ended so is started anew together with all containers of the pod,
 * since a platform may have no other way; under restartPolicy Never the pod has failed then. A
 * native sidecar of such a pod, which no platform of ours starts again without the others, is left
 * as it is. Source: k8s v1.37.2 pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions).
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
#define SECOND_NS INT64_C(1000000000)
/* And one that was started anew to have ended. */
#define RESTARTED_MS (2 * 60 * 1000)

/* It waits until those that failed before it have been ended. */
struct failed_container {
    struct vk_list link; /* in worker->failed */
    char name[64];
    const char *cause;
    int64_t run_s, grace_ms;
};

static bool is_final(const struct pod_worker *w)
{
    return vk_streq(w->pod->spec.restart_policy, "Never");
}

static bool is_sidecar(const struct pod *pod, const char *container)
{
    const struct container *init = pod->spec.init_containers.v;

    for (size_t i = 0; i < pod->spec.init_containers.n; i++)
        if (vk_streq(init[i].name, container))
            return container_is_sidecar(&init[i]);
    return false;
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

/* In seconds, since statuses are rounded on their way; 1 where nobody tells. */
static int64_t run_began_s(const struct container_status *s)
{
    return s->state.started_at_ns ? s->state.started_at_ns / SECOND_NS : 1;
}

/* When the container's run began; 0: it does not run. */
static int64_t run_of(const struct pod_worker *w, const char *container)
{
    const struct container_status *s = pod_status_container(worker_platform_status(w), container);

    return s && s->state.kind == CONTAINER_RUNNING ? run_began_s(s) : 0;
}

static bool is_same_run(const struct pod_worker *w)
{
    return run_of(w, w->restart_container) == w->restart_run_s;
}

static bool is_up(const struct pod_worker *w)
{
    return !w->is_deleted && !w->is_ending &&
           (w->state == POD_WORKER_RUNNING || w->state == POD_WORKER_STARTING);
}

static void failed_free(struct failed_container *f)
{
    vk_list_remove(&f->link);
    vk_free(f);
}

static struct failed_container *failed_find(const struct pod_worker *w, const char *container)
{
    VK_LIST_FOREACH(it, &w->failed)
    {
        struct failed_container *f = VK_LIST_ENTRY(it, struct failed_container, link);

        if (vk_streq(f->name, container))
            return f;
    }
    return NULL;
}

static bool is_being_ended(const struct pod_worker *w, const char *container, int64_t run_s)
{
    return w->restart_step != RESTART_NONE && vk_streq(w->restart_container, container) &&
           w->restart_run_s == run_s;
}

/*
 * To end it would be for good, and to fail the pod would end work that Kubernetes lets go on: only
 * a new pod has a sidecar that works.
 */
static void leave_sidecar(struct pod_worker *w, const char *container, const char *failed)
{
    char *message VK_AUTOFREE = vk_asprintf(
        "Container %s failed %s and goes on as it is: under restartPolicy Never nothing here can "
        "start a sidecar anew; delete the pod to have another one",
        container, failed);

    log_warning("A sidecar failed and can't be started anew", LS("pod", pod_key(w->pod)),
                LS("podUID", w->pod->meta.uid), LS("containerName", container),
                LS("failed", failed));
    worker_container_event(w, container, "Warning", "SidecarNotRestarted", message);
}

/* failed is static; grace_ms 0: the pod's own. */
static void want_end(struct pod_worker *w, const char *container, const char *failed,
                     int64_t grace_ms)
{
    const int64_t run_s = run_of(w, container);
    struct failed_container *f;

    if (!is_up(w) || !run_s || is_being_ended(w, container, run_s))
        return;
    if (is_final(w) && is_sidecar(w->pod, container)) {
        leave_sidecar(w, container, failed);
        return;
    }
    f = failed_find(w, container);
    if (!f) {
        f = vk_calloc(1, sizeof(*f));
        vk_list_init(&f->link);
        vk_list_add_tail(&w->failed, &f->link);
    }
    (void)vk_strcpy_to(f->name, sizeof(f->name), container);
    f->cause = failed;
    f->run_s = run_s;
    f->grace_ms = grace_ms ? grace_ms : worker_spec_grace_ms(&w->pod->spec);
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

/* Those that ran anew meanwhile have had what they needed. */
static void end_next(struct pod_worker *w)
{
    while (w->restart_step == RESTART_NONE && !vk_list_is_empty(&w->failed)) {
        struct failed_container *f = VK_LIST_ENTRY(w->failed.next, struct failed_container, link);
        char *message VK_AUTOFREE = vk_asprintf("Container %s failed %s%s", f->name, f->cause,
                                                is_final(w) ? "" : ", will be restarted");

        if (run_of(w, f->name) == f->run_s) {
            log_info("A container failed and is to be ended", LS("pod", pod_key(w->pod)),
                     LS("podUID", w->pod->meta.uid), LS("containerName", f->name),
                     LS("failed", f->cause));
            worker_container_event(w, f->name, "Normal", "Killing", message);
            (void)vk_strcpy_to(w->restart_container, sizeof(w->restart_container), f->name);
            w->restart_cause = f->cause;
            w->restart_grace_ms = f->grace_ms;
            w->restart_run_s = f->run_s;
            end_container(w);
        }
        failed_free(f);
    }
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

bool worker_will_start_anew(const struct pod_worker *w, const struct pod_status *status)
{
    const struct container_status *c = pod_status_container(status, w->restart_container);
    const bool is_expected =
        w->restart_step != RESTART_NONE ||
        (w->restarted_mono_ms && vk_mono_ms() - w->restarted_mono_ms < RESTARTED_MS);

    if (!is_expected || !w->all->config.provider->ops->restart_pod ||
        !vk_streq(w->pod->spec.restart_policy, "OnFailure"))
        return false;
    return c && c->state.kind == CONTAINER_TERMINATED && c->state.exit_code == 0 &&
           run_began_s(c) == w->restart_run_s;
}

/* The container goes on, or has ended in a way after which the platform does not run it again. */
static bool needs_start(const struct pod_worker *w)
{
    return is_same_run(w) || worker_will_start_anew(w, worker_platform_status(w));
}

/* It has ended, nothing runs it again, and it did not do what it was there for. */
static bool is_stuck(const struct pod_worker *w, const struct vk_err *err)
{
    const bool is_refused =
        err->code == VK_INVALID || err->code == VK_UNSUPPORTED || err->code == VK_FORBIDDEN;

    return is_refused && worker_will_start_anew(w, worker_platform_status(w));
}

/* Apart from the waits of an update, which may be for an image: neither holds the other back. */
static void retry(struct pod_worker *w, int64_t retry_after_ms)
{
    int64_t delay = backoff_next_ms(&w->restart_retry);

    if (delay < retry_after_ms)
        delay = retry_after_ms;
    w->restart_retry_ms = vk_mono_ms() + delay;
    work_queue_add_after(w->all->queue, w->pod->meta.uid, delay);
}

static void on_restarted(void *user, const struct vk_err *err)
{
    struct pod_worker *w = user;
    const struct provider *p = w->all->config.provider;
    const struct pod_identity id = worker_identity(w);

    w->operations--;
    w->is_changing = false;
    if (w->all->stopped)
        return;
    if (err && is_up(w) && is_stuck(w, err)) {
        worker_event(w, "Warning", "FailedKillPod", err->msg);
        w->restart_step = RESTART_NONE;
        fail_pod(w);
        return;
    }
    w->restart_step = RESTART_NONE;
    if (err && is_up(w)) {
        log_warning("Failed to restart the pod's containers, trying again",
                    LS("pod", pod_key(w->pod)), LS("podUID", id.uid), LERR(err));
        worker_event(w, "Warning", "FailedKillPod", err->msg);
        w->restart_step = RESTART_ENDED;
        retry(w, err->retry_after_ms);
    } else if (!err) {
        log_v(2, "Restarted the pod's containers", LS("pod", pod_key(w->pod)),
              LS("podUID", id.uid));
        back_off(w);
        w->restarted_mono_ms = vk_mono_ms();
        w->restart_retry_ms = 0;
        backoff_reset(&w->restart_retry);
        if (p->ops->look_at_pod)
            p->ops->look_at_pod(p->p, &id);
    }
    worker_queue(w);
}

/* True: it is too early; the worker comes again. */
static bool is_early(struct pod_worker *w)
{
    const int64_t now = vk_mono_ms();
    int64_t at_ms = w->restart_after_ms;

    if (is_same_run(w) && w->restart_look_ms > at_ms)
        at_ms = w->restart_look_ms;
    if (w->restart_retry_ms > at_ms)
        at_ms = w->restart_retry_ms;
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
    if (is_early(w))
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
    w->is_changing = true;
    p->ops->restart_pod(p->p, &id, on_restarted, w);
}

bool worker_wants_restart(const struct pod_worker *w)
{
    return w->restart_step != RESTART_NONE || !vk_list_is_empty(&w->failed);
}

void worker_restart(struct pod_worker *w)
{
    if (!is_up(w))
        return;
    if (w->restart_step == RESTART_ENDED)
        start_anew(w);
    if (is_up(w))
        end_next(w);
}

void worker_cancel_restart(struct pod_worker *w)
{
    lifecycle_shutdown_cancel(vk_take(w->restarting));
    if (w->restart_step != RESTART_SENT)
        w->restart_step = RESTART_NONE;
    VK_LIST_FOREACH(it, &w->failed)
    failed_free(VK_LIST_ENTRY(it, struct failed_container, link));
}
