/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/exec_stream.h"
#include "base/clock.h"
#include "tests/unit/aci/stream_peer.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define DEADLINE_MS 60000
#define NAMES "DNS:localhost,IP:127.0.0.1"
#define PASSWORD "pass word[[EOM]]"

struct world {
    struct vk_loop *loop;
    struct resolver *resolver;
    struct stream_peer peer;
    struct exec_streams *streams;
    struct exec_stream *stream;
    bool opened, drained, closed;
    struct vk_err err;
    struct vk_buf received;
    bool pauses; /* as soon as something came */
    struct vk_timer poll;
    bool (*condition)(struct world *w);
    bool holds;
};

static void on_opened(void *user)
{
    ((struct world *)user)->opened = true;
}

static void on_received(void *user, struct vk_str bytes)
{
    struct world *w = user;

    vk_buf_addstr(&w->received, bytes);
    if (w->pauses)
        exec_stream_pause(w->stream, true);
}

static void on_drained(void *user)
{
    ((struct world *)user)->drained = true;
}

static void on_closed(void *user, const struct vk_err *err)
{
    struct world *w = user;

    assert_false(w->closed);
    w->closed = true;
    w->stream = NULL;
    w->err = err ? *err : (struct vk_err){0};
}

static const struct exec_stream_events events = {
    .opened = on_opened, .received = on_received, .drained = on_drained, .closed = on_closed};

static void on_poll(void *user)
{
    struct world *w = user;

    w->holds = w->condition(w);
    if (!w->holds)
        vk_timer_arm(&w->poll, 1);
}

static void until(struct world *w, bool (*condition)(struct world *w))
{
    w->condition = condition;
    w->holds = false;
    vk_timer_arm(&w->poll, 0);
    assert_true(vk_loop_run_until(w->loop, &w->holds, DEADLINE_MS));
}

static void start(struct world *w, const char *names, const char *ca_file, size_t message_max,
                  int64_t idle_ms)
{
    stream_peer_start(&w->peer, w->loop, names);
    const struct exec_streams_config config = {.resolver = w->resolver,
                                               .ca_file = ca_file ? ca_file : w->peer.ca_file,
                                               .message_max = message_max,
                                               .idle_ms = idle_ms};
    w->streams = exec_streams_new(w->loop, &config);
}

static int setup(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    w->loop = vk_loop_new();
    w->resolver = resolver_new(w->loop);
    vk_timer_init(&w->poll, w->loop, "poll", on_poll, w);
    vk_buf_init(&w->received, STREAM_PEER_MUCH);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    exec_streams_free(w->streams);
    stream_peer_stop(&w->peer);
    resolver_free(w->resolver);
    vk_timer_disarm(&w->poll);
    vk_buf_release(&w->received);
    vk_loop_free(w->loop);
    vk_free(w);
    return 0;
}

static void open_to(struct world *w, enum exec_stream_kind kind, const char *host,
                    const char *password)
{
    char *uri VK_AUTOFREE =
        vk_asprintf("wss://%s:%d/execstream/sessionId/1?rows=1&cols=2", host, w->peer.port);
    const struct exec_endpoint endpoint = {.uri = uri, .password = vk_str_of(password)};

    w->stream = exec_stream_open(w->streams, kind, &endpoint, &events, w);
}

static bool is_opened(struct world *w)
{
    return w->opened;
}
static bool is_closed(struct world *w)
{
    return w->closed;
}
static bool has_password(struct world *w)
{
    return w->peer.has_password;
}
static bool has_drained(struct world *w)
{
    return w->drained;
}
static bool peer_is_alone(struct world *w)
{
    return w->peer.connections && !w->peer.conn;
}

static void an_exec_is_opened_by_its_password_as_the_first_text(void **state)
{
    struct world *w = *state;

    start(w, NAMES, NULL, 0, 0);
    open_to(w, EXEC_STREAM_EXEC, "localhost", PASSWORD);
    assert_int_equal(exec_stream_send(w->stream, VK_STR("early")), 5);
    until(w, has_password);
    char *expected VK_AUTOFREE =
        vk_asprintf("/execstream/sessionId/1?rows=1&cols=2 host=localhost:%d", w->peer.port);
    assert_string_equal(w->peer.target, expected);
    assert_string_equal(vk_buf_peek(&w->peer.password), PASSWORD);
    assert_string_equal(w->peer.authorization, "");
    stream_peer_say(&w->peer, VK_STR(""));
    stream_peer_say(&w->peer, VK_STR("screen"));
    websocket_close(&w->peer.ws, 1000, "");
    until(w, is_closed);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->received), "screen");
    assert_string_equal(vk_buf_peek(&w->peer.input), "early");
}

static void an_attachment_is_opened_by_a_header_and_takes_nothing(void **state)
{
    struct world *w = *state;

    start(w, NAMES, NULL, 0, 0);
    open_to(w, EXEC_STREAM_ATTACH, "127.0.0.1", "secret[[EOM]]");
    assert_int_equal(exec_stream_send(w->stream, VK_STR("x")), 0);
    until(w, is_opened);
    assert_string_equal(w->peer.authorization, "secret[[EOM]]");
}

static void input_is_cut_into_messages_that_arrive_whole(void **state)
{
    static const size_t limits[] = {0, 7, 16384};
    struct world *w = *state;
    char bytes[30001];

    memset(bytes, 'x', sizeof(bytes));
    start(w, NAMES, NULL, limits[1], 0);
    for (size_t i = 0; i < VK_COUNT(limits); i++) {
        exec_streams_free(w->streams);
        const struct exec_streams_config config = {
            .resolver = w->resolver, .ca_file = w->peer.ca_file, .message_max = limits[i]};
        const size_t limit = limits[i] ? limits[i] : EXEC_STREAM_MESSAGE_SAFE;

        w->streams = exec_streams_new(w->loop, &config);
        w->peer.has_password = w->closed = w->opened = false;
        w->peer.messages = 0;
        w->peer.longest = 0;
        vk_buf_clear(&w->peer.input);
        open_to(w, EXEC_STREAM_EXEC, "localhost", PASSWORD);
        assert_int_equal(
            exec_stream_send(w->stream, (struct vk_str){.p = bytes, .n = sizeof(bytes)}),
            sizeof(bytes));
        exec_stream_pause(w->stream, false);
        until(w, has_password);
        /* What waits is sent before the stream is closed. */
        exec_stream_close(vk_take(w->stream));
        until(w, peer_is_alone);
        assert_int_equal(w->peer.closed_code, 1000);
        assert_int_equal(vk_buf_len(&w->peer.input), sizeof(bytes));
        assert_int_equal(w->peer.longest, limit);
        assert_int_equal(w->peer.messages, (sizeof(bytes) + limit - 1) / limit);
        assert_false(w->closed);
    }
}

static void what_waits_to_be_sent_has_a_limit(void **state)
{
    struct world *w = *state;
    char *bytes VK_AUTOFREE = vk_calloc(1, EXEC_STREAM_QUEUE_MAX + 9);

    start(w, NAMES, NULL, 4096, 0);
    open_to(w, EXEC_STREAM_EXEC, "localhost", PASSWORD);
    assert_int_equal(
        exec_stream_send(w->stream, (struct vk_str){.p = bytes, .n = EXEC_STREAM_QUEUE_MAX + 9}),
        EXEC_STREAM_QUEUE_MAX);
    until(w, has_drained);
    assert_int_equal(exec_stream_send(w->stream, VK_STR("rest")), 4);
}

static bool is_stuck(struct world *w)
{
    return tls_conn_is_full(w->peer.conn);
}
static bool has_all(struct world *w)
{
    return vk_buf_len(&w->received) == 6 << 20;
}

/* The peer fills all that lies between, and comes to wait; nothing is lost. */
static void a_paused_stream_stops_its_source(void **state)
{
    struct world *w = *state;
    char *bytes VK_AUTOFREE = vk_calloc(1, 1 << 20);
    size_t seen;

    start(w, NAMES, NULL, 0, 0);
    w->pauses = true;
    open_to(w, EXEC_STREAM_EXEC, "localhost", PASSWORD);
    until(w, has_password);
    for (int i = 0; i < 6; i++)
        stream_peer_say(&w->peer, (struct vk_str){.p = bytes, .n = 1 << 20});
    until(w, is_stuck);
    seen = vk_buf_len(&w->received);
    assert_true(seen <= (size_t)64 << 10);
    w->pauses = false;
    exec_stream_pause(w->stream, false);
    until(w, has_all);
}

static void its_user_may_leave_from_inside_an_event(void **state)
{
    struct world *w = *state;

    start(w, NAMES, NULL, 0, 0);
    open_to(w, EXEC_STREAM_EXEC, "localhost", PASSWORD);
    until(w, has_password);
    exec_stream_cancel(vk_take(w->stream));
    assert_int_equal(exec_streams_len(w->streams), 0);
    until(w, peer_is_alone);
    assert_false(w->closed);
    exec_stream_cancel(NULL);
}

struct bad_row {
    const char *name, *host, *names, *password;
    enum exec_stream_kind kind;
    bool foreign_ca, missing_ca;
    int refuse;
    unsigned close_code; /* 0: none */
    enum vk_code expected;
    const char *text;
};

static const struct bad_row bad_rows[] = {
    {"foreign authority", "localhost", NAMES, "p", EXEC_STREAM_EXEC, true, false, 0, 0,
     VK_UNAVAILABLE, "localhost"},
    {"other name", "localhost", "DNS:elsewhere,IP:127.0.0.1", "p", EXEC_STREAM_EXEC, false, false,
     0, 0, VK_UNAVAILABLE, "localhost"},
    {"other address", "127.0.0.1", "DNS:localhost,IP:127.0.0.2", "p", EXEC_STREAM_EXEC, false,
     false, 0, 0, VK_UNAVAILABLE, "certificate"},
    {"no trust anchors", "localhost", NAMES, "p", EXEC_STREAM_EXEC, false, true, 0, 0,
     VK_UNAVAILABLE, "localhost"},
    {"unknown host", "no..host", NAMES, "p", EXEC_STREAM_EXEC, false, false, 0, 0, VK_UNAVAILABLE,
     "no..host"},
    {"session gone", "localhost", NAMES, "p", EXEC_STREAM_EXEC, false, false, 404, 0, VK_NOT_FOUND,
     "404"},
    {"refused", "localhost", NAMES, "p", EXEC_STREAM_ATTACH, false, false, 401, 0,
     VK_UNAUTHENTICATED, "401"},
    {"wrong password", "localhost", NAMES, "p", EXEC_STREAM_EXEC, false, false, 0, 1008,
     VK_UNAUTHENTICATED, "1008"},
    {"broken server", "localhost", NAMES, "p", EXEC_STREAM_EXEC, false, false, 0, 1011,
     VK_UNAVAILABLE, "1011"},
    {"lost", "localhost", NAMES, "p", EXEC_STREAM_EXEC, false, false, 0, 1, VK_UNAVAILABLE, "lost"},
    {"password that ends a header", "localhost", NAMES, "p\r\nx: y", EXEC_STREAM_ATTACH, false,
     false, 0, 0, VK_PROTOCOL, "password"},
    {"host that is none", "a b", NAMES, "p", EXEC_STREAM_EXEC, false, false, 0, 0, VK_PROTOCOL,
     "address"},
};

static void what_goes_wrong_has_its_code(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < VK_COUNT(bad_rows); i++) {
        const struct bad_row *row = &bad_rows[i];

        start(w, row->names, row->missing_ca ? "/nonexistent" : NULL, 0, 0);
        if (row->foreign_ca) {
            exec_streams_free(w->streams);
            const struct exec_streams_config config = {.resolver = w->resolver,
                                                       .ca_file = w->peer.other_ca_file};
            w->streams = exec_streams_new(w->loop, &config);
        }
        w->peer.refuse = row->refuse;
        w->closed = w->opened = false;
        open_to(w, row->kind, row->host, row->password);
        if (row->close_code) {
            until(w, has_password);
            if (row->close_code == 1)
                tls_conn_abort(w->peer.conn);
            else
                websocket_close(&w->peer.ws, row->close_code, "");
        }
        until(w, is_closed);
        if (w->err.code != row->expected || !strstr(w->err.msg, row->text))
            fail_msg("%s: %s: %s", row->name, vk_code_name(w->err.code), w->err.msg);
        assert_int_equal(w->opened, row->close_code != 0);
        exec_streams_free(vk_take(w->streams));
        stream_peer_stop(&w->peer);
    }
    start(w, NAMES, NULL, 0, 0);
}

static void an_idle_stream_ends(void **state)
{
    struct world *w = *state;

    start(w, NAMES, NULL, 0, 30);
    open_to(w, EXEC_STREAM_EXEC, "localhost", PASSWORD);
    until(w, is_closed);
    assert_int_equal(w->err.code, VK_TIMEOUT);
    assert_true(w->opened);
    until(w, peer_is_alone);
}

/* The kernel takes the connection and nobody answers on it. */
static void a_connection_has_a_deadline(void **state)
{
    struct world *w = *state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(silent, (const void *)&at, sizeof(at)), 0);
    assert_int_equal(listen(silent, 1), 0);
    getsockname(silent, (void *)&at, &size);
    start(w, NAMES, NULL, 0, 0);
    exec_streams_free(w->streams);
    const struct exec_streams_config config = {
        .resolver = w->resolver, .ca_file = w->peer.ca_file, .connect_ms = 60};
    w->streams = exec_streams_new(w->loop, &config);
    w->peer.port = ntohs(at.sin_port);
    open_to(w, EXEC_STREAM_EXEC, "localhost", PASSWORD);
    until(w, is_closed);
    assert_int_equal(w->err.code, VK_TIMEOUT);
    close(silent);
}

/* The connection's end of this port answers nothing any more, as if its machine lost its power. */
static void vanish(int port)
{
    struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    const struct sock_fprog program = {.len = 1, .filter = none};
    unsigned found = 0;

    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in ours = {0}, peer = {0};
        socklen_t size = sizeof(ours), peer_size = sizeof(peer);

        if (getsockname(fd, (void *)&ours, &size) < 0 || ours.sin_family != AF_INET ||
            ntohs(ours.sin_port) != port || getpeername(fd, (void *)&peer, &peer_size) < 0)
            continue;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)),
                         0);
        found++;
    }
    assert_int_equal(found, 1);
}

static void a_stream_to_a_host_that_vanished_is_lost(void **state)
{
    struct world *w = *state;

    start(w, NAMES, NULL, 0, 0);
    exec_streams_free(w->streams);
    const struct exec_streams_config config = {
        .resolver = w->resolver, .ca_file = w->peer.ca_file, .silence_ms = 500};
    w->streams = exec_streams_new(w->loop, &config);
    open_to(w, EXEC_STREAM_EXEC, "127.0.0.1", PASSWORD);
    until(w, has_password);
    vanish(w->peer.port);
    assert_int_equal(exec_stream_send(w->stream, VK_STR("x")), 1);
    until(w, is_closed);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    assert_non_null(strstr(w->err.msg, "answers no more"));
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(an_exec_is_opened_by_its_password_as_the_first_text),
        WITH_WORLD(an_attachment_is_opened_by_a_header_and_takes_nothing),
        WITH_WORLD(input_is_cut_into_messages_that_arrive_whole),
        WITH_WORLD(what_waits_to_be_sent_has_a_limit),
        WITH_WORLD(a_paused_stream_stops_its_source),
        WITH_WORLD(its_user_may_leave_from_inside_an_event),
        WITH_WORLD(what_goes_wrong_has_its_code),
        WITH_WORLD(an_idle_stream_ends),
        WITH_WORLD(a_connection_has_a_deadline),
        WITH_WORLD(a_stream_to_a_host_that_vanished_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
