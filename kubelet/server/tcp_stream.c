/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/tcp_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/tcp.h"
#include "base/tcp_silence.h"

#define CONNECT_MS 10000
#define HIGH_WATER (256ul * 1024)
#define LOW_WATER (64ul * 1024)
#define MAX_QUEUED (8ul * 1024 * 1024)
#define PIECE (16 * 1024)
/* Fairness: at most this many reads of one stream per event. */
#define READS_PER_EVENT 8

struct tcp_stream {
    struct vk_loop *loop;
    const struct tcp_stream_events *events;
    void *user;
    char address[64];
    uint16_t port;
    int fd; /* -1: none */
    struct vk_fd *source;
    struct vk_timer deadline; /* of the connection; a failure to be told on the next turn */
    struct tcp_silence silence;
    int connect_errno;
    struct vk_buf out;
    bool is_connected, is_full, is_paused;
    bool has_eof;  /* the peer's FIN was read */
    bool ends;     /* our FIN follows what is queued */
    bool is_ended; /* it is out */
    bool in_event, is_freed;
};

static void destroy(struct tcp_stream *s)
{
    vk_buf_release_secret(&s->out);
    vk_free(s);
}

void tcp_stream_free(struct tcp_stream *s)
{
    if (!s || s->is_freed)
        return;
    s->is_freed = true;
    vk_timer_disarm(&s->deadline);
    tcp_silence_stop(&s->silence);
    vk_fd_remove(s->source);
    if (s->fd >= 0) {
        if (!s->has_eof || !s->is_ended)
            tcp_reset_at_close(s->fd);
        close(s->fd);
    }
    if (!s->in_event)
        destroy(s);
}

static void fail(struct tcp_stream *s, int sys_errno)
{
    bool was_connected = s->is_connected;
    struct vk_err err;

    if (sys_errno == ETIMEDOUT && !was_connected)
        vk_err_set(&err, VK_TIMEOUT, "connect to %s port %u: no answer within %d s", s->address,
                   s->port, CONNECT_MS / 1000);
    else
        vk_err_errno(&err, sys_errno, "%s %s port %u",
                     was_connected ? "connection to" : "connect to", s->address, s->port);
    vk_timer_disarm(&s->deadline);
    tcp_silence_stop(&s->silence);
    vk_fd_remove(vk_take(s->source));
    s->events->failed(s->user, was_connected, &err);
}

/*
 * Without anything to wait for the source is taken away: the end of both directions is reported
 * whether asked for or not, and the loop would spin.
 */
static void update_events(struct tcp_stream *s);

static void flush(struct tcp_stream *s)
{
    while (vk_buf_len(&s->out)) {
        ssize_t n = send(s->fd, vk_buf_peek(&s->out), vk_buf_len(&s->out), MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) {
            fail(s, errno);
            return;
        }
        vk_buf_consume(&s->out, (size_t)n);
    }
    if (s->ends && !s->is_ended && !vk_buf_len(&s->out)) {
        s->is_ended = true;
        shutdown(s->fd, SHUT_WR);
    }
    if (s->is_full && vk_buf_len(&s->out) <= LOW_WATER) {
        s->is_full = false;
        s->events->drained(s->user);
    }
}

static void receive(struct tcp_stream *s)
{
    static char buf[PIECE];

    for (int i = 0; i < READS_PER_EVENT && !s->is_freed; i++) {
        ssize_t n;

        if (s->is_paused || s->has_eof || !s->source)
            return;
        n = recv(s->fd, buf, sizeof(buf), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            fail(s, errno);
        } else if (n == 0) {
            s->has_eof = true;
            s->events->eof(s->user);
        } else {
            s->events->data(s->user, (struct vk_str){buf, (size_t)n});
        }
    }
}

static void on_deadline(void *user)
{
    struct tcp_stream *s = user;

    s->in_event = true;
    fail(s, s->connect_errno);
    s->in_event = false;
    if (s->is_freed)
        destroy(s);
}

static void finish_connect(struct tcp_stream *s)
{
    int failure = 0;
    socklen_t size = sizeof(failure);

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure) {
        fail(s, failure);
        return;
    }
    s->is_connected = true;
    vk_timer_disarm(&s->deadline);
    tcp_set_options(s->fd);
    s->connect_errno = ETIMEDOUT;
    tcp_silence_start(&s->silence, s->loop, s->fd, TCP_SILENCE_MS, on_deadline, s);
}

static void on_event(void *user, uint32_t events)
{
    struct tcp_stream *s = user;

    s->in_event = true;
    if (!s->is_connected && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
        finish_connect(s);
    if (s->is_connected && !s->is_freed && s->source)
        flush(s);
    if (s->is_connected && !s->is_freed && s->source)
        receive(s);
    if (!s->is_freed && s->has_eof && s->is_ended)
        s->events->finished(s->user);
    s->in_event = false;
    if (s->is_freed)
        destroy(s);
    else if (s->source)
        update_events(s);
}

static void update_events(struct tcp_stream *s)
{
    uint32_t events = 0;

    if (s->fd < 0 || s->in_event)
        return;
    if (s->is_connected && !s->is_paused && !s->has_eof)
        events |= EPOLLIN;
    if (!s->is_connected || vk_buf_len(&s->out) || (s->ends && !s->is_ended))
        events |= EPOLLOUT;
    if (!events)
        vk_fd_remove(vk_take(s->source));
    else if (s->source)
        vk_fd_set_events(s->source, events);
    else
        s->source = vk_loop_add_fd(s->loop, s->fd, events, "forwarded port", on_event, s);
}

/* 0, or an errno value. */
static int start_connect(struct tcp_stream *s)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(s->port)};
    const struct sockaddr *address = (const void *)&v4;
    socklen_t size = sizeof(v4);

    if (inet_pton(AF_INET, s->address, &v4.sin_addr) != 1) {
        if (inet_pton(AF_INET6, s->address, &v6.sin6_addr) != 1)
            return EINVAL;
        address = (const void *)&v6;
        size = sizeof(v6);
    }
    s->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return errno;
    if (connect(s->fd, address, size) < 0 && errno != EINPROGRESS)
        return errno;
    return 0;
}

struct tcp_stream *tcp_stream_new(struct vk_loop *loop, const char *address, uint16_t port,
                                  const struct tcp_stream_events *events, void *user)
{
    struct tcp_stream *s = vk_calloc(1, sizeof(*s));
    int failure;

    *s = (struct tcp_stream){.loop = loop, .events = events, .user = user, .port = port, .fd = -1};
    vk_strcpy_to(s->address, sizeof(s->address), address);
    vk_buf_init(&s->out, MAX_QUEUED);
    vk_timer_init(&s->deadline, loop, "connect to a pod", on_deadline, s);
    failure = start_connect(s);
    s->connect_errno = failure ? failure : ETIMEDOUT;
    vk_timer_arm(&s->deadline, failure ? 0 : CONNECT_MS);
    if (!failure)
        update_events(s);
    return s;
}

void tcp_stream_write(struct tcp_stream *s, struct vk_str bytes)
{
    if (s->ends || s->is_freed)
        return;
    vk_buf_addstr(&s->out, bytes);
    if (s->out.failed) {
        s->connect_errno = ENOBUFS;
        vk_timer_arm(&s->deadline, 0);
        return;
    }
    if (vk_buf_len(&s->out) > HIGH_WATER)
        s->is_full = true;
    update_events(s);
}

bool tcp_stream_is_full(const struct tcp_stream *s)
{
    return s->is_full;
}

void tcp_stream_end(struct tcp_stream *s)
{
    s->ends = true;
    update_events(s);
}

void tcp_stream_pause(struct tcp_stream *s, bool paused)
{
    s->is_paused = paused;
    update_events(s);
}
