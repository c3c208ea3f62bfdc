/* SPDX-License-Identifier: Apache-2.0 */
/* The httpGet action against base/http_server. */
#include "kubelet/pods/probe_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/http_server.h"
#include "kubelet/api/container.h"
#include "tests/unit/base/certificates.h"

#define PATIENCE_MS 60000

struct world {
    struct vk_loop *loop;
    struct certificate ca, certificate;
    struct http_server *server;
    struct http_client *client;
    struct http_exchange *kept;
    int requests;
    char last[512]; /* method, path, query and the headers of interest of the last request */
};

static void on_gone(void *user)
{
    *(struct http_exchange **)user = NULL;
}

static void note(struct world *w, const struct http1_head *head)
{
    static const char *const names[] = {"host", "user-agent", "accept", "x-test"};
    struct vk_buf out VK_BUF_AUTO;

    vk_buf_init(&out, sizeof(w->last) - 1);
    vk_buf_printf(&out, "%s %s?%s", head->method, head->path, head->query);
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (http1_header(head, names[i]) && !vk_starts(http1_header(head, names[i]), "127.0.0.1:"))
            vk_buf_printf(&out, "|%s=%s", names[i], http1_header(head, names[i]));
    snprintf(w->last, sizeof(w->last), "%s", vk_buf_peek(&out));
}

static void redirect(struct world *w, struct http_exchange *x, const char *to, int status)
{
    (void)w;
    http_exchange_header(x, "Location", to);
    http_exchange_reply(x, status, "text/plain", VK_STR("over there"));
}

static void handle(void *user, struct http_exchange *x)
{
    static const char big[200000] = {'b'};
    struct world *w = user;
    const struct http1_head *head = http_exchange_head(x);
    int64_t status = 200;

    w->requests++;
    note(w, head);
    if (vk_streq(head->path, "/never")) {
        w->kept = x;
        http_exchange_on_gone(x, on_gone, &w->kept);
    } else if (vk_streq(head->path, "/local")) {
        redirect(w, x, "/end?a=b", 302);
    } else if (vk_streq(head->path, "/whole")) {
        redirect(w, x,
                 vk_arena_printf(http_exchange_arena(x), "http://127.0.0.1:%d/end",
                                 http_server_port(w->server)),
                 307);
    } else if (vk_streq(head->path, "/circle")) {
        redirect(w, x, "/circle", 301);
    } else if (vk_streq(head->path, "/elsewhere")) {
        redirect(w, x, "http://example.invalid/", 302);
    } else if (vk_streq(head->path, "/not-modified")) {
        http_exchange_reply(x, 304, NULL, VK_STR(""));
    } else if (vk_streq(head->path, "/big")) {
        http_exchange_reply(x, 200, NULL, (struct vk_str){big, sizeof(big)});
    } else {
        (void)vk_str_int64(vk_str_of(head->query), 100, 599, &status);
        http_exchange_reply(x, (int)status, "text/plain", VK_STR("hello"));
    }
}

struct seen {
    bool done;
    int count;
    enum probe_outcome_kind kind;
    int status;
    bool is_plain_http;
    char output[512];
};

static void on_done(void *user, const struct probe_outcome *outcome)
{
    struct seen *s = user;

    s->done = true;
    s->count++;
    s->kind = outcome->kind;
    s->status = outcome->http_status;
    s->is_plain_http = outcome->is_plain_http;
    snprintf(s->output, sizeof(s->output), "%s", outcome->output);
}

static struct probe_http_request request_of(struct world *w, const char *path)
{
    return (struct probe_http_request){.host = "127.0.0.1",
                                       .port = http_server_port(w->server),
                                       .path = path,
                                       .user_agent = "kube-probe/1.37",
                                       .timeout_ms = PATIENCE_MS};
}

static struct seen probe(struct world *w, struct probe_http_request request)
{
    struct seen s = {0};

    probe_http_start(w->client, &request, on_done, &s);
    assert_false(s.done);
    assert_true(vk_loop_run_until(w->loop, &s.done, PATIENCE_MS));
    assert_int_equal(s.count, 1);
    return s;
}

static struct seen probe_path(struct world *w, const char *path)
{
    return probe(w, request_of(w, path));
}

static void serve(struct world *w, bool plain)
{
    const struct http_server_config config = {.listener = {.address = "127.0.0.1",
                                                           .plain = plain,
                                                           .cert_pem = w->certificate.cert_pem,
                                                           .key_pem = w->certificate.key_pem},
                                              .max_body = 1 << 16};
    struct vk_err err;

    if (http_server_new(w->loop, &config, handle, w, &w->server, &err) < 0)
        fail_msg("%s", err.msg);
}

static int set_up(void **state, bool plain)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    w->loop = vk_loop_new();
    w->client = http_client_new(w->loop);
    w->ca = certificate_authority("ca");
    w->certificate = certificate_server(&w->ca, "DNS:another.example");
    serve(w, plain);
    *state = w;
    return 0;
}

static int set_up_plain(void **state)
{
    return set_up(state, true);
}

static int set_up_tls(void **state)
{
    return set_up(state, false);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    http_client_free(w->client);
    http_server_free(w->server);
    vk_loop_free(w->loop);
    certificate_release(&w->ca);
    certificate_release(&w->certificate);
    vk_free(w);
    return 0;
}

static void answers_are_judged_by_their_status(void **state)
{
    const struct {
        const char *path;
        enum probe_outcome_kind kind;
        int status;
        const char *output;
    } cases[] = {
        {"/x", PROBE_SUCCEEDED, 200, "hello"},
        {"/x?299", PROBE_SUCCEEDED, 299, "hello"},
        {"/not-modified", PROBE_WARNED, 304, "Probe terminated redirects, Response body: "},
        {"/x?400", PROBE_FAILED, 400, "HTTP probe failed with statuscode: 400"},
        {"/x?503", PROBE_FAILED, 503, "HTTP probe failed with statuscode: 503"},
    };

    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const struct seen s = probe_path(*state, cases[i].path);

        assert_int_equal(s.kind, cases[i].kind);
        assert_int_equal(s.status, cases[i].status);
        assert_string_equal(s.output, cases[i].output);
    }
}

static void only_the_beginning_of_a_big_answer_is_read(void **state)
{
    const struct seen s = probe_path(*state, "/big");

    assert_int_equal(s.kind, PROBE_SUCCEEDED);
    assert_int_equal(s.status, 200);
}

static void redirects_are_followed_on_the_same_host(void **state)
{
    struct world *w = *state;

    assert_int_equal(probe_path(w, "/local").kind, PROBE_SUCCEEDED);
    assert_non_null(strstr(w->last, "GET /end?a=b|"));
    assert_int_equal(probe_path(w, "/whole").kind, PROBE_SUCCEEDED);
    assert_non_null(strstr(w->last, "GET /end?|"));
}

static void a_redirect_to_another_host_is_a_warning(void **state)
{
    const struct seen s = probe_path(*state, "/elsewhere");

    assert_int_equal(s.kind, PROBE_WARNED);
    assert_string_equal(s.output, "Probe terminated redirects, Response body: over there");
}

static void redirects_end_after_ten(void **state)
{
    struct world *w = *state;
    const struct seen s = probe_path(w, "/circle");

    assert_int_equal(s.kind, PROBE_FAILED);
    assert_non_null(strstr(s.output, "stopped after 10 redirects"));
    assert_int_equal(w->requests, 11);
}

static void headers_are_the_users(void **state)
{
    struct http_header_field own[] = {
        {"Host", "web.example"}, {"User-Agent", "mine"}, {"X-Test", "a"}};
    struct world *w = *state;
    struct probe_http_request r = request_of(w, "/x");
    const struct json_array headers = {.v = own, .n = VK_COUNT(own)};

    assert_int_equal(probe(w, r).kind, PROBE_SUCCEEDED);
    assert_string_equal(w->last, "GET /x?|user-agent=kube-probe/1.37|accept=*/*");
    r.headers = &headers;
    assert_int_equal(probe(w, r).kind, PROBE_SUCCEEDED);
    assert_string_equal(w->last, "GET /x?|host=web.example|user-agent=mine|accept=*/*|x-test=a");
    /* A Host that was asked for goes along with a redirect that names no host of its own. */
    r.path = "/local";
    assert_int_equal(probe(w, r).kind, PROBE_SUCCEEDED);
    assert_non_null(strstr(w->last, "|host=web.example|"));
    r.path = "/whole";
    assert_int_equal(probe(w, r).kind, PROBE_SUCCEEDED);
    assert_null(strstr(w->last, "web.example"));
}

static void odd_paths_are_escaped(void **state)
{
    struct world *w = *state;

    assert_int_equal(probe_path(w, NULL).kind, PROBE_SUCCEEDED);
    assert_non_null(strstr(w->last, "GET /?|"));
    assert_int_equal(probe_path(w, "no slash").kind, PROBE_SUCCEEDED);
    assert_non_null(strstr(w->last, "GET /no%20slash?|"));
    assert_int_equal(probe_path(w, "/a%20b?c=d e#f").kind, PROBE_SUCCEEDED);
    assert_non_null(strstr(w->last, "GET /a%20b?c=d%20e|"));
}

static void nobody_there_and_nobody_answering_are_failures(void **state)
{
    struct world *w = *state;
    struct probe_http_request r = request_of(w, "/never");
    struct seen s;

    r.timeout_ms = 300;
    s = probe(w, r);
    assert_int_equal(s.kind, PROBE_FAILED);
    assert_int_equal(s.status, 0);
    assert_non_null(strstr(s.output, "context deadline exceeded"));
    r = request_of(w, "/x");
    r.port = 1;
    s = probe(w, r);
    assert_int_equal(s.kind, PROBE_FAILED);
    assert_true(vk_starts(s.output, "Get \"http://127.0.0.1:1/x\": "));
}

static void a_cancelled_probe_says_nothing(void **state)
{
    struct world *w = *state;
    struct seen s = {0};
    const struct probe_http_request r = request_of(w, "/never");
    bool never = false;
    struct probe_http *p = probe_http_start(w->client, &r, on_done, &s);

    vk_loop_run_until(w->loop, &never, 100);
    probe_http_cancel(p);
    vk_loop_run_until(w->loop, &never, 100);
    assert_int_equal(s.count, 0);
}

static void certificates_are_not_looked_at(void **state)
{
    struct world *w = *state;
    struct probe_http_request r = request_of(w, "/x");

    r.scheme = "HTTPS";
    assert_int_equal(probe(w, r).kind, PROBE_SUCCEEDED);
}

static void a_server_without_tls_is_known_by_its_answer(void **state)
{
    struct world *w = *state;
    struct probe_http_request r = request_of(w, "/x");
    struct seen s;

    r.scheme = "HTTPS";
    s = probe(w, r);
    assert_int_equal(s.kind, PROBE_FAILED);
    assert_true(s.is_plain_http);
    r.port = 1;
    assert_false(probe(w, r).is_plain_http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define PLAIN(fn) cmocka_unit_test_setup_teardown(fn, set_up_plain, tear_down)
        PLAIN(answers_are_judged_by_their_status),
        PLAIN(only_the_beginning_of_a_big_answer_is_read),
        PLAIN(redirects_are_followed_on_the_same_host),
        PLAIN(a_redirect_to_another_host_is_a_warning),
        PLAIN(redirects_end_after_ten),
        PLAIN(headers_are_the_users),
        PLAIN(odd_paths_are_escaped),
        PLAIN(nobody_there_and_nobody_answering_are_failures),
        PLAIN(a_cancelled_probe_says_nothing),
        PLAIN(a_server_without_tls_is_known_by_its_answer),
        cmocka_unit_test_setup_teardown(certificates_are_not_looked_at, set_up_tls, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
