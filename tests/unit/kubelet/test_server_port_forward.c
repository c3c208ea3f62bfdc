/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/streaming_world.h"

#include "base/tcp.h"

#define PATH "/portForward/default/web"
#define VERSION "X-Stream-Protocol-Version: portforward.k8s.io\r\n"

/* The pod: a listener that answers each connection with what it gets, and ends when the peer does.
 */
struct echo_pod {
    struct vk_loop *loop;
    int fd, port;
    struct vk_fd *source;
    struct wire *wires[600];
    size_t count;
    bool stalls; /* new connections do not read */
};
struct client {
    struct wire wire;
    struct spdy_peer peer;
};

static void pod_event(void *user, uint32_t events)
{
    struct echo_pod *p = user;
    int fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct wire *w;

    (void)events;
    if (fd < 0)
        return;
    w = vk_calloc(1, sizeof(*w));
    w->loop = p->loop;
    w->fd = fd;
    w->stalls = p->stalls;
    vk_buf_init(&w->in, PEER_LIMIT);
    vk_buf_init(&w->out, PEER_LIMIT);
    w->source = vk_loop_add_fd(p->loop, fd, p->stalls ? 0 : EPOLLIN, "pod", wire_event, w);
    p->wires[p->count++] = w;
}

/* What has arrived goes back. True as a condition's part. */
static bool pod_echo(struct echo_pod *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct wire *w = p->wires[i];

        if (w->is_closed || !vk_buf_len(&w->in))
            continue;
        wire_send(w, vk_buf_str(&w->in));
        vk_buf_clear(&w->in);
    }
    return true;
}

static void pod_start(struct echo_pod *p, struct streaming_world *s)
{
    struct vk_err err;

    *p = (struct echo_pod){.loop = s->w->loop};
    assert_int_equal(tcp_listen("127.0.0.1", 0, &p->fd, &p->port, &err), 0);
    p->source = vk_loop_add_fd(p->loop, p->fd, EPOLLIN, "pod", pod_event, p);
}

static void pod_stop(struct echo_pod *p)
{
    for (size_t i = 0; i < p->count; i++) {
        wire_release(p->wires[i]);
        vk_free(p->wires[i]);
    }
    vk_fd_remove(p->source);
    close(p->fd);
}

static void client_start(struct streaming_world *s, struct client *c, const char *head)
{
    streaming_connect(s, &c->wire);
    spdy_peer_init(&c->peer);
    assert_non_null(strstr(streaming_ask(s, &c->wire, head), "HTTP/1.1 101 "));
}

static void client_release(struct client *c)
{
    spdy_peer_release(&c->peer);
    wire_release(&c->wire);
}

static bool client_read(struct client *c)
{
    wire_to_peer(&c->wire, &c->peer);
    return true;
}

/* The error stream is `id`, the data stream the one behind it. */
static void open_pair(struct client *c, uint32_t id, int port)
{
    char port_text[16], id_text[16];

    snprintf(port_text, sizeof(port_text), "%d", port);
    snprintf(id_text, sizeof(id_text), "%u", id);
    for (int i = 0; i < 2; i++)
        peer_open(&c->peer, id + 2 * (uint32_t)i,
                  (const char *const[]){"streamtype", i ? "data" : "error", "port", port_text,
                                        "requestid", id_text, NULL});
    peer_data(&c->peer, id, VK_STR(""), true);
}

static void flush(struct client *c)
{
    wire_from_peer(&c->wire, &c->peer);
}

static void connections_are_forwarded_to_the_pods_address(void **state)
{
    struct streaming_world *s = *state;
    struct client c;
    struct echo_pod pod;

    pod_start(&pod, s);
    client_start(s, &c, SPDY_HEAD(PATH, VERSION));
    open_pair(&c, 1, pod.port);
    open_pair(&c, 5, pod.port);
    peer_data(&c.peer, 3, VK_STR("one"), false);
    peer_data(&c.peer, 7, VK_STR("two"), false);
    flush(&c);
    UNTIL(s, pod_echo(&pod) && client_read(&c) && vk_streq(peer_text(&c.peer, 3), "one") &&
                 vk_streq(peer_text(&c.peer, 7), "two"));
    assert_int_equal(pod.count, 2);
    assert_false(peer_stream(&c.peer, 3)->fin || peer_stream(&c.peer, 1)->fin);
    /* One ends, the other goes on. */
    peer_data(&c.peer, 3, VK_STR(""), true);
    flush(&c);
    UNTIL(s, client_read(&c) && peer_stream(&c.peer, 3)->fin && peer_stream(&c.peer, 1)->fin);
    assert_string_equal(peer_text(&c.peer, 1), "");
    peer_data(&c.peer, 7, VK_STR("!"), false);
    flush(&c);
    UNTIL(s, pod_echo(&pod) && client_read(&c) && vk_streq(peer_text(&c.peer, 7), "two!"));
    client_release(&c);
    pod_stop(&pod);
}

static void half_close_reaches_the_pod_and_its_answer_comes(void **state)
{
    struct streaming_world *s = *state;
    struct client c;
    struct echo_pod pod;

    pod_start(&pod, s);
    pod.stalls = true;
    client_start(s, &c, SPDY_HEAD("/portForward/default/web/uid-1", VERSION));
    open_pair(&c, 1, pod.port);
    peer_data(&c.peer, 3, VK_STR("question"), true);
    flush(&c);
    UNTIL(s, pod.count == 1);
    {
        char buf[16];
        ssize_t n = -1;

        UNTIL(s, (n = recv(pod.wires[0]->fd, buf, sizeof(buf), 0)) == 8);
        UNTIL(s, (n = recv(pod.wires[0]->fd, buf, sizeof(buf), 0)) == 0);
        assert_int_equal(send(pod.wires[0]->fd, "answer", 6, 0), 6);
    }
    UNTIL(s, client_read(&c) && vk_streq(peer_text(&c.peer, 3), "answer"));
    assert_false(peer_stream(&c.peer, 3)->fin);
    wire_close(pod.wires[0]);
    UNTIL(s, client_read(&c) && peer_stream(&c.peer, 3)->fin && peer_stream(&c.peer, 1)->fin);
    client_release(&c);
    pod_stop(&pod);
}

static void refused_port_is_told_on_the_error_stream(void **state)
{
    struct streaming_world *s = *state;
    char expected[256];
    struct client c;
    struct echo_pod pod;
    int free_port;

    pod_start(&pod, s);
    free_port = pod.port;
    pod_stop(&pod);
    client_start(s, &c, SPDY_HEAD(PATH, VERSION));
    open_pair(&c, 1, free_port);
    peer_data(&c.peer, 3, VK_STR("lost"), false);
    flush(&c);
    UNTIL(s, client_read(&c) && peer_stream(&c.peer, 1)->fin);
    snprintf(expected, sizeof(expected),
             "error forwarding port %d to pod web, uid uid-1: connect to 127.0.0.1 port %d: "
             "Connection refused",
             free_port, free_port);
    assert_string_equal(peer_text(&c.peer, 1), expected);
    assert_true(peer_stream(&c.peer, 3)->reset);
    client_release(&c);
}

static void reset_goes_both_ways(void **state)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    struct streaming_world *s = *state;
    struct client c;
    struct echo_pod pod;

    pod_start(&pod, s);
    client_start(s, &c, SPDY_HEAD(PATH, VERSION));
    open_pair(&c, 1, pod.port);
    open_pair(&c, 5, pod.port);
    flush(&c);
    UNTIL(s, pod.count == 2);
    peer_reset(&c.peer, 3);
    flush(&c);
    UNTIL(s, pod.wires[0]->is_closed);
    setsockopt(pod.wires[1]->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    wire_close(pod.wires[1]);
    UNTIL(s, client_read(&c) && peer_stream(&c.peer, 7)->reset && peer_stream(&c.peer, 5)->fin);
    assert_string_equal(peer_text(&c.peer, 5), "");
    client_release(&c);
    pod_stop(&pod);
}

static void client_that_leaves_ends_its_connections(void **state)
{
    struct streaming_world *s = *state;

    for (int way = 0; way < 3; way++) {
        struct client c;
        struct echo_pod pod;

        pod_start(&pod, s);
        client_start(s, &c, SPDY_HEAD(PATH, VERSION));
        open_pair(&c, 1, pod.port);
        flush(&c);
        UNTIL(s, pod.count == 1);
        if (way == 0)
            wire_close(&c.wire);
        else if (way == 1)
            peer_goaway(&c.peer);
        else
            vk_buf_adds(&c.peer.out, "\x80\x07garbage");
        if (way)
            flush(&c);
        UNTIL(s, pod.wires[0]->is_closed && c.wire.is_closed);
        client_release(&c);
        pod_stop(&pod);
    }
}

static void pod_that_takes_nothing_stops_the_client(void **state)
{
    static char piece[32 * 1024];
    struct streaming_world *s = *state;
    size_t size = 24u << 20, at_rest;
    struct client c;
    struct echo_pod pod;

    pod_start(&pod, s);
    pod.stalls = true;
    client_start(s, &c, SPDY_HEAD(PATH, VERSION));
    open_pair(&c, 1, pod.port);
    for (size_t at = 0; at < size; at += sizeof(piece))
        peer_data(&c.peer, 3, (struct vk_str){piece, sizeof(piece)}, false);
    flush(&c);
    do {
        bool never = false;

        at_rest = vk_buf_len(&c.wire.out);
        vk_loop_run_until(s->w->loop, &never, 100);
    } while (!pod.count || vk_buf_len(&c.wire.out) != at_rest);
    assert_true(at_rest > 1 << 20);
    pod.wires[0]->drops = true;
    wire_stall(pod.wires[0], false);
    UNTIL(s, pod.wires[0]->received == size);
    client_release(&c);
    pod_stop(&pod);
}

static void client_that_takes_nothing_stops_the_pod(void **state)
{
    struct streaming_world *s = *state;
    size_t size = 24u << 20, at_rest;
    char *bytes = vk_malloc(size);
    struct client c;
    struct echo_pod pod;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 2654435761u >> 11);
    pod_start(&pod, s);
    client_start(s, &c, SPDY_HEAD(PATH, VERSION));
    wire_stall(&c.wire, true);
    open_pair(&c, 1, pod.port);
    flush(&c);
    UNTIL(s, pod.count == 1);
    wire_send(pod.wires[0], (struct vk_str){bytes, size});
    do {
        bool never = false;

        at_rest = vk_buf_len(&pod.wires[0]->out);
        vk_loop_run_until(s->w->loop, &never, 100);
    } while (vk_buf_len(&pod.wires[0]->out) != at_rest);
    assert_true(at_rest > 1 << 20);
    wire_stall(&c.wire, false);
    UNTIL(s, client_read(&c) && vk_buf_len(&peer_stream(&c.peer, 3)->bytes) == size);
    assert_memory_equal(peer_text(&c.peer, 3), bytes, size);
    vk_free(bytes);
    client_release(&c);
    pod_stop(&pod);
}

static void two_hundred_connections_at_once(void **state)
{
    enum { COUNT = 200 };
    struct streaming_world *s = *state;
    struct client c;
    struct echo_pod pod;
    char text[32];

    pod_start(&pod, s);
    client_start(s, &c, SPDY_HEAD(PATH, VERSION));
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "connection %u", i);
        open_pair(&c, 4 * i + 1, pod.port);
        peer_data(&c.peer, 4 * i + 3, vk_str_of(text), false);
    }
    flush(&c);
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "connection %u", i);
        UNTIL(s,
              pod_echo(&pod) && client_read(&c) && vk_streq(peer_text(&c.peer, 4 * i + 3), text));
    }
    client_release(&c);
    pod_stop(&pod);
}

static void tunnel_inside_a_websocket(void **state)
{
    struct streaming_world *s = *state;
    struct vk_buf frames VK_BUF_AUTO;
    struct client c;
    struct echo_pod pod;
    struct vk_str in;
    struct ws_message m;

    vk_buf_init(&frames, 8192);
    pod_start(&pod, s);
    client_start(s, &c,
                 WEBSOCKET_HEAD(PATH, "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n"));
    open_pair(&c, 1, pod.port);
    peer_data(&c.peer, 3, VK_STR("through"), false);
    ws_frame(&frames, 2, vk_buf_str(&c.peer.out));
    wire_send(&c.wire, vk_buf_str(&frames));
    UNTIL(s, pod_echo(&pod) && strstr(vk_buf_len(&c.wire.in) > 40
                                          ? vk_buf_peek(&c.wire.in) + vk_buf_len(&c.wire.in) - 7
                                          : "",
                                      "through"));
    in = vk_buf_str(&c.wire.in);
    while (ws_take(&in, &m))
        spdy_peer_feed(&c.peer, m.payload);
    assert_string_equal(peer_text(&c.peer, 3), "through");
    client_release(&c);
    pod_stop(&pod);
}

/* Messages that have come for a channel, joined; those of others stay away. False: not so many
 * bytes yet, or the peer's close frame. */
static bool channel_has(const struct wire *w, char channel, struct vk_str wanted)
{
    struct vk_buf text VK_BUF_AUTO;
    struct vk_str in = vk_buf_str(&w->in);
    struct ws_message m;

    vk_buf_init(&text, PEER_LIMIT);
    while (ws_take(&in, &m))
        if (m.opcode == 2 && m.payload.n && m.payload.p[0] == channel)
            vk_buf_add(&text, m.payload.p + 1, m.payload.n - 1);
    return vk_buf_len(&text) == wanted.n && !memcmp(vk_buf_peek(&text), wanted.p, wanted.n);
}

static void channels_for_clients_without_spdy(void **state)
{
    struct streaming_world *s = *state;
    struct vk_buf frames VK_BUF_AUTO;
    struct echo_pod pod;
    struct wire w;

    pod_start(&pod, s);
    char *head VK_AUTOFREE = vk_asprintf(
        WEBSOCKET_HEAD(PATH "?port=%d&port=1", "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"),
        pod.port);
    const char port[] = {(char)(pod.port & 0xff), (char)(pod.port >> 8)};
    char *echo VK_AUTOFREE = vk_asprintf("%c%cthrough", 1, 1);
    char *refused VK_AUTOFREE =
        vk_asprintf("%c%cerror forwarding port 1 to pod web, uid uid-1: connect to 127.0.0.1 port "
                    "1: Connection refused",
                    1, 1);

    memcpy(echo, port, 2);
    refused[1] = '\0';
    streaming_connect(s, &w);
    assert_non_null(strstr(streaming_ask(s, &w, head), "HTTP/1.1 101 "));
    vk_buf_init(&frames, 8192);
    ws_frame(&frames, 2, (struct vk_str){"\0through", 8});
    wire_send(&w, vk_buf_str(&frames));
    UNTIL(s, pod_echo(&pod) && channel_has(&w, 0, (struct vk_str){echo, 9}));
    /* Of the other port nobody takes connections, and this one goes on. */
    UNTIL(s, channel_has(&w, 3, (struct vk_str){refused, 2 + strlen(refused + 2)}));
    assert_true(channel_has(&w, 1, (struct vk_str){port, 2}));
    assert_true(channel_has(&w, 2, (struct vk_str){"\1\0", 2}));
    assert_false(w.is_closed);
    /* With the last connection the session ends: a close frame with 1000. */
    wire_close(pod.wires[0]);
    UNTIL(s, w.is_closed);
    assert_memory_equal(vk_buf_peek(&w.in) + vk_buf_len(&w.in) - 4, "\x88\x02\x03\xe8", 4);
    wire_release(&w);
    pod_stop(&pod);
}

static void bad_requests_are_refused_before_the_upgrade(void **state)
{
    static const struct {
        const char *request, *status, *text;
    } cases[] = {
        {SPDY_HEAD("/portForward/default/none", VERSION), "404", "pod does not exist"},
        {SPDY_HEAD("/portForward/default/web/other", VERSION), "404", "pod not found"},
        {SPDY_HEAD(PATH, ""), "400", "X-Stream-Protocol-Version does not exist"},
        {SPDY_HEAD(PATH, VERSIONS), "403", "server accepts [portforward.k8s.io]"},
        {WEBSOCKET_HEAD(PATH, "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"), "403",
         "supports [SPDY/3.1+portforward.k8s.io v4.channel.k8s.io v4.base64.channel.k8s.io]"},
        {WEBSOCKET_HEAD(PATH, ""), "400", "query parameter \"port\" is required"},
        {WEBSOCKET_HEAD(PATH "?port=80,", "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"), "400",
         "unable to parse \"\" as a port"},
        {WEBSOCKET_HEAD(PATH "?port=70000", ""), "400", "unable to parse \"70000\" as a port"},
        {"GET " PATH " HTTP/1.1\r\nHost: a\r\n\r\n", "400", "Upgrade request required"},
    };
    struct streaming_world *s = *state;

    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char line[32];
        struct wire w;

        streaming_connect(s, &w);
        snprintf(line, sizeof(line), "HTTP/1.1 %s ", cases[i].status);
        if (!strstr(streaming_ask(s, &w, cases[i].request), line))
            fail_msg("%s: not %s", cases[i].request, cases[i].status);
        UNTIL(s, strstr(vk_buf_peek(&w.in), "\n"));
        if (!strstr(vk_buf_peek(&w.in), cases[i].text))
            fail_msg("%s: \"%s\"", cases[i].request, vk_buf_peek(&w.in));
        wire_release(&w);
    }
}

/* The fake platform gives every pod an address that is not of this machine. */
static int setup(void **state)
{
    struct streaming_world *s;
    struct container_status c = {.name = "c", .state = {.kind = CONTAINER_RUNNING}};
    const char *ip = "127.0.0.1";
    struct provider_pod_status status = {
        .id = memory_id("web", "uid-1"),
        .group_exists = true,
        .status = {.phase = "Running",
                   .pod_ip = ip,
                   .pod_ips = {.v = &ip, .n = 1},
                   .container_statuses = {.v = &c, .n = 1}},
    };

    streaming_setup(state);
    s = *state;
    s->w->memory.up->status_changed(s->w->memory.up->k, &status);
    UNTIL(s, vk_streq(world_status(s->w, "web", "podIP"), ip));
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, streaming_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(connections_are_forwarded_to_the_pods_address),
        CASE(half_close_reaches_the_pod_and_its_answer_comes),
        CASE(refused_port_is_told_on_the_error_stream),
        CASE(reset_goes_both_ways),
        CASE(client_that_leaves_ends_its_connections),
        CASE(pod_that_takes_nothing_stops_the_client),
        CASE(client_that_takes_nothing_stops_the_pod),
        CASE(two_hundred_connections_at_once),
        CASE(tunnel_inside_a_websocket),
        CASE(channels_for_clients_without_spdy),
        CASE(bad_requests_are_refused_before_the_upgrade),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
