/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices that small files changed, by looking at them every few seconds: what writes certificates
 * replaces them by rename, by symbolic links of links (Secret volumes) or in place, on any kind of
 * file system.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

#define FILE_WATCH_MAX 4

struct file_watch;

/* paths: at most FILE_WATCH_MAX, copied; NULL ones are skipped. changed(user) is called when one of
 * them is another than before, also when it came or went; at times once more than needed. */
struct file_watch *file_watch_new(struct vk_loop *loop, const char *const *paths, size_t count,
                                  int64_t every_ms, void (*changed)(void *user), void *user);
void file_watch_free(struct file_watch *w);
