/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of one container instance: what it wrote, line by line, each line with the time at which
 * its first byte was read. While the container runs the newest 4 MB stand in a file; after its end
 * the last 1,000 lines, at most 16 KB of text, stay in memory (ACI service limits: "Container log
 * size"). Lines over 64 KB are split.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/vk_err.h"

struct container_log;

/* Makes the file. The 4 MB count the stamps (31 bytes a line) too. */
VK_MUST_CHECK int container_log_new(const char *path, struct container_log **ret,
                                    struct vk_err *err);
/* Removes the file. NULL is fine. */
void container_log_free(struct container_log *log);

/* Any split of the output. What the disk does not take is dropped. */
void container_log_append(struct container_log *log, struct vk_str bytes, int64_t wall_ns);
/* No more output comes: keeps what ACI keeps of a stopped container and removes the file. */
void container_log_end(struct container_log *log);

/*
 * Appends the last `tail` lines (negative: all kept) to out, each with its RFC 3339 stamp of nine
 * digits and a blank when timestamps is set. A line that has no newline yet is given without one.
 */
void container_log_read(const struct container_log *log, int64_t tail, bool timestamps,
                        struct vk_buf *out);
