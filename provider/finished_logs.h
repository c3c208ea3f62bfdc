/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last output of containers whose group was removed while their pod stays: at most 64 KiB of
 * each, the end counts, and 16 MiB and 10,000 pods in all, those that nobody looked at for longest
 * go first. In memory, and in a folder where one is given: without it a restart forgets them. Of
 * pods that were deleted while no process ran, only that limit removes the files.
 */
#pragma once

#include "base/str.h"

#define FINISHED_LOG_MAX (64u << 10)
#define FINISHED_LOGS_MAX (16u << 20)
#define FINISHED_LOGS_PODS 10000u

struct finished_logs;

/* total_max: FINISHED_LOGS_MAX but in tests. folder: NULL or "": none; what is in it is read. */
struct finished_logs *finished_logs_new(size_t total_max, const char *folder);
/* The files stay. NULL is fine. */
void finished_logs_free(struct finished_logs *l);

/* Copies the end of text, from the start of a line on; replaces what was kept. */
void finished_logs_keep(struct finished_logs *l, const char *uid, const char *container,
                        struct vk_str text);
/* False: nothing is kept. Borrowed until the next keep or forget. */
bool finished_logs_find(struct finished_logs *l, const char *uid, const char *container,
                        struct vk_str *ret);
void finished_logs_forget(struct finished_logs *l, const char *uid);
size_t finished_logs_bytes(const struct finished_logs *l);
