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

void log_lines_cut(struct vk_str content, bool timestamps, int64_t since_wall_ns, bool is_final,
                   struct log_cursor *cursor, struct vk_buf *out)
{
    const struct log_cursor before = *cursor;
    int64_t now_ns = 0; /* time of the line at hand */
    size_t at_now = 0;  /* lines of that time seen in this text */
    while (content.n > 0) {
        const char *end = memchr(content.p, '\n', content.n);
        if (!end && !is_final)
            return;
        const struct vk_str line = {.p = content.p,
                                    .n = end ? (size_t)(end - content.p) : content.n};
        content.p += line.n + (end ? 1 : 0);
        content.n -= line.n + (end ? 1 : 0);
        struct vk_str text = line;
        int64_t ns = now_ns;
        const bool stamped = read_time(line, &ns, &text);
        /* Times may step back with the clock; positions must not, or lines would repeat. */
        if (ns > now_ns) {
            now_ns = ns;
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
        vk_buf_addstr(out, timestamps || !stamped ? line : text);
        if (end)
            vk_buf_addc(out, '\n');
    }
}

bool log_lines_has_gap(struct vk_str content, const struct log_cursor *cursor)
{
    struct vk_str rest, text;
    const struct vk_str first = vk_str_cut(content, '\n', &rest);
    int64_t ns;
    if (!cursor->has_position || content.n == 0)
        return false;
    return !read_time(first, &ns, &text) || ns >= cursor->last_ns;
}
