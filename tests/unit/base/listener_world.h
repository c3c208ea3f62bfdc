/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop, certificates, one listener whose connections behave as told, and blocking clients in
 * threads of their own. Includes the listener's source for its deadlines, which would take seconds
 * to wait for.
 */
#pragma once

#include "base/tls_listener.c"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/base/certificates.h"

#define PATIENCE_MS 60000

enum behaviour { ECHO_BACK, CLOSE_AFTER_GREETING, SAY_RECORDS, FLOOD, FLOOD_BLINDLY, STAY_SILENT };

struct world {
    struct vk_loop *loop;
    struct certificate ca, foreign_ca, server;
    char *ca_file;
    struct tls_listener *listener;
    enum behaviour behaviour;
    struct tls_peer peer;
    struct tls_conn *last;
    int opened, closed, eofs;
    bool has_opened, has_closed, has_eof;
    size_t most_queued, drained;
};

struct conn_user {
    struct world *w;
    struct tls_conn *conn;
    bool is_closed;
};

static const char greeting[] = "greeting";

static inline void flood(struct conn_user *u)
{
    static const char piece[10000] = {'x'};
    struct world *w = u->w;

    while (!tls_conn_is_full(u->conn) || w->behaviour == FLOOD_BLINDLY) {
        tls_conn_write(u->conn, (struct vk_str){piece, sizeof(piece)});
        if (u->conn->state != CONN_OPEN)
            break;
        if (tls_conn_queued(u->conn) > w->most_queued)
            w->most_queued = tls_conn_queued(u->conn);
    }
}

static inline void *world_opened(void *user, struct tls_conn *conn)
{
    struct world *w = user;
    struct conn_user *u = vk_calloc(1, sizeof(*u));

    *u = (struct conn_user){.w = w, .conn = conn};
    w->opened++;
    w->has_opened = true;
    w->last = conn;
    w->peer = *tls_conn_peer(conn);
    if (w->behaviour == FLOOD || w->behaviour == FLOOD_BLINDLY)
        flood(u);
    if (w->behaviour == SAY_RECORDS) {
        tls_conn_write(conn, VK_STR("before "));
        tls_conn_write(conn, VK_STR("them"));
        tls_conn_set_records(conn);
        tls_conn_write(conn, VK_STR("a"));
        tls_conn_write(conn, VK_STR(""));
        tls_conn_write(conn, VK_STR("bb"));
        tls_conn_write(conn, VK_STR("ccc"));
        tls_conn_close(conn);
    }
    if (w->behaviour == CLOSE_AFTER_GREETING) {
        tls_conn_write(conn, vk_str_of(greeting));
        tls_conn_close(conn);
        tls_conn_close(conn);
    }
    return u;
}

static inline void world_data(void *user, struct vk_str bytes)
{
    struct conn_user *u = user;

    assert_true(bytes.n > 0);
    assert_false(u->conn->paused);
    if (u->w->behaviour != ECHO_BACK)
        return;
    tls_conn_write(u->conn, bytes);
    if (tls_conn_is_full(u->conn))
        tls_conn_pause(u->conn, true);
    if (tls_conn_queued(u->conn) > u->w->most_queued)
        u->w->most_queued = tls_conn_queued(u->conn);
}

static inline void world_drained(void *user)
{
    struct conn_user *u = user;

    assert_true(tls_conn_queued(u->conn) <= LOW_WATER);
    u->w->drained++;
    if (u->w->behaviour == FLOOD)
        flood(u);
    tls_conn_pause(u->conn, false);
}

static inline void world_eof(void *user)
{
    struct conn_user *u = user;

    u->w->eofs++;
    u->w->has_eof = true;
    tls_conn_close(u->conn);
}

static inline void world_closed(void *user)
{
    struct conn_user *u = user;

    assert_false(u->is_closed);
    u->w->closed++;
    u->w->has_closed = true;
    vk_free(u);
}

static const struct tls_listener_events world_events = {world_opened, world_data, world_drained,
                                                        world_eof, world_closed};

static inline struct tls_listener_config world_config(const struct world *w, bool plain)
{
    return (struct tls_listener_config){.address = "127.0.0.1",
                                        .plain = plain,
                                        .cert_pem = w->server.cert_pem,
                                        .key_pem = w->server.key_pem,
                                        .client_ca_file = w->ca_file};
}

static inline void world_listen_config(struct world *w, const struct tls_listener_config *config)
{
    struct vk_err err;

    if (tls_listener_new(w->loop, config, &world_events, w, &w->listener, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void world_listen(struct world *w, bool plain)
{
    struct tls_listener_config config = world_config(w, plain);

    world_listen_config(w, &config);
}

static inline int set_up(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    w->loop = vk_loop_new();
    w->ca = certificate_authority("ca");
    w->foreign_ca = certificate_authority("ca"); /* the same name, another key */
    w->server = certificate_server(&w->ca, "IP:127.0.0.1");
    w->ca_file = certificate_file(w->ca.cert_pem);
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;
    int opened = w->opened;

    tls_listener_free(w->listener);
    vk_loop_free(w->loop);
    certificate_release(&w->ca);
    certificate_release(&w->foreign_ca);
    certificate_release(&w->server);
    unlink(w->ca_file);
    vk_free(w->ca_file);
    opened -= w->closed;
    vk_free(w);
    return opened; /* each opened connection was closed once */
}

/* ---- clients: blocking, in a thread of their own; they never assert ---- */

struct client {
    struct world *w;
    void (*script)(struct client *c);
    const struct certificate *certificate;
    bool plain;
    int max_version; /* 0: any */
    const char *alpn;
    size_t alpn_n, limit;
    pthread_t thread;
    int fd;
    SSL *ssl;
    /* results */
    bool connected;
    char alpn_chosen[32];
    char server_serial[64];
    size_t received;
    bool intact, saw_eof;
    bool done;
};

static inline void client_connect(struct client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)c->w->listener->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->connected = connect(c->fd, (const void *)&to, sizeof(to)) == 0;
}

static inline void client_shake_hands(struct client *c)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    const unsigned char *chosen = NULL;
    unsigned n = 0;

    if (c->max_version)
        SSL_CTX_set_max_proto_version(ctx, c->max_version);
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (c->certificate) {
        SSL_CTX_use_certificate(ctx, c->certificate->x509);
        SSL_CTX_use_PrivateKey(ctx, c->certificate->key);
    }
    if (c->alpn)
        SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)c->alpn, (unsigned)c->alpn_n);
    c->ssl = SSL_new(ctx);
    SSL_set_fd(c->ssl, c->fd);
    c->connected = SSL_connect(c->ssl) == 1;
    if (c->connected) {
        X509 *server = SSL_get1_peer_certificate(c->ssl);

        snprintf(c->server_serial, sizeof(c->server_serial), "%ld",
                 ASN1_INTEGER_get(X509_get0_serialNumber(server)));
        X509_free(server);
        SSL_get0_alpn_selected(c->ssl, &chosen, &n);
        snprintf(c->alpn_chosen, sizeof(c->alpn_chosen), "%.*s", (int)n, (const char *)chosen);
    }
    SSL_CTX_free(ctx);
}

static inline ssize_t client_read(struct client *c, void *buf, size_t n)
{
    return c->ssl ? SSL_read(c->ssl, buf, (int)n) : read(c->fd, buf, n);
}

static inline bool client_send(struct client *c, const char *p, size_t n)
{
    if (c->ssl)
        return SSL_write(c->ssl, p, (int)n) == (int)n;
    return send(c->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static inline void client_read_to_end(struct client *c)
{
    char buf[20000];
    ssize_t n;

    while ((n = client_read(c, buf, sizeof(buf))) > 0)
        c->received += (size_t)n;
    c->saw_eof = n == 0;
}

static inline void on_client_done(void *user)
{
    ((struct client *)user)->done = true;
}

static inline void *client_run(void *user)
{
    struct client *c = user;

    client_connect(c);
    if (c->connected && !c->plain)
        client_shake_hands(c);
    if (c->connected && c->script)
        c->script(c);
    if (c->ssl && c->connected)
        SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    vk_loop_post(c->w->loop, on_client_done, c);
    return NULL;
}

static inline void client_start(struct world *w, struct client *c)
{
    c->w = w;
    assert_int_equal(pthread_create(&c->thread, NULL, client_run, c), 0);
}

static inline void client_wait(struct client *c)
{
    assert_true(vk_loop_run_until(c->w->loop, &c->done, PATIENCE_MS));
    pthread_join(c->thread, NULL);
}

static inline void wait_for_close(struct world *w)
{
    w->has_closed = w->closed == w->opened;
    assert_true(vk_loop_run_until(w->loop, &w->has_closed, PATIENCE_MS));
}

static inline void wait_for_nobody(const struct world *w)
{
    bool never = false;

    for (int left_ms = PATIENCE_MS; w->listener->count > 0 && left_ms > 0; left_ms--)
        (void)vk_loop_run_until(w->loop, &never, 1);
    assert_int_equal(w->listener->count, 0);
}

static inline void run_client(struct world *w, struct client *c)
{
    client_start(w, c);
    client_wait(c);
    if (w->opened)
        wait_for_close(w);
}

static inline void say_hello(struct client *c)
{
    char buf[5];

    c->intact =
        client_send(c, "hello", 5) && client_read(c, buf, 5) == 5 && !memcmp(buf, "hello", 5);
}

static inline int connect_plainly(const struct world *w)
{
    struct client c = {.w = (struct world *)(uintptr_t)w};

    client_connect(&c);
    assert_true(c.connected);
    return c.fd;
}

static inline void assert_eof_or_reset(int fd)
{
    char c;

    assert_true(read(fd, &c, 1) <= 0);
    close(fd);
}
