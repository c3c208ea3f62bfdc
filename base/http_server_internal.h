/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by http_server.c (connections, requests) and http_exchange.c (answers). */
#pragma once

#include "base/buf.h"
#include "base/http_server.h"

struct http_server {
    struct vk_loop *loop;
    struct tls_listener *listener;
    size_t max_body;
    http_handler_fn handler;
    void *user;
};

enum http_conn_state {
    HTTP_CONN_READING,  /* a request, or waiting for one */
    HTTP_CONN_HANDLING, /* `exchange` is the handler's */
    HTTP_CONN_UPGRADED, /* bytes belong to `upgraded` */
    HTTP_CONN_CLOSING,
};

struct http_conn {
    struct http_server *server;
    struct tls_conn *tls;
    enum http_conn_state state;
    struct http1_parser *parser;
    struct vk_buf body;
    struct vk_buf ahead; /* bytes behind the request that is being handled */
    struct http_exchange *exchange;
    struct vk_timer deadline;
    size_t queued_before;   /* of the answer, when the idle deadline was armed */
    struct vk_timer resume; /* next turn: go on with `ahead` */
    bool in_message;        /* from the first byte of a head to the end of the body */
    bool has_served;        /* some request was answered: the connection is kept alive */
    bool is_pumping;
    bool is_paused; /* by us, for too much in `ahead` */
    bool has_eof;
    bool close_after; /* the answer under way is the last one */
    struct tls_listener_events upgraded;
    void *upgraded_user;
};

struct http_exchange *http_exchange_new(struct http_conn *c);
/* The client went away: the handler hears of it once. NULL is fine. */
void http_exchange_lost(struct http_exchange *x);
/* NULL is fine. The send queue drained. */
void http_exchange_drained(struct http_exchange *x);
/* Answers what no handler sees: malformed, late, oversized requests. The connection ends with it.
 */
void http_conn_refuse(struct http_conn *c, int status, const char *text);
/* The answer is complete: close, or go on with the next request. */
void http_conn_answered(struct http_conn *c);
