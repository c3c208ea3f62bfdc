/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags of a group: those that say whose it is (group_identity), labels of the pod that the node's
 * settings list, and those of the pod's annotation. Source: ARM, at most 50 tags, names of at most
 * 512 characters without <>%&\?/ and values of at most 256.
 */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"
#include "provider/group_layout.h"

struct group_tags {
    struct json_pairs extra;
    const char *sidecars; /* their names, or NULL */
};
/*
 * A label's '/' becomes '.', which ARM takes; one that cannot be a tag all the same is named as
 * ignored. Errors: VK_INVALID, VK_UNSUPPORTED for a bad tag of the annotation.
 */
VK_MUST_CHECK int group_tags_of_pod(const struct pod *pod, const struct group_layout *layout,
                                    const struct pod_annotations *annotations,
                                    const struct provider_env *env, struct vk_arena *arena,
                                    struct group_tags *ret, struct ignored_fields *ignored,
                                    struct vk_err *err);
/* Writes "tags". */
void group_tags_write(struct json_writer *w, const struct group_tags *tags, const struct pod *pod,
                      const struct provider_env *env);
