/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_layout.h"

#include "base/str.h"

static struct group_member member_of(const struct resolved_container *c,
                                     const struct pod_image *image, const char *kind,
                                     struct vk_arena *arena)
{
    return (struct group_member){
        .container = c,
        .spec = c->spec,
        .image = image,
        .where = vk_arena_printf(arena, "spec.%s[%s]", kind, c->spec->name),
    };
}

void group_layout_of_pod(const struct resolved_pod *pod, const struct pod_images *images,
                         struct vk_arena *arena, struct group_layout *ret)
{
    const size_t all = pod->container_count + pod->init_container_count;
    struct group_member *containers = vk_arena_array(arena, all + 1, sizeof(*containers));
    struct group_member *init = vk_arena_array(arena, all + 1, sizeof(*init));
    struct group_layout out = {.containers = containers, .init_containers = init};
    for (size_t i = 0; i < pod->container_count; i++)
        containers[out.container_count++] = member_of(
            &pod->containers[i], images ? &images->containers[i] : NULL, "containers", arena);
    for (size_t i = 0; i < pod->init_container_count; i++) {
        const struct resolved_container *c = &pod->init_containers[i];
        struct group_member m =
            member_of(c, images ? &images->init_containers[i] : NULL, "initContainers", arena);
        m.is_sidecar = container_is_sidecar(c->spec);
        if (m.is_sidecar)
            containers[out.container_count++] = m;
        else
            init[out.init_container_count++] = m;
    }
    *ret = out;
}
