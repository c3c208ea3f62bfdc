/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: whole, streamed, refused, upgraded. */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/http_server_internal.h"

#define MAX_EXTRA_HEADERS (16 * 1024)

enum answer_state { ANSWER_NONE, ANSWER_STREAMING };

struct http_exchange {
    struct http_conn *conn;
    struct vk_arena *arena;
    enum answer_state answer;
    bool is_chunked, has_date;
    struct vk_buf headers;
    void (*gone)(void *user);
    void *gone_user;
    void (*drained)(void *user);
    void *drained_user;
};

struct http_exchange *http_exchange_new(struct http_conn *c)
{
    struct http_exchange *x = vk_calloc(1, sizeof(*x));

    x->conn = c;
    x->arena = vk_arena_new();
    vk_buf_init(&x->headers, MAX_EXTRA_HEADERS);
    return x;
}

static void exchange_free(struct http_exchange *x)
{
    x->conn->exchange = NULL;
    vk_buf_release_secret(&x->conn->body);
    vk_buf_release(&x->headers);
    vk_arena_free(x->arena);
    vk_free(x);
}

void http_exchange_lost(struct http_exchange *x)
{
    if (!x)
        return;
    if (x->gone)
        x->gone(x->gone_user);
    exchange_free(x);
}

void http_exchange_drained(struct http_exchange *x)
{
    if (x && x->drained)
        x->drained(x->drained_user);
}

/* ---- answers ---- */

static void write_text(struct http_conn *c, const struct vk_buf *text)
{
    tls_conn_write(c->tls, vk_buf_str(text));
}

static void add_date(struct vk_buf *out)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)(vk_wall_ms() / 1000);
    struct tm t;

    if (gmtime_r(&now, &t))
        vk_buf_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[t.tm_wday],
                      t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/* Header values may carry what a peer sent: control characters must not end the line. */
static void add_header(struct vk_buf *out, const char *name, const char *value)
{
    vk_buf_adds(out, name);
    vk_buf_adds(out, ": ");
    for (; *value; value++)
        vk_buf_addc(out, (unsigned char)*value < ' ' || *value == 0x7f ? ' ' : *value);
    vk_buf_adds(out, "\r\n");
}

static void add_status_line(struct vk_buf *out, int status)
{
    vk_buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http1_reason(status));
}

static bool status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static void add_connection(struct vk_buf *out, const struct http_conn *c, int minor)
{
    if (c->close_after)
        vk_buf_adds(out, "Connection: close\r\n");
    else if (minor == 0)
        vk_buf_adds(out, "Connection: keep-alive\r\n");
}

void http_conn_refuse(struct http_conn *c, int status, const char *text)
{
    struct vk_buf out VK_BUF_AUTO;

    vk_buf_init(&out, MAX_EXTRA_HEADERS);
    c->close_after = true;
    c->state = HTTP_CONN_CLOSING;
    add_status_line(&out, status);
    add_date(&out);
    vk_buf_printf(&out,
                  "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                  "Connection: close\r\n\r\n%s\n",
                  strlen(text) + 1, text);
    write_text(c, &out);
    vk_timer_disarm(&c->deadline);
    tls_conn_close(c->tls);
}

static bool is_head_request(const struct http_exchange *x)
{
    return vk_streq(http1_parser_head(x->conn->parser)->method, "HEAD");
}

static void begin_answer(struct http_exchange *x, int status, const char *content_type,
                         const char *framing)
{
    const struct http1_head *head = http1_parser_head(x->conn->parser);
    struct vk_buf out VK_BUF_AUTO;

    assert(x->answer == ANSWER_NONE);
    vk_buf_init(&out, 2 * MAX_EXTRA_HEADERS);
    add_status_line(&out, status);
    if (!x->has_date)
        add_date(&out);
    if (content_type)
        add_header(&out, "Content-Type", content_type);
    vk_buf_addstr(&out, vk_buf_str(&x->headers));
    vk_buf_adds(&out, framing);
    add_connection(&out, x->conn, head->minor);
    vk_buf_adds(&out, "\r\n");
    write_text(x->conn, &out);
}

static void finish_answer(struct http_exchange *x)
{
    struct http_conn *c = x->conn;

    exchange_free(x);
    http_conn_answered(c);
}

void http_exchange_header(struct http_exchange *x, const char *name, const char *value)
{
    assert(x->answer == ANSWER_NONE);
    x->has_date = x->has_date || vk_strieq(name, "Date");
    add_header(&x->headers, name, value);
}

void http_exchange_reply(struct http_exchange *x, int status, const char *content_type,
                         struct vk_str body)
{
    char framing[64] = "";

    if (status_has_body(status))
        snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", body.n);
    begin_answer(x, status, content_type, framing);
    if (status_has_body(status) && !is_head_request(x))
        tls_conn_write(x->conn->tls, body);
    finish_answer(x);
}

void http_exchange_begin(struct http_exchange *x, int status, const char *content_type)
{
    x->is_chunked = http1_parser_head(x->conn->parser)->minor > 0;
    if (!x->is_chunked)
        x->conn->close_after = true;
    begin_answer(x, status, content_type, x->is_chunked ? "Transfer-Encoding: chunked\r\n" : "");
    x->answer = ANSWER_STREAMING;
}

void http_exchange_write(struct http_exchange *x, struct vk_str piece)
{
    struct tls_conn *tls = x->conn->tls;
    char size[32];

    assert(x->answer == ANSWER_STREAMING);
    if (piece.n == 0 || is_head_request(x))
        return;
    if (!x->is_chunked) {
        tls_conn_write(tls, piece);
        return;
    }
    snprintf(size, sizeof(size), "%zx\r\n", piece.n);
    tls_conn_write(tls, vk_str_of(size));
    tls_conn_write(tls, piece);
    tls_conn_write(tls, VK_STR("\r\n"));
}

void http_exchange_end(struct http_exchange *x)
{
    assert(x->answer == ANSWER_STREAMING);
    if (x->is_chunked && !is_head_request(x))
        tls_conn_write(x->conn->tls, VK_STR("0\r\n\r\n"));
    finish_answer(x);
}

void http_exchange_abort(struct http_exchange *x)
{
    struct http_conn *c = x->conn;
    /* Without chunks only a reset tells a cut from an end. */
    bool must_reset = x->answer == ANSWER_NONE || !x->is_chunked;

    exchange_free(x);
    c->state = HTTP_CONN_CLOSING;
    if (must_reset)
        tls_conn_abort(c->tls);
    else
        tls_conn_close(c->tls);
}

bool http_exchange_is_full(const struct http_exchange *x)
{
    return tls_conn_is_full(x->conn->tls);
}

void http_exchange_on_gone(struct http_exchange *x, void (*fn)(void *user), void *user)
{
    x->gone = fn;
    x->gone_user = user;
}

void http_exchange_set_busy(struct http_exchange *x, bool busy)
{
    tls_conn_set_busy(x->conn->tls, busy);
}

void http_exchange_on_drained(struct http_exchange *x, void (*fn)(void *user), void *user)
{
    x->drained = fn;
    x->drained_user = user;
}

const struct http1_head *http_exchange_head(const struct http_exchange *x)
{
    return http1_parser_head(x->conn->parser);
}

struct vk_str http_exchange_body(const struct http_exchange *x)
{
    return vk_buf_str(&x->conn->body);
}

const struct tls_peer *http_exchange_peer(const struct http_exchange *x)
{
    return tls_conn_peer(x->conn->tls);
}

struct vk_arena *http_exchange_arena(struct http_exchange *x)
{
    return x->arena;
}

struct tls_conn *http_exchange_upgrade(struct http_exchange *x, const char *protocol,
                                       const struct tls_listener_events *events, void *conn_user)
{
    struct http_conn *c = x->conn;
    struct vk_buf out VK_BUF_AUTO;

    assert(x->answer == ANSWER_NONE);
    vk_buf_init(&out, 2 * MAX_EXTRA_HEADERS);
    vk_buf_adds(&out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n");
    add_header(&out, "Upgrade", protocol);
    vk_buf_addstr(&out, vk_buf_str(&x->headers));
    vk_buf_adds(&out, "\r\n");
    write_text(c, &out);
    exchange_free(x);
    c->state = HTTP_CONN_UPGRADED;
    c->upgraded = *events;
    c->upgraded_user = conn_user;
    /* Bytes that arrived behind the head; and nothing may be sent before the client's first. */
    vk_timer_arm(&c->resume, 0);
    return c->tls;
}
