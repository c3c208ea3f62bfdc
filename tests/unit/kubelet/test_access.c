/* SPDX-License-Identifier: Apache-2.0 */
/* The gate of the kubelet port, asked over HTTP while the API server does not answer. */
#include "kubelet/server/access.h"

#include "base/http_client.h"
#include "tests/unit/kubelet/fake_api_server.h"

/* One more than may be asked about from one address. */
#define STRANGERS 17

struct gate {
    struct fake_api api;
    struct access *access;
    struct http_server *server;
    struct http_host *host;
    struct http_call *calls[STRANGERS];
    size_t ended, passed;
    int status;
    int64_t retry_after_ms;
    bool is_refused;
};
struct call {
    struct gate *gate;
    size_t number;
};

static void on_passed(void *user, struct http_exchange *x)
{
    ((struct gate *)user)->passed++;
    http_exchange_reply(x, 200, NULL, VK_STR(""));
}

static void handle(void *user, struct http_exchange *x)
{
    struct gate *g = user;

    access_check(g->access, x, "metrics", on_passed, g);
}

static void on_answer(void *user, const struct http_response *response, const struct vk_err *err)
{
    const struct call *call = user;
    struct gate *g = call->gate;

    assert_null(err);
    g->calls[call->number] = NULL;
    g->ended++;
    g->status = response->status;
    g->retry_after_ms = response->retry_after_ms;
    g->is_refused = true;
}

static void begin(struct gate *g, const struct fake_step *steps, size_t count)
{
    const struct http_server_config listen = {.listener = {.address = "127.0.0.1", .plain = true},
                                              .max_body = 1024};
    char url[64];
    struct vk_err err;

    *g = (struct gate){0};
    fake_start(&g->api, steps, count, NULL);
    g->access = access_new(g->api.loop, &(struct access_config){.client = g->api.rest,
                                                                .node_name = "burst-1",
                                                                .review_tokens = true,
                                                                .token_ttl_ms = 1000});
    if (http_server_new(g->api.loop, &listen, handle, g, &g->server, &err) < 0)
        fail_msg("%s", err.msg);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", http_server_port(g->server));
    g->host = http_host_new(
        g->api.http, &(struct http_host_config){
                         .base_url = url, .no_proxy = true, .max_connections = 2 * STRANGERS});
}

static void end(struct gate *g)
{
    for (size_t i = 0; i < STRANGERS; i++)
        http_call_cancel(g->calls[i]);
    http_host_free(g->host);
    http_server_free(g->server);
    access_free(g->access);
    fake_stop(&g->api);
}

static void who_comes_while_too_many_are_asked_about_may_come_again(void **state)
{
    struct fake_step steps[STRANGERS];
    struct call users[STRANGERS];
    char token[32];
    struct gate g;

    (void)state;
    for (size_t i = 0; i < STRANGERS; i++)
        steps[i] = (struct fake_step){.ending = FAKE_HOLD};
    begin(&g, steps, STRANGERS);
    for (size_t i = 0; i < STRANGERS; i++) {
        users[i] = (struct call){&g, i};
        snprintf(token, sizeof(token), "t%zu", i);
        g.calls[i] = http_call_start(g.host, &(struct http_request){.method = "GET",
                                                                    .path = "/metrics",
                                                                    .bearer = token,
                                                                    .deadline_ms = 60000,
                                                                    .on_done = on_answer,
                                                                    .user = &users[i]});
    }
    fake_run_until(&g.api, &g.is_refused);
    assert_int_equal(g.ended, 1);
    assert_int_equal(g.status, 503);
    assert_int_equal(g.retry_after_ms, 1000);
    assert_int_equal(g.passed, 0);
    end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_while_too_many_are_asked_about_may_come_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
