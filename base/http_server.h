/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 server over tls_listener and http1: keep-alive, request bodies with a limit, fixed and
 * chunked answers, upgrades. Deadlines: request head 10 s, body 30 s, idle keep-alive 120 s. The
 * requests of one connection are handled one after the other.
 */
#pragma once

#include "base/arena.h"
#include "base/http1.h"
#include "base/tls_listener.h"

struct http_server;
struct http_exchange; /* one request and its answer */

struct http_server_config {
    struct tls_listener_config listener;
    size_t max_body; /* request body limit; more is answered 413 */
};
/*
 * The request is complete (body included). The handler answers now or later, exactly once; an
 * exchange that it keeps must be watched by http_exchange_on_gone.
 */
typedef void (*http_handler_fn)(void *user, struct http_exchange *x);

VK_MUST_CHECK int http_server_new(struct vk_loop *loop, const struct http_server_config *config,
                                  http_handler_fn handler, void *user, struct http_server **ret,
                                  struct vk_err *err);
void http_server_free(struct http_server *s);
int http_server_port(const struct http_server *s);
struct tls_listener *http_server_listener(struct http_server *s);

/* Borrowed until the answer ends. */
const struct http1_head *http_exchange_head(const struct http_exchange *x);
struct vk_str http_exchange_body(const struct http_exchange *x);
const struct tls_peer *http_exchange_peer(const struct http_exchange *x);
/* Lives until the exchange ends: the handler's scratch memory. */
struct vk_arena *http_exchange_arena(struct http_exchange *x);
/* fn(user) when the client went away (also by a mere FIN) before the answer was complete; the
 * exchange is invalid afterwards. */
void http_exchange_on_gone(struct http_exchange *x, void (*fn)(void *user), void *user);
/* While it is handled a request keeps its connection from making room for others
 * (tls_conn_set_busy), unless the handler says that it is not yet worth it. */
void http_exchange_set_busy(struct http_exchange *x, bool busy);

/* Extra answer headers; before the answer. A Date among them stands for the clock's. */
void http_exchange_header(struct http_exchange *x, const char *name, const char *value);
/* Whole answer, at most 8 MiB: longer ones are streamed. content_type NULL for none. HEAD requests
 * get no body. */
void http_exchange_reply(struct http_exchange *x, int status, const char *content_type,
                         struct vk_str body);
/* Streaming answer: chunked (HTTP/1.0: until close). Then write pieces and end. A cut stream is
 * seen by the client. */
void http_exchange_begin(struct http_exchange *x, int status, const char *content_type);
void http_exchange_write(struct http_exchange *x, struct vk_str piece);
bool http_exchange_is_full(const struct http_exchange *x);
/* fn(user) each time the send queue drained after it was full. */
void http_exchange_on_drained(struct http_exchange *x, void (*fn)(void *user), void *user);
void http_exchange_end(struct http_exchange *x);
/* Closes the connection without ending the body, so that the client sees the cut. */
void http_exchange_abort(struct http_exchange *x);

/*
 * Answers 101 with the extra headers and hands the connection over: from here on bytes go to
 * `events` (data, drained, eof, closed) with conn_user; bytes that had arrived behind the head are
 * delivered first, on the next turn. The exchange is over.
 */
struct tls_conn *http_exchange_upgrade(struct http_exchange *x, const char *protocol,
                                       const struct tls_listener_events *events, void *conn_user);
