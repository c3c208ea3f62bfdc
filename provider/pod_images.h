/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the images of one pod say, where that decides what its containers run: ACI's command
 * replaces an image's entrypoint, so args without command need the entrypoint, and ACI has no
 * working directory, so one can only be checked against the image's own.
 */
#pragma once

#include "provider/image_configs.h"
#include "provider/provider_env.h"

/* By container, in the order of the spec; an entry without `known` was not read. */
struct pod_image {
    bool known;
    struct image_config config;
};
struct pod_images {
    const struct pod_image *containers, *init_containers;
};

/* Some container can't be translated without its image's configuration. */
bool pod_images_are_needed(const struct resolved_pod *pod, const struct provider_env *env);

struct pod_images_fetch;
/*
 * images is borrowed for the call; NULL with err, the first one that came: VK_UNAVAILABLE with
 * reason InaccessibleImage or RegistryUnavailable, VK_INVALID for a malformed name, VK_UNSUPPORTED.
 * Its message names the image as the pod does.
 */
typedef void (*pod_images_fn)(void *user, const struct pod_images *images,
                              const struct vk_err *err);
/*
 * Reads those that are needed, or all when `all` is set, at once. The pod is borrowed until the
 * call, which comes exactly once and never from inside.
 */
struct pod_images_fetch *pod_images_fetch(struct image_configs *configs,
                                          const struct resolved_pod *pod,
                                          const struct provider_env *env, bool all,
                                          pod_images_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void pod_images_cancel(struct pod_images_fetch *f);
