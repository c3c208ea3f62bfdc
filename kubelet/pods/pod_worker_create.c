/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/log.h"
#include "kubelet/pods/pod_worker.h"
#include "kubelet/pods/status_generate.h"

/* Each may have several requests at the API server under way: enough to keep it busy, not more than
 * its default share for a node (API Priority and Fairness). */
#define MAX_RESOLVING 64

/* What became of it meanwhile may need no resolution any more. */
static bool wants_resolution(const struct pod_worker *w)
{
    const bool is_update =
        w->needs_image && (w->state == POD_WORKER_STARTING || w->state == POD_WORKER_RUNNING);

    return !w->is_deleted && !w->is_overdue && (is_update || w->state == POD_WORKER_PENDING);
}

void worker_resolution_ended(struct pod_worker *w)
{
    struct pod_workers *all = w->all;
    bool is_given = all->stopped;

    all->resolving--;
    while (!is_given && !vk_list_is_empty(&all->resolve_wait)) {
        struct pod_worker *next =
            VK_LIST_ENTRY(all->resolve_wait.next, struct pod_worker, resolve_wait);

        vk_list_remove(&next->resolve_wait);
        is_given = wants_resolution(next);
        worker_queue(next);
    }
}

bool worker_begin_resolution(struct pod_worker *w, pod_resolver_done_fn done)
{
    struct pod_workers *all = w->all;

    if (all->resolving >= MAX_RESOLVING) {
        if (!vk_list_is_linked(&w->resolve_wait))
            vk_list_add_tail(&all->resolve_wait, &w->resolve_wait);
        return false;
    }
    vk_list_remove(&w->resolve_wait);
    all->resolving++;
    w->resolution = pod_resolver_start(all->config.resolver, w->pod, done, w);
    return true;
}

void worker_cancel_resolution(struct pod_worker *w)
{
    if (!w->resolution)
        return;
    pod_resolution_cancel(vk_take(w->resolution));
    worker_resolution_ended(w);
}

static void show_no_error(struct pod_worker *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = NULL;
    struct pod_status s;

    if (!w->shows_error)
        return;
    w->shows_error = false;
    if (status_has_started(worker_status(w)))
        return;
    arena = vk_arena_new();
    status_of_waiting(w->pod, &(struct waiting_reason){0}, arena, &s);
    status_manager_set(w->all->config.status, w->pod, &s);
}

static void on_created(void *user, const struct vk_err *err)
{
    struct pod_worker *w = user;

    w->operations--;
    /* Whatever the answer says: from here on there may be a group. */
    w->may_exist = true;
    if (w->all->stopped)
        return;
    if (w->is_deleted || w->state != POD_WORKER_CREATING) {
        worker_queue(w);
        return;
    }
    if (err) {
        worker_set_state(w, POD_WORKER_PENDING);
        worker_create_failed(w, err, true);
        return;
    }
    log_v(2, "Created the pod's container group", LS("pod", pod_key(w->pod)),
          LS("podUID", w->pod->meta.uid));
    work_queue_forget(w->all->queue, w->pod->meta.uid);
    w->retry_at_ms = 0;
    backoff_reset(&w->image_backoff);
    w->image_waits = false;
    worker_had_rights(w);
    if (w->all->config.expiries)
        token_expiries_take(w->all->config.expiries, w->pod->meta.uid);
    w->last_error = (struct vk_err){0};
    show_no_error(w);
    worker_settle(w);
}

static void start_create(struct pod_worker *w, struct resolved_pod *resolved)
{
    const struct provider *p = w->all->config.provider;

    resolved->may_exist = w->may_exist;
    worker_set_state(w, POD_WORKER_CREATING);
    w->operations++;
    w->is_tried = true;
    w->needs_image = false;
    pod_unref(w->made);
    w->made = pod_ref(resolved->pod);
    p->ops->create_pod(p->p, resolved, on_created, w);
}

static void on_resolved(void *user, struct resolved_pod *resolved, const struct vk_err *err)
{
    struct pod_worker *w = user;

    w->resolution = NULL;
    worker_resolution_ended(w);
    if (w->is_deleted) {
        resolved_pod_free(resolved);
        worker_queue(w);
    } else if (err) {
        worker_set_state(w, POD_WORKER_PENDING);
        worker_create_failed(w, err, false);
    } else {
        start_create(w, resolved);
    }
}

static bool is_provider_ready(struct pod_workers *all)
{
    const struct provider *p = all->config.provider;

    if (!all->provider_synced)
        all->provider_synced = !p->ops->is_synced || p->ops->is_synced(p->p);
    return all->provider_synced;
}

static void on_found(void *user, const struct vk_err *err)
{
    struct pod_worker *w = user;

    w->operations--;
    if (w->all->stopped)
        return;
    w->is_absent = err && err->code == VK_NOT_FOUND;
    if (w->is_deleted || w->state != POD_WORKER_PENDING || w->is_absent) {
        worker_queue(w);
    } else if (err) {
        worker_retry(w, err->retry_after_ms);
    } else {
        w->group_seen = true;
        worker_settle(w);
    }
}

/*
 * The pod ran when we came up, but the provider did not report its group. True: it is not to be
 * created now, since it is looked for or has failed.
 */
static bool is_lost_at_start(struct pod_worker *w)
{
    const struct provider *p = w->all->config.provider;
    const struct pod_identity id = worker_identity(w);

    if (!w->was_initial || w->is_tried || w->group_seen || w->lost_at_ms ||
        !status_has_started(&w->pod->status))
        return false;
    if (!p->ops->find_pod || w->is_absent)
        return worker_group_lost(w);
    w->operations++;
    p->ops->find_pod(p->p, &id, on_found, w);
    return true;
}

void worker_create(struct pod_worker *w)
{
    struct pod_workers *all = w->all;
    const struct provider *p = all->config.provider;
    struct vk_err err;

    if (!all->pods_synced || !is_provider_ready(all))
        return;
    if (worker_is_refused(w)) {
        worker_fail_in_turn(w);
        return;
    }
    worker_show_image_backoff(w);
    if (worker_must_wait(w) || is_lost_at_start(w))
        return;
    if (!w->is_accepted) {
        w->is_accepted = true;
        status_manager_set(all->config.status, w->pod, &(struct pod_status){0});
    }
    if (!p->ops->create_pod) {
        vk_err_set(&err, VK_UNSUPPORTED, "provider %s can't run pods", p->ops->name);
        worker_create_failed(w, &err, true);
        return;
    }
    if (worker_begin_resolution(w, on_resolved))
        worker_set_state(w, POD_WORKER_RESOLVING);
}
