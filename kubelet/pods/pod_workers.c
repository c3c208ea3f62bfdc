/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/pod_workers.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/planted_bug.h"
#include "kubelet/pods/pod_worker.h"
#include "kubelet/pods/status_generate.h"
#include "kubelet/stats/pod_phases.h"

/* More groups than a node may have pods; what comes on top is looked up again before a PUT. */
#define MAX_EARLY_REPORTS 20000

struct early_report {
    struct pod_status status;
    bool runs_on;
    struct vk_arena *arena;
};

static void early_free(void *p)
{
    struct early_report *r = p;

    vk_arena_free(r->arena);
    vk_free(r);
}

const char *pod_worker_state_name(enum pod_worker_state state)
{
    static const char *const names[POD_WORKER_STATES] = {
        [POD_WORKER_PENDING] = "pending",   [POD_WORKER_RESOLVING] = "resolving",
        [POD_WORKER_CREATING] = "creating", [POD_WORKER_STARTING] = "starting",
        [POD_WORKER_RUNNING] = "running",   [POD_WORKER_FINISHED] = "finished",
        [POD_WORKER_GONE] = "gone",         [POD_WORKER_TERMINATING] = "terminating",
    };

    return names[state];
}

void worker_queue(struct pod_worker *w)
{
    if (!w->all->stopped)
        work_queue_add(w->all->queue, w->pod->meta.uid);
}

static void note_moment(const struct pod_worker *w, enum pod_worker_state next)
{
    struct pod_phases *phases = w->all->config.phases;

    if (!phases)
        return;
    if (next == POD_WORKER_CREATING)
        pod_phases_note(phases, w->pod->meta.uid, POD_RESOLVED, vk_wall_ns());
    else if (w->state == POD_WORKER_CREATING &&
             (next == POD_WORKER_STARTING || next == POD_WORKER_RUNNING))
        pod_phases_note(phases, w->pod->meta.uid, POD_ACCEPTED, vk_wall_ns());
}

static void note_finished(struct pod_worker *w)
{
    w->finished_at_ms = vk_wall_ms();
    w->finished_mono_ms = vk_mono_ms();
}

void worker_set_state(struct pod_worker *w, enum pod_worker_state state)
{
    if (w->state == state)
        return;
    log_v(3, "Pod changed state", LS("pod", pod_key(w->pod)), LS("podUID", w->pod->meta.uid),
          LS("from", pod_worker_state_name(w->state)), LS("to", pod_worker_state_name(state)));
    note_moment(w, state);
    w->all->counts[w->state]--;
    w->state = state;
    w->all->counts[w->state]++;
    if (state == POD_WORKER_FINISHED) {
        lifecycle_starts_halt(w->starts);
        note_finished(w);
    }
}

const struct pod_status *worker_status(const struct pod_worker *w)
{
    const struct pod_status *s = status_manager_get(w->all->config.status, w->pod->meta.uid);

    return s ? s : &w->pod->status;
}

void worker_settle(struct pod_worker *w)
{
    const struct pod_status *s = worker_status(w);

    if (status_is_terminal(s)) {
        worker_set_state(w, POD_WORKER_FINISHED);
        worker_queue(w);
    } else if (status_has_started(s)) {
        worker_set_state(w, POD_WORKER_RUNNING);
    } else {
        worker_set_state(w, POD_WORKER_STARTING);
    }
}

void worker_event(struct pod_worker *w, const char *type, const char *reason, const char *message)
{
    worker_container_event(w, NULL, type, reason, message);
}

void worker_container_event(struct pod_worker *w, const char *container, const char *type,
                            const char *reason, const char *message)
{
    char *path VK_AUTOFREE = pod_field_path(w->pod, container);
    const struct object_meta *meta = &w->pod->meta;
    const struct object_reference about = {.kind = "Pod",
                                           .namespace_ = meta->namespace_,
                                           .name = meta->name,
                                           .uid = meta->uid,
                                           .field_path = path,
                                           .api_version = "v1",
                                           .resource_version = meta->resource_version};

    event_recorder_emit(w->all->config.events, &about, type, reason, message);
}

bool worker_must_wait(struct pod_worker *w)
{
    int64_t left = w->retry_at_ms - vk_mono_ms();

    if (!w->retry_at_ms || left <= 0)
        return false;
    work_queue_add_after(w->all->queue, w->pod->meta.uid, left);
    return true;
}

void worker_retry(struct pod_worker *w, int64_t retry_after_ms)
{
    int64_t delay = work_queue_add_rate_limited(w->all->queue, w->pod->meta.uid, retry_after_ms);

    w->retry_at_ms = vk_mono_ms() + delay;
}

/* What changed for the better or is of another kind does not wait for the old back-off. */
static void forget_backoff(struct pod_worker *w)
{
    work_queue_forget(w->all->queue, w->pod->meta.uid);
    w->retry_at_ms = 0;
}

void worker_free(void *p)
{
    struct pod_worker *w = p;

    worker_cancel_resolution(w);
    vk_list_remove(&w->resolve_wait);
    vk_timer_disarm(&w->deadline);
    lifecycle_starts_free(w->starts);
    lifecycle_shutdown_cancel(w->shutdown);
    worker_cancel_restart(w);
    if (w->deletion)
        rest_cancel(w->deletion);
    w->all->counts[w->state]--;
    pod_unref(w->pod);
    pod_unref(w->made);
    vk_free(w);
}

struct pod_identity worker_identity(const struct pod_worker *w)
{
    const struct object_meta *m = &w->pod->meta;

    return (struct pod_identity){.namespace_ = m->namespace_, .name = m->name, .uid = m->uid};
}

/* The turn of a creation, an update or a restart may come in an hour: a deletion or a deadline does
 * not wait for that. */
static bool may_act(const struct pod_worker *w)
{
    const bool is_urgent = w->is_deleted || w->is_overdue;
    const bool may_wait = w->state == POD_WORKER_CREATING || w->is_changing;
    const bool is_free = w->operations == 0 || (is_urgent && may_wait);

    return is_free && !w->deletion;
}

static void sync_worker(void *user, const char *uid)
{
    struct pod_workers *all = user;
    struct pod_worker *w = vk_map_get(all->by_uid, uid);

    if (!w || all->stopped || !may_act(w))
        return;
    if (w->is_deleted) {
        worker_terminate(w);
        return;
    }
    if (w->state == POD_WORKER_FINISHED)
        worker_finish(w);
    else if (w->is_overdue && w->state != POD_WORKER_GONE)
        worker_end_overdue(w);
    else if (w->state == POD_WORKER_PENDING)
        worker_create(w);
    else if (w->needs_image && !(worker_wants_restart(w) && worker_must_wait(w)))
        worker_update(w);
    else if (worker_wants_restart(w))
        worker_restart(w);
    worker_watch_deadline(w);
}

static struct pod_worker *worker_new(struct pod_workers *all, const struct pod *pod, bool initial)
{
    struct pod_worker *w = vk_calloc(1, sizeof(*w));
    const struct pod_retries *retries = &all->config.retries;

    w->all = all;
    w->pod = pod_ref(pod);
    w->was_initial = initial;
    /* Only a pod that nobody has begun is known to have no group. */
    w->may_exist = initial || pod->status.start_time_ns;
    w->image_backoff =
        (struct backoff){.initial_ms = retries->image_initial_ms, .max_ms = retries->image_max_ms};
    w->restart_retry =
        (struct backoff){.initial_ms = retries->initial_ms, .max_ms = retries->max_ms};
    w->rights_backoff = (struct backoff){.initial_ms = retries->rights_initial_ms,
                                         .max_ms = retries->rights_max_ms};
    vk_list_init(&w->resolve_wait);
    vk_list_init(&w->failed);
    vk_timer_init(&w->deadline, all->loop, "pod deadline", worker_deadline_timer, w);
    w->state = pod_is_finished(pod) ? POD_WORKER_FINISHED : POD_WORKER_PENDING;
    note_finished(w);
    worker_prepare_starts(w);
    all->counts[w->state]++;
    vk_map_put(all->by_uid, pod->meta.uid, w);
    return w;
}

/* The group of a pod that has not been tried yet by this process: it is the pod's, nothing to do.
 */
static void adopt(struct pod_worker *w)
{
    worker_cancel_resolution(w);
    vk_list_remove(&w->resolve_wait);
    forget_backoff(w);
    w->is_accepted = true;
    worker_settle(w);
}

static void take_status(struct pod_worker *w, const struct pod_status *status, bool runs_on)
{
    w->group_seen = true;
    if (w->group_gone || w->state == POD_WORKER_GONE)
        return;
    if (w->state == POD_WORKER_FINISHED) {
        w->drop_group |= vk_streq(status->phase, "Running");
        worker_queue(w);
    }
    w->drop_group |= runs_on;
    if (w->state == POD_WORKER_FINISHED && !status_is_terminal(status))
        return;
    worker_set_platform_status(w, status);
    if ((w->state == POD_WORKER_PENDING || w->state == POD_WORKER_RESOLVING) && !w->is_tried)
        adopt(w);
    else if (w->state == POD_WORKER_STARTING || w->state == POD_WORKER_RUNNING)
        worker_settle(w);
    worker_compare_images(w, status);
}

static void claim_early_report(struct pod_worker *w)
{
    struct early_report *r = w->all->early ? vk_map_remove(w->all->early, w->pod->meta.uid) : NULL;

    if (!r)
        return;
    take_status(w, &r->status, r->runs_on);
    early_free(r);
}

static void mark_deleted(struct pod_worker *w)
{
    if (w->operations && vk_planted_bug("dropped-delete"))
        return;
    if (!w->is_deleted)
        forget_backoff(w);
    w->is_deleted = true;
    lifecycle_starts_halt(w->starts);
    worker_queue(w);
}

void pod_workers_update(struct pod_workers *all, const struct pod *pod, bool initial)
{
    struct pod_worker *w = vk_map_get(all->by_uid, pod->meta.uid);
    bool is_new = !w;

    if (all->stopped)
        return;
    if (is_new) {
        w = worker_new(all, pod, initial);
    } else {
        struct pod *old = w->pod;

        w->pod = pod_ref(pod);
        worker_changed(w, old);
        pod_unref(old);
        status_manager_observe(all->config.status, pod);
        if (w->is_refused && !worker_is_refused(w))
            worker_queue(w);
    }
    if (pod_is_terminating(pod))
        mark_deleted(w);
    else if (pod_is_finished(pod) &&
             (w->state == POD_WORKER_STARTING || w->state == POD_WORKER_RUNNING)) {
        worker_set_state(w, POD_WORKER_FINISHED);
        w->drop_group = true;
        worker_queue(w);
    }
    worker_watch_deadline(w);
    if (!is_new)
        return;
    claim_early_report(w);
    worker_queue(w);
}

void pod_workers_removed(struct pod_workers *all, const struct pod *pod)
{
    struct pod_worker *w = vk_map_get(all->by_uid, pod->meta.uid);

    if (!w)
        return;
    w->is_removed = true;
    mark_deleted(w);
}

static void queue_pending(struct pod_workers *all)
{
    size_t it = 0;
    const char *uid;
    void *value;

    while (vk_map_next(all->by_uid, &it, &uid, &value)) {
        struct pod_worker *w = value;

        if (w->state == POD_WORKER_PENDING)
            worker_queue(w);
    }
}

void pod_workers_pods_synced(struct pod_workers *all)
{
    all->pods_synced = true;
    /* Reports that no pod claimed are orphans: the provider asks about those itself. */
    if (all->early)
        vk_map_free(vk_take(all->early), early_free);
    queue_pending(all);
}

void pod_workers_provider_synced(struct pod_workers *all)
{
    all->provider_synced = true;
    queue_pending(all);
}

static void keep_early_report(struct pod_workers *all, const struct provider_pod_status *s)
{
    struct early_report *r;

    if (!all->early)
        return;
    if (!s->group_exists) {
        r = vk_map_remove(all->early, s->id.uid);
        if (r)
            early_free(r);
        return;
    }
    if (vk_map_len(all->early) >= MAX_EARLY_REPORTS)
        return;
    r = vk_calloc(1, sizeof(*r));
    r->arena = vk_arena_new();
    pod_status_copy(&r->status, &s->status, r->arena);
    r->runs_on = s->runs_on;
    r = vk_map_put(all->early, s->id.uid, r);
    if (r)
        early_free(r);
}

void pod_workers_platform_status(struct pod_workers *all, const struct provider_pod_status *status)
{
    struct pod_worker *w = vk_map_get(all->by_uid, status->id.uid);

    if (all->stopped)
        return;
    if (!w) {
        keep_early_report(all, status);
        return;
    }
    if (status->group_exists) {
        take_status(w, &status->status, status->runs_on);
        return;
    }
    w->group_seen = false;
    worker_cancel_restart(w);
    if (w->shutdown) {
        worker_end_shutdown(w);
        worker_queue(w);
    }
    if (w->is_deleted || w->is_ending || w->operations ||
        (w->state != POD_WORKER_STARTING && w->state != POD_WORKER_RUNNING))
        return;
    worker_cancel_resolution(w);
    if (worker_group_lost(w))
        return;
    forget_backoff(w); /* of an update */
    worker_set_state(w, POD_WORKER_PENDING);
    worker_queue(w);
}

void pod_workers_status_written(struct pod_workers *all, const char *uid)
{
    struct pod_worker *w = vk_map_get(all->by_uid, uid);

    if (w && (w->state == POD_WORKER_TERMINATING || w->state == POD_WORKER_FINISHED))
        worker_queue(w);
}

void pod_workers_retry_quota(struct pod_workers *all)
{
    size_t it = 0;
    const char *uid;
    void *value;

    while (!all->stopped && vk_map_next(all->by_uid, &it, &uid, &value)) {
        struct pod_worker *w = value;

        if (w->state != POD_WORKER_PENDING || w->is_deleted || !w->retry_at_ms ||
            !vk_streq(w->last_error.reason, PROVIDER_REASON_QUOTA))
            continue;
        w->retry_at_ms = 0;
        worker_queue(w);
    }
}

struct pod_workers *pod_workers_new(struct vk_loop *loop, const struct pod_workers_config *config)
{
    struct pod_workers *all = vk_calloc(1, sizeof(*all));
    struct pod_retries *r = &all->config.retries;

    all->loop = loop;
    all->config = *config;
    if (!r->initial_ms)
        r->initial_ms = 1000;
    if (!r->max_ms)
        r->max_ms = 120 * 1000;
    if (!r->image_initial_ms)
        r->image_initial_ms = 10 * 1000;
    if (!r->image_max_ms)
        r->image_max_ms = 300 * 1000;
    if (!r->rights_initial_ms)
        r->rights_initial_ms = 30 * 1000;
    if (!r->rights_max_ms)
        r->rights_max_ms = 300 * 1000;
    if (!r->rights_look_ms)
        r->rights_look_ms = 5 * 1000;
    if (!all->config.finished_group_ttl_ms)
        all->config.finished_group_ttl_ms = 10 * 60 * 1000;
    all->by_uid = vk_map_new();
    all->early = vk_map_new();
    vk_list_init(&all->resolve_wait);
    all->refusals = refusal_pace_new(r->refused_initial_ms, r->refused_max_ms);
    all->queue =
        work_queue_new(loop,
                       &(struct work_queue_config){
                           .name = "pod workers", .initial_ms = r->initial_ms, .max_ms = r->max_ms},
                       sync_worker, all);
    return all;
}

size_t pod_workers_settle(struct pod_workers *all)
{
    size_t it = 0, deletions = 0;
    const char *uid;
    void *value;

    all->stopped = true;
    while (vk_map_next(all->by_uid, &it, &uid, &value)) {
        struct pod_worker *w = value;

        worker_cancel_resolution(w);
        lifecycle_starts_halt(w->starts);
        lifecycle_shutdown_cancel(vk_take(w->shutdown));
        worker_cancel_restart(w);
        deletions += w->deletion != NULL;
    }
    work_queue_free(vk_take(all->queue));
    return deletions;
}

void pod_workers_stop(struct pod_workers *all)
{
    size_t it = 0;
    const char *uid;
    void *value;

    (void)pod_workers_settle(all);
    while (vk_map_next(all->by_uid, &it, &uid, &value)) {
        struct pod_worker *w = value;

        if (w->deletion)
            rest_cancel(vk_take(w->deletion));
    }
}

void pod_workers_free(struct pod_workers *all)
{
    if (!all)
        return;
    if (!all->stopped)
        pod_workers_stop(all);
    vk_map_free(all->by_uid, worker_free);
    vk_map_free(all->early, early_free);
    refusal_pace_free(all->refusals);
    vk_free(all);
}

void pod_workers_count(const struct pod_workers *all, size_t counts[POD_WORKER_STATES])
{
    for (size_t i = 0; i < POD_WORKER_STATES; i++)
        counts[i] = all->counts[i];
}

bool pod_workers_state(const struct pod_workers *all, const char *uid, enum pod_worker_state *ret)
{
    const struct pod_worker *w = vk_map_get(all->by_uid, uid);

    if (!w)
        return false;
    *ret = w->state;
    return true;
}
