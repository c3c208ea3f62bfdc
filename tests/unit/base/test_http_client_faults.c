/* SPDX-License-Identifier: Apache-2.0 */
/* base/http_client when connections break, callers change their mind, and many calls run at once.
 */
#include "base/http_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/http1.h"
#include "base/tls_listener.h"

#define PATIENCE_MS 60000
#define CALLS 100

static const char answer_text[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Header: some\r\n"
                                  "\r\n0123456789";
#define ANSWER_N (sizeof(answer_text) - 1)

struct world;
struct outcome {
    struct world *w;
    struct http_call *call;
    int done_count, status;
    bool done;
    struct vk_err err;
    char body[64];
    size_t streamed;
};

/* ---- a server that reads requests and answers as told, byte by byte ---- */

struct world {
    struct vk_loop *loop;
    struct tls_listener *listener;
    struct http_client *client;
    struct http_host *host;
    size_t cut;     /* bytes of each answer before the connection is cut; SIZE_MAX: not cut */
    bool reset;     /* cut by a reset */
    int uncut_from; /* the request from which on nothing is cut; 0: none */
    bool is_silent;
    int requests, connections, most_connections, opened, broken_off;
    bool has_request;
    struct outcome outcomes[CALLS];
    int done_count;
    bool all_done;
};
struct peer {
    struct world *w;
    struct tls_conn *conn;
    struct http1_parser *parser;
};

static void *peer_opened(void *user, struct tls_conn *conn)
{
    struct world *w = user;
    struct peer *p = vk_calloc(1, sizeof(*p));

    *p = (struct peer){.w = w, .conn = conn, .parser = http1_parser_new()};
    w->opened++;
    if (++w->connections > w->most_connections)
        w->most_connections = w->connections;
    return p;
}

static void peer_answer(struct peer *p)
{
    struct world *w = p->w;
    size_t n = ANSWER_N;

    w->requests++;
    w->has_request = true;
    if (vk_starts(http1_parser_head(p->parser)->path, "/stream")) {
        tls_conn_write(p->conn,
                       VK_STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ns\r\n"));
        return;
    }
    if (w->is_silent)
        return;
    if (w->cut < n && (!w->uncut_from || w->requests < w->uncut_from))
        n = w->cut;
    tls_conn_write(p->conn, (struct vk_str){answer_text, n});
    if (n == ANSWER_N)
        return;
    if (w->reset)
        tls_conn_abort(p->conn);
    else
        tls_conn_close(p->conn);
}

static void peer_data(void *user, struct vk_str bytes)
{
    struct peer *p = user;

    for (;;) {
        struct vk_str piece;
        enum http1_event event = http1_parser_feed(p->parser, &bytes, &piece);

        assert_int_not_equal(event, HTTP1_ERROR);
        if (event == HTTP1_NEED_MORE)
            return;
        if (event == HTTP1_MESSAGE_END) {
            peer_answer(p);
            if (bytes.n == 0)
                return;
        }
    }
}

static void peer_drained(void *user)
{
    (void)user;
}

static void peer_eof(void *user)
{
    struct peer *p = user;

    p->w->broken_off++;
    tls_conn_close(p->conn);
}

static void peer_closed(void *user)
{
    struct peer *p = user;

    p->w->connections--;
    http1_parser_free(p->parser);
    vk_free(p);
}

static int set_up(void **state)
{
    static const struct tls_listener_events events = {peer_opened, peer_data, peer_drained,
                                                      peer_eof, peer_closed};
    const struct tls_listener_config config = {.address = "127.0.0.1", .plain = true};
    struct world *w = vk_calloc(1, sizeof(*w));
    struct vk_err err;
    char url[64];

    w->loop = vk_loop_new();
    w->cut = SIZE_MAX;
    if (tls_listener_new(w->loop, &config, &events, w, &w->listener, &err) < 0)
        return -1;
    w->client = http_client_new(w->loop);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", tls_listener_port(w->listener));
    w->host =
        http_host_new(w->client, &(struct http_host_config){.base_url = url, .no_proxy = true});
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    http_host_free(w->host);
    http_client_free(w->client);
    tls_listener_free(w->listener);
    vk_loop_free(w->loop);
    vk_free(w);
    return 0;
}

/* ---- calls ---- */

static void on_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct outcome *o = user;

    o->call = NULL;
    o->done = true;
    o->done_count++;
    if (err) {
        o->err = *err;
    } else {
        o->status = response->status;
        snprintf(o->body, sizeof(o->body), "%.*s", (int)response->body.n, response->body.p);
    }
    o->w->all_done = ++o->w->done_count == CALLS;
}

static void start(struct world *w, struct outcome *o, struct http_request request)
{
    o->w = w;
    request.method = request.method ? request.method : "GET";
    request.path = request.path ? request.path : "/";
    if (!request.on_body)
        request.deadline_ms = request.deadline_ms ? request.deadline_ms : PATIENCE_MS;
    request.on_done = on_done;
    request.user = o;
    o->call = http_call_start(w->host, &request);
}

static struct outcome fetch(struct world *w, struct http_request request)
{
    struct outcome o = {0};

    start(w, &o, request);
    assert_true(vk_loop_run_until(w->loop, &o.done, PATIENCE_MS));
    assert_int_equal(o.done_count, 1);
    return o;
}

static void run_a_little(struct world *w, int64_t ms)
{
    bool never = false;

    assert_false(vk_loop_run_until(w->loop, &never, ms));
}

/* ---- broken connections ---- */

static void check_cut(struct world *w, struct http_request request, int expected_requests)
{
    struct outcome o;

    w->requests = 0;
    o = fetch(w, request);
    run_a_little(w, 1);
    assert_int_equal(o.done_count, 1);
    if (w->cut >= ANSWER_N) {
        assert_int_equal(o.status, 200);
        assert_string_equal(o.body, "0123456789");
        assert_int_equal(w->requests, 1);
        return;
    }
    assert_int_equal(o.err.code, VK_UNAVAILABLE);
    assert_int_equal(o.err.sys_errno, 0); /* something was sent */
    assert_string_equal(o.err.reason, "");
    if (expected_requests)
        assert_int_equal(w->requests, expected_requests);
    else
        assert_in_range(w->requests, 1, 6); /* curl tries each kept connection, then a new one */
}

/* Whatever the byte at which the connection breaks: one report, and a PUT leaves once. */
static void answers_cut_anywhere_are_reported_once(void **state)
{
    struct world *w = *state;

    for (int reset = 0; reset < 2; reset++) {
        w->reset = reset;
        for (size_t cut = 0; cut <= ANSWER_N; cut++) {
            w->cut = cut;
            check_cut(w, (struct http_request){.idempotent = true}, 0);
            check_cut(w, (struct http_request){.method = "PUT", .body = VK_STR("body")}, 1);
            check_cut(w, (struct http_request){.method = "POST"}, 1);
        }
    }
}

static void get_is_repeated_once_at_once(void **state)
{
    struct world *w = *state;

    w->cut = 0;
    w->uncut_from = 2;
    assert_int_equal(fetch(w, (struct http_request){.idempotent = true}).status, 200);
    assert_int_equal(w->requests, 2);
    w->requests = w->uncut_from = 0;
    assert_int_equal(fetch(w, (struct http_request){.idempotent = true}).err.code, VK_UNAVAILABLE);
    assert_in_range(w->requests, 2, 3); /* curl itself repeats what broke on a kept connection */
    w->requests = 0;
    assert_int_equal(fetch(w, (struct http_request){.idempotent = false}).err.code, VK_UNAVAILABLE);
    assert_int_equal(w->requests, 1);
}

/* curl repeats by itself what broke on a kept connection; for a PUT that must not happen. */
static void put_on_a_kept_connection_leaves_once(void **state)
{
    static const char *const methods[] = {"PUT", "POST", "PATCH"};
    struct world *w = *state;

    for (size_t i = 0; i < 3; i++) {
        for (int body = 0; body < 2; body++) {
            struct outcome o;

            w->cut = SIZE_MAX;
            assert_int_equal(fetch(w, (struct http_request){0}).status, 200);
            w->cut = 0;
            w->requests = 0;
            o = fetch(w, (struct http_request){.method = methods[i],
                                               .body = body ? VK_STR("{}") : VK_STR("")});
            assert_int_equal(o.err.code, VK_UNAVAILABLE);
            assert_string_equal(o.err.reason, "");
            assert_int_equal(w->requests, 1);
        }
    }
    /* What may be repeated is. */
    w->cut = SIZE_MAX;
    assert_int_equal(fetch(w, (struct http_request){0}).status, 200);
    w->requests = 0;
    w->cut = 0;
    assert_int_equal(
        fetch(w, (struct http_request){.method = "PUT", .body = VK_STR("{}"), .idempotent = true})
            .err.code,
        VK_UNAVAILABLE);
    assert_true(w->requests >= 2);
}

/* A port whose queue of connections is full does not answer. */
static void connect_timeout_means_that_nothing_was_sent(void **state)
{
    struct world *w = *state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fillers[4];
    struct http_host *before = w->host;
    struct outcome o;
    char url[64];

    assert_int_equal(bind(full, (const void *)&at, sizeof(at)), 0);
    assert_int_equal(listen(full, 0), 0);
    getsockname(full, (void *)&at, &size);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (const void *)&at, sizeof(at));
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(at.sin_port));
    w->host = http_host_new(
        w->client,
        &(struct http_host_config){.base_url = url, .no_proxy = true, .connect_timeout_ms = 60});
    o = fetch(w, (struct http_request){0});
    assert_int_equal(o.err.code, VK_UNAVAILABLE);
    assert_int_equal(o.err.sys_errno, ECONNREFUSED);
    assert_string_equal(o.err.reason, "NotSent");
    http_host_free(w->host);
    w->host = before;
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    close(full);
}

/* ---- callers that change their mind ---- */

static int count_piece(void *user, struct vk_str piece)
{
    struct outcome *o = user;

    o->streamed += piece.n;
    return 0;
}

static int refuse_piece(void *user, struct vk_str piece)
{
    (void)piece;
    ((struct outcome *)user)->streamed++;
    return -1;
}

static int cancel_self(void *user, struct vk_str piece)
{
    struct outcome *o = user;

    (void)piece;
    http_call_cancel(o->call);
    o->done = true;
    return 0;
}

static int start_another(void *user, struct vk_str piece)
{
    struct outcome *o = user;

    (void)piece;
    start(o->w, &o->w->outcomes[0], (struct http_request){0});
    http_call_cancel(o->call);
    return 0;
}

static void cancelled_calls_are_not_reported(void **state)
{
    struct world *w = *state;
    struct outcome o = {0};

    http_call_cancel(NULL);
    /* At once; while connecting; while waiting for the answer. */
    for (int phase = 0; phase < 3; phase++) {
        w->is_silent = true;
        w->has_request = false;
        start(w, &o, (struct http_request){0});
        if (phase == 1)
            run_a_little(w, 0);
        if (phase == 2)
            assert_true(vk_loop_run_until(w->loop, &w->has_request, PATIENCE_MS));
        http_call_cancel(o.call);
        assert_false(http_host_is_busy(w->host));
        run_a_little(w, 5);
    }
    /* A call that cannot be made, before its failure is reported. */
    start(w, &o, (struct http_request){.path = "http://other.example/"});
    http_call_cancel(o.call);
    run_a_little(w, 5);
    assert_int_equal(o.done_count, 0);
}

static void stream_ends_when_its_reader_refuses(void **state)
{
    struct world *w = *state;
    struct outcome o = fetch(w, (struct http_request){.path = "/stream", .on_body = refuse_piece});

    assert_int_equal(o.err.code, VK_CANCELLED);
    assert_int_equal(o.streamed, 1);
}

static void call_is_cancelled_from_its_own_body_callback(void **state)
{
    struct world *w = *state;
    struct outcome o = {0};

    start(w, &o, (struct http_request){.path = "/stream", .on_body = cancel_self});
    assert_true(vk_loop_run_until(w->loop, &o.done, PATIENCE_MS));
    assert_false(http_host_is_busy(w->host));
    run_a_little(w, 5);
    assert_int_equal(o.done_count, 0);
    assert_int_equal(w->broken_off, 1);
}

static void call_is_started_from_a_body_callback(void **state)
{
    struct world *w = *state;
    struct outcome o = {0};

    start(w, &o, (struct http_request){.path = "/stream", .on_body = start_another});
    assert_true(vk_loop_run_until(w->loop, &w->outcomes[0].done, PATIENCE_MS));
    assert_int_equal(w->outcomes[0].status, 200);
    assert_int_equal(o.done_count, 0);
}

static void free_host(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct world *w = user;

    assert_non_null(response);
    assert_null(err);
    http_host_free(w->host);
    w->host = NULL;
    w->all_done = true;
}

static void host_is_freed_from_the_report_of_its_last_call(void **state)
{
    struct world *w = *state;

    http_call_start(w->host, &(struct http_request){.method = "GET",
                                                    .path = "/",
                                                    .deadline_ms = PATIENCE_MS,
                                                    .on_done = free_host,
                                                    .user = w});
    assert_true(vk_loop_run_until(w->loop, &w->all_done, PATIENCE_MS));
    run_a_little(w, 5);
    assert_null(w->host);
}

/* ---- many at once ---- */

static void hundred_calls_share_a_few_connections(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < CALLS; i++)
        start(w, &w->outcomes[i], (struct http_request){.idempotent = true});
    assert_int_equal(w->done_count, 0);
    assert_true(vk_loop_run_until(w->loop, &w->all_done, PATIENCE_MS));
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(w->outcomes[i].done_count, 1);
        assert_int_equal(w->outcomes[i].status, 200);
    }
    assert_in_range(w->most_connections, 1, 4);
}

static void connections_of_a_burst_are_kept_for_the_next(void **state)
{
    struct world *w = *state;
    char url[64];

    http_host_free(w->host);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", tls_listener_port(w->listener));
    w->host = http_host_new(
        w->client,
        &(struct http_host_config){.base_url = url, .no_proxy = true, .max_connections = CALLS});
    for (int burst = 0; burst < 2; burst++) {
        w->done_count = 0;
        w->all_done = false;
        for (int i = 0; i < CALLS; i++) {
            w->outcomes[i] = (struct outcome){0};
            start(w, &w->outcomes[i], (struct http_request){.idempotent = true});
        }
        assert_true(vk_loop_run_until(w->loop, &w->all_done, PATIENCE_MS));
        /* Between the bursts there is little to do. */
        assert_int_equal(fetch(w, (struct http_request){.idempotent = true}).status, 200);
    }
    assert_in_range(w->opened, 5, CALLS);
    assert_int_equal(w->connections, w->opened);
}

static void watches_do_not_starve_short_calls(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 10; i++)
        start(w, &w->outcomes[i], (struct http_request){.path = "/stream", .on_body = count_piece});
    for (int i = 0; i < 10; i++) {
        while (w->outcomes[i].streamed == 0)
            (void)vk_loop_run_until(w->loop, &w->outcomes[i].done, 1);
    }
    assert_int_equal(fetch(w, (struct http_request){0}).status, 200);
    for (int i = 0; i < 10; i++)
        http_call_cancel(w->outcomes[i].call);
    assert_false(http_host_is_busy(w->host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(answers_cut_anywhere_are_reported_once),
        TEST(get_is_repeated_once_at_once),
        TEST(put_on_a_kept_connection_leaves_once),
        TEST(connect_timeout_means_that_nothing_was_sent),
        TEST(cancelled_calls_are_not_reported),
        TEST(stream_ends_when_its_reader_refuses),
        TEST(call_is_cancelled_from_its_own_body_callback),
        TEST(call_is_started_from_a_body_callback),
        TEST(host_is_freed_from_the_report_of_its_last_call),
        TEST(hundred_calls_share_a_few_connections),
        TEST(connections_of_a_burst_are_kept_for_the_next),
        TEST(watches_do_not_starve_short_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
