/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/log_lines.h"

#include "base/clock.h"

/* "2024-05-01T00:00:00.123456789Z text": the time, and where the text starts. */
static bool read_time(struct vk_str line, int64_t *ret_ns, struct vk_str *ret_text)
{
    struct vk_str rest;
    const struct vk_str stamp = vk_str_cut(line, ' ', &rest);
    if (stamp.n < sizeof("2024-05-01T00:00:00Z") - 1 || stamp.n >= VK_TIME_MAX)
        return false;
    if (!vk_time_parse(stamp, ret_ns))
        return false;
    *ret_text = rest.p ? rest : VK_STR("");
    return true;
}

bool log_line_next(struct vk_str *rest, struct log_line *ret)
{
    const char *end;
    size_t taken;

    if (rest->n == 0)
        return false;
    end = memchr(rest->p, '\n', rest->n);
    taken = end ? (size_t)(end - rest->p) + 1 : rest->n;
    *ret = (struct log_line){.whole = {.p = rest->p, .n = taken - (end ? 1 : 0)}, .ended = end};
    ret->text = ret->whole;
    ret->stamped = read_time(ret->whole, &ret->ns, &ret->text);
    rest->p += taken;
    rest->n -= taken;
    return true;
}

struct vk_str log_lines_cut_some(struct vk_str content, bool timestamps, int64_t since_wall_ns,
                                 bool is_final, size_t max, struct log_cursor *cursor,
                                 struct vk_buf *out)
{
    const struct log_cursor before = *cursor;
    int64_t now_ns = 0; /* time of the line at hand */
    size_t at_now = 0;  /* lines of that time seen in this text */
    struct log_line line;
    while (vk_buf_len(out) < max && log_line_next(&content, &line)) {
        if (!line.ended && !is_final)
            break;
        /* Times may step back with the clock; positions must not, or lines would repeat. */
        if (line.stamped && line.ns > now_ns) {
            now_ns = line.ns;
            at_now = 0;
        }
        at_now++;
        if (before.has_position && (now_ns < before.last_ns ||
                                    (now_ns == before.last_ns && at_now <= before.seen_at_last)))
            continue;
        *cursor =
            (struct log_cursor){.has_position = true, .last_ns = now_ns, .seen_at_last = at_now};
        if (since_wall_ns > 0 && now_ns < since_wall_ns)
            continue;
        vk_buf_addstr(out, timestamps ? line.whole : line.text);
        if (line.ended)
            vk_buf_addc(out, '\n');
    }
    return content;
}

void log_lines_cut(struct vk_str content, bool timestamps, int64_t since_wall_ns, bool is_final,
                   struct log_cursor *cursor, struct vk_buf *out)
{
    (void)log_lines_cut_some(content, timestamps, since_wall_ns, is_final, SIZE_MAX, cursor, out);
}

bool log_lines_has_gap(struct vk_str content, bool is_whole, const struct log_cursor *cursor)
{
    struct log_line line;
    size_t at_last = 0;

    if (!cursor->has_position || !log_line_next(&content, &line))
        return false;
    if (!line.stamped || line.ns > cursor->last_ns)
        return true;
    if (line.ns < cursor->last_ns)
        return false;
    if (!is_whole)
        return true;
    /* The front may have been dropped within that time. */
    do
        at_last++;
    while (log_line_next(&content, &line) && (!line.stamped || line.ns <= cursor->last_ns));
    return at_last < cursor->seen_at_last;
}

int64_t log_lines_end_ns(struct vk_str content)
{
    struct log_line line;
    int64_t ns = 0;

    while (log_line_next(&content, &line))
        ns = line.stamped ? line.ns : ns;
    return ns;
}

struct vk_str log_lines_until(struct vk_str content, int64_t ns)
{
    struct vk_str rest = content;
    struct log_line line;

    while (log_line_next(&rest, &line)) {
        if (line.stamped && line.ns > ns)
            return (struct vk_str){.p = content.p, .n = (size_t)(line.whole.p - content.p)};
    }
    return content;
}
