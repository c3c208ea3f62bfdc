/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP client that sends text in steps and reads to the end, in a thread of its own. */
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/loop.h"

#define PATIENCE_MS 60000
#define LF "\r\n"

struct client {
    struct vk_loop *loop;
    struct vk_str text;
    size_t step;
    bool half_close;
    pthread_t thread;
    int fd;
    struct vk_buf answer;
    bool was_reset, done;
};

static inline void on_client_done(void *user)
{
    ((struct client *)user)->done = true;
}

static inline int connect_to(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return connect(fd, (const void *)&to, sizeof(to)) == 0 ? fd : -1;
}

static inline void *client_run(void *user)
{
    struct client *c = user;
    char buf[8192];
    ssize_t n;

    for (size_t at = 0; at < c->text.n; at += c->step) {
        size_t left = c->text.n - at;

        (void)!send(c->fd, c->text.p + at, left < c->step ? left : c->step, MSG_NOSIGNAL);
    }
    if (c->half_close)
        shutdown(c->fd, SHUT_WR);
    while ((n = read(c->fd, buf, sizeof(buf))) > 0)
        vk_buf_add(&c->answer, buf, (size_t)n);
    c->was_reset = n < 0;
    close(c->fd);
    vk_loop_post(c->loop, on_client_done, c);
    return NULL;
}

static inline void client_start(struct vk_loop *loop, int port, struct client *c,
                                struct vk_str text, size_t step)
{
    c->loop = loop;
    c->text = text;
    c->step = step;
    vk_buf_init(&c->answer, 64 << 20);
    c->fd = connect_to(port);
    assert_true(c->fd >= 0);
    assert_int_equal(pthread_create(&c->thread, NULL, client_run, c), 0);
}

/* Removes "Date: ...\r\n" lines, which differ from run to run. */
static inline void client_wait(struct client *c)
{
    char *date;

    assert_true(vk_loop_run_until(c->loop, &c->done, PATIENCE_MS));
    pthread_join(c->thread, NULL);
    while ((date = strstr(vk_buf_peek(&c->answer), "Date: ")) != NULL) {
        char *end = strstr(date, LF) + 2;

        assert_int_equal(end - date, 37);
        memmove(date, end, strlen(end) + 1);
    }
}
