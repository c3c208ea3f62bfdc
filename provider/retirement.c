/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/retirement.h"

#include "base/alloc.h"
#include "base/log.h"

#define MAX_TRIES 3

struct retirement {
    struct vk_loop *loop;
    struct container_groups *groups;
    struct tracker *tracker;
    struct group_writer *writer;
    struct finished_logs *logs;
    struct vk_list ops;
    bool stopped;
};

/* One retire_pod under way. */
struct retire_op {
    struct vk_list link;
    struct retirement *owner;
    char *namespace_, *name, *uid;
    char group[GROUP_NAME_MAX + 1];
    struct vk_arena *arena; /* of names */
    const char **names;     /* containers whose log is copied */
    size_t count, next;
    struct groups_call *call;
    struct vk_timer timer; /* the first step, and what fails, comes on the next turn */
    bool has_failed;
    struct vk_err err;
    provider_done_fn done;
    void *user;
};

static void op_free(struct retire_op *op)
{
    vk_list_remove(&op->link);
    groups_call_cancel(op->call);
    vk_timer_disarm(&op->timer);
    vk_arena_free(op->arena);
    vk_free(op->namespace_);
    vk_free(op->name);
    vk_free(op->uid);
    vk_free(op);
}

static void copy_next(struct retire_op *op);

/* From here on the writer completes the call. */
static void remove_group(struct retire_op *op)
{
    struct group_writer *writer = op->owner->writer;
    const struct pod_identity id = {.namespace_ = op->namespace_, .name = op->name, .uid = op->uid};
    group_writer_delete(writer, &id, op->done, op->user);
    op_free(op);
}

static void on_log(void *user, struct vk_str content, const struct vk_err *err)
{
    struct retire_op *op = user;
    struct retirement *r = op->owner;
    struct tracked_pod *pod = tracker_find(r->tracker, op->uid);
    const char *name = op->names[op->next++];
    op->call = NULL;
    if (!err) {
        finished_logs_keep(r->logs, op->uid, name, content);
    } else if (vk_err_is_transient(err) && pod && ++pod->retire_tries < MAX_TRIES) {
        op->has_failed = true;
        op->err = *err;
        vk_timer_arm(&op->timer, 0);
        return;
    } else if (err->code != VK_NOT_FOUND) {
        log_warning("The log of a finished container could not be kept", LS("podUID", op->uid),
                    LS("container", name), LERR(err));
    }
    copy_next(op);
}

static void copy_next(struct retire_op *op)
{
    if (op->next < op->count)
        op->call = container_groups_logs(op->owner->groups, op->group, op->names[op->next], -1,
                                         true, on_log, op);
    else
        remove_group(op);
}

static void on_timer(void *user)
{
    struct retire_op *op = user;
    const provider_done_fn done = op->done;
    void *done_user = op->user;
    const struct vk_err err = op->err;
    if (op->owner->stopped) {
        op_free(op);
    } else if (op->has_failed) {
        op_free(op);
        done(done_user, &err);
    } else {
        copy_next(op);
    }
}

static void add_names(struct retire_op *op, const struct json_array *statuses)
{
    const struct container_status *c = statuses->v;
    for (size_t i = 0; i < statuses->n; i++) {
        /* Of a container that never ran there is nothing to keep. */
        if (c[i].state.kind == CONTAINER_TERMINATED || c[i].state.kind == CONTAINER_RUNNING ||
            c[i].last_state.kind == CONTAINER_TERMINATED)
            op->names[op->count++] = vk_arena_strdup(op->arena, c[i].name);
    }
}

void retirement_start(struct retirement *r, const struct pod_identity *id, provider_done_fn done,
                      void *user)
{
    struct retire_op *op = vk_calloc(1, sizeof(*op));
    const struct tracked_pod *pod = tracker_find(r->tracker, id->uid);
    op->owner = r;
    op->namespace_ = vk_strdup(id->namespace_);
    op->name = vk_strdup(id->name);
    op->uid = vk_strdup(id->uid);
    group_name(id->namespace_, id->name, id->uid, op->group);
    op->arena = vk_arena_new();
    op->done = done;
    op->user = user;
    vk_timer_init(&op->timer, r->loop, "retirement", on_timer, op);
    vk_list_init(&op->link);
    vk_list_add_tail(&r->ops, &op->link);
    if (pod && pod->exists) {
        const struct pod_status *s = &pod->status;
        op->names =
            vk_arena_array(op->arena, s->container_statuses.n + s->init_container_statuses.n + 1,
                           sizeof(*op->names));
        add_names(op, &s->init_container_statuses);
        add_names(op, &s->container_statuses);
    }
    vk_timer_arm(&op->timer, 0);
}

struct retirement *retirement_new(struct vk_loop *loop, struct container_groups *groups,
                                  struct tracker *tracker, struct group_writer *writer,
                                  struct finished_logs *logs)
{
    struct retirement *r = vk_calloc(1, sizeof(*r));
    r->loop = loop;
    r->groups = groups;
    r->tracker = tracker;
    r->writer = writer;
    r->logs = logs;
    vk_list_init(&r->ops);
    return r;
}

void retirement_stop(struct retirement *r)
{
    r->stopped = true;
    VK_LIST_FOREACH(it, &r->ops)
    {
        op_free(VK_LIST_ENTRY(it, struct retire_op, link));
    }
}

void retirement_free(struct retirement *r)
{
    if (!r)
        return;
    retirement_stop(r);
    vk_free(r);
}
