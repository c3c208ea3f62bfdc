/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's attachment showed last, for lines that its log does not hold any more: of a
 * container that ended ACI keeps 16 KB, however much it wrote since the last read. An attachment
 * has no positions and may begin anywhere, so the place up to which the log was read is found by
 * its text, whole lines of it: exact, but where the last lines that were read come again. Then the
 * place nearest to what had been shown during the last read is taken. Pure.
 */
#pragma once

#include "provider/log_lines.h"

/* Bytes shown that are kept; without need only a part of it stays allocated. */
#define LOG_RECALL_MAX ((size_t)1 << 20)
/* Text before the place that is looked for. */
#define LOG_RECALL_SAID_MAX ((size_t)4096)

struct log_recall {
    struct vk_buf shown;
    uint64_t dropped; /* bytes shown before those */
    bool has_begun, is_reading, is_marked;
    uint64_t read_from;             /* shown when the read at hand began */
    uint64_t marks[2];              /* shown when the last one began and when it was answered */
    char said[LOG_RECALL_SAID_MAX]; /* the text up to the place */
    size_t said_n;
    bool is_said_cut; /* it begins within a line */
};

void log_recall_init(struct log_recall *r);
void log_recall_release(struct log_recall *r);
/* An attachment begins to show; what another one showed is forgotten. */
void log_recall_begin(struct log_recall *r);
void log_recall_show(struct log_recall *r, struct vk_str bytes);
/* A read of the log begins, and its answer, of which all whole lines count as read. */
void log_recall_reads(struct log_recall *r);
void log_recall_has_read(struct log_recall *r, struct vk_str content);

/*
 * The attachment ended with the container. Appends to out the lines that were shown behind the last
 * read; content is what the log still has, with times, or empty. A line that content does not have
 * gets the time of the last line before it that was in the log. False: the place is not known, and
 * nothing is appended.
 */
bool log_recall_rest(const struct log_recall *r, struct vk_str content, bool timestamps,
                     int64_t since_wall_ns, const struct log_cursor *cursor, struct vk_buf *out);
