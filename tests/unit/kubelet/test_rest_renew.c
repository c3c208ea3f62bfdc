/* SPDX-License-Identifier: Apache-2.0 */
/* kubelet/client/rest: a client certificate that is replaced while requests are under way. */
#include "kubelet/client/rest.c"

#include <unistd.h>

#include "tests/unit/base/certificates.h"
#include "tests/unit/kubelet/fake_api_server.h"

#define LONG_MS 60000

/* An API server behind TLS that says who asked; "/hold" is answered when `release` comes. */
struct world {
    struct vk_loop *loop;
    struct http_client *http;
    struct http_server *server;
    struct http_exchange *held;
    char *holder;
    struct certificate ca, cert, first, second;
    char *ca_file;
    struct cluster_config config;
    struct rest_client *rest;
    bool is_held;
};

struct answer {
    bool is_done;
    char who[64];
};

static void on_done(void *user, struct vk_str body, const struct vk_err *err)
{
    struct answer *a = user;

    if (err)
        fail_msg("%s", err->msg);
    snprintf(a->who, sizeof(a->who), "%.*s", (int)body.n, body.p);
    a->is_done = true;
}

static void on_request(void *user, struct http_exchange *x)
{
    struct world *w = user;
    const char *who = http_exchange_peer(x)->common_name;

    if (vk_streq(http_exchange_head(x)->path, "/hold")) {
        w->held = x;
        w->holder = vk_strdup(who);
        w->is_held = true;
        return;
    }
    http_exchange_reply(x, 200, "text/plain", vk_str_of(who));
}

static struct certificate client(struct world *w, const char *name)
{
    const struct certificate_name cn = {"CN", name, -1};

    return certificate_make(&(struct certificate_spec){
        .issuer = &w->ca, .names = &cn, .name_count = 1, .usage = "clientAuth"});
}

static struct world *world_new(void)
{
    struct world *w = vk_calloc(1, sizeof(*w));
    static char url[64];
    struct vk_err err;

    w->loop = vk_loop_new();
    w->http = http_client_new(w->loop);
    w->ca = certificate_authority("ca");
    w->cert = certificate_server(&w->ca, "IP:127.0.0.1");
    w->first = client(w, "first");
    w->second = client(w, "second");
    w->ca_file = certificate_file(w->ca.cert_pem);
    if (http_server_new(w->loop,
                        &(struct http_server_config){.listener = {.address = "127.0.0.1",
                                                                  .cert_pem = w->cert.cert_pem,
                                                                  .key_pem = w->cert.key_pem,
                                                                  .client_ca_file = w->ca_file}},
                        on_request, w, &w->server, &err) < 0)
        fail_msg("%s", err.msg);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d", http_server_port(w->server));
    w->config = (struct cluster_config){.server = url,
                                        .ca_pem = w->ca.cert_pem,
                                        .cert_pem = w->first.cert_pem,
                                        .key_pem = w->first.key_pem};
    assert_int_equal(rest_client_new(w->http, &w->config, "test", &w->rest, &err), 0);
    return w;
}

static void world_free(struct world *w)
{
    rest_client_free(w->rest);
    http_client_free(w->http);
    http_server_free(w->server);
    vk_loop_free(w->loop);
    certificate_release(&w->ca);
    certificate_release(&w->cert);
    certificate_release(&w->first);
    certificate_release(&w->second);
    unlink(w->ca_file);
    vk_free(w->ca_file);
    vk_free(w->holder);
    vk_free(w);
}

static void get(struct world *w, const char *path, struct answer *a)
{
    *a = (struct answer){0};
    rest_start(
        w->rest,
        &(struct rest_request){
            .method = "GET", .path = path, .deadline_ms = LONG_MS, .on_done = on_done, .user = a});
}

static const char *who(struct world *w, struct answer *a)
{
    get(w, "/who", a);
    assert_true(vk_loop_run_until(w->loop, &a->is_done, LONG_MS));
    return a->who;
}

static void requests_use_the_new_certificate_and_those_under_way_go_on(void **state)
{
    struct world *w = world_new();
    struct cluster_config renewed = w->config;
    struct answer long_one, a;

    (void)state;
    assert_string_equal(who(w, &a), "first");
    get(w, "/hold", &long_one);
    assert_true(vk_loop_run_until(w->loop, &w->is_held, LONG_MS));
    renewed.cert_pem = w->second.cert_pem;
    renewed.key_pem = w->second.key_pem;
    rest_client_renew(w->rest, &renewed);
    assert_string_equal(who(w, &a), "second");
    assert_false(vk_list_is_empty(&w->rest->retired));
    http_exchange_reply(w->held, 200, "text/plain", VK_STR("held"));
    assert_true(vk_loop_run_until(w->loop, &long_one.is_done, LONG_MS));
    assert_string_equal(w->holder, "first");
    assert_string_equal(who(w, &a), "second");
    assert_true(vk_list_is_empty(&w->rest->retired));
    world_free(w);
}

static void a_client_that_is_freed_leaves_no_old_connection_behind(void **state)
{
    struct world *w = world_new();
    struct answer held;

    (void)state;
    get(w, "/hold", &held);
    assert_true(vk_loop_run_until(w->loop, &w->is_held, LONG_MS));
    rest_client_renew(w->rest, &w->config);
    rest_client_renew(w->rest, &w->config);
    http_exchange_reply(w->held, 200, "text/plain", VK_STR("late"));
    world_free(w);
    assert_false(held.is_done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_use_the_new_certificate_and_those_under_way_go_on),
        cmocka_unit_test(a_client_that_is_freed_leaves_no_old_connection_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
