/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/url.h"
#include "kubelet/pods/pod_worker.h"
#include "kubelet/pods/status_generate.h"

/* Whatever was said to run does not any more. */
static void set_terminal_status(struct pod_worker *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod_status s;

    w->is_terminal = true;
    status_of_terminated(w->pod, worker_status(w), vk_wall_ns(), arena, &s);
    status_manager_set(w->all->config.status, w->pod, &s);
}

static void on_group_deleted(void *user, const struct vk_err *err)
{
    struct pod_worker *w = user;

    w->operations--;
    if (w->all->stopped)
        return;
    if (err && err->code != VK_NOT_FOUND) {
        log_warning("Failed to delete the pod's container group, trying again",
                    LS("pod", pod_key(w->pod)), LS("podUID", w->pod->meta.uid), LERR(err));
        if (!vk_streq(w->last_error.msg, err->msg)) {
            w->last_error = *err;
            worker_event(w, "Warning", "FailedKillPod", err->msg);
        }
        worker_retry(w, err->retry_after_ms);
        return;
    }
    log_v(2, "Deleted the pod's container group", LS("pod", pod_key(w->pod)),
          LS("podUID", w->pod->meta.uid));
    w->group_gone = true;
    if (w->state == POD_WORKER_FINISHED)
        set_terminal_status(w);
    work_queue_forget(w->all->queue, w->pod->meta.uid);
    w->retry_at_ms = 0;
    worker_queue(w);
}

void worker_delete_group(struct pod_worker *w)
{
    const struct provider *p = w->all->config.provider;
    struct pod_identity id = worker_identity(w);

    if (!p->ops->delete_pod || !(w->may_exist || w->is_tried || w->group_seen)) {
        w->group_gone = true;
        worker_queue(w);
        return;
    }
    w->operations++;
    w->is_changing = false;
    p->ops->delete_pod(p->p, &id, on_group_deleted, w);
}

void worker_retire_group(struct pod_worker *w)
{
    const struct provider *p = w->all->config.provider;
    struct pod_identity id = worker_identity(w);

    if (!p->ops->retire_pod) {
        worker_delete_group(w);
        return;
    }
    w->operations++;
    p->ops->retire_pod(p->p, &id, on_group_deleted, w);
}

static void on_object_deleted(void *user, struct vk_str body, const struct vk_err *err)
{
    struct pod_worker *w = user;

    (void)body;
    vk_crash_point("after-pod-delete");
    w->deletion = NULL;
    if (w->all->stopped)
        return;
    if (err && err->code != VK_NOT_FOUND) {
        /* A conflict says that the name belongs to another pod: the watch is about to tell. */
        log_v(2, "Failed to delete the pod at the API server, trying again",
              LS("pod", pod_key(w->pod)), LS("podUID", w->pod->meta.uid), LERR(err));
        worker_retry(w, err->retry_after_ms);
        return;
    }
    worker_set_state(w, POD_WORKER_GONE);
    if (w->is_removed)
        worker_queue(w);
}

/* Ends the grace period: the containers are gone, nothing is left to wait for. */
static void delete_object(struct pod_worker *w)
{
    const struct object_meta *m = &w->pod->meta;
    char *what VK_AUTOFREE = vk_asprintf("delete pod %s", pod_key(w->pod));
    struct vk_buf path VK_BUF_AUTO, body VK_BUF_AUTO;
    struct json_writer j;

    vk_buf_init(&path, 8192);
    vk_buf_adds(&path, "/api/v1/namespaces/");
    url_encode(&path, vk_str_of(m->namespace_));
    vk_buf_adds(&path, "/pods/");
    url_encode(&path, vk_str_of(m->name));
    vk_buf_init(&body, 4096);
    json_writer_init(&j, &body);
    json_begin_object(&j, NULL);
    json_put_string(&j, "kind", "DeleteOptions");
    json_put_string(&j, "apiVersion", "v1");
    json_put_int(&j, "gracePeriodSeconds", 0);
    json_begin_object(&j, "preconditions");
    json_put_string(&j, "uid", m->uid);
    json_end_object(&j);
    json_end_object(&j);
    vk_crash_point("before-pod-delete");
    w->deletion = rest_start(w->all->config.client, &(struct rest_request){
                                                        .method = "DELETE",
                                                        .path = vk_buf_peek(&path),
                                                        .body = vk_buf_str(&body),
                                                        .metadata_only = true,
                                                        .what = what,
                                                        .on_done = on_object_deleted,
                                                        .user = w,
                                                    });
}

static void forget(struct pod_worker *w)
{
    struct pod_workers *all = w->all;
    const struct provider *p = all->config.provider;
    struct pod_identity id = worker_identity(w);

    if (p->ops->forget_pod)
        p->ops->forget_pod(p->p, &id);
    status_manager_forget(all->config.status, id.uid);
    work_queue_remove(all->queue, id.uid);
    vk_map_remove(all->by_uid, id.uid);
    worker_free(w);
}

void worker_terminate(struct pod_worker *w)
{
    worker_cancel_resolution(w);
    vk_list_remove(&w->resolve_wait);
    if (w->state != POD_WORKER_GONE)
        worker_set_state(w, POD_WORKER_TERMINATING);
    if (!(w->group_gone && w->is_removed) && worker_must_wait(w))
        return;
    if (!w->group_gone) {
        if (!worker_shuts_down(w, 0))
            worker_delete_group(w);
        return;
    }
    if (w->is_removed) {
        forget(w);
        return;
    }
    if (w->state == POD_WORKER_GONE)
        return;
    if (!w->is_terminal)
        set_terminal_status(w);
    if (status_manager_is_written(w->all->config.status, w->pod->meta.uid))
        delete_object(w);
}
