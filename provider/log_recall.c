/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/log_recall.h"

#include <string.h>

#include "base/clock.h"

/* So much text that is equal is taken for a place, not for chance. */
#define SURE 64
/* Kept before the last read, since what is shown may come later than the log. */
#define KEPT_BEHIND ((uint64_t)64 << 10)

void log_recall_init(struct log_recall *r)
{
    *r = (struct log_recall){0};
    /* One piece may come beyond the limit before the oldest are dropped. */
    vk_buf_init(&r->shown, 2 * LOG_RECALL_MAX);
}

void log_recall_release(struct log_recall *r)
{
    vk_buf_release(&r->shown);
}

void log_recall_begin(struct log_recall *r)
{
    vk_buf_clear(&r->shown);
    r->dropped = 0;
    r->has_begun = true;
    r->is_reading = false;
    r->is_marked = false;
}

static uint64_t shown_so_far(const struct log_recall *r)
{
    return r->dropped + vk_buf_len(&r->shown);
}

static void drop(struct log_recall *r, size_t n)
{
    vk_buf_consume(&r->shown, n);
    r->dropped += n;
}

void log_recall_show(struct log_recall *r, struct vk_str bytes)
{
    if (bytes.n > LOG_RECALL_MAX) {
        r->dropped += bytes.n - LOG_RECALL_MAX;
        bytes.p += bytes.n - LOG_RECALL_MAX;
        bytes.n = LOG_RECALL_MAX;
    }
    vk_buf_addstr(&r->shown, bytes);
    if (vk_buf_len(&r->shown) > LOG_RECALL_MAX)
        drop(r, vk_buf_len(&r->shown) - LOG_RECALL_MAX);
}

void log_recall_reads(struct log_recall *r)
{
    r->is_reading = r->has_begun;
    r->read_from = shown_so_far(r);
}

void log_recall_has_read(struct log_recall *r, struct vk_str content)
{
    size_t at = LOG_RECALL_SAID_MAX;
    const char *newline = content.n ? memrchr(content.p, '\n', content.n) : NULL;
    const char *end = newline ? newline + 1 : content.p;

    /* ACI gives an empty log now and then; it says nothing of the place. */
    if (content.n == 0 && r->said_n > 0)
        r->is_reading = false;
    /* Backwards, as many lines as there is room for. */
    while (end > content.p && at > 0) {
        const char *before =
            end - 1 > content.p ? memrchr(content.p, '\n', (size_t)(end - 1 - content.p)) : NULL;
        struct vk_str rest = {.p = before ? before + 1 : content.p};
        struct log_line line;

        rest.n = (size_t)(end - rest.p);
        end = rest.p;
        (void)log_line_next(&rest, &line);
        r->said[--at] = '\n';
        const size_t n = line.text.n < at ? line.text.n : at;
        at -= n;
        memcpy(r->said + at, line.text.p + line.text.n - n, n);
        r->is_said_cut = n < line.text.n;
        if (r->is_said_cut)
            break;
    }
    if (at < LOG_RECALL_SAID_MAX) {
        r->said_n = LOG_RECALL_SAID_MAX - at;
        memmove(r->said, r->said + at, r->said_n);
    }
    if (!r->is_reading)
        return;
    r->is_reading = false;
    r->is_marked = true;
    r->marks[0] = r->read_from;
    r->marks[1] = shown_so_far(r);
    if (r->marks[0] > r->dropped + KEPT_BEHIND)
        drop(r, (size_t)(r->marks[0] - KEPT_BEHIND - r->dropped));
}

/* --- the place --- */

static uint64_t distance(const struct log_recall *r, uint64_t at)
{
    return at < r->marks[0] ? r->marks[0] - at : at > r->marks[1] ? at - r->marks[1] : 0;
}

/*
 * Looks for the whole text before the place, a byte at a time: Knuth, Morris and Pratt. Comparing
 * it anew at the end of each line would cost 4 KiB a line where lines are much alike.
 */
struct matcher {
    size_t matched;                        /* of the text, at its end so far */
    uint16_t shorter[LOG_RECALL_SAID_MAX]; /* [i]: the next shorter match to i + 1 bytes of it */
};

static void matcher_feed(struct matcher *m, const char *text, size_t n, char c)
{
    if (m->matched == n)
        m->matched = m->shorter[n - 1];
    while (m->matched && text[m->matched] != c)
        m->matched = m->shorter[m->matched - 1];
    if (text[m->matched] == c)
        m->matched++;
}

/* n > 0 */
static void matcher_init(struct matcher *m, const char *text, size_t n)
{
    m->matched = 0;
    m->shorter[0] = 0;
    for (size_t i = 1; i < n; i++) {
        matcher_feed(m, text, i, text[i]);
        m->shorter[i] = (uint16_t)m->matched;
    }
    m->matched = 0;
}

/* How much of the text before the place stands before `at`, in whole lines; 0: something else.
 * is_whole: all of it does. */
static size_t equal_before(const struct log_recall *r, size_t at, bool is_whole)
{
    const size_t n = at < r->said_n ? at : r->said_n;
    const char *said = r->said + r->said_n - n;
    const char *shown = vk_buf_peek(&r->shown) + at - n;

    /* Where the beginning is known, it may lie within that text. */
    if (n < r->said_n && (r->dropped > 0 || said[-1] != '\n'))
        return 0;
    if (n == r->said_n && !r->is_said_cut && (at > n ? shown[-1] != '\n' : r->dropped > 0))
        return 0;
    if (n == r->said_n)
        return is_whole ? n : 0;
    return memcmp(shown, said, n) == 0 ? n : 0;
}

static bool is_sure(const struct log_recall *r, size_t equal)
{
    return equal >= SURE || equal == r->said_n;
}

static bool find_place(const struct log_recall *r, size_t *ret)
{
    const struct vk_str shown = vk_buf_str(&r->shown);
    uint64_t best_distance = 0;
    size_t best_equal = 0;
    struct matcher whole;

    matcher_init(&whole, r->said, r->said_n);
    for (size_t at = 1; at <= shown.n; at++) {
        const uint64_t away = distance(r, r->dropped + at);
        size_t equal = 0;

        matcher_feed(&whole, r->said, r->said_n, shown.p[at - 1]);
        if (shown.p[at - 1] == '\n')
            equal = equal_before(r, at, whole.matched == r->said_n);
        if (!equal || is_sure(r, equal) < is_sure(r, best_equal))
            continue;
        if (best_equal && is_sure(r, equal) == is_sure(r, best_equal) &&
            (away > best_distance || (away == best_distance && equal <= best_equal)))
            continue;
        best_equal = equal;
        best_distance = away;
        *ret = at;
    }
    if (best_equal)
        return true;
    /* It may have begun behind the place, if it had shown nothing when the log was read. */
    *ret = 0;
    return r->dropped == 0 && r->marks[0] == 0;
}

/* Where in what was shown the text of content begins, which ends where that ends; its length where
 * it does not. */
static size_t content_place(struct vk_str shown, struct vk_str content)
{
    size_t at = shown.n;
    struct log_line line;
    size_t total = 0;

    for (struct vk_str rest = content; log_line_next(&rest, &line);)
        total += line.text.n + (line.ended ? 1 : 0);
    if (total > shown.n)
        return shown.n;
    at -= total;
    for (struct vk_str rest = content; log_line_next(&rest, &line);) {
        if (memcmp(shown.p + at, line.text.p, line.text.n) != 0 ||
            (line.ended && shown.p[at + line.text.n] != '\n'))
            return shown.n;
        at += line.text.n + (line.ended ? 1 : 0);
    }
    return shown.n - total;
}

bool log_recall_rest(const struct log_recall *r, struct vk_str content, bool timestamps,
                     int64_t since_wall_ns, const struct log_cursor *cursor, struct vk_buf *out)
{
    const struct vk_str shown = vk_buf_str(&r->shown);
    char stamp[VK_TIME_MAX] = "";
    int64_t ns = cursor->last_ns;
    size_t place, at;
    struct log_line line;

    if (!r->is_marked || r->said_n == 0 || !cursor->has_position || !find_place(r, &place))
        return false;
    vk_time_format_ns(ns, stamp);
    at = content_place(shown, content);
    for (struct vk_str rest = {.p = shown.p + place, .n = at > place ? at - place : 0};
         log_line_next(&rest, &line);) {
        const struct vk_str text = line.whole;

        if (since_wall_ns > 0 && ns < since_wall_ns)
            break;
        if (timestamps)
            vk_buf_printf(out, "%s ", stamp);
        vk_buf_addstr(out, text);
        if (line.ended)
            vk_buf_addc(out, '\n');
    }
    for (struct vk_str rest = content; at < shown.n && log_line_next(&rest, &line);) {
        const size_t n = line.text.n + (line.ended ? 1 : 0);
        const bool is_new = at >= place;

        at += n;
        ns = line.stamped ? line.ns : ns;
        if (!is_new || (since_wall_ns > 0 && ns < since_wall_ns))
            continue;
        vk_buf_addstr(out, timestamps ? line.whole : line.text);
        if (line.ended)
            vk_buf_addc(out, '\n');
    }
    return true;
}
