/* SPDX-License-Identifier: Apache-2.0 */
/* A pod that this node can't run, whatever is tried. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/pods/pod_worker.h"

bool worker_is_refused(const struct pod_worker *w)
{
    return w->is_refused && w->refused_generation == w->pod->meta.generation;
}

/* Its one Event is the same one after a restart of this process. */
static void tell(struct pod_worker *w, const char *reason, const char *message)
{
    const struct object_meta *meta = &w->pod->meta;
    const struct object_reference about = {.kind = "Pod",
                                           .namespace_ = meta->namespace_,
                                           .name = meta->name,
                                           .uid = meta->uid,
                                           .api_version = "v1"};
    char *key VK_AUTOFREE = vk_asprintf("refused/%s/%s/%s", meta->uid, reason, message);

    event_recorder_emit_counted(w->all->config.events, &about, "Warning", reason, message, key, 1,
                                0, 0);
}

/* 0: it is its turn, which is taken; negative: it never is. */
static int64_t wait_for_turn(struct pod_worker *w)
{
    const struct owner_reference *controller = refusal_controller(&w->pod->meta);

    if (!controller)
        return 0;
    if (refusal_is_daemon(controller))
        return -1;
    return refusal_pace_wait(w->all->refusals, controller->uid, vk_mono_ms());
}

void worker_fail_in_turn(struct pod_worker *w)
{
    const int64_t wait = wait_for_turn(w);

    if (wait > 0)
        work_queue_add_after(w->all->queue, w->pod->meta.uid, wait);
    else if (wait == 0)
        worker_fail_told(w, w->last_error.reason, w->last_error.msg);
}

void worker_refuse(struct pod_worker *w, const char *reason, const char *message)
{
    const int64_t wait = wait_for_turn(w);

    tell(w, reason, message);
    if (wait == 0) {
        worker_fail_told(w, reason, message);
        return;
    }
    log_warning("The pod can't run on this node; it stays Pending, since its controller would "
                "replace it",
                LS("pod", pod_key(w->pod)), LS("podUID", w->pod->meta.uid), LS("reason", reason),
                LS("err", message));
    w->is_refused = true;
    w->refused_generation = w->pod->meta.generation;
    vk_err_set(&w->last_error, VK_UNSUPPORTED, "%s", message);
    vk_err_reason(&w->last_error, reason);
    worker_show_waiting(w, &(struct waiting_reason){
                               .reason = reason, .message = message, .container_reason = reason});
    if (wait > 0)
        work_queue_add_after(w->all->queue, w->pod->meta.uid, wait);
}
