/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A websocket client on loopback for tests, byte for byte: handshake, masked frames in any split,
 * and what the server sent, taken apart. It reads only when asked to.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"

#define SOCKET_PATIENCE_MS 60000

struct websocket_client {
    struct vk_loop *loop;
    int fd;
    int status; /* of the handshake; 0: not answered yet */
    struct vk_buf raw;
    struct vk_buf shown; /* payloads of binary frames */
    size_t frames;       /* binary frames */
    size_t first_length; /* payload of the first */
    unsigned close_code; /* 0: no close frame yet */
    bool ended;          /* the server closed the connection */
    size_t pings;
    bool keeps_silent; /* does not answer a close frame */
    bool close_answered;
};

/* One turn of the loop, at most ms. */
static inline void socket_turn(struct vk_loop *loop, int64_t ms)
{
    static const bool never;

    (void)vk_loop_run_until(loop, &never, ms);
}

static inline void socket_write(struct websocket_client *c, const void *p, size_t n)
{
    const char *at = p;
    int64_t end = vk_mono_ms() + SOCKET_PATIENCE_MS;

    while (n) {
        ssize_t sent = send(c->fd, at, n, MSG_NOSIGNAL);

        if (sent > 0) {
            at += sent;
            n -= (size_t)sent;
            continue;
        }
        assert_true(sent < 0 && errno == EAGAIN && vk_mono_ms() < end);
        socket_turn(c->loop, 1);
    }
}

static inline void socket_connect(struct websocket_client *c, struct vk_loop *loop, int port,
                                  const char *target, const char *headers)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char *head VK_AUTOFREE = vk_asprintf(
        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        target, headers);

    *c = (struct websocket_client){.loop = loop};
    vk_buf_init(&c->raw, 32 << 20);
    vk_buf_init(&c->shown, 32 << 20);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(c->fd, (const void *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
    socket_write(c, head, strlen(head));
}

static inline void socket_close(struct websocket_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    vk_buf_release(&c->raw);
    vk_buf_release(&c->shown);
}

/* A frame of a client; appended to out. */
static inline void socket_frame(struct vk_buf *out, unsigned opcode, bool fin,
                                struct vk_str payload)
{
    static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};

    vk_buf_addc(out, (char)((fin ? 0x80 : 0) | opcode));
    if (payload.n < 126) {
        vk_buf_addc(out, (char)(0x80 | payload.n));
    } else {
        assert_true(payload.n <= UINT16_MAX);
        vk_buf_addc(out, (char)(0x80 | 126));
        vk_buf_addc(out, (char)(payload.n >> 8));
        vk_buf_addc(out, (char)payload.n);
    }
    vk_buf_add(out, mask, sizeof(mask));
    for (size_t i = 0; i < payload.n; i++)
        vk_buf_addc(out, (char)((unsigned char)payload.p[i] ^ mask[i & 3]));
}

static inline void socket_send(struct websocket_client *c, unsigned opcode, const char *text)
{
    struct vk_buf frame VK_BUF_AUTO;

    vk_buf_init(&frame, 1 << 20);
    socket_frame(&frame, opcode, true, vk_str_of(text));
    socket_write(c, vk_buf_peek(&frame), vk_buf_len(&frame));
}

static inline bool socket_take_head(struct websocket_client *c)
{
    const char *end = strstr(vk_buf_peek(&c->raw), "\r\n\r\n");

    if (!end)
        return false;
    assert_int_equal(sscanf(vk_buf_peek(&c->raw), "HTTP/1.1 %d", &c->status), 1);
    if (c->status == 101)
        assert_non_null(strstr(vk_buf_peek(&c->raw), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    vk_buf_consume(&c->raw, (size_t)(end - vk_buf_peek(&c->raw)) + 4);
    return c->status == 101;
}

/* Once; an unmasked answer would be a protocol error. */
static inline void socket_answer_close(struct websocket_client *c)
{
    if (!c->keeps_silent && !c->close_answered)
        (void)send(c->fd, "\x88\x80mask", 6, MSG_NOSIGNAL);
    c->close_answered = true;
}

static inline bool socket_take_frame(struct websocket_client *c)
{
    const unsigned char *p = (const unsigned char *)vk_buf_peek(&c->raw);
    size_t have = vk_buf_len(&c->raw), head = 2, n = have > 1 ? p[1] : 0;

    if (have < 2)
        return false;
    assert_true(n <= 126);
    if (n == 126) {
        head = 4;
        n = have < 4 ? 0 : (size_t)p[2] << 8 | p[3];
    }
    if (have < head + n)
        return false;
    if ((p[0] & 15) == 2) {
        if (!c->frames++)
            c->first_length = n;
        vk_buf_add(&c->shown, p + head, n);
    } else if ((p[0] & 15) == 8) {
        c->close_code = n < 2 ? 1005U : (unsigned)p[head] << 8 | p[head + 1];
        socket_answer_close(c);
    } else {
        assert_int_equal(p[0] & 15, 9);
        c->pings++;
    }
    vk_buf_consume(&c->raw, head + n);
    return true;
}

/* Reads what is there; false when nothing was. */
static inline bool socket_read(struct websocket_client *c)
{
    char block[65536];
    ssize_t n = c->ended ? -1 : recv(c->fd, block, sizeof(block), 0);

    c->ended = c->ended || n == 0 || (n < 0 && errno == ECONNRESET);
    if (n > 0)
        vk_buf_add(&c->raw, block, (size_t)n);
    if (c->status == 101 || (!c->status && socket_take_head(c))) {
        while (socket_take_frame(c))
            ;
    }
    return n > 0;
}

/* Reads until `done` says so. */
#define socket_await(c, done)                                                                      \
    do {                                                                                           \
        int64_t end_ = vk_mono_ms() + SOCKET_PATIENCE_MS;                                          \
        while (!(done)) {                                                                          \
            if (vk_mono_ms() > end_)                                                               \
                fail_msg("no %s; status %d, close %u, shown \"%s\"", #done, (c)->status,           \
                         (c)->close_code, vk_buf_peek(&(c)->shown));                               \
            socket_turn((c)->loop, 1);                                                             \
            (void)socket_read(c);                                                                  \
        }                                                                                          \
    } while (0)
#define socket_await_text(c, text) socket_await(c, strstr(vk_buf_peek(&(c)->shown), text))
