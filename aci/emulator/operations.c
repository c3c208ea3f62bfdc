/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/operations.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/list.h"
#include "base/map.h"

#define KEEP_NS (3600 * INT64_C(1000000000))
#define MAX_OPERATIONS 20000

struct entry {
    struct operation op;
    struct vk_list link; /* oldest first */
};
struct operations {
    struct vk_map *by_id;
    struct vk_list order;
};

struct operations *operations_new(void)
{
    struct operations *ops = vk_calloc(1, sizeof(*ops));

    ops->by_id = vk_map_new();
    vk_list_init(&ops->order);
    return ops;
}

static void free_entry(void *p)
{
    struct entry *e = p;

    vk_list_remove(&e->link);
    vk_free(e->op.group_id);
    vk_free(e->op.group_key);
    vk_free(e);
}

void operations_free(struct operations *ops)
{
    if (!ops)
        return;
    vk_map_free(ops->by_id, free_entry);
    vk_free(ops);
}

static void forget_old(struct operations *ops, int64_t now)
{
    VK_LIST_FOREACH(it, &ops->order)
    {
        struct entry *e = VK_LIST_ENTRY(it, struct entry, link);

        if (now - e->op.start_wall_ns < KEEP_NS && vk_map_len(ops->by_id) < MAX_OPERATIONS)
            return;
        vk_map_remove(ops->by_id, e->op.id);
        free_entry(e);
    }
}

const struct operation *operations_add(struct operations *ops, enum operation_kind kind,
                                       const struct group *g, uint64_t generation)
{
    int64_t now = vk_wall_ns();
    struct entry *e;

    forget_old(ops, now);
    e = vk_calloc(1, sizeof(*e));
    crypto_uuid4(e->op.id);
    e->op.kind = kind;
    e->op.group_id = vk_strdup(g->id);
    e->op.group_key = vk_strdup(g->key);
    e->op.group_uid = g->uid;
    e->op.generation = generation;
    e->op.start_wall_ns = now;
    vk_list_init(&e->link);
    vk_list_add_tail(&ops->order, &e->link);
    vk_map_put(ops->by_id, e->op.id, e);
    return &e->op;
}

const struct operation *operations_find(const struct operations *ops, const char *id)
{
    const struct entry *e = vk_map_get(ops->by_id, id);

    return e ? &e->op : NULL;
}

enum operation_status operations_status(const struct operation *op, const struct groups *groups)
{
    const struct group *g = groups_find_uid(groups, op->group_key, op->group_uid);

    if (op->kind == OPERATION_DELETE)
        return g ? OPERATION_IN_PROGRESS : OPERATION_SUCCEEDED;
    if (!g || g->phase == GROUP_DELETING)
        return OPERATION_CANCELED;
    if (g->generation > op->generation)
        return OPERATION_SUCCEEDED;
    if (g->generation < op->generation || !vk_streq(g->provisioning_state, "Succeeded"))
        return OPERATION_IN_PROGRESS;
    return OPERATION_SUCCEEDED;
}
