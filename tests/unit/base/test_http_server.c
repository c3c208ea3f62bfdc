/* SPDX-License-Identifier: Apache-2.0 */
/* The source is included for its deadlines, which would take seconds to wait for. */
#include "base/http_server.c"

#include <stdio.h>

#include "tests/unit/base/text_client.h"

#define HOST "Host: a" LF
#define LAST "Connection: close" LF LF
#define MAX_BODY 1000

/* ---- the world: a server whose handler goes by the path ---- */

struct later {
    struct http_exchange *x;
    struct vk_timer timer;
};
struct world {
    struct vk_loop *loop;
    struct http_server *server;
    struct later later;
    int handled, gone, drained, upgraded_closed;
    bool is_handling, is_gone, is_upgraded_closed;
    struct http_exchange *kept;
    size_t most_queued, produced;
    struct tls_conn *upgraded;
    struct vk_buf upgraded_bytes;
};

static struct http_conn *last_conn;

static void echo(struct http_exchange *x)
{
    const struct http1_head *head = http_exchange_head(x);
    struct vk_str body = http_exchange_body(x);

    http_exchange_reply(
        x, 200, "text/plain",
        vk_str_of(vk_arena_printf(http_exchange_arena(x), "%s %s?%s [%.*s]", head->method,
                                  head->path, head->query, (int)body.n, body.p)));
}

static void on_gone(void *user)
{
    struct world *w = user;

    w->gone++;
    w->is_gone = true;
    w->kept = NULL;
    vk_timer_disarm(&w->later.timer);
}

static void reply_later(void *user)
{
    struct later *later = user;

    echo(later->x);
}

/* A stream of 1 kB pieces that goes on as long as the client takes it. */
static void produce(void *user)
{
    static const char piece[1000] = {'z'};
    struct world *w = user;

    w->drained++;
    while (w->kept && !http_exchange_is_full(w->kept)) {
        http_exchange_write(w->kept, (struct vk_str){piece, sizeof(piece)});
        w->produced += sizeof(piece);
        if (tls_conn_queued(last_conn->tls) > w->most_queued)
            w->most_queued = tls_conn_queued(last_conn->tls);
    }
}

static void upgraded_data(void *user, struct vk_str bytes)
{
    struct world *w = user;

    vk_buf_addstr(&w->upgraded_bytes, bytes);
    tls_conn_write(w->upgraded, bytes);
}

static void upgraded_eof(void *user)
{
    struct world *w = user;

    tls_conn_write(w->upgraded, VK_STR("|bye"));
    tls_conn_close(w->upgraded);
}

static void upgraded_closed(void *user)
{
    struct world *w = user;

    w->upgraded_closed++;
    w->is_upgraded_closed = true;
}

static const struct tls_listener_events upgraded_events = {
    .data = upgraded_data, .eof = upgraded_eof, .closed = upgraded_closed};

static void stream_three(struct http_exchange *x)
{
    http_exchange_header(x, "X-Extra", "a\r\nb");
    http_exchange_begin(x, 200, "text/plain");
    http_exchange_write(x, VK_STR("one"));
    http_exchange_write(x, VK_STR(""));
    http_exchange_write(x, VK_STR("0123456789abcdef"));
}

static void keep(struct world *w, struct http_exchange *x)
{
    w->kept = x;
    http_exchange_on_gone(x, on_gone, w);
}

static void handle(void *user, struct http_exchange *x)
{
    struct world *w = user;
    const char *path = http_exchange_head(x)->path;

    w->handled++;
    w->is_handling = true;
    if (vk_streq(path, "/later")) {
        w->later = (struct later){.x = x};
        http_exchange_on_gone(x, on_gone, w);
        vk_timer_init(&w->later.timer, w->loop, "later", reply_later, &w->later);
        vk_timer_arm(&w->later.timer, 2);
    } else if (vk_streq(path, "/none")) {
        http_exchange_reply(x, 204, NULL, VK_STR(""));
    } else if (vk_streq(path, "/stream")) {
        stream_three(x);
        http_exchange_end(x);
    } else if (vk_streq(path, "/cut")) {
        stream_three(x);
        http_exchange_abort(x);
    } else if (vk_streq(path, "/abort")) {
        http_exchange_abort(x);
    } else if (vk_streq(path, "/keep")) {
        keep(w, x);
    } else if (vk_streq(path, "/flood")) {
        keep(w, x);
        http_exchange_on_drained(x, produce, w);
        http_exchange_begin(x, 200, NULL);
        produce(w);
    } else if (vk_streq(path, "/upgrade")) {
        http_exchange_header(x, "X-Stream-Protocol-Version", "v4");
        w->upgraded = http_exchange_upgrade(x, "SPDY/3.1", &upgraded_events, w);
    } else {
        echo(x);
    }
}

/* The server as http_server_new makes it, but for remembering the connection. */
static void *open_and_remember(void *user, struct tls_conn *tls)
{
    last_conn = on_opened(user, tls);
    return last_conn;
}

static int set_up(void **state)
{
    static const struct tls_listener_events events = {open_and_remember, on_data, on_drained,
                                                      on_eof, on_closed};
    const struct tls_listener_config config = {.address = "127.0.0.1", .plain = true};
    struct world *w = vk_calloc(1, sizeof(*w));
    struct vk_err err;

    w->loop = vk_loop_new();
    vk_buf_init(&w->upgraded_bytes, 1 << 20);
    w->server = vk_calloc(1, sizeof(*w->server));
    *w->server =
        (struct http_server){.loop = w->loop, .max_body = MAX_BODY, .handler = handle, .user = w};
    if (tls_listener_new(w->loop, &config, &events, w->server, &w->server->listener, &err) < 0)
        return -1;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    http_server_free(w->server);
    vk_loop_free(w->loop);
    vk_buf_release(&w->upgraded_bytes);
    vk_free(w);
    return 0;
}

static void check_answer(struct world *w, const char *text, size_t step, const char *expected)
{
    struct client c = {0};

    client_start(w->loop, http_server_port(w->server), &c, vk_str_of(text), step);
    client_wait(&c);
    assert_string_equal(vk_buf_peek(&c.answer), expected);
    vk_buf_release(&c.answer);
}

/* ---- answers ---- */

#define OK(length) "HTTP/1.1 200 OK" LF "Content-Type: text/plain" LF "Content-Length: " length LF
#define CLOSE "Connection: close" LF LF
#define REFUSED(status, n, text)                                                                   \
    "HTTP/1.1 " status LF "Content-Type: text/plain; charset=utf-8" LF "Content-Length: " n LF     \
    "Connection: close" LF LF text "\n"
#define CHUNKED_HEAD                                                                               \
    "HTTP/1.1 200 OK" LF "Content-Type: text/plain" LF "X-Extra: a  b" LF                          \
    "Transfer-Encoding: chunked" LF
#define CHUNKS "3" LF "one" LF "10" LF "0123456789abcdef" LF

static const struct {
    const char *request, *answer;
} conversations[] = {
    {"GET /a?b HTTP/1.1" LF HOST LAST, OK("11") CLOSE "GET /a?b []"},
    {"HEAD /a?b HTTP/1.1" LF HOST LAST, OK("12") CLOSE},
    {"GET / HTTP/1.0" LF LF, OK("9") CLOSE "GET /? []"},
    {"GET / HTTP/1.0" LF "Connection: keep-alive" LF LF "GET /2 HTTP/1.0" LF LF,
     OK("9") "Connection: keep-alive" LF LF "GET /? []" OK("10") CLOSE "GET /2? []"},
    {"POST /p HTTP/1.1" LF HOST "Content-Length: 3" LF LF "abc"
     "POST /q HTTP/1.1" LF HOST "Transfer-Encoding: chunked" LF LF "2" LF "de" LF "1" LF "f" LF
     "0" LF LF "GET /later HTTP/1.1" LF HOST LF "GET /r HTTP/1.1" LF HOST LAST,
     OK("14") LF "POST /p? [abc]" OK("14") LF "POST /q? [def]" OK("14") LF "GET /later? []" OK("10")
         CLOSE "GET /r? []"},
    {"PUT / HTTP/1.1" LF HOST "Content-Length: 2" LF "Expect: 100-continue" LF LAST "xy",
     "HTTP/1.1 100 Continue" LF LF OK("11") CLOSE "PUT /? [xy]"},
    {"GET /none HTTP/1.1" LF HOST LAST, "HTTP/1.1 204 No Content" LF CLOSE},
    {"GET /stream HTTP/1.1" LF HOST LF "GET /stream HTTP/1.1" LF HOST LAST,
     CHUNKED_HEAD LF CHUNKS "0" LF LF CHUNKED_HEAD CLOSE CHUNKS "0" LF LF},
    {"HEAD /stream HTTP/1.1" LF HOST LAST, CHUNKED_HEAD CLOSE},
    {"GET /stream HTTP/1.0" LF LF, "HTTP/1.1 200 OK" LF "Content-Type: text/plain" LF
                                   "X-Extra: a  b" LF CLOSE "one0123456789abcdef"},
    {"GET /cut HTTP/1.1" LF HOST LF, CHUNKED_HEAD LF CHUNKS},
    {"nonsense" LF LF, REFUSED("400 Bad Request", "25", "the request is malformed")},
    {"GET / HTTP/2.0" LF LF,
     REFUSED("505 HTTP Version Not Supported", "25", "the request is malformed")},
    {"GET / HTTP/1.1" LF HOST LF "bad" LF LF,
     OK("9") LF "GET /? []" REFUSED("400 Bad Request", "25", "the request is malformed")},
    {"POST / HTTP/1.1" LF HOST "Content-Length: 1001" LF LF,
     REFUSED("413 Content Too Large", "35", "the request body is over the limit")},
};

static void conversations_go_the_same_way_in_any_pieces(void **state)
{
    for (size_t i = 0; i < VK_COUNT(conversations); i++) {
        check_answer(*state, conversations[i].request, 1, conversations[i].answer);
        check_answer(*state, conversations[i].request, 7, conversations[i].answer);
        check_answer(*state, conversations[i].request, 100000, conversations[i].answer);
    }
}

static void bodies_are_limited_to_the_byte(void **state)
{
    struct world *w = *state;

    for (int chunked = 0; chunked < 2; chunked++) {
        for (int extra = 0; extra < 2; extra++) {
            struct vk_buf text VK_BUF_AUTO;
            struct client c = {0};

            vk_buf_init(&text, 10000);
            vk_buf_adds(&text, "POST / HTTP/1.1" LF HOST "Connection: close" LF);
            if (chunked)
                vk_buf_printf(&text, "Transfer-Encoding: chunked" LF LF "%x" LF,
                              (unsigned)(MAX_BODY + extra));
            else
                vk_buf_printf(&text, "Content-Length: %d" LF LF, MAX_BODY + extra);
            for (int i = 0; i < MAX_BODY + extra; i++)
                vk_buf_addc(&text, 'b');
            if (chunked)
                vk_buf_adds(&text, LF "0" LF LF);
            client_start(w->loop, http_server_port(w->server), &c, vk_buf_str(&text), 333);
            client_wait(&c);
            assert_non_null(strstr(vk_buf_peek(&c.answer), extra ? " 413 " : " 200 "));
            vk_buf_release(&c.answer);
        }
    }
}

static void abort_before_the_answer_resets(void **state)
{
    struct world *w = *state;
    struct client c = {0};

    client_start(w->loop, http_server_port(w->server), &c, VK_STR("GET /abort HTTP/1.1" LF HOST LF),
                 1000);
    client_wait(&c);
    assert_true(c.was_reset);
    assert_int_equal(vk_buf_len(&c.answer), 0);
    vk_buf_release(&c.answer);
}

/* ---- upgrades ---- */

static void upgrade_hands_over_with_the_bytes_behind_the_head(void **state)
{
    static const char head[] =
        "POST /upgrade HTTP/1.1" LF HOST "Connection: Upgrade" LF "Upgrade: SPDY/3.1" LF LF;
    static const char answer[] = "HTTP/1.1 101 Switching Protocols" LF "Connection: Upgrade" LF
                                 "Upgrade: SPDY/3.1" LF "X-Stream-Protocol-Version: v4" LF LF;
    struct world *w = *state;

    for (size_t step = 1; step < 2 * sizeof(head); step += 5) {
        struct vk_buf text VK_BUF_AUTO, expected VK_BUF_AUTO;
        struct client c = {.half_close = true};

        vk_buf_init(&text, 1000);
        vk_buf_init(&expected, 1000);
        vk_buf_printf(&text, "%sframes and more frames", head);
        vk_buf_printf(&expected, "%sframes and more frames|bye", answer);
        w->is_upgraded_closed = false;
        client_start(w->loop, http_server_port(w->server), &c, vk_buf_str(&text), step);
        client_wait(&c);
        assert_string_equal(vk_buf_peek(&c.answer), vk_buf_peek(&expected));
        assert_true(vk_loop_run_until(w->loop, &w->is_upgraded_closed, PATIENCE_MS));
        vk_buf_release(&c.answer);
    }
}

static void flood_behind_an_upgrade_arrives_whole(void **state)
{
    static const char head[] = "POST /upgrade HTTP/1.1" LF HOST LF;
    struct world *w = *state;
    struct vk_buf text VK_BUF_AUTO;
    struct client c = {.half_close = true};

    vk_buf_init(&text, 1 << 20);
    vk_buf_adds(&text, head);
    for (int i = 0; i < 50000; i++)
        vk_buf_printf(&text, "%07d ", i);
    client_start(w->loop, http_server_port(w->server), &c, vk_buf_str(&text), 200000);
    client_wait(&c);
    assert_memory_equal(vk_buf_peek(&w->upgraded_bytes), vk_buf_peek(&text) + sizeof(head) - 1,
                        400000);
    assert_int_equal(vk_buf_len(&w->upgraded_bytes), 400000);
    vk_buf_release(&c.answer);
}

/* ---- clients that go away, or never read ---- */

static void request_keep(struct world *w, int fd)
{
    w->is_handling = false;
    assert_true(send(fd, "GET /keep HTTP/1.1" LF HOST LF, 31, 0) == 31);
    assert_true(vk_loop_run_until(w->loop, &w->is_handling, PATIENCE_MS));
}

static void client_that_goes_away_is_reported_once(void **state)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct world *w = *state;

    for (int how = 0; how < 3; how++) {
        int fd = connect_to(http_server_port(w->server));

        w->is_gone = false;
        request_keep(w, fd);
        assert_false(w->is_gone);
        if (how == 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        if (how == 0)
            shutdown(fd, SHUT_WR);
        else
            close(fd);
        assert_true(vk_loop_run_until(w->loop, &w->is_gone, PATIENCE_MS));
        assert_int_equal(w->gone, how + 1);
        if (how == 0)
            close(fd);
    }
}

static void free_reports_exchanges_under_way_as_gone(void **state)
{
    struct world *w = *state;
    int fd = connect_to(http_server_port(w->server));

    request_keep(w, fd);
    http_server_free(w->server);
    w->server = NULL;
    assert_int_equal(w->gone, 1);
    close(fd);
}

static void stream_is_paced_by_the_reader(void **state)
{
    struct world *w = *state;
    bool never = false;
    size_t got = 0, produced;
    char buf[65536];
    int fd = connect_to(http_server_port(w->server));

    assert_true(send(fd, "GET /flood HTTP/1.1" LF HOST LF, 32, 0) == 32);
    /* Nobody reads: it stands still. */
    for (produced = 1; produced != w->produced || !w->kept;) {
        produced = w->produced;
        assert_false(vk_loop_run_until(w->loop, &never, 50));
    }
    while (got < 20 * 1024 * 1024) {
        ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

        got += n > 0 ? (size_t)n : 0;
        if (n < 0)
            (void)vk_loop_run_until(w->loop, &never, 0);
    }
    assert_true(w->drained > 10 && w->most_queued < 300 * 1024);
    close(fd);
    assert_true(vk_loop_run_until(w->loop, &w->is_gone, PATIENCE_MS));
}

/* Requests by the thousand from a client that never reads the answers. */
static void pipelined_requests_wait_for_room(void **state)
{
    static const char request[] =
        "GET /0123456789012345678901234567890123456789 HTTP/1.1" LF HOST LF;
    struct world *w = *state;
    bool never = false;
    size_t sent = 0;
    int idle = 0, handled;
    int fd = connect_to(http_server_port(w->server));

    while (idle < 20) {
        size_t at = sent % (sizeof(request) - 1);
        ssize_t n = send(fd, request + at, sizeof(request) - 1 - at, MSG_DONTWAIT);

        sent += n > 0 ? (size_t)n : 0;
        if (n < 0) {
            (void)vk_loop_run_until(w->loop, &never, 1);
            idle++;
        }
    }
    assert_false(vk_loop_run_until(w->loop, &never, 50));
    handled = w->handled;
    assert_true((size_t)handled < sent / (sizeof(request) - 1));
    assert_true(tls_conn_queued(last_conn->tls) < 300 * 1024);
    assert_true(vk_buf_len(&last_conn->ahead) <= MAX_AHEAD);
    /* Once it reads, the rest is served. */
    while (w->handled < handled + 100) {
        char buf[65536];

        (void)!recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        (void)vk_loop_run_until(w->loop, &never, 0);
    }
    close(fd);
    assert_false(vk_loop_run_until(w->loop, &never, 20));
}

/* ---- deadlines ---- */

static int64_t armed_for_ms(const struct http_conn *c)
{
    struct timespec t;

    assert_true(vk_timer_is_armed(&c->deadline));
    clock_gettime(CLOCK_MONOTONIC, &t);
    return c->deadline.due_us_ / 1000 - (t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static const struct {
    const char *sent;
    bool in_message; /* the state it leads to ... */
    int handled;
    int64_t deadline_ms;
    const char *end; /* ... and what the client sees when its deadline passes */
} waits[] = {
    {"", false, 0, HEAD_MS, ""},
    {"GET / HT", true, 0, HEAD_MS, " 408 Request Timeout"},
    {"POST / HTTP/1.1" LF HOST "Content-Length: 5" LF LF "abc", true, 0, BODY_MS,
     " 408 Request Timeout"},
    {"GET / HTTP/1.1" LF HOST LF, false, 1, IDLE_MS, "GET /? []"},
    {"GET / HTTP/1.1" LF HOST LF "GET ", true, 1, HEAD_MS, " 408 Request Timeout"},
};

/* Less than it was armed with, where the machine stood still; more than any shorter one. */
static bool has_come_to(const struct world *w, size_t i)
{
    const int64_t deadline_ms = waits[i].deadline_ms;
    const int64_t shorter_ms = deadline_ms == IDLE_MS   ? BODY_MS
                               : deadline_ms == BODY_MS ? HEAD_MS
                                                        : 0;

    return last_conn && last_conn->in_message == waits[i].in_message &&
           w->handled == waits[i].handled && armed_for_ms(last_conn) <= deadline_ms &&
           armed_for_ms(last_conn) > shorter_ms;
}

static void every_phase_has_its_deadline(void **state)
{
    struct world *w = *state;
    bool never = false;

    for (size_t i = 0; i < VK_COUNT(waits); i++) {
        struct client c = {0};
        int64_t left_ms = PATIENCE_MS;

        last_conn = NULL;
        w->handled = 0;
        client_start(w->loop, http_server_port(w->server), &c, vk_str_of(waits[i].sent), 1000);
        while (!has_come_to(w, i) && left_ms-- > 0)
            (void)vk_loop_run_until(w->loop, &never, 1);
        assert_true(has_come_to(w, i));
        vk_timer_arm(&last_conn->deadline, 0);
        client_wait(&c);
        assert_non_null(strstr(vk_buf_peek(&c.answer), waits[i].end));
        vk_buf_release(&c.answer);
    }
}

static void handler_has_no_deadline_of_the_server(void **state)
{
    struct world *w = *state;
    int fd = connect_to(http_server_port(w->server));

    request_keep(w, fd);
    assert_false(vk_timer_is_armed(&last_conn->deadline));
    close(fd);
    assert_true(vk_loop_run_until(w->loop, &w->is_gone, PATIENCE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(conversations_go_the_same_way_in_any_pieces),
        TEST(bodies_are_limited_to_the_byte),
        TEST(abort_before_the_answer_resets),
        TEST(upgrade_hands_over_with_the_bytes_behind_the_head),
        TEST(flood_behind_an_upgrade_arrives_whole),
        TEST(client_that_goes_away_is_reported_once),
        TEST(free_reports_exchanges_under_way_as_gone),
        TEST(stream_is_paced_by_the_reader),
        TEST(pipelined_requests_wait_for_room),
        TEST(every_phase_has_its_deadline),
        TEST(handler_has_no_deadline_of_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
