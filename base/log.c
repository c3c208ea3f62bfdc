/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_writer.h"

/* A value is cut there and a line cannot be longer: 24 pairs, six bytes for each of a value. */
#define MAX_VALUE_BYTES 4096
#define MAX_PAIRS 24
#define MAX_LINE_BYTES ((size_t)1 << 20)

#define REPEAT_LIMIT 20
#define REPEAT_WINDOW_MS 10000
#define REPEAT_SLOTS 256

struct repeat {
    uint64_t hash; /* 0: unused */
    int64_t window_end_ms;
    unsigned written, dropped;
    const char *file, *msg; /* static: constants of the call */
    int line;
    char first[64];
};

static struct {
    enum log_format format;
    int verbosity;
    void (*sink)(void *user, const char *line, size_t n);
    void *user;
    struct vk_buf line;
    bool ready;
    struct repeat repeats[REPEAT_SLOTS];
    int64_t next_report_ms; /* earliest end of a window that dropped something; 0: none */
} state;

void log_init(enum log_format format, int verbosity)
{
    state.format = format;
    state.verbosity = verbosity;
    memset(state.repeats, 0, sizeof(state.repeats));
    state.next_report_ms = 0;
}

void log_set_verbosity(int verbosity)
{
    state.verbosity = verbosity;
}

int log_verbosity(void)
{
    return state.verbosity;
}

void log_set_sink(void (*sink)(void *user, const char *line, size_t n), void *user)
{
    state.sink = sink;
    state.user = user;
}

static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

/* Quoted so that a value can neither end its quotes nor its line. */
static void put_quoted(struct vk_buf *out, struct vk_str s)
{
    vk_buf_addc(out, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = vk_utf8_len(s.p + i, s.n - i);

        if (len == 0 || c < 0x20 || c == 0x7f) {
            if (c == '\n')
                vk_buf_adds(out, "\\n");
            else if (c == '\t')
                vk_buf_adds(out, "\\t");
            else
                vk_buf_printf(out, "\\x%02x", (unsigned)c);
            i++;
            continue;
        }
        if (c == '"' || c == '\\')
            vk_buf_addc(out, '\\');
        vk_buf_add(out, s.p + i, len);
        i += len;
    }
    vk_buf_addc(out, '"');
}

static struct vk_str value_text(const struct log_kv *kv)
{
    struct vk_str s = vk_str_of(kv->str);

    if (s.n > MAX_VALUE_BYTES)
        s.n = MAX_VALUE_BYTES;
    return s;
}

/* The header's time is UTC: a container has no other. */
static void format_text(struct vk_buf *out, enum log_severity sev, const char *file, int line,
                        const char *msg, const struct log_kv *kv, unsigned n)
{
    static const char letters[] = {[LOG_INFO] = 'I', [LOG_WARNING] = 'W', [LOG_ERROR] = 'E'};
    char time[VK_TIME_MAX];

    vk_time_format_us(vk_wall_ns() / 1000, time);
    /* yyyy-mm-ddThh:mm:ss.uuuuuuZ */
    vk_buf_printf(out, "%c%.2s%.2s %.15s %7d %s:%d] ", letters[sev], time + 5, time + 8, time + 11,
                  (int)getpid(), base_name(file), line);
    put_quoted(out, vk_str_of(msg));
    for (unsigned i = 0; i < n; i++) {
        vk_buf_printf(out, " %s=", kv[i].key);
        if (kv[i].kind == LOG_KV_INT)
            vk_buf_printf(out, "%" PRId64, kv[i].num);
        else if (kv[i].kind == LOG_KV_BOOL)
            vk_buf_adds(out, kv[i].num ? "true" : "false");
        else if (kv[i].str)
            put_quoted(out, value_text(&kv[i]));
        else
            vk_buf_adds(out, "<nil>");
    }
    vk_buf_addc(out, '\n');
}

/* As component-base writes it, where "v" marks information; the other severities have no name
 * there, so they get a key of their own. */
static void format_json(struct vk_buf *out, enum log_severity sev, int v, const char *file,
                        int line, const char *msg, const struct log_kv *kv, unsigned n)
{
    struct json_writer w;
    char caller[128];

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_fixed(&w, "ts", vk_wall_ns() / 1000, 3);
    snprintf(caller, sizeof(caller), "%s:%d", base_name(file), line);
    json_put_string(&w, "caller", caller);
    json_put_string(&w, "msg", msg);
    if (sev == LOG_INFO)
        json_put_int(&w, "v", v);
    else
        json_put_string(&w, "severity", sev == LOG_ERROR ? "error" : "warning");
    for (unsigned i = 0; i < n; i++) {
        if (kv[i].kind == LOG_KV_INT)
            json_put_int(&w, kv[i].key, kv[i].num);
        else if (kv[i].kind == LOG_KV_BOOL)
            json_put_bool(&w, kv[i].key, kv[i].num != 0);
        else if (kv[i].str)
            json_put_str(&w, kv[i].key, value_text(&kv[i]));
        else
            json_put_null(&w, kv[i].key);
    }
    json_end_object(&w);
    vk_buf_addc(out, '\n');
}

static void write_stderr(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nowhere to report it to */
        p += done;
        n -= (size_t)done;
    }
}

static void emit(enum log_severity sev, int v, const char *file, int line, const char *msg,
                 const struct log_kv *kv, unsigned n)
{
    if (!state.ready) {
        vk_buf_init(&state.line, MAX_LINE_BYTES);
        state.ready = true;
    }
    vk_buf_clear(&state.line);
    if (n > MAX_PAIRS)
        n = MAX_PAIRS;
    if (state.format == LOG_JSON)
        format_json(&state.line, sev, v, file, line, msg, kv, n);
    else
        format_text(&state.line, sev, file, line, msg, kv, n);
    if (state.sink)
        state.sink(state.user, vk_buf_peek(&state.line), vk_buf_len(&state.line));
    else
        write_stderr(vk_buf_peek(&state.line), vk_buf_len(&state.line));
}

static void report(struct repeat *r)
{
    if (r->hash && r->dropped > 0) {
        const struct log_kv kv[] = {LS("repeated", r->msg), LS("first", r->first),
                                    LI("count", r->dropped)};

        emit(LOG_WARNING, 0, r->file, r->line, "Dropped repeated log lines", kv, VK_COUNT(kv));
    }
    *r = (struct repeat){0};
}

void log_flush_repeats(void)
{
    int64_t now = vk_mono_ms();

    if (state.next_report_ms == 0 || now < state.next_report_ms)
        return;
    state.next_report_ms = 0;
    for (size_t i = 0; i < REPEAT_SLOTS; i++) {
        struct repeat *r = &state.repeats[i];

        if (!r->hash || r->dropped == 0)
            continue;
        if (now >= r->window_end_ms)
            report(r);
        else if (state.next_report_ms == 0 || r->window_end_ms < state.next_report_ms)
            state.next_report_ms = r->window_end_ms;
    }
}

/* FNV-1a; the worst that a chosen collision does is an early report. */
static uint64_t hash_bytes(uint64_t hash, const void *p, size_t n)
{
    const unsigned char *bytes = p;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
    return hash;
}

static void first_value(const struct log_kv *kv, unsigned n, char *out, size_t size)
{
    if (n == 0)
        out[0] = '\0';
    else if (kv[0].kind == LOG_KV_STR)
        vk_strcpy_to(out, size, kv[0].str);
    else
        snprintf(out, size, "%" PRId64, kv[0].num);
}

/* True when the line is one too many of its kind. */
static bool is_repeated(const char *file, int line, const char *msg, const struct log_kv *kv,
                        unsigned n)
{
    int64_t now = vk_mono_ms();
    uint64_t hash = hash_bytes(0xcbf29ce484222325ULL, file, strlen(file));
    struct repeat *r;
    char first[sizeof(r->first)];

    first_value(kv, n, first, sizeof(first));
    hash = hash_bytes(hash, &line, sizeof(line));
    hash = hash_bytes(hash, first, strlen(first)) | 1;
    r = &state.repeats[(hash >> 8) % REPEAT_SLOTS];
    if (r->hash != hash || now >= r->window_end_ms) {
        report(r);
        *r = (struct repeat){.hash = hash,
                             .window_end_ms = now + REPEAT_WINDOW_MS,
                             .file = file,
                             .msg = msg,
                             .line = line};
        memcpy(r->first, first, sizeof(first));
    }
    if (r->written < REPEAT_LIMIT) {
        r->written++;
        return false;
    }
    r->dropped++;
    if (state.next_report_ms == 0 || r->window_end_ms < state.next_report_ms)
        state.next_report_ms = r->window_end_ms;
    return true;
}

void log_write(enum log_severity sev, int v, const char *file, int line, const char *msg,
               const struct log_kv *kv, unsigned n)
{
    if (v > state.verbosity)
        return;
    log_flush_repeats();
    if (!is_repeated(file, line, msg, kv, n))
        emit(sev, v, file, line, msg, kv, n);
}
