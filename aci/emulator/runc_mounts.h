/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of this mount namespace. */
#pragma once

#include <stddef.h>

#include "base/str.h"
#include "base/vk_err.h"

/* Decodes the mount point of one line of /proc/self/mountinfo (octal escapes). False on bad input.
 */
_Bool runc_mounts_point(struct vk_str line, char *out, size_t size);
/* Unmounts all that is mounted at or below the folder, the innermost first. */
void runc_mounts_detach_below(const char *directory);

VK_MUST_CHECK int runc_mounts_tmpfs(const char *path, const char *options, struct vk_err *err);

/*
 * Mounts an overlay of the layers (topmost first, NULL-terminated) with its own upper and work
 * folder at target. links: a folder with short names for layers, since all of them must fit into
 * one page of mount options. Errors: VK_TOO_LARGE when they do not; VK_UNAVAILABLE with what the
 * kernel said when it refuses them.
 */
VK_MUST_CHECK int runc_mounts_overlay(const char *links, char *const *layers, const char *upper,
                                      const char *work, const char *target, struct vk_err *err);
/*
 * Bind-mounts `below`, made where it is missing, from the volume at `volume` to target. What a
 * container left in the volume, such as links, cannot lead out of it. Errors: VK_INVALID when the
 * volume's content is in the way.
 */
VK_MUST_CHECK int runc_mounts_sub_path(const char *volume, const char *below, const char *target,
                                       struct vk_err *err);
/* Reads a file of a container's root; its links cannot lead out of it. Empty when there is none or
 * it is over max bytes. */
struct vk_arena;
struct vk_str runc_mounts_read_in_root(const char *root, const char *path, size_t max,
                                       struct vk_arena *arena);
