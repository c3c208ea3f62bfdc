/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/pods/pod_worker.h"
#include "kubelet/pods/status_annotations.h"
#include "kubelet/pods/status_generate.h"

/* A second loss so soon after the first means that somebody does not want the group. */
#define LOST_AGAIN_MS (10 * 60 * 1000)
/* For how long the error of the pull itself is shown before its back-off is; at most half of it. */
#define SHOW_PULL_ERROR_MS 5000

static const char *const lost_reason = "ContainerGroupLost";

void worker_fail_told(struct pod_worker *w, const char *reason, const char *message)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod_status s;

    log_error("The pod has failed", LS("pod", pod_key(w->pod)), LS("podUID", w->pod->meta.uid),
              LS("reason", reason), LS("err", message));
    status_of_failed(w->pod, worker_status(w), reason, message, arena, &s);
    status_manager_set(w->all->config.status, w->pod, &s);
    worker_set_state(w, POD_WORKER_FINISHED);
}

void worker_fail(struct pod_worker *w, const char *reason, const char *message)
{
    worker_fail_told(w, reason, message);
    worker_event(w, "Warning", reason, message);
}

static bool is_image_error(const struct vk_err *err)
{
    return vk_streq(err->reason, PROVIDER_REASON_IMAGE) ||
           vk_streq(err->reason, PROVIDER_REASON_IMAGE_NAME);
}

/* The containers' reason for such an error: a name that can't be is no matter of pulling. */
static const char *image_reason(const struct vk_err *err, const char *pulling)
{
    return vk_streq(err->reason, PROVIDER_REASON_IMAGE_NAME) ? PROVIDER_REASON_IMAGE_NAME : pulling;
}

static bool is_permanent(const struct vk_err *err, bool is_platform)
{
    if (is_platform && is_image_error(err))
        return false;
    /* The Node authorizer forbids what it has not yet seen to belong to the node, and the platform
     * what nobody has granted yet: neither is the pod's fault. */
    return err->code == VK_INVALID || err->code == VK_UNSUPPORTED || err->code == VK_TOO_LARGE;
}

static bool is_same_error(const struct vk_err *a, const struct vk_err *b)
{
    if (a->code != b->code || !vk_streq(a->reason, b->reason))
        return false;
    /* Texts carry counts and request ids; a reason says enough. */
    return !vk_str_empty(a->reason) || vk_streq(a->msg, b->msg);
}

static void tell_once(struct pod_worker *w, const struct vk_err *err, const char *reason)
{
    if (is_same_error(&w->last_error, err))
        return;
    w->last_error = *err;
    worker_event(w, "Warning", reason, err->msg);
}

void worker_show_waiting(struct pod_worker *w, const struct waiting_reason *why)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod_status s;

    w->shows_error = true;
    status_of_waiting(w->pod, why, arena, &s);
    status_manager_set(w->all->config.status, w->pod, &s);
}

static void wait_for_image(struct pod_worker *w, const struct vk_err *err)
{
    int64_t delay = backoff_next_ms(&w->image_backoff);

    if (delay < err->retry_after_ms)
        delay = err->retry_after_ms;
    tell_once(w, err, vk_streq(err->reason, PROVIDER_REASON_IMAGE) ? "Failed" : "InspectFailed");
    worker_show_waiting(
        w, &(struct waiting_reason){.reason = err->reason,
                                    .message = err->msg,
                                    .container_reason = image_reason(err, "ErrImagePull"),
                                    .image_of = err->msg});
    w->last_error = *err;
    w->image_waits = true;
    w->image_backoff_shown = false;
    w->retry_at_ms = vk_mono_ms() + delay;
    work_queue_add_after(w->all->queue, w->pod->meta.uid,
                         delay / 2 < SHOW_PULL_ERROR_MS ? delay / 2 : SHOW_PULL_ERROR_MS);
}

void worker_show_image_backoff(struct pod_worker *w)
{
    const struct vk_err *err = &w->last_error;

    if (!w->image_waits || w->image_backoff_shown || w->retry_at_ms <= vk_mono_ms())
        return;
    w->image_backoff_shown = true;
    worker_show_waiting(
        w, &(struct waiting_reason){.reason = err->reason,
                                    .message = err->msg,
                                    .container_reason = image_reason(err, "ImagePullBackOff"),
                                    .image_of = err->msg});
}

static void wait_and_retry(struct pod_worker *w, const struct vk_err *err, bool is_platform)
{
    const char *reason = !vk_str_empty(err->reason) ? err->reason
                         : is_platform              ? "FailedCreateContainerGroup"
                                                    : "FailedResolvePod";
    bool is_missing = !is_platform && err->code == VK_NOT_FOUND;
    bool is_quota = is_platform && vk_streq(err->reason, PROVIDER_REASON_QUOTA);

    log_warning("Failed to create the pod's container group, trying again",
                LS("pod", pod_key(w->pod)), LS("podUID", w->pod->meta.uid), LERR(err));
    tell_once(w, err, reason);
    worker_show_waiting(w, &(struct waiting_reason){
                               .reason = reason,
                               .message = err->msg,
                               .container_reason = is_missing ? "CreateContainerConfigError"
                                                   : is_quota ? err->reason
                                                              : NULL,
                           });
    w->image_waits = false;
    if (is_quota)
        pod_workers_make_room(w->all);
    if (is_platform && err->code == VK_FORBIDDEN)
        worker_wait_for_rights(w);
    else
        worker_retry(w, err->retry_after_ms);
}

void worker_wait_for_rights(struct pod_worker *w)
{
    const int64_t delay = backoff_next_ms(&w->rights_backoff), now = vk_mono_ms();

    w->forbidden_mono_ms = now ? now : 1;
    w->rights_wait_ms = delay;
    w->all->lacks_rights = true;
    w->retry_at_ms = now + delay;
    work_queue_add_after(w->all->queue, w->pod->meta.uid, delay);
}

/* They may lack another one, so they do not ask at each success, and less often each time: where
 * many lack it, their PUTs would use up what the platform allows those that lack none. */
static void look_again_soon(struct pod_worker *w)
{
    const struct pod_retries *r = &w->all->config.retries;
    const int64_t times = w->rights_wait_ms / r->rights_initial_ms;
    const int64_t soon = w->forbidden_mono_ms + (times > 1 ? times : 1) * r->rights_look_ms;

    if (w->retry_at_ms <= soon)
        return;
    w->retry_at_ms = soon;
    worker_queue(w);
}

void worker_had_rights(struct pod_worker *w)
{
    size_t it = 0;
    void *other;

    w->forbidden_mono_ms = 0;
    backoff_reset(&w->rights_backoff);
    if (!w->all->lacks_rights)
        return;
    w->all->lacks_rights = false;
    while (vk_map_next(w->all->by_uid, &it, NULL, &other)) {
        struct pod_worker *waiting = other;

        if (waiting->forbidden_mono_ms && !waiting->is_deleted)
            look_again_soon(waiting);
    }
}

void worker_create_failed(struct pod_worker *w, const struct vk_err *err, bool is_platform)
{
    const char *fallback = is_platform ? "ProviderFailed" : "FailedResolvePod";

    w->forbidden_mono_ms = 0;
    if (is_permanent(err, is_platform)) {
        const char *reason = vk_str_empty(err->reason) ? fallback : err->reason;

        worker_refuse(w, reason, err->msg);
    } else if (is_platform && is_image_error(err)) {
        wait_for_image(w, err);
    } else {
        wait_and_retry(w, err, is_platform);
    }
}

static void fail_lost(struct pod_worker *w, const char *message)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod_status ended;

    log_error("The pod's container group is lost", LS("pod", pod_key(w->pod)),
              LS("podUID", w->pod->meta.uid));
    status_of_terminated(w->pod, worker_status(w), vk_wall_ns(), arena, &ended);
    /* All its containers had ended well before the group went: nothing is lost. */
    if (!vk_streq(ended.phase, "Succeeded")) {
        ended.phase = "Failed";
        ended.reason = lost_reason;
        ended.message = message;
        worker_event(w, "Warning", lost_reason, message);
    }
    status_manager_set(w->all->config.status, w->pod, &ended);
    worker_set_state(w, POD_WORKER_FINISHED);
}

/* Also by a former process, as it wrote on the pod. */
static bool was_made_again_lately(const struct pod_worker *w)
{
    const char *text = pairs_get(&w->pod->meta.annotations, POD_MADE_AGAIN);
    int64_t then_ns, ago_ms;

    if (w->lost_at_ms)
        return vk_mono_ms() - w->lost_at_ms < LOST_AGAIN_MS;
    if (!text || !vk_time_parse(vk_str_of(text), &then_ns))
        return false;
    ago_ms = vk_wall_ms() - then_ns / 1000000;
    return ago_ms >= 0 && ago_ms < LOST_AGAIN_MS;
}

static void note_made_again(struct pod_worker *w)
{
    const int64_t now = vk_mono_ms();
    char text[VK_TIME_MAX];

    w->lost_at_ms = now ? now : 1;
    vk_time_format_s(vk_wall_ms(), text);
    status_manager_note(w->all->config.status, w->pod->meta.uid, STATUS_NOTE_MADE_AGAIN, text);
}

bool worker_group_lost(struct pod_worker *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = NULL;
    struct pod_status s;

    if (vk_streq(w->pod->spec.restart_policy, "Never") && status_has_started(worker_status(w))) {
        fail_lost(w, "The container group vanished, and restartPolicy Never forbids another run");
        return true;
    }
    if (was_made_again_lately(w)) {
        fail_lost(w, "The container group vanished again soon after it was created anew");
        return true;
    }
    log_warning("The pod's container group is lost, creating it again", LS("pod", pod_key(w->pod)),
                LS("podUID", w->pod->meta.uid));
    worker_event(w, "Warning", lost_reason, "The container group vanished and is created again");
    w->may_exist = true;
    arena = vk_arena_new();
    status_of_waiting(w->pod, &(struct waiting_reason){0}, arena, &s);
    status_manager_set(w->all->config.status, w->pod, &s);
    note_made_again(w);
    return false;
}
