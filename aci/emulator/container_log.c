/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/container_log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

/* "2026-11-24T15:41:53.123456789Z " before each line as stored. */
#define STAMP_LEN ((size_t)31)
#define LINE_MAX_BYTES ((size_t)64 << 10)
#define KEPT_RUNNING ((size_t)4 << 20)
/* The file is shortened to KEPT_RUNNING when it has grown to this. */
#define FILE_MAX ((size_t)8 << 20)
#define KEPT_ENDED_BYTES ((size_t)16 << 10)
#define KEPT_ENDED_LINES 1000

struct container_log {
    int fd; /* -1 after the end */
    char *path;
    size_t size;        /* of the file */
    struct vk_buf line; /* stamp and text of the line that has no newline yet */
    struct vk_buf rest; /* after the end: the stored lines that are kept */
};

int container_log_new(const char *path, struct container_log **ret, struct vk_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return vk_err_errno(err, errno, "log file %s", path);
    struct container_log *log = vk_calloc(1, sizeof(*log));
    log->fd = fd;
    log->path = vk_strdup(path);
    vk_buf_init(&log->line, STAMP_LEN + LINE_MAX_BYTES + 1);
    vk_buf_init(&log->rest, KEPT_ENDED_BYTES + LINE_MAX_BYTES + KEPT_ENDED_LINES * STAMP_LEN);
    *ret = log;
    return 0;
}

static void close_file(struct container_log *log)
{
    if (log->fd < 0)
        return;
    close(log->fd);
    unlink(log->path);
    log->fd = -1;
}

void container_log_free(struct container_log *log)
{
    if (!log)
        return;
    close_file(log);
    vk_free(log->path);
    vk_buf_release(&log->line);
    vk_buf_release(&log->rest);
    vk_free(log);
}

/* Fills p from the file at offset; false when the file does not give all of it. */
static bool read_at(const struct container_log *log, char *p, size_t n, size_t offset)
{
    while (n > 0) {
        ssize_t got = pread(log->fd, p, n, (off_t)offset);
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
        offset += (size_t)got;
    }
    return true;
}

static bool write_at(const struct container_log *log, const char *p, size_t n, size_t offset)
{
    while (n > 0) {
        ssize_t put = pwrite(log->fd, p, n, (off_t)offset);
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
        offset += (size_t)put;
    }
    return true;
}

/* Where the newest KEPT_RUNNING bytes begin, at the start of a line. */
static size_t kept_start(const struct container_log *log)
{
    if (log->size <= KEPT_RUNNING)
        return 0;
    size_t start = log->size - KEPT_RUNNING;
    char block[4096];
    /* The byte before decides whether start is the beginning of a line already. */
    for (size_t at = start - 1; at < log->size;) {
        size_t n = log->size - at < sizeof(block) ? log->size - at : sizeof(block);
        if (!read_at(log, block, n, at))
            break;
        const char *newline = memchr(block, '\n', n);
        if (newline)
            return at + (size_t)(newline - block) + 1;
        at += n;
    }
    return log->size;
}

/* Moves the kept bytes to the front of the file. */
static void shorten(struct container_log *log)
{
    size_t from = kept_start(log), to = 0;
    char *block VK_AUTOFREE = vk_malloc(LINE_MAX_BYTES);
    while (from < log->size) {
        size_t n = log->size - from < LINE_MAX_BYTES ? log->size - from : LINE_MAX_BYTES;
        if (!read_at(log, block, n, from) || !write_at(log, block, n, to))
            break;
        from += n;
        to += n;
    }
    if (ftruncate(log->fd, (off_t)to) < 0)
        log_warning("Log file was not shortened", LS("path", log->path),
                    LS("err", strerror(errno)));
    log->size = to;
}

static void store_line(struct container_log *log)
{
    size_t n = vk_buf_len(&log->line);
    if (write_at(log, vk_buf_peek(&log->line), n, log->size))
        log->size += n;
    else
        log_warning("Log line dropped", LS("path", log->path), LS("err", strerror(errno)));
    vk_buf_clear(&log->line);
    if (log->size >= FILE_MAX)
        shorten(log);
}

void container_log_append(struct container_log *log, struct vk_str bytes, int64_t wall_ns)
{
    if (log->fd < 0)
        return;
    while (bytes.n > 0) {
        if (!vk_buf_len(&log->line)) {
            char stamp[VK_TIME_MAX];
            vk_time_format_ns(wall_ns, stamp);
            vk_buf_adds(&log->line, stamp);
            vk_buf_addc(&log->line, ' ');
        }
        size_t room = STAMP_LEN + LINE_MAX_BYTES - vk_buf_len(&log->line);
        size_t look = bytes.n < room ? bytes.n : room;
        const char *newline = memchr(bytes.p, '\n', look);
        size_t n = newline ? (size_t)(newline - bytes.p) + 1 : look;
        vk_buf_add(&log->line, bytes.p, n);
        bytes.p += n;
        bytes.n -= n;
        if (!newline && n == room)
            vk_buf_addc(&log->line, '\n');
        if (newline || n == room)
            store_line(log);
    }
}

/*
 * Where the last `lines` lines, or the last `max_text` bytes of text in whole lines, begin. A last
 * line without newline counts.
 */
static size_t tail_start(const char *p, size_t n, int64_t lines, size_t max_text)
{
    size_t start = n, text = 0;
    for (int64_t found = 0; start > 0 && found < lines; found++) {
        const char *newline = start > 1 ? memrchr(p, '\n', start - 1) : NULL;
        size_t line = newline ? (size_t)(newline - p) + 1 : 0;
        text += start - line - STAMP_LEN;
        if (text > max_text)
            break;
        start = line;
    }
    return start;
}

/* The stored lines as one text, the unfinished one last; owned by the caller. */
static char *stored_text(const struct container_log *log, int64_t tail, size_t *ret_n)
{
    size_t from = kept_start(log);
    size_t line = vk_buf_len(&log->line);
    char *p = NULL;
    /* Few lines are found near the end: look there first, further back while that is too little. */
    for (size_t want = 64 << 10;; want *= 4) {
        size_t begin = tail >= 0 && log->size - from > want ? log->size - want : from;
        size_t n = log->size - begin;
        p = vk_realloc(p, n + line + 1);
        if (!read_at(log, p, n, begin))
            n = 0;
        memcpy(p + n, vk_buf_peek(&log->line), line);
        *ret_n = n + line;
        if (begin == from)
            return p;
        const char *newline = memchr(p, '\n', n);
        size_t skip = newline ? (size_t)(newline - p) + 1 : n;
        if (tail_start(p + skip, *ret_n - skip, tail, SIZE_MAX) > 0) {
            memmove(p, p + skip, *ret_n - skip);
            *ret_n -= skip;
            return p;
        }
    }
}

void container_log_end(struct container_log *log)
{
    if (log->fd < 0)
        return;
    size_t n;
    char *p VK_AUTOFREE = stored_text(log, KEPT_ENDED_LINES, &n);
    size_t start = tail_start(p, n, KEPT_ENDED_LINES, KEPT_ENDED_BYTES);
    /* A last line longer than all that is kept: its end. */
    if (start == n && n > 0) {
        size_t line = tail_start(p, n, 1, SIZE_MAX);
        vk_buf_add(&log->rest, p + line, STAMP_LEN);
        start = n - KEPT_ENDED_BYTES;
    }
    vk_buf_add(&log->rest, p + start, n - start);
    vk_buf_release(&log->line);
    vk_buf_init(&log->line, STAMP_LEN + LINE_MAX_BYTES + 1);
    close_file(log);
}

void container_log_read(const struct container_log *log, int64_t tail, bool timestamps,
                        struct vk_buf *out)
{
    char *owned VK_AUTOFREE = NULL;
    const char *p = vk_buf_peek(&log->rest);
    size_t n = vk_buf_len(&log->rest);
    if (log->fd >= 0) {
        owned = stored_text(log, tail, &n);
        p = owned;
    }
    size_t at = tail < 0 ? 0 : tail_start(p, n, tail, SIZE_MAX);
    if (timestamps) {
        vk_buf_add(out, p + at, n - at);
        return;
    }
    while (at < n) {
        const char *newline = memchr(p + at, '\n', n - at);
        size_t end = newline ? (size_t)(newline - p) + 1 : n;
        vk_buf_add(out, p + at + STAMP_LEN, end - at - STAMP_LEN);
        at = end;
    }
}
