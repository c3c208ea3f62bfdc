/* SPDX-License-Identifier: Apache-2.0 */
/* ACI's end of an exec's websocket, in the same loop: TLS with an authority of its own. It writes
 * down what it is sent and says what the test wants. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/buf.h"
#include "base/http_server.h"
#include "base/websocket.h"
#include "tests/unit/base/certificates.h"

#define STREAM_PEER_MUCH ((size_t)64 << 20)

struct stream_peer {
    struct http_server *server;
    struct certificate ca, other_ca, certificate;
    char *ca_file, *other_ca_file;
    int port;
    int refuse; /* answers the handshakes with this status; 0: takes them */
    /* The connection, and what came on it. */
    struct tls_conn *conn; /* NULL: none, or over */
    struct websocket ws;
    char target[128], authorization[64];
    struct vk_buf password; /* the first message, text; exec only */
    bool is_exec, has_password;
    struct vk_buf input;
    size_t longest; /* message of input */
    unsigned messages, connections, closed_code;
    /* What the test does with input; or NULL. */
    void (*on_input)(struct stream_peer *peer);
    void *user;
};

static inline void stream_peer_say(struct stream_peer *p, struct vk_str bytes)
{
    websocket_send(&p->ws, WEBSOCKET_BINARY, bytes);
}

static inline void stream_peer_message(void *user, enum websocket_opcode opcode,
                                       struct vk_str piece, bool first, bool last)
{
    struct stream_peer *p = user;
    static size_t length;

    if (p->is_exec && !p->has_password) {
        assert_int_equal(opcode, WEBSOCKET_TEXT);
        vk_buf_addstr(&p->password, piece);
        p->has_password = last;
        return;
    }
    assert_int_equal(opcode, WEBSOCKET_BINARY);
    length = first ? piece.n : length + piece.n;
    if (last) {
        p->messages++;
        p->longest = length > p->longest ? length : p->longest;
    }
    vk_buf_addstr(&p->input, piece);
    if (last && p->on_input)
        p->on_input(p);
}

static inline void stream_peer_closed_by_client(void *user, unsigned code)
{
    struct stream_peer *p = user;

    p->closed_code = code;
    tls_conn_close(p->conn);
}

static inline void stream_peer_send(void *user, struct vk_str bytes)
{
    struct stream_peer *p = user;

    if (p->conn)
        tls_conn_write(p->conn, bytes);
}

static inline void stream_peer_data(void *user, struct vk_str bytes)
{
    struct stream_peer *p = user;
    struct vk_err err;
    char *copy VK_AUTOFREE = vk_malloc(bytes.n + 1);

    memcpy(copy, bytes.p, bytes.n);
    if (websocket_feed(&p->ws, copy, bytes.n, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void stream_peer_eof(void *user)
{
    struct stream_peer *p = user;

    tls_conn_close(p->conn);
}

static inline void stream_peer_gone(void *user)
{
    struct stream_peer *p = user;

    p->conn = NULL;
}

static inline void stream_peer_drained(void *user)
{
    (void)user;
}

static inline void stream_peer_handle(void *user, struct http_exchange *x)
{
    static const struct tls_listener_events conn_events = {.data = stream_peer_data,
                                                           .drained = stream_peer_drained,
                                                           .eof = stream_peer_eof,
                                                           .closed = stream_peer_gone};
    static const struct websocket_events ws_events = {.message = stream_peer_message,
                                                      .closed = stream_peer_closed_by_client,
                                                      .send = stream_peer_send};
    struct stream_peer *p = user;
    const struct http1_head *head = http_exchange_head(x);
    const char *authorization = http1_header(head, "authorization");
    char accept[29];

    p->connections++;
    if (p->refuse) {
        http_exchange_reply(x, p->refuse, "text/plain", VK_STR("no"));
        return;
    }
    (void)snprintf(p->target, sizeof(p->target), "%s?%s host=%s", head->path, head->query,
                   http1_header(head, "host"));
    (void)snprintf(p->authorization, sizeof(p->authorization), "%s",
                   authorization ? authorization : "");
    p->is_exec = !authorization;
    assert_true(websocket_accept_key(http1_header(head, "sec-websocket-key"), accept));
    websocket_init(&p->ws, &ws_events, p);
    http_exchange_header(x, "Sec-WebSocket-Accept", accept);
    p->conn = http_exchange_upgrade(x, "websocket", &conn_events, p);
}

/* The certificate is for localhost and 127.0.0.1; names: another one's. */
static inline void stream_peer_start(struct stream_peer *p, struct vk_loop *loop, const char *names)
{
    struct vk_err err;

    *p = (struct stream_peer){0};
    p->ca = certificate_authority("aci");
    p->other_ca = certificate_authority("other");
    p->certificate = certificate_server(&p->ca, names);
    p->ca_file = certificate_file(p->ca.cert_pem);
    p->other_ca_file = certificate_file(p->other_ca.cert_pem);
    vk_buf_init(&p->password, 4096);
    vk_buf_init(&p->input, STREAM_PEER_MUCH);
    const struct http_server_config config = {.listener = {.address = "127.0.0.1",
                                                           .cert_pem = p->certificate.cert_pem,
                                                           .key_pem = p->certificate.key_pem},
                                              .max_body = 1024};
    if (http_server_new(loop, &config, stream_peer_handle, p, &p->server, &err) < 0)
        fail_msg("%s", err.msg);
    p->port = http_server_port(p->server);
}

static inline void stream_peer_stop(struct stream_peer *p)
{
    http_server_free(p->server);
    unlink(p->ca_file);
    unlink(p->other_ca_file);
    vk_free(p->ca_file);
    vk_free(p->other_ca_file);
    certificate_release(&p->certificate);
    certificate_release(&p->other_ca);
    certificate_release(&p->ca);
    vk_buf_release(&p->password);
    vk_buf_release(&p->input);
}
