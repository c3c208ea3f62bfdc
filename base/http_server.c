/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and requests; answers are in http_exchange.c. */
#include "base/http_server.h"

#include <string.h>

#include "base/alloc.h"
#include "base/http_server_internal.h"

#define HEAD_MS 10000
#define BODY_MS 30000
/* Nothing asked, or nothing taken of a complete answer. */
#define IDLE_MS 120000
/* Requests sent ahead, or the first bytes of an upgraded protocol. */
#define MAX_AHEAD (64 * 1024)
#define AHEAD_HIGH_WATER (16 * 1024)

/* ---- requests ---- */

static void begin_message(struct http_conn *c)
{
    c->in_message = true;
    /* The first request's time runs since the connection was opened. */
    if (c->has_served)
        vk_timer_arm(&c->deadline, HEAD_MS);
}

static void begin_body(struct http_conn *c)
{
    const struct http1_head *head = http1_parser_head(c->parser);

    vk_buf_init(&c->body, c->server->max_body);
    if (head->content_length > 0 && (uint64_t)head->content_length > c->server->max_body) {
        http_conn_refuse(c, 413, "the request body is over the limit");
        return;
    }
    if (!head->chunked && head->content_length <= 0)
        return;
    vk_timer_arm(&c->deadline, BODY_MS);
    if (head->expect_continue)
        tls_conn_write(c->tls, VK_STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void add_body(struct http_conn *c, struct vk_str piece)
{
    vk_buf_addstr(&c->body, piece);
    if (c->body.failed)
        http_conn_refuse(c, 413, "the request body is over the limit");
}

static void handle_request(struct http_conn *c)
{
    vk_timer_disarm(&c->deadline);
    c->in_message = false;
    c->has_served = true;
    c->close_after = !http1_parser_head(c->parser)->keep_alive;
    c->state = HTTP_CONN_HANDLING;
    tls_conn_set_busy(c->tls, true);
    c->exchange = http_exchange_new(c);
    c->server->handler(c->server->user, c->exchange);
}

/* False when more input is needed. */
static bool read_on(struct http_conn *c, struct vk_str *in)
{
    struct vk_str piece = {0};

    switch (http1_parser_feed(c->parser, in, &piece)) {
    case HTTP1_NEED_MORE:
        return false;
    case HTTP1_HEAD:
        begin_body(c);
        break;
    case HTTP1_BODY:
        add_body(c, piece);
        break;
    case HTTP1_MESSAGE_END:
        handle_request(c);
        break;
    case HTTP1_ERROR:
        http_conn_refuse(c, http1_parser_status(c->parser), "the request is malformed");
        break;
    }
    return true;
}

/* Keeps what cannot be read now; a client far ahead is not read from until there is room. */
static void stash(struct http_conn *c, struct vk_str bytes)
{
    vk_buf_addstr(&c->ahead, bytes);
    if (c->ahead.failed) {
        tls_conn_abort(c->tls);
    } else if (vk_buf_len(&c->ahead) > AHEAD_HIGH_WATER) {
        c->is_paused = true;
        tls_conn_pause(c->tls, true);
    }
}

/* Reads requests one after the other, as long as the answers come at once and are taken. */
static void pump(struct http_conn *c, struct vk_str in)
{
    c->is_pumping = true;
    while (c->state == HTTP_CONN_READING) {
        if (!c->in_message) {
            if (in.n == 0 || tls_conn_is_full(c->tls))
                break;
            begin_message(c);
        }
        if (!read_on(c, &in))
            break;
    }
    c->is_pumping = false;
    if (in.n > 0 && c->state != HTTP_CONN_CLOSING)
        stash(c, in);
    else if (c->has_eof && c->state == HTTP_CONN_READING)
        tls_conn_close(c->tls);
}

static bool has_backlog(const struct http_conn *c)
{
    return vk_buf_len(&c->ahead) > 0 || vk_timer_is_armed(&c->resume);
}

static void give_upgraded(struct http_conn *c, struct vk_str bytes)
{
    if (bytes.n > 0)
        c->upgraded.data(c->upgraded_user, bytes);
    if (c->has_eof && c->upgraded.eof)
        c->upgraded.eof(c->upgraded_user);
}

static void on_resume(void *user)
{
    struct http_conn *c = user;
    struct vk_buf taken = c->ahead;

    vk_buf_init(&c->ahead, MAX_AHEAD);
    if (c->is_paused) {
        c->is_paused = false;
        tls_conn_pause(c->tls, false);
    }
    if (c->state == HTTP_CONN_UPGRADED)
        give_upgraded(c, vk_buf_str(&taken));
    else if (c->state == HTTP_CONN_READING)
        pump(c, vk_buf_str(&taken));
    vk_buf_release_secret(&taken);
}

void http_conn_answered(struct http_conn *c)
{
    tls_conn_set_busy(c->tls, false);
    if (c->close_after) {
        c->state = HTTP_CONN_CLOSING;
        tls_conn_close(c->tls);
        return;
    }
    c->state = HTTP_CONN_READING;
    c->queued_before = tls_conn_queued(c->tls);
    vk_timer_arm(&c->deadline, IDLE_MS);
    /* Not from inside the answering function: the next handler would run on its stack. */
    if (!c->is_pumping && vk_buf_len(&c->ahead) > 0)
        vk_timer_arm(&c->resume, 0);
}

static void on_deadline(void *user)
{
    struct http_conn *c = user;
    size_t queued = tls_conn_queued(c->tls);

    if (c->in_message) {
        http_conn_refuse(c, 408, "the request took too long");
    } else if (queued > 0 && queued < c->queued_before) {
        c->queued_before = queued;
        vk_timer_arm(&c->deadline, IDLE_MS);
    } else if (queued > 0) {
        tls_conn_abort(c->tls);
    } else {
        c->state = HTTP_CONN_CLOSING;
        tls_conn_close(c->tls);
    }
}

/* ---- connections ---- */

static void *on_opened(void *user, struct tls_conn *tls)
{
    struct http_server *s = user;
    struct http_conn *c = vk_calloc(1, sizeof(*c));

    c->server = s;
    c->tls = tls;
    c->parser = http1_parser_new();
    vk_buf_init(&c->body, 0);
    vk_buf_init(&c->ahead, MAX_AHEAD);
    vk_timer_init(&c->deadline, s->loop, "http request", on_deadline, c);
    vk_timer_init(&c->resume, s->loop, "http resume", on_resume, c);
    vk_timer_arm(&c->deadline, HEAD_MS);
    return c;
}

static void on_data(void *conn_user, struct vk_str bytes)
{
    struct http_conn *c = conn_user;

    switch (c->state) {
    case HTTP_CONN_READING:
        if (has_backlog(c))
            stash(c, bytes);
        else
            pump(c, bytes);
        break;
    case HTTP_CONN_HANDLING:
        stash(c, bytes);
        break;
    case HTTP_CONN_UPGRADED:
        if (has_backlog(c))
            stash(c, bytes);
        else
            give_upgraded(c, bytes);
        break;
    case HTTP_CONN_CLOSING:
        break;
    }
}

static void on_drained(void *conn_user)
{
    struct http_conn *c = conn_user;

    if (c->state == HTTP_CONN_UPGRADED) {
        if (c->upgraded.drained)
            c->upgraded.drained(c->upgraded_user);
    } else if (c->state == HTTP_CONN_HANDLING) {
        http_exchange_drained(c->exchange);
    } else if (vk_buf_len(&c->ahead) > 0) {
        vk_timer_arm(&c->resume, 0);
    }
}

/* As Go's server does it, a FIN while a request is handled means that the client gave up. */
static void on_eof(void *conn_user)
{
    struct http_conn *c = conn_user;

    c->has_eof = true;
    if (has_backlog(c) && c->state != HTTP_CONN_HANDLING)
        return;
    if (c->state == HTTP_CONN_UPGRADED) {
        give_upgraded(c, (struct vk_str){0});
        return;
    }
    c->state = HTTP_CONN_CLOSING;
    vk_timer_disarm(&c->deadline);
    http_exchange_lost(c->exchange);
    tls_conn_close(c->tls);
}

static void on_closed(void *conn_user)
{
    struct http_conn *c = conn_user;

    vk_timer_disarm(&c->deadline);
    vk_timer_disarm(&c->resume);
    http_exchange_lost(c->exchange);
    if (c->state == HTTP_CONN_UPGRADED)
        c->upgraded.closed(c->upgraded_user);
    http1_parser_free(c->parser);
    vk_buf_release_secret(&c->body);
    vk_buf_release_secret(&c->ahead);
    vk_free(c);
}

/* ---- server ---- */

int http_server_new(struct vk_loop *loop, const struct http_server_config *config,
                    http_handler_fn handler, void *user, struct http_server **ret,
                    struct vk_err *err)
{
    static const struct tls_listener_events events = {
        .opened = on_opened,
        .data = on_data,
        .drained = on_drained,
        .eof = on_eof,
        .closed = on_closed,
    };
    struct http_server *s = vk_calloc(1, sizeof(*s));

    *s = (struct http_server){
        .loop = loop, .max_body = config->max_body, .handler = handler, .user = user};
    if (tls_listener_new(loop, &config->listener, &events, s, &s->listener, err) < 0) {
        vk_free(s);
        return -(int)err->code;
    }
    *ret = s;
    return 0;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    tls_listener_free(s->listener);
    vk_free(s);
}

int http_server_port(const struct http_server *s)
{
    return tls_listener_port(s->listener);
}

struct tls_listener *http_server_listener(struct http_server *s)
{
    return s->listener;
}
