/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which volumes a group gets and where each container mounts them. Pure.
 *
 * ACI mounts whole volumes, and its volumes of files are flat. So a volume of files with
 * directories becomes one volume per directory, and a subPath a volume of its own: of the files
 * below it, or an emptyDir where nobody mounts the whole. A single file (subPath of a file) can
 * only come as a volume over its whole directory, which hides what the image has there; a pod must
 * ask for that by annotation.
 */
#pragma once

#include "provider/annotations.h"
#include "provider/group_layout.h"
#include "provider/key_vault.h"

/* ACI: volumes per group. */
#define VOLUMES_MAX 20

enum group_volume_kind {
    GROUP_VOLUME_EMPTY_DIR,
    GROUP_VOLUME_FILES,
    GROUP_VOLUME_KEY_VAULT,
    GROUP_VOLUME_SHARE,
    GROUP_VOLUME_GIT_REPO,
};
struct group_file {
    const char *name;
    const struct resolved_file *file;
};
struct group_volume {
    const char *name; /* ACI's */
    enum group_volume_kind kind;
    const struct volume *spec; /* NULL: files of several volumes in one directory */
    const char *key;           /* what makes it another volume: volume, subPath */
    struct group_file *files;  /* FILES */
    size_t file_count;
    const struct resolved_share *share; /* SHARE */
};
struct group_mount {
    const struct group_volume *volume;
    const char *path;
    bool read_only;
};
struct group_mounts {
    struct group_mount *v;
    size_t n;
};
struct volume_plan {
    struct group_volume **volumes; /* in the order of the pod's volumes */
    size_t volume_count;
    struct group_mounts *containers, *init_containers; /* as the layout */
    const struct key_vault *vault;
};
/* Errors: VK_UNSUPPORTED, VK_INVALID with the field, ACI's rule and the way out. */
VK_MUST_CHECK int
volume_plan_make(const struct resolved_pod *pod, const struct group_layout *layout,
                 const struct pod_annotations *annotations, const struct key_vault *vault,
                 bool windows, struct vk_arena *arena, struct volume_plan *ret, struct vk_err *err);
/* The token volume that the API server adds to each pod: left out of Windows groups. */
bool volume_plan_is_token(const struct volume *v);
