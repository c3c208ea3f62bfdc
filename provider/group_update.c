/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_update.h"

#include "base/alloc.h"
#include "base/log.h"
#include "provider/group_write_op.h"
#include "provider/image_reference.h"
#include "provider/validation.h"

static bool is_same_text(const char *a, const char *b)
{
    return vk_streq(a ? a : "", b ? b : "");
}

/* "nginx" and "docker.io/library/nginx:latest" are one image. */
static bool is_same_image(const char *a, const char *b, struct vk_arena *arena)
{
    struct image_reference left, right;
    struct vk_err err;
    if (vk_streq(a, b))
        return true;
    if (!a || !b || image_reference_parse(a, arena, &left, &err) < 0 ||
        image_reference_parse(b, arena, &right, &err) < 0)
        return false;
    return is_same_text(left.registry, right.registry) &&
           is_same_text(left.repository, right.repository) && is_same_text(left.tag, right.tag) &&
           is_same_text(left.digest, right.digest);
}

static bool has_image(const struct json_array *list, const struct container *wanted, bool *ret_same,
                      struct vk_arena *arena)
{
    const struct group_container *c = list->v;
    for (size_t i = 0; i < list->n; i++) {
        if (vk_streq(c[i].name, wanted->name)) {
            *ret_same = is_same_image(c[i].image, wanted->image, arena);
            return true;
        }
    }
    return false;
}

static bool runs_all(const struct container_group *group, const struct resolved_container *c,
                     size_t n, struct vk_arena *arena)
{
    for (size_t i = 0; i < n; i++) {
        bool same = false;
        /* Native sidecars are among the containers. */
        if (!has_image(&group->containers, c[i].spec, &same, arena))
            (void)has_image(&group->init_containers, c[i].spec, &same, arena);
        if (!same)
            return false;
    }
    return true;
}

bool group_update_is_done(const struct container_group *group, const struct resolved_pod *pod)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    return runs_all(group, pod->containers, pod->container_count, arena) &&
           runs_all(group, pod->init_containers, pod->init_container_count, arena);
}

/* ACI takes no update before the last one has ended. */
static bool is_settled(const struct container_group *group)
{
    return vk_strieq(group->provisioning_state, "Succeeded") ||
           vk_strieq(group->provisioning_state, "Failed");
}

static void on_looked(void *user, const struct container_group *group, const struct vk_err *err)
{
    struct write_op *op = user;
    struct vk_err refusal;
    op->call = NULL;
    if (err && write_op_group_is_missing(err)) {
        write_op_finish(op, err);
    } else if (err) {
        write_op_look_failed(op, err);
    } else if (!tracker_is_ours(op->writer->tracker, op->pod, group)) {
        (void)vk_err_set(&refusal, VK_INVALID, "container group %s is not this pod's",
                         op->pod->group);
        write_op_finish(op, &refusal);
    } else if (group_update_is_done(group, op->resolved)) {
        write_op_finish(op, NULL);
    } else if (!is_settled(group)) {
        (void)vk_err_set(&refusal, VK_CONFLICT, "container group %s is in state %s", op->pod->group,
                         group->provisioning_state ? group->provisioning_state : "unknown");
        write_op_finish(op, &refusal);
    } else {
        log_info("Updating a container group's images", LS("group", op->pod->group),
                 LS("podUID", op->pod->uid));
        write_op_prepare(op);
    }
}

void group_writer_update(struct group_writer *w, struct resolved_pod *resolved,
                         provider_done_fn done, void *user)
{
    const struct object_meta *meta = &resolved->pod->meta;
    const struct pod_identity id = {
        .namespace_ = meta->namespace_, .name = meta->name, .uid = meta->uid};
    struct tracked_pod *pod = tracker_get(w->tracker, &id);
    struct vk_err err;
    if (pod->write) {
        (void)vk_err_set(&err, VK_CONFLICT, "container group %s is being written", pod->group);
        write_op_refuse(w, done, user, &err)->resolved = resolved;
        return;
    }
    struct write_op *op = write_op_new(w, WRITE_UPDATE, done, user);
    op->pod = pod;
    op->resolved = resolved;
    pod->write = op;
    if (validation_check(resolved, w->env, &err) < 0)
        write_op_finish(op, &err);
    else
        op->call = container_groups_get(w->groups, pod->group, write_op_turn(pod), on_looked, op);
}
