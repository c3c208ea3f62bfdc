/* SPDX-License-Identifier: Apache-2.0 */
/* room: provider */
/*
 * A container that writes lines, its log and its attachment, and one who follows: each byte is a
 * step of one of them. In the end the container ends, its log shrinks, and all of the attachment
 * has come. Whatever the order, each line must have been given out once. Lines are numbered, since
 * of lines that repeat themselves nobody can tell which one is missing. Then the same bytes as a
 * log.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "provider/log_recall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 4096
#define LIMIT ((size_t)4 << 20)
#define START_NS 1714521600000000000ll

struct model {
    struct vk_buf log, text; /* with and without times */
    size_t log_at[LINES_MAX + 1], text_at[LINES_MAX + 1];
    size_t lines;
    int64_t ns;
    bool is_attached, was_read; /* read: since the attachment began */
    size_t shown;               /* of text */
    struct log_recall recall;
    struct log_cursor cursor;
    struct vk_buf out;
};

static void write_lines(struct model *m, size_t n)
{
    char stamp[VK_TIME_MAX];

    vk_time_format_ns(m->ns, stamp);
    while (n-- > 0 && m->lines < LINES_MAX) {
        m->lines++;
        vk_buf_printf(&m->log, "%s %zu\n", stamp, m->lines);
        vk_buf_printf(&m->text, "%zu\n", m->lines);
        m->log_at[m->lines] = vk_buf_len(&m->log);
        m->text_at[m->lines] = vk_buf_len(&m->text);
    }
}

static void attach(struct model *m, bool replays)
{
    m->is_attached = true;
    m->was_read = false;
    m->shown = replays ? 0 : vk_buf_len(&m->text);
    log_recall_begin(&m->recall);
}

static void show(struct model *m, size_t most)
{
    const size_t left = vk_buf_len(&m->text) - m->shown;
    const size_t n = most < left ? most : left;

    if (!m->is_attached)
        return;
    log_recall_show(&m->recall, (struct vk_str){.p = vk_buf_peek(&m->text) + m->shown, .n = n});
    m->shown += n;
}

/* What the log shows of its last lines. */
static struct vk_str last_lines(const struct model *m, size_t n)
{
    const size_t from = m->log_at[n < m->lines ? m->lines - n : 0];

    return (struct vk_str){.p = vk_buf_peek(&m->log) + from, .n = vk_buf_len(&m->log) - from};
}

static void read_log(struct model *m, size_t tail, size_t shown_meanwhile)
{
    /* Whoever follows begins with the whole log. */
    struct vk_str content = last_lines(m, m->cursor.has_position ? tail : m->lines);

    log_recall_reads(&m->recall);
    show(m, shown_meanwhile);
    if (log_lines_has_gap(content, tail >= m->lines, &m->cursor))
        content = last_lines(m, m->lines);
    log_lines_cut(content, false, 0, false, &m->cursor, &m->out);
    log_recall_has_read(&m->recall, content);
    m->was_read = m->is_attached;
}

static void step(struct model *m, uint8_t op)
{
    const size_t n = op >> 3;

    switch (op & 7) {
    case 0:
    case 1:
        write_lines(m, n + 1);
        break;
    case 2:
        write_lines(m, 8 * n);
        break;
    case 3:
        m->ns += (int64_t)n;
        break;
    case 4:
        show(m, n);
        break;
    case 5:
        show(m, 64 * n);
        break;
    case 6:
        read_log(m, 16 * n + 1, n);
        break;
    default:
        if (n > 1)
            read_log(m, SIZE_MAX, n);
        else
            attach(m, n == 1);
    }
}

static void end(struct model *m, size_t kept)
{
    const struct vk_str left = last_lines(m, kept);

    show(m, SIZE_MAX);
    if (!m->was_read || !m->cursor.has_position)
        return;
    if (!log_recall_rest(&m->recall, left, false, 0, &m->cursor, &m->out))
        abort();
    if (vk_buf_len(&m->out) != vk_buf_len(&m->text) ||
        memcmp(vk_buf_peek(&m->out), vk_buf_peek(&m->text), vk_buf_len(&m->out)) != 0)
        abort();
}

static void follow(const uint8_t *data, size_t size)
{
    struct model *m = vk_calloc(1, sizeof(*m));

    m->ns = START_NS;
    vk_buf_init(&m->log, LIMIT);
    vk_buf_init(&m->text, LIMIT);
    vk_buf_init(&m->out, LIMIT);
    log_recall_init(&m->recall);
    for (size_t i = 1; i < size; i++)
        step(m, data[i]);
    end(m, data[0]);
    log_recall_release(&m->recall);
    vk_buf_release(&m->log);
    vk_buf_release(&m->text);
    vk_buf_release(&m->out);
    vk_free(m);
}

/* Cut whole or in parts, a log gives the same. */
static void cut(struct vk_str content, size_t max)
{
    struct vk_buf whole VK_BUF_AUTO, part VK_BUF_AUTO, parts VK_BUF_AUTO;
    struct log_cursor a = {0}, b = {0};
    struct vk_str rest = content;

    vk_buf_init(&whole, LIMIT);
    vk_buf_init(&part, LIMIT);
    vk_buf_init(&parts, LIMIT);
    log_lines_cut(content, true, 0, true, &a, &whole);
    while (rest.n > 0) {
        vk_buf_clear(&part);
        rest = log_lines_cut_some(content, true, 0, true, max, &b, &part);
        vk_buf_addstr(&parts, vk_buf_str(&part));
    }
    if (vk_buf_len(&whole) != vk_buf_len(&parts) ||
        memcmp(vk_buf_peek(&whole), vk_buf_peek(&parts), vk_buf_len(&whole)) != 0)
        abort();
    (void)log_lines_until(content, log_lines_end_ns(content));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    follow(data, size);
    cut((struct vk_str){.p = (const char *)data + 1, .n = size - 1}, (size_t)data[0] + 1);
    return 0;
}
