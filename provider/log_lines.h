/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts what is new and wanted out of a container's log. ACI answers the whole text (or its tail)
 * each time, without offsets; asked with timestamps, each line starts with an RFC 3339 time and a
 * blank, which serve as positions. Pure.
 */
#pragma once

#include "base/buf.h"
#include "kubelet/provider.h"

/* One line of such a text; everything is borrowed from it. */
struct log_line {
    struct vk_str whole; /* without its newline */
    struct vk_str text;  /* without its time, either */
    int64_t ns;          /* only where stamped */
    bool stamped, ended; /* ended: has its newline */
};
/* Takes the first line off *rest; false when nothing is left. */
bool log_line_next(struct vk_str *rest, struct log_line *ret);

/* What was given out so far; zeroed at the start. */
struct log_cursor {
    bool has_position;
    int64_t last_ns;     /* time of the last line taken */
    size_t seen_at_last; /* how many lines of that time were taken */
};

/*
 * Appends to out the lines after the cursor that are not older than since_wall_ns, with or without
 * their times, and moves the cursor. A last line without newline waits for the next call unless
 * is_final. A line without a time belongs to the one before.
 */
void log_lines_cut(struct vk_str content, bool timestamps, int64_t since_wall_ns, bool is_final,
                   struct log_cursor *cursor, struct vk_buf *out);
/* The same, and stops behind the line with which out reaches max bytes. Returns what is left. */
struct vk_str log_lines_cut_some(struct vk_str content, bool timestamps, int64_t since_wall_ns,
                                 bool is_final, size_t max, struct log_cursor *cursor,
                                 struct vk_buf *out);

/*
 * True when the text starts after the cursor, so that lines between are missing; also when it shows
 * no time at all. Of a tail, unlike the whole, a beginning at the cursor's time is not enough:
 * lines of that time may stand before it.
 */
bool log_lines_has_gap(struct vk_str content, bool is_whole, const struct log_cursor *cursor);
/* The time of the last line that has one; 0: none has. */
int64_t log_lines_end_ns(struct vk_str content);
/* Up to the last line of that time or before. */
struct vk_str log_lines_until(struct vk_str content, int64_t ns);
