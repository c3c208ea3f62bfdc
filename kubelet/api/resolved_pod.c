/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/resolved_pod.h"

void resolved_pod_free(struct resolved_pod *pod)
{
    struct vk_arena *arena;

    if (!pod)
        return;
    /* The struct lives in its own arena, and so do its secrets, which the arena wipes. */
    arena = pod->arena_;
    pod_unref((struct pod *)(uintptr_t)pod->pod);
    vk_arena_free(arena);
}
