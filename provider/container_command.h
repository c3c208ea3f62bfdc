/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container runs. ACI has one command that replaces the image's entrypoint and arguments, so
 * Kubernetes' command and args are put together here, with the image's entrypoint where the pod
 * names args alone. Pure.
 */
#pragma once

#include "provider/pod_images.h"

/* What it runs can't be said without its image's configuration. */
bool container_command_needs_image(const struct resolved_container *c);
/*
 * An empty result: the image's own. image is what is known of it, or NULL. Errors: VK_UNSUPPORTED
 * with the field, ACI's rule and the way out. Source: k8s v1.37.2 core/v1 Container (command, args,
 * workingDir).
 */
VK_MUST_CHECK int container_command(const struct resolved_container *c,
                                    const struct pod_image *image, const char *where,
                                    struct vk_arena *arena, struct json_strs *ret,
                                    struct vk_err *err);
/* As container_command, but never empty: what the image itself would run is written out. */
VK_MUST_CHECK int container_command_whole(const struct resolved_container *c,
                                          const struct pod_image *image, const char *where,
                                          struct vk_arena *arena, struct json_strs *ret,
                                          struct vk_err *err);
