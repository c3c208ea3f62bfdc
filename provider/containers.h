/* SPDX-License-Identifier: Apache-2.0 */
/* Containers and init containers of a group. */
#pragma once

#include "provider/container_command.h"
#include "provider/key_vault.h"
#include "provider/resources.h"
#include "provider/volume_plan.h"

/* By container, in the order of the layout. */
struct pod_commands {
    struct json_strs *containers, *init_containers;
};
/* Errors: as container_command. */
VK_MUST_CHECK int containers_commands(const struct pod *pod, const struct group_layout *layout,
                                      const struct pod_annotations *annotations,
                                      struct vk_arena *arena, struct pod_commands *ret,
                                      struct vk_err *err);

/* What is decided of a group's containers before they are written. */
struct containers_plan {
    const struct pod *pod;
    const struct group_layout *layout;
    const struct pod_annotations *annotations;
    const struct pod_commands *commands;
    const struct pod_resources *resources;
    const struct volume_plan *volumes;
    const struct key_vault *vault;
};
/* Writes "containers" and, where there are any, "initContainers" (no ports, resources, probes). */
void containers_write(struct json_writer *w, const struct containers_plan *plan);
