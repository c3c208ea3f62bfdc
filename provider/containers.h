/* SPDX-License-Identifier: Apache-2.0 */
/* Containers and init containers of a group. */
#pragma once

#include "base/json_writer.h"
#include "kubelet/api/resolved_pod.h"
#include "provider/container_command.h"
#include "provider/resources.h"

/* By container, in the order of the spec. */
struct pod_commands {
    struct json_strs *containers, *init_containers;
};
/* images may be NULL. Errors: as container_command. */
VK_MUST_CHECK int containers_commands(const struct resolved_pod *pod,
                                      const struct pod_images *images, struct vk_arena *arena,
                                      struct pod_commands *ret, struct vk_err *err);
/* Writes "containers" and, where there are any, "initContainers" (no ports and no resources). */
void containers_write(struct json_writer *w, const struct resolved_pod *pod,
                      const struct pod_commands *commands, const struct pod_resources *resources);
