/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is decided of a pod's group before it is written: each concept's part, checked. Pure.
 */
#pragma once

#include "provider/containers.h"
#include "provider/group_tags.h"
#include "provider/identity.h"

struct group_plan {
    const struct resolved_pod *pod;
    const struct provider_env *env;
    bool windows;
    struct pod_annotations annotations;
    struct group_layout layout;
    struct group_identities identities;
    struct key_vault vault;
    struct volume_plan volumes;
    struct pod_resources resources;
    struct group_tags tags;
    struct ignored_fields ignored; /* filled by the plan's making; unhonoured adds the rest */
};
/*
 * The plan borrows pod, env and images and points into itself: it stays where it is. Errors:
 * VK_UNSUPPORTED or VK_INVALID with the field, ACI's rule and the way out, reason
 * UnsupportedPodField.
 */
VK_MUST_CHECK int group_plan_make(const struct resolved_pod *pod, const struct provider_env *env,
                                  const struct pod_images *images, struct vk_arena *arena,
                                  struct group_plan *ret, struct vk_err *err);
