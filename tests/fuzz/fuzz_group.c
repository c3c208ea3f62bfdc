/* SPDX-License-Identifier: Apache-2.0 */
/* room: provider */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "provider/group_identity.h"
#include "provider/group_to_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_containers(const struct json_array *statuses)
{
    const struct container_status *c = statuses->v;
    for (size_t i = 0; i < statuses->n; i++) {
        const bool waits = c[i].state.kind == CONTAINER_WAITING;
        if (!c[i].name || c[i].state.kind == CONTAINER_STATE_NONE || c[i].restart_count < 0)
            abort();
        if (waits && (!c[i].state.reason || c[i].ready || c[i].started))
            abort();
        if (c[i].state.kind == CONTAINER_TERMINATED && !c[i].state.reason)
            abort();
    }
}

/* Whatever a group says, its status is complete and can be written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct container_group group;
    struct vk_err err;
    const struct vk_str text = {.p = (const char *)data, .n = size};
    if (container_group_parse(text, arena, &group, &err) < 0)
        return 0;
    struct group_identity id;
    (void)group_identity_read(&group, &id);
    struct pod_status status, again = {0};
    group_to_status(&group, arena, &status);
    if (!status.phase || status.conditions.n != 4)
        abort();
    /* Native sidecars are containers of the group, and init containers of the pod. */
    if (status.init_container_statuses.n < group.init_containers.n ||
        status.init_container_statuses.n + status.container_statuses.n !=
            group.init_containers.n + group.containers.n)
        abort();
    check_containers(&status.container_statuses);
    check_containers(&status.init_container_statuses);
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;
    vk_buf_init(&out, 64u << 20);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    pod_status_write(&w, &status);
    json_end_object(&w);
    const struct json *root;
    if (!json_writer_done(&w) ||
        json_parse(vk_buf_str(&out), vk_buf_len(&out), arena, &root, &err) < 0 ||
        json_decode(root, pod_status_fields, &again, arena, "", &err) < 0)
        abort();
    return 0;
}
