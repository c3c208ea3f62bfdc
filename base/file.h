/* SPDX-License-Identifier: Apache-2.0 */
/* Whole small files. */
#pragma once

#include "base/arena.h"
#include "base/vk_err.h"

/* Errors: by errno (VK_NOT_FOUND ...), VK_TOO_LARGE; the message names the path. NUL-terminated
 * text in the arena. */
VK_MUST_CHECK int file_read(const char *path, size_t max_bytes, struct vk_arena *arena,
                            struct vk_str *ret, struct vk_err *err);
/*
 * Replaces the file as a whole, or leaves it as it was; readable by its owner alone, and on the
 * disk when this returns. A symbolic link is replaced, not followed. Errors: by errno.
 */
VK_MUST_CHECK int file_write_private(const char *path, struct vk_str text, struct vk_err *err);
