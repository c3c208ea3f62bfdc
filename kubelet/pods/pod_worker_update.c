/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody changed a pod whose group exists. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/pods/pod_resize.h"
#include "kubelet/pods/pod_update.h"
#include "kubelet/pods/pod_worker.h"

static const char *const not_updated = "ImageNotUpdated";

static void refuse(struct pod_worker *w, const char *reason, const char *message)
{
    if (!message)
        return;
    log_info("A change of a pod that runs is not honoured", LS("pod", pod_key(w->pod)),
             LS("podUID", w->pod->meta.uid), LS("reason", reason), LS("change", message));
    worker_event(w, "Warning", reason, message);
}

/* It asks for what it has again. */
static bool is_resize_over(const struct pod_worker *w, struct vk_arena *arena)
{
    if (w->made)
        return !pod_resize_since(w->made, w->pod, arena);
    return pod_status_condition(&w->pod->status, POD_RESIZE_PENDING) &&
           !pod_resize_pending(w->pod, worker_status(w), arena);
}

void worker_changed(struct pod_worker *w, const struct pod *before)
{
    struct vk_arena *arena VK_ARENA_AUTO = NULL;
    struct pod_update u;

    /* What is not made yet is made as it is now. */
    if (w->state == POD_WORKER_RESOLVING && before->meta.generation != w->pod->meta.generation) {
        worker_cancel_resolution(w);
        worker_set_state(w, POD_WORKER_PENDING);
        worker_queue(w);
    }
    if (w->state == POD_WORKER_PENDING && w->image_waits &&
        before->meta.generation != w->pod->meta.generation) {
        w->image_waits = false;
        w->retry_at_ms = 0;
        /* Nothing has been said of the new image. */
        w->last_error = (struct vk_err){0};
        backoff_reset(&w->image_backoff);
        worker_queue(w);
    }
    if (w->is_deleted || (w->state != POD_WORKER_CREATING && w->state != POD_WORKER_STARTING &&
                          w->state != POD_WORKER_RUNNING))
        return;
    arena = vk_arena_new();
    pod_update_between(before, w->pod, arena, &u);
    if (u.image && w->all->config.provider->ops->update_pod) {
        w->needs_image = true;
        /* Another image than the one that is waited for. */
        w->retry_at_ms = 0;
        backoff_reset(&w->image_backoff);
        worker_queue(w);
    } else {
        refuse(w, not_updated, u.image);
    }
    refuse(w, "ResizeInfeasible", is_resize_over(w, arena) ? NULL : u.resources);
    refuse(w, "EphemeralContainersUnsupported", u.ephemeral);
    refuse(w, "DownwardAPINotUpdated", w->shows_stale ? NULL : u.downward_api);
    w->shows_stale |= u.downward_api != NULL;
}

static bool any_differs(const struct json_array *specs, const struct pod_status *platform)
{
    const struct container *c = specs->v;

    for (size_t i = 0; i < specs->n; i++) {
        const struct container_status *s = pod_status_container(platform, c[i].name);

        if (s && !vk_str_empty(s->image) && !vk_streq(s->image, c[i].image))
            return true;
    }
    return false;
}

void worker_compare_images(struct pod_worker *w, const struct pod_status *platform)
{
    const struct pod_spec *spec = &w->pod->spec;

    if (w->is_compared || w->is_tried || !platform->container_statuses.n ||
        !w->all->config.provider->ops->update_pod)
        return;
    w->is_compared = true;
    if (!any_differs(&spec->containers, platform) && !any_differs(&spec->init_containers, platform))
        return;
    w->needs_image = true;
    worker_queue(w);
}

static bool is_up(const struct pod_worker *w)
{
    return !w->is_deleted && !w->is_overdue &&
           (w->state == POD_WORKER_RUNNING || w->state == POD_WORKER_STARTING);
}

/* A PUT would run again what has ended for good. */
static bool has_ended_for_good(const struct pod_worker *w)
{
    const struct pod_status *s = worker_status(w);
    const struct container_status *c = s->container_statuses.v;

    for (size_t i = 0; i < s->container_statuses.n; i++)
        if (c[i].state.kind == CONTAINER_TERMINATED &&
            !vk_streq(w->pod->spec.restart_policy, "Always"))
            return true;
    return false;
}

static void give_up(struct pod_worker *w, const char *why)
{
    w->needs_image = false;
    refuse(w, not_updated, why);
}

static void update_failed(struct pod_worker *w, const struct vk_err *err, bool is_platform)
{
    const bool is_image = is_platform && vk_streq(err->reason, PROVIDER_REASON_IMAGE);
    int64_t delay;

    w->forbidden_mono_ms = 0;
    if (err->code == VK_NOT_FOUND && is_platform) {
        w->needs_image = false; /* Whoever makes the group anew takes the new image. */
        return;
    }
    if (!is_image &&
        (err->code == VK_INVALID || err->code == VK_UNSUPPORTED || err->code == VK_TOO_LARGE)) {
        give_up(w, err->msg);
        return;
    }
    log_warning("Failed to update the pod's container group, trying again",
                LS("pod", pod_key(w->pod)), LS("podUID", w->pod->meta.uid), LERR(err));
    if (err->code != VK_CONFLICT && !vk_streq(w->last_error.msg, err->msg)) {
        w->last_error = *err;
        worker_event(w, "Warning", is_image ? "Failed" : "FailedUpdatePod", err->msg);
    }
    if (is_platform && err->code == VK_FORBIDDEN) {
        worker_wait_for_rights(w);
        return;
    }
    if (!is_image) {
        worker_retry(w, err->retry_after_ms);
        return;
    }
    delay = backoff_next_ms(&w->image_backoff);
    w->retry_at_ms = vk_mono_ms() + delay;
    work_queue_add_after(w->all->queue, w->pod->meta.uid, delay);
}

static void on_updated(void *user, const struct vk_err *err)
{
    struct pod_worker *w = user;
    const struct provider *p = w->all->config.provider;
    const struct pod_identity id = worker_identity(w);

    w->operations--;
    w->is_changing = false;
    if (w->all->stopped)
        return;
    if (!is_up(w)) {
        worker_queue(w);
    } else if (err) {
        update_failed(w, err, true);
        worker_queue(w);
    } else {
        work_queue_forget(w->all->queue, id.uid);
        w->retry_at_ms = 0;
        w->last_error = (struct vk_err){0};
        backoff_reset(&w->image_backoff);
        worker_had_rights(w);
        if (w->all->config.expiries)
            token_expiries_take(w->all->config.expiries, id.uid);
        w->needs_image = w->update_generation != w->pod->meta.generation;
        worker_event(
            w, "Normal", "ImagesUpdated",
            "The container group has the images that the pod names; where they changed, all "
            "its containers start anew");
        worker_queue(w);
        if (p->ops->look_at_pod)
            p->ops->look_at_pod(p->p, &id);
    }
}

static void on_resolved(void *user, struct resolved_pod *resolved, const struct vk_err *err)
{
    struct pod_worker *w = user;
    const struct provider *p = w->all->config.provider;

    w->resolution = NULL;
    worker_resolution_ended(w);
    if (!is_up(w)) {
        resolved_pod_free(resolved);
        worker_queue(w);
    } else if (err) {
        update_failed(w, err, false);
        worker_queue(w);
    } else {
        w->update_generation = resolved->pod->meta.generation;
        w->operations++;
        w->is_changing = true;
        p->ops->update_pod(p->p, resolved, on_updated, w);
    }
}

void worker_update(struct pod_worker *w)
{
    if (!is_up(w) || w->resolution || worker_must_wait(w))
        return;
    if (has_ended_for_good(w)) {
        give_up(w, "the image was changed, but containers of the pod have ended for good and would "
                   "run again: delete the pod, its controller makes one with the new image");
        worker_queue(w);
        return;
    }
    (void)worker_begin_resolution(w, on_resolved);
}
