/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image says about how to run it, read from `podman image inspect`, and who its users are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/vk_err.h"

/* All texts live in the arena. */
struct image_config {
    struct vk_arena *arena;          /* owned */
    char *id;                        /* "repository@sha256:..." */
    char **entrypoint, **cmd, **env; /* NULL-terminated */
    char *user, *working_dir;        /* "" where the image names none */
    char **layers;                   /* folders, topmost first, NULL-terminated */
    /* An immutable object with several owners. */
    unsigned references;
};

/*
 * text: the answer, an array of one. repository: whose digest `id` shows.
 * Errors: VK_PROTOCOL when it is not what podman prints, VK_UNSUPPORTED for another store than
 * overlay.
 */
VK_MUST_CHECK int image_config_parse(struct vk_str text, const char *repository,
                                     struct image_config **ret, struct vk_err *err);
struct image_config *image_config_ref(struct image_config *config);
/* NULL is fine. */
void image_config_unref(struct image_config *config);

#define IMAGE_GROUPS_MAX 32
struct image_user {
    uint32_t uid, gid;
    uint32_t groups[IMAGE_GROUPS_MAX]; /* supplementary */
    size_t group_count;
    char home[256];
};
/*
 * user: "", "name", "uid", and each with ":group" or ":gid"; numbers need not be in the files.
 * passwd, group: text of the image's files, empty where there is none.
 * Errors: VK_INVALID when a name is not there.
 */
VK_MUST_CHECK int image_user_resolve(const char *user, struct vk_str passwd, struct vk_str group,
                                     struct image_user *ret, struct vk_err *err);
