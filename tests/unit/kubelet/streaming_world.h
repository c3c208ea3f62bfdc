/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of exec, attach and port-forward behind a real server on loopback, without TLS and
 * authentication, beside a provider whose processes live in memory; and a client in the same loop.
 */
#pragma once

/* Included for its routes: the way into them is authenticated. */
#include "kubelet/server/server.c"

#include "tests/unit/kubelet/memory_provider.h"
#include "tests/unit/kubelet/stream_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALL_LIMIT (64 * 1024)
#define FLOOD_PIECE (32 * 1024)

/* ---- processes: what they do is the first word of their command ---- */

struct exec_session {
    struct process_world *world;
    const struct exec_events *events;
    void *user;
    char what[32];
    struct vk_buf argv; /* words, each with a NUL behind it */
    struct vk_timer timer;
    size_t flood_left;
    bool is_stalled, in_end, is_tty, has_started;
    int exit_code;
    bool fails;
};
struct process_world {
    struct vk_loop *loop;
    size_t runs, attaches, cancels, finishes;
    struct exec_session *last; /* NULL when it is over */
    size_t taken;              /* input of "stall" and "count" */
    uint16_t rows, columns;
    size_t flooded; /* of all processes */
};

static inline void process_free(struct exec_session *s)
{
    if (s->world->last == s)
        s->world->last = NULL;
    vk_timer_disarm(&s->timer);
    vk_buf_release(&s->argv);
    vk_free(s);
}

static inline void process_finish(struct exec_session *s)
{
    struct exec_result result = {.exit_code = s->exit_code};
    struct vk_err err;

    vk_err_set(&err, VK_UNSUPPORTED, "the platform said no");
    s->world->finishes++;
    s->events->finished(s->user, s->fails ? NULL : &result, s->fails ? &err : NULL);
    process_free(s);
}

static inline void process_flood(struct exec_session *s)
{
    static char piece[FLOOD_PIECE];

    memset(piece, 'f', sizeof(piece));
    while (s->flood_left && !s->events->is_full(s->user)) {
        size_t n = s->flood_left < sizeof(piece) ? s->flood_left : sizeof(piece);

        s->events->output(s->user, (struct vk_str){piece, n});
        s->flood_left -= n;
        s->world->flooded += n;
    }
    if (!s->flood_left)
        process_finish(s);
}

static inline void process_turn(void *user)
{
    struct exec_session *s = user;

    s->has_started = true;
    if (vk_streq(s->what, "flood")) {
        process_flood(s);
    } else if (vk_streq(s->what, "words")) {
        s->events->output(s->user, vk_buf_str(&s->argv));
        process_finish(s);
    } else if (vk_streq(s->what, "both")) {
        s->events->output(s->user, VK_STR("out\n"));
        s->events->error_output(s->user, VK_STR("err\n"));
        s->exit_code = 3;
        process_finish(s);
    } else if (vk_streq(s->what, "fail")) {
        s->fails = true;
        process_finish(s);
    } else if (vk_streq(s->what, "true") || s->in_end) {
        process_finish(s);
    }
}

static inline struct exec_session *process_new(struct process_world *world,
                                               const struct exec_request *request,
                                               const struct exec_events *events, void *user)
{
    struct exec_session *s = vk_calloc(1, sizeof(*s));

    s->world = world;
    s->events = events;
    s->user = user;
    s->is_tty = request->tty;
    assert_string_equal(request->container, "c");
    assert_string_equal(request->id.uid, "uid-1");
    vk_buf_init(&s->argv, 1 << 20);
    for (size_t i = 0; i < request->command_count; i++)
        vk_buf_add(&s->argv, request->command[i], strlen(request->command[i]) + 1);
    vk_strcpy_to(s->what, sizeof(s->what), request->command_count ? request->command[0] : "cat");
    if (vk_streq(s->what, "flood"))
        s->flood_left = (size_t)strtol(request->command[1], NULL, 10) << 20;
    vk_timer_init(&s->timer, world->loop, "process", process_turn, s);
    vk_timer_arm(&s->timer, 0);
    world->last = s;
    return s;
}

static struct process_world process_world;

static inline struct exec_session *process_run(void *p, const struct exec_request *request,
                                               const struct exec_events *events, void *user)
{
    (void)p;
    process_world.runs++;
    return process_new(&process_world, request, events, user);
}

static inline struct exec_session *process_attach(void *p, const struct exec_request *request,
                                                  const struct exec_events *events, void *user)
{
    (void)p;
    assert_int_equal(request->command_count, 0);
    process_world.attaches++;
    return process_new(&process_world, request, events, user);
}

static inline bool process_write(void *p, struct exec_session *s, struct vk_str bytes)
{
    (void)p;
    assert_true(bytes.n > 0 && !s->in_end);
    s->world->taken += bytes.n;
    if (vk_streq(s->what, "cat"))
        s->events->output(s->user, bytes);
    if (vk_streq(s->what, "stall"))
        s->is_stalled = s->world->taken > STALL_LIMIT;
    return !s->is_stalled;
}

static inline void process_end_input(void *p, struct exec_session *s)
{
    (void)p;
    assert_false(s->in_end);
    s->in_end = true;
    vk_timer_arm(&s->timer, 0);
}

static inline void process_resize(void *p, struct exec_session *s, uint16_t rows, uint16_t columns)
{
    (void)p;
    assert_true(s->is_tty);
    s->world->rows = rows;
    s->world->columns = columns;
}

static inline void process_resume(void *p, struct exec_session *s)
{
    (void)p;
    if (vk_streq(s->what, "flood"))
        vk_timer_arm(&s->timer, 0);
}

static inline void process_cancel(void *p, struct exec_session *s)
{
    (void)p;
    s->world->cancels++;
    process_free(s);
}

/* ---- the client's connection ---- */

struct wire {
    struct vk_loop *loop;
    int fd;
    struct vk_fd *source;
    struct vk_buf in, out;
    size_t received; /* bytes, also those that were dropped */
    bool drops;      /* keeps nothing of what it reads */
    bool stalls;     /* does not read */
    bool is_closed;
};

static inline void wire_update(struct wire *w)
{
    uint32_t events = w->stalls ? 0 : EPOLLIN;

    if (vk_buf_len(&w->out))
        events |= EPOLLOUT;
    if (w->source)
        vk_fd_set_events(w->source, events);
}

static inline void wire_close(struct wire *w)
{
    vk_fd_remove(vk_take(w->source));
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->is_closed = true;
}

static inline void wire_event(void *user, uint32_t events)
{
    static char buf[64 * 1024];
    struct wire *w = user;
    ssize_t n;

    if (events & EPOLLOUT && vk_buf_len(&w->out)) {
        n = send(w->fd, vk_buf_peek(&w->out), vk_buf_len(&w->out), MSG_NOSIGNAL);
        if (n > 0)
            vk_buf_consume(&w->out, (size_t)n);
    }
    if (!w->stalls) {
        n = recv(w->fd, buf, sizeof(buf), 0);
        if (n > 0) {
            w->received += (size_t)n;
            if (!w->drops)
                vk_buf_add(&w->in, buf, (size_t)n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            wire_close(w);
            return;
        }
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        wire_close(w);
        return;
    }
    wire_update(w);
}

static FAKE_UNUSED void wire_send(struct wire *w, struct vk_str bytes)
{
    vk_buf_addstr(&w->out, bytes);
    wire_update(w);
}

static FAKE_UNUSED void wire_stall(struct wire *w, bool stalls)
{
    w->stalls = stalls;
    wire_update(w);
}

static FAKE_UNUSED void wire_open(struct wire *w, struct vk_loop *loop, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    *w = (struct wire){.loop = loop};
    vk_buf_init(&w->in, PEER_LIMIT);
    vk_buf_init(&w->out, PEER_LIMIT);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(w->fd, (const void *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(w->fd, F_SETFL, O_NONBLOCK), 0);
    w->source = vk_loop_add_fd(loop, w->fd, EPOLLIN, "client", wire_event, w);
}

static FAKE_UNUSED void wire_release(struct wire *w)
{
    wire_close(w);
    vk_buf_release(&w->in);
    vk_buf_release(&w->out);
}

/* ---- the server ---- */

struct streaming_world {
    struct world *w;
    struct provider_ops ops;
    struct kubelet_server server;
};

#define UNTIL(s, condition) FAKE_EVENTUALLY(&(s)->w->api, condition)

/* As the server's own, but everybody is allowed. */
static inline void streaming_request(void *user, struct http_exchange *x)
{
    struct streaming_world *s = user;
    struct route_params params;
    const char *name;

    assert_true(split_path(http_exchange_head(x)->path, http_exchange_arena(x), &name, &params));
    dispatch(&s->server, x, find_route(name, &params), name, &params);
}

static FAKE_UNUSED int streaming_setup(void **state)
{
    struct streaming_world *s = vk_calloc(1, sizeof(*s));
    struct http_server_config http = {.listener = {.address = "127.0.0.1", .plain = true},
                                      .max_body = MAX_REQUEST_BODY};
    struct vk_err err;

    s->w = world_new();
    process_world = (struct process_world){.loop = s->w->loop};
    s->ops = memory_ops;
    s->ops.run_in_container = process_run;
    s->ops.attach_to_container = process_attach;
    s->ops.exec_write = process_write;
    s->ops.exec_end_input = process_end_input;
    s->ops.exec_resize = process_resize;
    s->ops.exec_resume = process_resume;
    s->ops.exec_cancel = process_cancel;
    s->w->provider.ops = &s->ops;
    s->server.context = (struct handler_context){
        .loop = s->w->loop,
        .pods = s->w->pods,
        .provider = &s->w->provider,
        .remote_commands = &s->server.remote_commands,
        .port_forwards = &s->server.port_forwards,
    };
    assert_int_equal(
        http_server_new(s->w->loop, &http, streaming_request, s, &s->server.http, &err), 0);
    s->w->memory.run_at_once = true;
    pods_start(s->w->pods);
    fake_add(&s->w->api, "web", "uid-1", SPEC_ALWAYS, NULL);
    UNTIL(s, world_count(s->w, POD_WORKER_RUNNING) == 1);
    *state = s;
    return 0;
}

static FAKE_UNUSED int streaming_teardown(void **state)
{
    struct streaming_world *s = *state;

    http_server_free(s->server.http);
    assert_null(process_world.last);
    assert_int_equal(s->server.remote_commands, 0);
    assert_int_equal(s->server.port_forwards, 0);
    world_free(s->w);
    vk_free(s);
    return 0;
}

static FAKE_UNUSED void streaming_connect(struct streaming_world *s, struct wire *w)
{
    wire_open(w, s->w->loop, http_server_port(s->server.http));
}

/* Sends a request; the answer's head is taken off and returned, until the next call. */
static FAKE_UNUSED const char *streaming_ask(struct streaming_world *s, struct wire *w,
                                             const char *request)
{
    static char head[4096];
    const char *end;

    wire_send(w, vk_str_of(request));
    UNTIL(s, strstr(vk_buf_peek(&w->in), "\r\n\r\n"));
    end = strstr(vk_buf_peek(&w->in), "\r\n\r\n") + 4;
    assert_true((size_t)(end - vk_buf_peek(&w->in)) < sizeof(head));
    memcpy(head, vk_buf_peek(&w->in), (size_t)(end - vk_buf_peek(&w->in)));
    head[end - vk_buf_peek(&w->in)] = 0;
    vk_buf_consume(&w->in, (size_t)(end - vk_buf_peek(&w->in)));
    return head;
}

#define SPDY_HEAD(path, versions)                                                                  \
    "POST " path " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"            \
    "Content-Length: 0\r\n" versions "\r\n"
#define VERSIONS                                                                                   \
    "X-Stream-Protocol-Version: v5.channel.k8s.io\r\n"                                             \
    "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n"                                             \
    "X-Stream-Protocol-Version: v3.channel.k8s.io\r\n"
#define WEBSOCKET_HEAD(path, more)                                                                 \
    "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"                      \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                          \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" more "\r\n"

/* What has arrived goes to the peer. */
static FAKE_UNUSED void wire_to_peer(struct wire *w, struct spdy_peer *p)
{
    spdy_peer_feed(p, vk_buf_str(&w->in));
    vk_buf_clear(&w->in);
}

static FAKE_UNUSED void wire_from_peer(struct wire *w, struct spdy_peer *p)
{
    wire_send(w, vk_buf_str(&p->out));
    vk_buf_clear(&p->out);
}
