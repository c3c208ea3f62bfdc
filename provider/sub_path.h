/* SPDX-License-Identifier: Apache-2.0 */
/* subPath and subPathExpr of a mount. Pure. */
#pragma once

#include "kubelet/api/resolved_pod.h"

/*
 * The path below the volume's root that a mount names, "" for the whole volume, without a trailing
 * '/'. subPathExpr is expanded with the container's environment. Errors: VK_INVALID for a path that
 * leaves the volume and for a variable that the container does not have.
 */
VK_MUST_CHECK int sub_path_of_mount(const struct resolved_container *c,
                                    const struct volume_mount *mount, const char *where,
                                    struct vk_arena *arena, const char **ret, struct vk_err *err);
/* What follows "directory/" in path; path itself for ""; NULL when it is not inside. */
const char *sub_path_inside(const char *path, const char *directory);
/* One of both is the other, or holds it. */
bool sub_path_overlaps(const char *a, const char *b);
