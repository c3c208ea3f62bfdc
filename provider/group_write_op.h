/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to group_writer.c and group_update.c: one operation on a pod's group, and its common
 * steps.
 */
#pragma once

#include "provider/group_writer.h"

struct group_writer {
    struct vk_loop *loop;
    int64_t began_mono_ms;
    int64_t earlier_put_ms; /* see group_writer_new */
    struct container_groups *groups;
    struct tracker *tracker;
    const struct provider_env *env;
    struct image_configs *images;
    struct capacity *capacity;
    struct vk_list ops;
    bool stopped;
    bool settling; /* nothing is sent any more */
};

enum write_kind { WRITE_CREATE, WRITE_FIND, WRITE_DELETE, WRITE_RESTART, WRITE_UPDATE };

/* One operation under way. Hangs on its pod unless it never got that far. */
struct write_op {
    struct vk_list link;
    struct group_writer *writer;
    enum write_kind kind;
    struct tracked_pod *pod; /* NULL: only `result` is to be delivered */
    provider_done_fn done;
    void *user;
    struct groups_call *call;
    bool writes; /* call is the PUT or the DELETE itself, not a look before or after it */
    struct vk_timer deliver;
    struct vk_timer look_again; /* CREATE: armed while an earlier process's PUT may come */
    struct vk_err result;
    struct resolved_pod *resolved;   /* CREATE, UPDATE: owned, until translated */
    struct pod_images_fetch *images; /* under way, before the PUT or to explain its refusal */
    struct vk_buf body;              /* of the PUT: holds secrets */
    int64_t cpu_milli;               /* of the PUT */
    char *ignored;                   /* message of the PodFieldsIgnored Event, or NULL */
    char *size;                      /* message of the GroupSize Event, or NULL */
    struct vk_err put_err;
    struct write_op *next; /* a DELETE that waits for this CREATE */
};

/* As the group's owner wants it to be made: one operation for a pod at a time. */
struct write_op *write_op_new(struct group_writer *w, enum write_kind kind, provider_done_fn done,
                              void *user);
/* Completes on the next turn, since nothing may complete inside the call that began it. */
void write_op_finish(struct write_op *op, const struct vk_err *err);
/* An operation that only tells this error. */
struct write_op *write_op_refuse(struct group_writer *w, provider_done_fn done, void *user,
                                 const struct vk_err *err);
/* A pod that waits for its image is behind all that may work at once. */
struct groups_turn write_op_turn(const struct tracked_pod *pod);
/* The PUT, after a look at the images where they decide what runs. */
void write_op_prepare(struct write_op *op);
/* True: the group itself is missing, not what it would be in, which says nothing of it. */
bool write_op_group_is_missing(const struct vk_err *err);
/* The look before a write failed: what is missing then is not the group. */
void write_op_look_failed(struct write_op *op, const struct vk_err *err);
