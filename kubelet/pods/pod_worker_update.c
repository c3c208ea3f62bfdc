/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody changed a pod whose group exists. */
#include "base/log.h"
#include "kubelet/pods/pod_update.h"
#include "kubelet/pods/pod_worker.h"

static void refuse(struct pod_worker *w, const char *reason, const char *message)
{
    if (!message)
        return;
    log_info("A change of a pod that runs is not honoured", LS("pod", pod_key(w->pod)),
             LS("podUID", w->pod->meta.uid), LS("reason", reason), LS("change", message));
    worker_event(w, "Warning", reason, message);
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
    if (w->is_deleted || (w->state != POD_WORKER_CREATING && w->state != POD_WORKER_STARTING &&
                          w->state != POD_WORKER_RUNNING))
        return;
    arena = vk_arena_new();
    pod_update_between(before, w->pod, arena, &u);
    refuse(w, "ImageNotUpdated", u.image);
    refuse(w, "ResizeInfeasible", u.resources);
    refuse(w, "DownwardAPINotUpdated", w->shows_stale ? NULL : u.downward_api);
    w->shows_stale |= u.downward_api != NULL;
}
