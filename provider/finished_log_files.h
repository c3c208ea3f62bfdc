/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder that holds a file for each log of finished_logs.h, so that the next process has them,
 * too. The files are whole at each instant a process may die, though not when the machine does.
 * What can't be written or read is told in the log, and goes without.
 */
#pragma once

#include "base/str.h"

/* Makes the folder where it is not there. False: it can't be used. */
bool finished_log_files_open(const char *folder);
/* Replaces that file. */
void finished_log_files_write(const char *folder, const char *uid, const char *container,
                              struct vk_str text);
void finished_log_files_remove(const char *folder, const char *uid, const char *container);
/* Calls fn for each file, the oldest first; at most max_bytes of one. Others are left alone. */
void finished_log_files_read(const char *folder, size_t max_bytes,
                             void (*fn)(void *user, const char *uid, const char *container,
                                        struct vk_str text),
                             void *user);
