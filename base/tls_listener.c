/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls_listener.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/record_cuts.h"
#include "base/tcp.h"
#include "base/tcp_silence.h"
#include "base/tls.h"

#define DEFAULT_MAX_CONNECTIONS 2000
/* As long as an API server waits for it: a machine that stood still for some seconds has all
 * handshakes of that time before it, and who asked for an exec would see a reset. */
#define HANDSHAKE_MS 10000
#define LINGER_MS 3000
/* A peer that takes nothing of what is left to send for this long is given up when closing. */
#define FLUSH_STALL_MS 30000
#define NO_DESCRIPTOR_PAUSE_MS 100
#define HIGH_WATER (256 * 1024)
#define LOW_WATER (64 * 1024)
#define MAX_QUEUED (8 * 1024 * 1024)
#define RECORD (16 * 1024)
/* Fairness: at most this many reads or writes of one connection per event. */
#define OPERATIONS_PER_EVENT 16
#define ACCEPTS_PER_EVENT 64

enum conn_state {
    CONN_HANDSHAKE,
    CONN_OPEN,
    CONN_CLOSING,   /* tls_conn_close was called: the queue is flushed, input is dropped */
    CONN_LINGERING, /* our FIN is out: input is dropped until the peer's */
    CONN_DEAD,      /* no descriptor; memory goes on the next turn */
};

struct tls_conn {
    struct tls_listener *listener;
    struct vk_list link;       /* listener->conns or ->dead */
    struct vk_list dirty_link; /* listener->dirty: written outside of the connection's own event */
    enum conn_state state;
    int fd;
    struct vk_fd *source;
    SSL *ssl; /* NULL for plain connections */
    struct vk_buf out;
    struct record_cuts cuts;  /* of out */
    struct vk_timer deadline; /* handshake, stalled flush, lingering */
    struct tcp_silence silence;
    bool is_opened; /* `opened` was called, `closed` is owed */
    bool in_event;  /* its handler runs and will flush */
    bool is_full;   /* passed the high-water mark, not yet back below the low one */
    bool paused, has_eof, is_busy, has_records;
    bool read_wants_write, write_wants_read, handshake_wants_write;
    bool verification_failed;
    unsigned generation; /* of the listener's contexts when the peer was last verified */
    struct tls_peer peer;
    void *user;
};

struct tls_listener {
    struct vk_loop *loop;
    struct tls_listener_events events;
    void *user;
    bool plain;
    unsigned max_connections, count;
    SSL_CTX *ctx;
    unsigned generation; /* counts reloads */
    int fd, port;
    struct vk_fd *source;
    struct vk_timer accept_again; /* after the process ran out of descriptors */
    struct vk_timer sweep;        /* next turn: flush `dirty`, free `dead` */
    struct vk_list conns, dirty, dead;
};

/* ---- one interface over TLS and plain sockets ---- */

enum io { IO_OK, IO_AGAIN, IO_EOF, IO_ERROR };

static enum io ssl_outcome(struct tls_conn *c, int rc, bool is_read)
{
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        if (!is_read)
            c->write_wants_read = true;
        return IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        if (is_read)
            c->read_wants_write = true;
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    default:
        ERR_clear_error();
        return IO_ERROR;
    }
}

static enum io conn_read(struct tls_conn *c, char *buf, size_t size, size_t *ret_n)
{
    ssize_t n;

    c->read_wants_write = false;
    if (c->ssl) {
        int rc;

        ERR_clear_error();
        rc = SSL_read_ex(c->ssl, buf, size, ret_n);
        return rc == 1 ? IO_OK : ssl_outcome(c, rc, true);
    }
    n = read(c->fd, buf, size);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_ERROR;
    *ret_n = (size_t)n;
    return n ? IO_OK : IO_EOF;
}

static enum io conn_send(struct tls_conn *c, const char *p, size_t n, size_t *ret_n)
{
    ssize_t sent;

    c->write_wants_read = false;
    if (c->ssl) {
        int rc;

        ERR_clear_error();
        rc = SSL_write_ex(c->ssl, p, n, ret_n);
        return rc == 1 ? IO_OK : ssl_outcome(c, rc, false);
    }
    sent = send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_ERROR;
    *ret_n = (size_t)sent;
    return IO_OK;
}

/* ---- life and death ---- */

static void conn_kill(struct tls_conn *c, bool reset)
{
    struct tls_listener *l = c->listener;

    if (c->state == CONN_DEAD)
        return;
    c->state = CONN_DEAD;
    vk_timer_disarm(&c->deadline);
    tcp_silence_stop(&c->silence);
    vk_fd_remove(vk_take(c->source));
    if (reset)
        tcp_reset_at_close(c->fd);
    SSL_free(vk_take(c->ssl));
    close(c->fd);
    vk_list_remove(&c->dirty_link);
    vk_list_remove(&c->link);
    vk_list_add_tail(&l->dead, &c->link);
    l->count--;
    vk_timer_arm(&l->sweep, 0);
}

static void conn_free(struct tls_conn *c)
{
    vk_list_remove(&c->link);
    if (c->is_opened)
        c->listener->events.closed(c->user);
    /* Answers may hold what must not stay in memory. */
    vk_buf_release_secret(&c->out);
    record_cuts_release(&c->cuts);
    vk_free(c);
}

static void on_deadline(void *user)
{
    conn_kill(user, true);
}

static void conn_update_events(struct tls_conn *c)
{
    uint32_t events = 0;
    bool wants_input = !c->has_eof && (!c->paused || c->state != CONN_OPEN);

    if (c->state == CONN_DEAD)
        return;
    if (wants_input || c->write_wants_read)
        events |= EPOLLIN;
    if (c->handshake_wants_write || c->read_wants_write ||
        (vk_buf_len(&c->out) > 0 && !c->write_wants_read))
        events |= EPOLLOUT;
    vk_fd_set_events(c->source, events);
}

/* ---- sending ---- */

static void conn_begin_linger(struct tls_conn *c)
{
    c->state = CONN_LINGERING;
    if (c->ssl) {
        ERR_clear_error();
        SSL_shutdown(c->ssl);
        ERR_clear_error();
    }
    shutdown(c->fd, SHUT_WR);
    if (c->has_eof)
        conn_kill(c, false);
    else
        vk_timer_arm(&c->deadline, LINGER_MS);
}

static void conn_report_drained(struct tls_conn *c)
{
    if (!c->is_full || vk_buf_len(&c->out) > LOW_WATER)
        return;
    c->is_full = false;
    if (c->state == CONN_OPEN)
        c->listener->events.drained(c->user);
}

static void conn_flush(struct tls_conn *c)
{
    for (int i = 0; i < OPERATIONS_PER_EVENT && c->state != CONN_DEAD; i++) {
        size_t left = record_cuts_next(&c->cuts, vk_buf_len(&c->out)), sent = 0;
        enum io outcome;

        if (left == 0)
            break;
        outcome = conn_send(c, vk_buf_peek(&c->out), left < RECORD ? left : RECORD, &sent);
        if (outcome == IO_AGAIN)
            break;
        if (outcome != IO_OK) {
            conn_kill(c, false);
            return;
        }
        vk_buf_consume(&c->out, sent);
        record_cuts_take(&c->cuts, sent);
        if (c->state == CONN_CLOSING)
            vk_timer_arm(&c->deadline, FLUSH_STALL_MS);
        conn_report_drained(c);
    }
    if (c->state == CONN_CLOSING && vk_buf_len(&c->out) == 0)
        conn_begin_linger(c);
}

/* ---- receiving ---- */

static void conn_receive(struct tls_conn *c)
{
    static char buf[RECORD];

    for (int i = 0; i < OPERATIONS_PER_EVENT; i++) {
        size_t n = 0;

        if (c->state == CONN_DEAD || c->has_eof || (c->paused && c->state == CONN_OPEN))
            return;
        switch (conn_read(c, buf, sizeof(buf), &n)) {
        case IO_OK:
            if (c->state == CONN_OPEN)
                c->listener->events.data(c->user, (struct vk_str){.p = buf, .n = n});
            break;
        case IO_AGAIN:
            return;
        case IO_EOF:
            c->has_eof = true;
            if (c->state == CONN_LINGERING)
                conn_kill(c, false);
            else if (c->state == CONN_OPEN)
                c->listener->events.eof(c->user);
            return;
        case IO_ERROR:
            conn_kill(c, false);
            return;
        }
    }
}

static void conn_open(struct tls_conn *c)
{
    struct tls_listener *l = c->listener;

    vk_timer_disarm(&c->deadline);
    c->state = CONN_OPEN;
    c->is_opened = true;
    c->user = l->events.opened(l->user, c);
}

static void conn_shake_hands(struct tls_conn *c)
{
    int rc;

    ERR_clear_error();
    rc = SSL_accept(c->ssl);
    c->handshake_wants_write = false;
    if (rc == 1) {
        tls_peer_read(c->ssl, c->verification_failed, &c->peer);
        conn_open(c);
        return;
    }
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_WANT_WRITE:
        c->handshake_wants_write = true;
        break;
    default: {
        char detail[256];

        log_v(4, "TLS handshake failed", LS("peer", c->peer.address),
              LS("err", tls_error_text(detail)));
        conn_kill(c, false);
    }
    }
}

static void on_conn_event(void *user, uint32_t events)
{
    struct tls_conn *c = user;

    c->in_event = true;
    if (c->state == CONN_HANDSHAKE)
        conn_shake_hands(c);
    if (c->state != CONN_HANDSHAKE)
        conn_receive(c);
    if (c->state != CONN_HANDSHAKE && c->state != CONN_DEAD)
        conn_flush(c);
    /* Both are reported whether asked for or not: nobody reads any more, so the loop would spin. */
    if ((events & (EPOLLERR | EPOLLHUP)) && (c->paused || c->has_eof))
        conn_kill(c, false);
    c->in_event = false;
    conn_update_events(c);
}

/* ---- the port ---- */

/* False when everybody who is there has a right to be. */
static bool make_room(struct tls_listener *l)
{
    if (l->plain)
        return false;
    VK_LIST_FOREACH(it, &l->conns)
    {
        struct tls_conn *c = VK_LIST_ENTRY(it, struct tls_conn, link);

        if (c->is_busy || (c->peer.verified && c->state == CONN_OPEN))
            continue;
        conn_kill(c, true);
        return true;
    }
    return false;
}

static void conn_new(struct tls_listener *l, int fd, const struct sockaddr_storage *address)
{
    struct tls_conn *c;

    if (l->count >= l->max_connections && !make_room(l)) {
        close(fd);
        return;
    }
    c = vk_calloc(1, sizeof(*c));
    c->listener = l;
    c->fd = fd;
    vk_buf_init(&c->out, MAX_QUEUED);
    record_cuts_init(&c->cuts);
    vk_list_init(&c->link);
    vk_list_init(&c->dirty_link);
    vk_list_add_tail(&l->conns, &c->link);
    l->count++;
    vk_timer_init(&c->deadline, l->loop, "connection deadline", on_deadline, c);
    tcp_describe(address, c->peer.address);
    tcp_set_options(fd);
    tcp_silence_start(&c->silence, l->loop, fd, TCP_SILENCE_MS, on_deadline, c);
    c->source = vk_loop_add_fd(l->loop, fd, EPOLLIN, "connection", on_conn_event, c);
    if (l->plain) {
        conn_open(c);
        return;
    }
    ERR_clear_error();
    c->ssl = SSL_new(l->ctx);
    if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1) {
        conn_kill(c, true);
        return;
    }
    c->generation = l->generation;
    tls_watch_verification(c->ssl, &c->verification_failed);
    vk_timer_arm(&c->deadline, HANDSHAKE_MS);
}

static void on_listener_event(void *user, uint32_t events)
{
    struct tls_listener *l = user;

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof(address);
        int fd = accept4(l->fd, (void *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            conn_new(l, fd, &address);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            vk_fd_set_events(l->source, 0);
            vk_timer_arm(&l->accept_again, NO_DESCRIPTOR_PAUSE_MS);
        } else if (errno == ECONNABORTED || errno == EINTR) {
            continue;
        }
        return;
    }
}

static void on_accept_again(void *user)
{
    struct tls_listener *l = user;

    vk_fd_set_events(l->source, EPOLLIN);
}

static void on_sweep(void *user)
{
    struct tls_listener *l = user;
    struct vk_list batch;

    /* What gets dirty by the callbacks below waits for the next turn, so that this one ends. */
    vk_list_init(&batch);
    VK_LIST_FOREACH(it, &l->dirty)
    {
        vk_list_remove(it);
        vk_list_add_tail(&batch, it);
    }
    while (!vk_list_is_empty(&batch)) {
        struct tls_conn *c = VK_LIST_ENTRY(batch.next, struct tls_conn, dirty_link);

        vk_list_remove(&c->dirty_link);
        c->in_event = true;
        conn_flush(c);
        c->in_event = false;
        conn_update_events(c);
    }
    while (!vk_list_is_empty(&l->dead))
        conn_free(VK_LIST_ENTRY(l->dead.next, struct tls_conn, link));
}

int tls_listener_new(struct vk_loop *loop, const struct tls_listener_config *config,
                     const struct tls_listener_events *events, void *user,
                     struct tls_listener **ret, struct vk_err *err)
{
    struct tls_listener *l = vk_calloc(1, sizeof(*l));

    *l = (struct tls_listener){.loop = loop, .events = *events, .user = user, .fd = -1};
    l->plain = config->plain;
    l->max_connections =
        config->max_connections ? config->max_connections : DEFAULT_MAX_CONNECTIONS;
    vk_list_init(&l->conns);
    vk_list_init(&l->dirty);
    vk_list_init(&l->dead);
    vk_timer_init(&l->accept_again, loop, "accept again", on_accept_again, l);
    vk_timer_init(&l->sweep, loop, "connection sweep", on_sweep, l);
    if ((!l->plain && tls_server_context(config, &l->ctx, err) < 0) ||
        tcp_listen(config->address, config->port, &l->fd, &l->port, err) < 0) {
        tls_context_free(l->ctx);
        vk_free(l);
        return -(int)err->code;
    }
    l->source = vk_loop_add_fd(loop, l->fd, EPOLLIN, "listener", on_listener_event, l);
    *ret = l;
    return 0;
}

void tls_listener_free(struct tls_listener *l)
{
    if (!l)
        return;
    vk_fd_remove(l->source);
    close(l->fd);
    while (!vk_list_is_empty(&l->conns))
        conn_kill(VK_LIST_ENTRY(l->conns.next, struct tls_conn, link), true);
    while (!vk_list_is_empty(&l->dead))
        conn_free(VK_LIST_ENTRY(l->dead.next, struct tls_conn, link));
    vk_timer_disarm(&l->sweep);
    vk_timer_disarm(&l->accept_again);
    tls_context_free(l->ctx);
    vk_free(l);
}

int tls_listener_port(const struct tls_listener *l)
{
    return l->port;
}

int tls_listener_reload(struct tls_listener *l, const struct tls_listener_config *config,
                        struct vk_err *err)
{
    SSL_CTX *ctx = NULL;

    if (l->plain)
        return vk_err_set(err, VK_INVALID, "the port speaks plain HTTP and has no certificate");
    if (tls_server_context(config, &ctx, err) < 0)
        return -(int)err->code;
    /* Connections hold a reference of the old context. */
    tls_context_free(l->ctx);
    l->ctx = ctx;
    l->generation++;
    return 0;
}

/* ---- for the owner of a connection ---- */

const struct tls_peer *tls_conn_peer(struct tls_conn *conn)
{
    struct tls_listener *l = conn->listener;
    bool has_expired = conn->peer.verified && vk_wall_ms() / 1000 > conn->peer.not_after_s;

    if (conn->ssl && (has_expired || conn->generation != l->generation)) {
        conn->generation = l->generation;
        tls_peer_read_again(conn->ssl, l->ctx, &conn->peer);
    }
    return &conn->peer;
}

static void flush_next_turn(struct tls_conn *c)
{
    if (c->in_event || vk_list_is_linked(&c->dirty_link))
        return;
    vk_list_add_tail(&c->listener->dirty, &c->dirty_link);
    vk_timer_arm(&c->listener->sweep, 0);
}

void tls_conn_write(struct tls_conn *conn, struct vk_str bytes)
{
    if (conn->state != CONN_OPEN || bytes.n == 0)
        return;
    if (conn->has_records)
        record_cuts_add(&conn->cuts, vk_buf_len(&conn->out), bytes.n);
    vk_buf_add(&conn->out, bytes.p, bytes.n);
    if (conn->out.failed) {
        tls_conn_abort(conn);
        return;
    }
    if (vk_buf_len(&conn->out) > HIGH_WATER)
        conn->is_full = true;
    flush_next_turn(conn);
}

bool tls_conn_is_full(const struct tls_conn *conn)
{
    return conn->is_full;
}

size_t tls_conn_queued(const struct tls_conn *conn)
{
    return vk_buf_len(&conn->out);
}

void tls_conn_set_busy(struct tls_conn *conn, bool busy)
{
    conn->is_busy = busy;
}

void tls_conn_pause(struct tls_conn *conn, bool paused)
{
    if (conn->state == CONN_DEAD || conn->paused == paused)
        return;
    conn->paused = paused;
    if (!conn->in_event)
        conn_update_events(conn);
}

void tls_conn_set_records(struct tls_conn *conn)
{
    conn->has_records = true;
}

bool tls_conn_has_peer_closed(const struct tls_conn *conn)
{
    return conn->state == CONN_DEAD || conn->has_eof || tcp_has_peer_closed(conn->fd);
}

void tls_conn_close(struct tls_conn *conn)
{
    if (conn->state != CONN_OPEN)
        return;
    conn->state = CONN_CLOSING;
    vk_timer_arm(&conn->deadline, FLUSH_STALL_MS);
    flush_next_turn(conn);
}

void tls_conn_abort(struct tls_conn *conn)
{
    conn_kill(conn, true);
}
