/* SPDX-License-Identifier: Apache-2.0 */
/* base/http_server: whose request makes room where too many connections come. */
#include "base/http_server.h"
#include "tests/unit/base/listener_world.h"

struct room {
    struct http_server *server;
    struct http_exchange *held;
    bool is_busy, has_request, is_gone;
};

static void on_gone(void *user)
{
    struct room *r = user;

    r->held = NULL;
    r->is_gone = true;
}

/* The first request waits, others are answered. */
static void on_request(void *user, struct http_exchange *x)
{
    struct room *r = user;

    if (r->held || r->is_gone) {
        http_exchange_reply(x, 200, "text/plain", VK_STR("hello"));
        return;
    }
    r->held = x;
    http_exchange_on_gone(x, on_gone, r);
    http_exchange_set_busy(x, r->is_busy);
    r->has_request = true;
}

static void ask(struct client *c)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    if (client_send(c, request, sizeof(request) - 1))
        client_read_to_end(c);
}

static void room_run(struct world *w, struct room *r)
{
    struct tls_listener_config config = world_config(w, false);
    struct client first = {.script = ask}, second = {.script = ask};
    struct vk_err err;

    config.max_connections = 1;
    if (http_server_new(w->loop, &(struct http_server_config){.listener = config, .max_body = 100},
                        on_request, r, &r->server, &err) < 0)
        fail_msg("%s", err.msg);
    w->listener = http_server_listener(r->server);
    client_start(w, &first);
    assert_true(vk_loop_run_until(w->loop, &r->has_request, PATIENCE_MS));
    client_start(w, &second);
    client_wait(&second);
    assert_int_equal(second.received > 0, !r->is_busy);
    assert_int_equal(r->is_gone, !r->is_busy);
    if (r->held)
        http_exchange_reply(r->held, 200, "text/plain", VK_STR("late"));
    client_wait(&first);
    assert_int_equal(first.received > 0, r->is_busy);
    w->listener = NULL;
    http_server_free(r->server);
}

static void a_request_that_is_handled_stays(void **state)
{
    struct room r = {.is_busy = true};

    room_run(*state, &r);
}

static void a_request_that_is_not_worth_it_goes(void **state)
{
    struct room r = {.is_busy = false};

    room_run(*state, &r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_that_is_handled_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_that_is_not_worth_it_goes, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
