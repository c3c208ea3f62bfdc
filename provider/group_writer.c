/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_write_op.h"

#include <assert.h>
#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "base/planted_bug.h"
#include "provider/pod_to_group.h"
#include "provider/put_outcome.h"
#include "provider/validation.h"

/* For so long after the start a PUT of an earlier process may have been accepted unseen. */
#define EARLIER_GROUP_MS (2 * 60 * 1000)
/* A PUT whose answer was lost may still be carried out when the next look comes too soon. */
#define UNKNOWN_UPDATE_MS (30 * 1000)

static void start_delete(struct write_op *op);
static void look_before_put(void *user);

static void op_free(struct write_op *op)
{
    if (!op)
        return;
    op_free(op->next);
    vk_list_remove(&op->link);
    groups_call_cancel(op->call);
    pod_images_cancel(op->images);
    resolved_pod_free(op->resolved);
    vk_timer_disarm(&op->deliver);
    vk_timer_disarm(&op->look_again);
    vk_buf_release_secret(&op->body);
    vk_free(op->ignored);
    vk_free(op->size);
    if (op->pod && op->pod->write == op)
        op->pod->write = NULL;
    vk_free(op);
}

static void on_deliver(void *user)
{
    struct write_op *op = user;
    struct group_writer *w = op->writer;
    struct tracked_pod *pod = op->pod;
    struct write_op *next = vk_take(op->next);
    const provider_done_fn done = op->done;
    void *done_user = op->user;
    const struct vk_err result = op->result;
    op_free(op);
    if (next) {
        pod->write = next;
        start_delete(next);
    } else if (pod) {
        tracker_release(w->tracker, pod);
    }
    if (!w->stopped)
        done(done_user, result.code == VK_OK ? NULL : &result);
}

/* Completes on the next turn, since nothing may complete inside the call that began it. */
void write_op_finish(struct write_op *op, const struct vk_err *err)
{
    op->call = NULL;
    op->result = err ? *err : (struct vk_err){0};
    vk_timer_arm(&op->deliver, 0);
}

/* True where nothing may be sent any more; then the operation has ended. */
static bool is_too_late(struct write_op *op)
{
    struct vk_err err;
    if (!op->writer->settling)
        return false;
    (void)vk_err_set(&err, VK_CANCELLED, "aci-kubelet is ending");
    write_op_finish(op, &err);
    return true;
}

struct write_op *write_op_new(struct group_writer *w, enum write_kind kind, provider_done_fn done,
                              void *user)
{
    struct write_op *op = vk_calloc(1, sizeof(*op));
    op->writer = w;
    op->kind = kind;
    op->done = done;
    op->user = user;
    vk_buf_init(&op->body, POD_TO_GROUP_MAX_BYTES);
    vk_timer_init(&op->deliver, w->loop, "group-write", on_deliver, op);
    vk_timer_init(&op->look_again, w->loop, "group-look", look_before_put, op);
    vk_list_init(&op->link);
    vk_list_add_tail(&w->ops, &op->link);
    return op;
}

static void adopt(struct write_op *op)
{
    log_v(1, "Adopted a container group", LS("group", op->pod->group), LS("podUID", op->pod->uid));
    tracker_group_exists(op->writer->tracker, op->pod);
    write_op_finish(op, NULL);
}

/*
 * A group of our name is there. It is adopted when it is this pod's; else somebody took the name,
 * which a hash of the UID rules out for any pod.
 */
static void take_existing(struct write_op *op, const struct container_group *group)
{
    if (!tracker_is_ours(op->writer->tracker, op->pod, group)) {
        struct vk_err err;
        (void)vk_err_set(&err, VK_INVALID,
                         "container group %s exists and is not this pod's (its tags differ); "
                         "remove it",
                         op->pod->group);
        (void)vk_err_reason(&err, "ContainerGroupNameTaken");
        write_op_finish(op, &err);
    } else if (vk_strieq(group->provisioning_state, "Deleting")) {
        struct vk_err err;
        (void)vk_err_set(&err, VK_CONFLICT, "container group %s is being deleted", op->pod->group);
        write_op_finish(op, &err);
    } else {
        adopt(op);
    }
}

/* A pod that waits for its image is behind all that may work at once. */
struct groups_turn write_op_turn(const struct tracked_pod *pod)
{
    return (struct groups_turn){
        .priority = pod->image_refused ? THROTTLE_RETRY_IMAGE : THROTTLE_CREATE,
        .owner = pod->namespace_,
    };
}

static void on_looked_after_put(void *user, const struct container_group *group,
                                const struct vk_err *err)
{
    (void)err;
    struct write_op *op = user;
    op->call = NULL;
    if (group)
        take_existing(op, group);
    else
        write_op_finish(op, &op->put_err);
}

/* The registry's own words say more than ACI's, which never tell why. */
static void on_explained(void *user, const struct pod_images *images, const struct vk_err *err)
{
    struct write_op *op = user;
    (void)images;
    op->images = NULL;
    if (err && vk_streq(err->reason, PROVIDER_REASON_IMAGE))
        (void)vk_strcpy_to(op->put_err.msg, sizeof(op->put_err.msg), err->msg);
    write_op_finish(op, &op->put_err);
}

/* What stands there runs on, whatever became of this PUT: the next try looks first. */
static void update_failed(struct write_op *op, const struct vk_err *err)
{
    if (vk_streq(err->reason, PROVIDER_REASON_IMAGE)) {
        op->images = pod_images_fetch(op->writer->images, op->resolved, op->writer->env, true,
                                      on_explained, op);
        return;
    }
    if (err->code == VK_NOT_FOUND)
        op->put_err.code = VK_UNAVAILABLE;
    if (put_outcome(err) != PUT_NOT_DONE && op->put_err.retry_after_ms < UNKNOWN_UPDATE_MS)
        op->put_err.retry_after_ms = UNKNOWN_UPDATE_MS;
    write_op_finish(op, &op->put_err);
}

static void put_failed(struct write_op *op, const struct vk_err *err)
{
    op->put_err = *err;
    if (op->kind == WRITE_UPDATE) {
        update_failed(op, err);
        return;
    }
    capacity_give_back(op->writer->capacity, op->cpu_milli);
    if (vk_streq(err->reason, PROVIDER_REASON_IMAGE)) {
        op->pod->refused = true;
        op->pod->image_refused = true;
        op->images = pod_images_fetch(op->writer->images, op->resolved, op->writer->env, true,
                                      on_explained, op);
        return;
    }
    /* What is missing here is the resource group or the subscription: waiting can heal that. */
    if (err->code == VK_NOT_FOUND)
        op->put_err.code = VK_UNAVAILABLE;
    if (vk_streq(err->reason, PROVIDER_REASON_QUOTA))
        capacity_refused(op->writer->capacity);
    const enum put_outcome outcome = put_outcome(err);
    if ((outcome == PUT_NOT_DONE && err->code != VK_CONFLICT) ||
        vk_planted_bug("blind-put-retry")) {
        op->pod->refused = true;
        write_op_finish(op, &op->put_err);
        return;
    }
    /* An earlier refusal says nothing of this PUT. */
    op->pod->refused = false;
    op->pod->uncertain = true;
    if (outcome == PUT_MAY_COME)
        op->pod->put_may_come_mono_ms = vk_mono_ms() + op->writer->earlier_put_ms;
    op->call = container_groups_get(op->writer->groups, op->pod->group, write_op_turn(op->pod),
                                    on_looked_after_put, op);
}

/* What a translation had to say, once the group exists. */
static void report_notes(const struct write_op *op, const struct provider_upcalls *upcalls)
{
    const struct pod_identity id = tracked_pod_identity(op->pod);
    if (op->size)
        upcalls->event(upcalls->k, &id, NULL, "Normal", GROUP_SIZE_REASON, op->size, 0, 0, 0);
    if (op->ignored)
        upcalls->event(upcalls->k, &id, NULL, "Warning", IGNORED_FIELDS_REASON, op->ignored, 0, 0,
                       0);
}

static void on_put(void *user, const struct container_group *group, const struct vk_err *err)
{
    (void)group;
    struct write_op *op = user;
    vk_crash_point("after-put");
    op->call = NULL;
    op->writes = false;
    vk_buf_release_secret(&op->body);
    if (!err || !vk_streq(err->reason, PROVIDER_REASON_IMAGE))
        resolved_pod_free(vk_take(op->resolved));
    if (err) {
        put_failed(op, err);
        return;
    }
    log_v(1, "Created container group", LS("group", op->pod->group), LS("podUID", op->pod->uid));
    struct tracker *t = op->writer->tracker;
    const struct provider_upcalls *upcalls = tracker_upcalls(t);
    tracker_group_exists(t, op->pod);
    op->pod->accepted_mono_ms = op->pod->exists_since_mono_ms;
    if (upcalls)
        report_notes(op, upcalls);
    write_op_finish(op, NULL);
}

static int translate(struct write_op *op, const struct pod_images *images, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct group_notes notes;
    if (pod_to_group(op->resolved, op->writer->env, images, arena, &op->body, &notes, err) < 0)
        return -(int)err->code;
    const char *message = ignored_fields_message(&notes.ignored, arena);
    op->ignored = message ? vk_strdup(message) : NULL;
    if (notes.is_larger)
        op->size = vk_asprintf("Azure bills %s, more than the pod requests: containers without "
                               "requests get 1 CPU and 1.5 GB, a group has at least 1 CPU and 1 GB",
                               notes.size);
    op->cpu_milli = notes.cpu_milli;
    return 0;
}

static void put(struct write_op *op, const struct pod_images *images)
{
    struct vk_err err;
    if (translate(op, images, &err) < 0 ||
        (op->kind != WRITE_UPDATE &&
         capacity_admit(op->writer->capacity, op->cpu_milli, &err) < 0)) {
        write_op_finish(op, &err);
        return;
    }
    if (is_too_late(op))
        return;
    vk_crash_point("before-put");
    op->writes = true;
    op->call = container_groups_put(op->writer->groups, op->pod->group, write_op_turn(op->pod),
                                    vk_buf_str(&op->body), on_put, op);
    /* It may wait for its turn for long; the request has its own copy. */
    vk_buf_release_secret(&op->body);
}

static void on_images(void *user, const struct pod_images *images, const struct vk_err *err)
{
    struct write_op *op = user;
    op->images = NULL;
    if (err)
        write_op_finish(op, err);
    else
        put(op, images);
}

/* No group is there: make one, after a look at the images where they decide what runs. */
void write_op_prepare(struct write_op *op)
{
    if (pod_images_are_needed(op->resolved, op->writer->env))
        op->images = pod_images_fetch(op->writer->images, op->resolved, op->writer->env, false,
                                      on_images, op);
    else
        put(op, NULL);
}

/* True: the group itself is missing, not what it would be in, which says nothing of it. */
bool write_op_group_is_missing(const struct vk_err *err)
{
    return err->code == VK_NOT_FOUND && !vk_streq(err->reason, "ResourceGroupNotFound") &&
           !vk_streq(err->reason, "SubscriptionNotFound");
}

void write_op_look_failed(struct write_op *op, const struct vk_err *err)
{
    struct vk_err failure = *err;
    if (failure.code == VK_NOT_FOUND)
        failure.code = VK_UNAVAILABLE;
    write_op_finish(op, &failure);
}

/*
 * ARM carries out a request whose sender has died or hung up, too: what was PUT shortly before may
 * not be there yet, and a second PUT would start its containers again. True: there is another look
 * when that time is over.
 */
static bool waits_for_earlier_put(struct write_op *op)
{
    const int64_t left_ms = op->pod->put_may_come_mono_ms - vk_mono_ms();
    if (left_ms <= 0)
        return false;
    log_v(1, "Waiting for what an earlier PUT may bring", LS("group", op->pod->group),
          LS("podUID", op->pod->uid), LI("ms", left_ms));
    vk_timer_arm(&op->look_again, left_ms);
    return true;
}

static void on_looked_before_put(void *user, const struct container_group *group,
                                 const struct vk_err *err)
{
    struct write_op *op = user;
    op->call = NULL;
    if (group) {
        take_existing(op, group);
    } else if (write_op_group_is_missing(err)) {
        if (waits_for_earlier_put(op))
            return;
        op->pod->uncertain = false;
        write_op_prepare(op);
    } else {
        write_op_look_failed(op, err);
    }
}

static void look_before_put(void *user)
{
    struct write_op *op = user;
    if (is_too_late(op))
        return;
    op->call = container_groups_get(op->writer->groups, op->pod->group, write_op_turn(op->pod),
                                    on_looked_before_put, op);
}

struct write_op *write_op_refuse(struct group_writer *w, provider_done_fn done, void *user,
                                 const struct vk_err *err)
{
    struct write_op *op = write_op_new(w, WRITE_CREATE, done, user);
    write_op_finish(op, err);
    return op;
}

/*
 * Our last PUT was refused, so what stands there never ran and may be written over. That says
 * nothing of the PUT of an earlier process, which may have made the group since.
 */
static bool is_refused(const struct group_writer *w, const struct tracked_pod *pod)
{
    const bool may_come =
        pod->inherited && !pod->image_refused && vk_mono_ms() - w->began_mono_ms < EARLIER_GROUP_MS;
    return pod->refused && !may_come;
}

void group_writer_create(struct group_writer *w, struct resolved_pod *resolved,
                         provider_done_fn done, void *user)
{
    const struct object_meta *meta = &resolved->pod->meta;
    const struct pod_identity id = {
        .namespace_ = meta->namespace_, .name = meta->name, .uid = meta->uid};
    struct vk_err err;
    if (!tracker_is_synced(w->tracker)) {
        (void)vk_err_set(&err, VK_UNAVAILABLE, "the container groups were not listed yet");
        write_op_refuse(w, done, user, &err)->resolved = resolved;
        return;
    }
    struct tracked_pod *pod = tracker_get(w->tracker, &id);
    if (pod->write) {
        (void)vk_err_set(&err, VK_CONFLICT, "container group %s is being written", pod->group);
        write_op_refuse(w, done, user, &err)->resolved = resolved;
        return;
    }
    struct write_op *op = write_op_new(w, WRITE_CREATE, done, user);
    op->pod = pod;
    op->resolved = resolved;
    pod->write = op;
    if (!pod->tried && resolved->may_exist) {
        pod->inherited = true;
        pod->put_may_come_mono_ms = w->began_mono_ms + w->earlier_put_ms;
    }
    pod->tried = true;
    if (pod->exists && !is_refused(w, pod) && !tracked_pod_is_denied(pod)) {
        /* The LIST named it with this pod's uid. */
        pod->wanted = true;
        adopt(op);
        return;
    }
    /* What can be refused costs no request. */
    if (validation_check(resolved, w->env, &err) < 0) {
        write_op_finish(op, &err);
        return;
    }
    pod->wanted = true;
    if (!is_refused(w, pod) && (resolved->may_exist || pod->uncertain))
        look_before_put(op);
    else
        write_op_prepare(op);
}

static void on_found(void *user, const struct container_group *group, const struct vk_err *err)
{
    struct write_op *op = user;
    op->call = NULL;
    op->pod->wanted = group != NULL;
    if (group)
        take_existing(op, group);
    else if (write_op_group_is_missing(err))
        write_op_finish(op, err);
    else
        write_op_look_failed(op, err);
}

void group_writer_find(struct group_writer *w, const struct pod_identity *id, provider_done_fn done,
                       void *user)
{
    struct tracked_pod *pod = tracker_get(w->tracker, id);
    if (pod->write) {
        struct vk_err err;
        (void)vk_err_set(&err, VK_CONFLICT, "container group %s is being written", pod->group);
        write_op_refuse(w, done, user, &err);
        return;
    }
    struct write_op *op = write_op_new(w, WRITE_FIND, done, user);
    op->pod = pod;
    pod->write = op;
    op->call = container_groups_get(w->groups, pod->group, write_op_turn(pod), on_found, op);
}

static void on_restarted(void *user, const struct vk_err *err)
{
    struct write_op *op = user;
    op->call = NULL;
    op->writes = false;
    tracker_hint(op->writer->tracker, op->pod->uid);
    write_op_finish(op, err);
}

void group_writer_restart(struct group_writer *w, const struct pod_identity *id,
                          provider_done_fn done, void *user)
{
    struct tracked_pod *pod = tracker_get(w->tracker, id);
    struct write_op *op = write_op_new(w, WRITE_RESTART, done, user);
    struct vk_err err;
    if (pod->write) {
        (void)vk_err_set(&err, VK_CONFLICT, "container group %s is being written", pod->group);
        write_op_finish(op, &err);
        return;
    }
    op->pod = pod;
    pod->write = op;
    if (is_too_late(op))
        return;
    op->writes = true;
    op->call =
        container_groups_restart(w->groups, pod->group, write_op_turn(pod), on_restarted, op);
}

static void on_deleted(void *user, const struct vk_err *err)
{
    struct write_op *op = user;
    vk_crash_point("after-group-delete");
    op->call = NULL;
    op->writes = false;
    if (!err) {
        tracker_group_deleted(op->writer->tracker, op->pod);
        capacity_freed(op->writer->capacity);
    }
    write_op_finish(op, err);
}

static void start_delete(struct write_op *op)
{
    if (is_too_late(op))
        return;
    vk_crash_point("before-group-delete");
    op->writes = true;
    op->call = container_groups_delete(op->writer->groups, op->pod->group, on_deleted, op);
}

/* What only waits, for time, a registry or its turn, need not be waited for any more. */
static void give_up(struct write_op *op)
{
    struct vk_err err;
    if (!op->images && !groups_call_is_waiting(op->call) && !vk_timer_is_armed(&op->look_again))
        return;
    vk_timer_disarm(&op->look_again);
    pod_images_cancel(vk_take(op->images));
    groups_call_cancel(vk_take(op->call));
    (void)vk_err_set(&err, VK_CANCELLED, "container group %s is deleted before it was created",
                     op->pod->group);
    write_op_finish(op, &err);
}

void group_writer_delete(struct group_writer *w, const struct pod_identity *id,
                         provider_done_fn done, void *user)
{
    struct tracked_pod *pod = tracker_get(w->tracker, id);
    struct write_op *running = pod->write;
    if (running && (running->kind == WRITE_DELETE || running->next)) {
        struct vk_err err;
        (void)vk_err_set(&err, VK_CONFLICT, "container group %s is being deleted", pod->group);
        write_op_refuse(w, done, user, &err);
        return;
    }
    struct write_op *op = write_op_new(w, WRITE_DELETE, done, user);
    op->pod = pod;
    if (running) {
        running->next = op;
        give_up(running);
        return;
    }
    pod->write = op;
    start_delete(op);
}

struct group_writer *group_writer_new(struct vk_loop *loop, struct container_groups *groups,
                                      struct tracker *tracker, struct image_configs *images,
                                      struct capacity *capacity, const struct provider_env *env,
                                      int64_t earlier_put_ms)
{
    struct group_writer *w = vk_calloc(1, sizeof(*w));
    w->loop = loop;
    w->earlier_put_ms = earlier_put_ms;
    w->began_mono_ms = vk_mono_ms();
    w->groups = groups;
    w->tracker = tracker;
    w->env = env;
    w->images = images;
    w->capacity = capacity;
    vk_list_init(&w->ops);
    return w;
}

size_t group_writer_settle(struct group_writer *w)
{
    size_t sent = 0;
    w->settling = true;
    VK_LIST_FOREACH(it, &w->ops)
    {
        struct write_op *op = VK_LIST_ENTRY(it, struct write_op, link);
        if (groups_call_is_waiting(op->call)) {
            groups_call_cancel(vk_take(op->call));
            op->writes = false;
            (void)is_too_late(op);
        }
        sent += op->writes;
    }
    return sent;
}

void group_writer_stop(struct group_writer *w)
{
    w->stopped = true;
}

void group_writer_free(struct group_writer *w)
{
    if (!w)
        return;
    /* A waiting DELETE is freed with the CREATE it waits for. */
    while (!vk_list_is_empty(&w->ops)) {
        struct write_op *op = VK_LIST_ENTRY(w->ops.next, struct write_op, link);
        struct write_op *owner = op->pod ? op->pod->write : NULL;
        op_free(owner && owner->next == op ? owner : op);
    }
    vk_free(w);
}
