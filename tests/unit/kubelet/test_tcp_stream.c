/* SPDX-License-Identifier: Apache-2.0 */
/* The source is included for its deadline, which would take seconds to wait for. */
#include "kubelet/server/tcp_stream.c"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

struct fixture {
    struct vk_loop *loop;
    int listener, port, peer;
    struct tcp_stream *s;
    struct vk_buf in;
    bool has_data, has_eof, is_drained, is_finished, has_failed, was_connected;
    struct vk_err err;
    bool frees_at_data, frees_at_eof, stops_at_data;
};

static void on_data(void *user, struct vk_str bytes)
{
    struct fixture *f = user;

    vk_buf_addstr(&f->in, bytes);
    f->has_data = true;
    if (f->frees_at_data)
        tcp_stream_free(vk_take(f->s));
    else if (f->stops_at_data)
        tcp_stream_pause(f->s, true);
}

static void on_eof(void *user)
{
    struct fixture *f = user;

    f->has_eof = true;
    if (f->frees_at_eof)
        tcp_stream_free(vk_take(f->s));
}

static void on_drained(void *user)
{
    ((struct fixture *)user)->is_drained = true;
}

static void on_finished(void *user)
{
    struct fixture *f = user;

    f->is_finished = true;
    tcp_stream_free(vk_take(f->s));
}

static void on_failed(void *user, bool was_connected, const struct vk_err *err)
{
    struct fixture *f = user;

    f->has_failed = true;
    f->was_connected = was_connected;
    f->err = *err;
    tcp_stream_free(vk_take(f->s));
}

static const struct tcp_stream_events events = {on_data, on_eof, on_drained, on_finished,
                                                on_failed};

static int setup(void **state)
{
    struct fixture *f = vk_calloc(1, sizeof(*f));
    struct vk_err err;

    f->loop = vk_loop_new();
    f->peer = -1;
    vk_buf_init(&f->in, 64 << 20);
    assert_int_equal(tcp_listen("127.0.0.1", 0, &f->listener, &f->port, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tcp_stream_free(f->s);
    if (f->peer >= 0)
        close(f->peer);
    close(f->listener);
    vk_buf_release(&f->in);
    vk_loop_free(f->loop);
    vk_free(f);
    return 0;
}

static void connect_stream(struct fixture *f)
{
    f->s = tcp_stream_new(f->loop, "127.0.0.1", (uint16_t)f->port, &events, f);
}

static void accept_peer(struct fixture *f)
{
    for (int i = 0; i < PATIENCE_MS && f->peer < 0; i++) {
        bool never = false;

        f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (f->peer < 0)
            vk_loop_run_until(f->loop, &never, 1);
    }
    assert_true(f->peer >= 0);
}

/* Reads until `n` bytes or the end of the stream came; returns what came. */
static size_t peer_read(struct fixture *f, char *buf, size_t n)
{
    size_t got = 0;

    for (int i = 0; i < PATIENCE_MS && got < n; i++) {
        ssize_t r = recv(f->peer, buf + got, n - got, 0);
        bool never = false;

        if (r == 0)
            break;
        if (r > 0)
            got += (size_t)r;
        else
            vk_loop_run_until(f->loop, &never, 1);
    }
    return got;
}

static void bytes_go_both_ways_and_each_end_passes(void **state)
{
    struct fixture *f = *state;
    char buf[16];

    connect_stream(f);
    tcp_stream_write(f->s, VK_STR("before it stands,"));
    accept_peer(f);
    assert_int_equal(peer_read(f, buf, 16), 16);
    assert_int_equal(peer_read(f, buf, 1), 1);
    tcp_stream_write(f->s, VK_STR("last"));
    tcp_stream_end(f->s);
    assert_int_equal(peer_read(f, buf, sizeof(buf)), 4);
    assert_false(f->has_eof || f->is_finished);
    assert_int_equal(send(f->peer, "answer", 6, 0), 6);
    shutdown(f->peer, SHUT_WR);
    assert_true(vk_loop_run_until(f->loop, &f->is_finished, PATIENCE_MS));
    assert_string_equal(vk_buf_peek(&f->in), "answer");
    assert_true(f->has_eof);
    assert_false(f->has_failed);
}

static void peer_may_end_first(void **state)
{
    struct fixture *f = *state;
    char buf[16];

    connect_stream(f);
    accept_peer(f);
    shutdown(f->peer, SHUT_WR);
    assert_true(vk_loop_run_until(f->loop, &f->has_eof, PATIENCE_MS));
    tcp_stream_write(f->s, VK_STR("still"));
    assert_int_equal(peer_read(f, buf, 5), 5);
    tcp_stream_end(f->s);
    assert_true(vk_loop_run_until(f->loop, &f->is_finished, PATIENCE_MS));
    assert_int_equal(peer_read(f, buf, 1), 0);
}

static void failures_to_connect_name_the_address(void **state)
{
    struct fixture *f = *state;
    struct {
        const char *address, *text;
    } cases[] = {
        {"127.0.0.1", "connect to 127.0.0.1 port"},
        {"::1", "connect to ::1 port"},
        {"not-an-address", "connect to not-an-address port"},
    };

    close(f->listener);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        f->has_failed = false;
        f->s = tcp_stream_new(f->loop, cases[i].address, (uint16_t)f->port, &events, f);
        assert_false(f->has_failed);
        tcp_stream_write(f->s, VK_STR("x"));
        assert_true(vk_loop_run_until(f->loop, &f->has_failed, PATIENCE_MS));
        assert_false(f->was_connected);
        assert_non_null(strstr(f->err.msg, cases[i].text));
    }
    f->listener = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void silent_address_is_given_up_in_time(void **state)
{
    struct fixture *f = *state;

    connect_stream(f);
    /* As if the deadline had come while nobody answered. */
    f->s->is_connected = false;
    vk_timer_arm(&f->s->deadline, 0);
    vk_fd_set_events(f->s->source, 0);
    assert_true(vk_loop_run_until(f->loop, &f->has_failed, PATIENCE_MS));
    assert_int_equal(f->err.code, VK_TIMEOUT);
    assert_non_null(strstr(f->err.msg, "no answer within 10 s"));
}

static void reset_of_the_peer_is_a_failure(void **state)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    struct fixture *f = *state;

    connect_stream(f);
    accept_peer(f);
    assert_int_equal(send(f->peer, "x", 1, 0), 1);
    assert_true(vk_loop_run_until(f->loop, &f->has_data, PATIENCE_MS));
    setsockopt(f->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(f->peer);
    f->peer = -1;
    assert_true(vk_loop_run_until(f->loop, &f->has_failed, PATIENCE_MS));
    assert_true(f->was_connected);
}

static void stream_may_be_freed_by_its_events(void **state)
{
    struct fixture *f = *state;

    f->frees_at_data = true;
    connect_stream(f);
    accept_peer(f);
    assert_int_equal(send(f->peer, "x", 1, 0), 1);
    assert_true(vk_loop_run_until(f->loop, &f->has_data, PATIENCE_MS));
    assert_null(f->s);
    close(f->peer);
    f->peer = -1;
    f->frees_at_eof = true;
    connect_stream(f);
    accept_peer(f);
    shutdown(f->peer, SHUT_WR);
    assert_true(vk_loop_run_until(f->loop, &f->has_eof, PATIENCE_MS));
    assert_null(f->s);
    /* Never connected at all. */
    connect_stream(f);
}

static void back_pressure_both_ways(void **state)
{
    enum { SIZE = 8000000 };
    struct fixture *f = *state;
    char *bytes = vk_calloc(1, SIZE), *copy = vk_calloc(1, SIZE);
    bool never = false;
    size_t sent = 0;

    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    connect_stream(f);
    accept_peer(f);
    tcp_stream_write(f->s, (struct vk_str){bytes, SIZE});
    assert_true(tcp_stream_is_full(f->s));
    assert_int_equal(peer_read(f, copy, SIZE), SIZE);
    assert_memory_equal(bytes, copy, SIZE);
    assert_true(f->is_drained);
    assert_false(tcp_stream_is_full(f->s));

    f->stops_at_data = true;
    while (sent < SIZE) {
        ssize_t n = send(f->peer, bytes + sent, SIZE - sent, MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t)n;
        else if (f->has_data)
            break;
        else
            vk_loop_run_until(f->loop, &f->has_data, PATIENCE_MS);
    }
    /* The FIN stands behind bytes that nobody reads; the loop must not spin for it. */
    tcp_stream_end(f->s);
    vk_loop_run_until(f->loop, &never, 20);
    assert_int_equal(vk_buf_len(&f->in), PIECE);
    f->stops_at_data = false;
    tcp_stream_pause(f->s, false);
    while (sent < SIZE) {
        ssize_t n = send(f->peer, bytes + sent, SIZE - sent, MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t)n;
        else
            vk_loop_run_until(f->loop, &never, 1);
    }
    shutdown(f->peer, SHUT_WR);
    assert_true(vk_loop_run_until(f->loop, &f->is_finished, PATIENCE_MS));
    assert_int_equal(vk_buf_len(&f->in), SIZE);
    assert_memory_equal(vk_buf_peek(&f->in), bytes, SIZE);
    vk_free(bytes);
    vk_free(copy);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_go_both_ways_and_each_end_passes),
        CASE(peer_may_end_first),
        CASE(failures_to_connect_name_the_address),
        CASE(silent_address_is_given_up_in_time),
        CASE(reset_of_the_peer_is_a_failure),
        CASE(stream_may_be_freed_by_its_events),
        CASE(back_pressure_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
