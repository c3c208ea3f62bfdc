/* SPDX-License-Identifier: Apache-2.0 */
/* base/http_client against base/http_server, on one loop. */
#include "base/http_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/http_server.h"
#include "base/url.h"
#include "tests/unit/base/certificates.h"

#define PATIENCE_MS 60000

struct world {
    struct vk_loop *loop;
    struct certificate ca, other_ca, server_certificate, client_certificate;
    char *ca_file;
    struct http_server *server;
    struct http_client *client;
    struct http_host *host;
    char base_url[64];
    struct http_exchange *kept;
    int requests;
};

/* ---- the server: what it answers goes by the path ---- */

static void on_gone(void *user)
{
    *(struct http_exchange **)user = NULL;
}

/* Everything that arrived, as text. */
static void reflect(struct http_exchange *x)
{
    static const char *const names[] = {"authorization", "content-type", "content-length", "expect",
                                        "user-agent",    "x-test",       "x-empty"};
    const struct http1_head *head = http_exchange_head(x);
    const struct tls_peer *peer = http_exchange_peer(x);
    struct vk_str body = http_exchange_body(x);
    struct vk_buf out VK_BUF_AUTO;

    vk_buf_init(&out, 2 << 20);
    vk_buf_printf(&out, "%s %s?%s", head->method, head->path, head->query);
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (http1_header(head, names[i]))
            vk_buf_printf(&out, "|%s=%s", names[i], http1_header(head, names[i]));
    if (peer->verified)
        vk_buf_printf(&out, "|peer=%s", peer->common_name);
    vk_buf_printf(&out, "|[%.*s]", (int)body.n, body.p);
    http_exchange_reply(x, 200, "text/plain", vk_buf_str(&out));
}

static void reply_bytes(struct http_exchange *x, int status)
{
    static const char bytes[200000] = {'b'};
    int64_t n = 0;

    assert_true(vk_str_int64(vk_str_of(http_exchange_head(x)->query), 0, sizeof(bytes), &n));
    http_exchange_reply(x, status, NULL, (struct vk_str){bytes, (size_t)n});
}

static void handle(void *user, struct http_exchange *x)
{
    struct world *w = user;
    const struct http1_head *head = http_exchange_head(x);
    const char *path = head->path;

    w->requests++;
    if (vk_streq(path, "/retry-after")) {
        struct vk_str rest = vk_str_of(head->query), name = vk_str_cut(rest, '=', &rest);
        const char *value = NULL;

        assert_true(url_decode(rest, true, http_exchange_arena(x), &value));
        http_exchange_header(x, vk_arena_str(http_exchange_arena(x), name), value);
        http_exchange_header(x, "x-twice", "first");
        http_exchange_header(x, "X-Twice", "last");
        http_exchange_reply(x, 429, NULL, VK_STR("slow down"));
    } else if (vk_streq(path, "/redirect")) {
        http_exchange_header(x, "Location", "/elsewhere");
        http_exchange_reply(x, 307, NULL, VK_STR(""));
    } else if (vk_streq(path, "/bytes")) {
        reply_bytes(x, 200);
    } else if (vk_streq(path, "/error")) {
        reply_bytes(x, 500);
    } else if (vk_streq(path, "/never")) {
        w->kept = x;
        http_exchange_on_gone(x, on_gone, &w->kept);
    } else {
        reflect(x);
    }
}

/* ---- a call and what it gave ---- */

struct outcome {
    struct world *w;
    int status, done_count;
    char body[512];
    size_t body_n;
    int64_t retry_after_ms;
    char twice[16];
    bool has_err, done;
    struct vk_err err;
};

static void on_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct outcome *o = user;

    o->done = true;
    o->done_count++;
    assert_true((response == NULL) == (err != NULL));
    if (err) {
        o->has_err = true;
        o->err = *err;
        return;
    }
    o->status = response->status;
    o->body_n = response->body.n;
    snprintf(o->body, sizeof(o->body), "%.*s", (int)response->body.n, response->body.p);
    o->retry_after_ms = response->retry_after_ms;
    assert_null(http_response_header(response, "x-absent"));
    if (http_response_header(response, "x-twice"))
        snprintf(o->twice, sizeof(o->twice), "%s", http_response_header(response, "X-TWICE"));
}

static struct outcome fetch_request(struct world *w, struct http_host *host,
                                    struct http_request request)
{
    struct outcome o = {.w = w};

    if (!request.method)
        request.method = "GET";
    if (!request.deadline_ms)
        request.deadline_ms = PATIENCE_MS;
    request.on_done = on_done;
    request.user = &o;
    http_call_start(host, &request);
    assert_false(o.done);
    assert_true(http_host_is_busy(host));
    assert_true(vk_loop_run_until(w->loop, &o.done, PATIENCE_MS));
    assert_false(http_host_is_busy(host));
    assert_int_equal(o.done_count, 1);
    return o;
}

static struct outcome fetch(struct world *w, const char *path)
{
    return fetch_request(w, w->host, (struct http_request){.path = path});
}

/* ---- set up ---- */

static void serve(struct world *w, bool plain)
{
    const struct http_server_config config = {
        .listener = {.address = "127.0.0.1",
                     .plain = plain,
                     .cert_pem = w->server_certificate.cert_pem,
                     .key_pem = w->server_certificate.key_pem,
                     .client_ca_file = w->ca_file},
        .max_body = 1 << 20};
    struct vk_err err;

    if (http_server_new(w->loop, &config, handle, w, &w->server, &err) < 0)
        fail_msg("%s", err.msg);
    snprintf(w->base_url, sizeof(w->base_url), "http%s://127.0.0.1:%d/", plain ? "" : "s",
             http_server_port(w->server));
}

static int set_up(void **state)
{
    static const struct certificate_name name = {"CN", "node", -1};
    struct world *w = vk_calloc(1, sizeof(*w));

    w->loop = vk_loop_new();
    w->client = http_client_new(w->loop);
    w->ca = certificate_authority("ca");
    w->other_ca = certificate_authority("other");
    w->server_certificate = certificate_server(&w->ca, "DNS:kubernetes.default.svc,IP:127.0.0.1");
    w->client_certificate = certificate_make(&(struct certificate_spec){
        .issuer = &w->ca, .names = &name, .name_count = 1, .usage = "clientAuth"});
    w->ca_file = certificate_file(w->ca.cert_pem);
    *state = w;
    return 0;
}

static int set_up_plain(void **state)
{
    struct world *w;

    set_up(state);
    w = *state;
    serve(w, true);
    w->host = http_host_new(w->client,
                            &(struct http_host_config){.base_url = w->base_url, .no_proxy = true});
    return 0;
}

static int set_up_tls(void **state)
{
    set_up(state);
    serve(*state, false);
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    http_host_free(w->host);
    http_client_free(w->client);
    http_server_free(w->server);
    vk_loop_free(w->loop);
    certificate_release(&w->ca);
    certificate_release(&w->other_ca);
    certificate_release(&w->server_certificate);
    certificate_release(&w->client_certificate);
    unlink(w->ca_file);
    vk_free(w->ca_file);
    vk_free(w);
    return 0;
}

/* ---- requests ---- */

static void requests_arrive_as_they_were_asked_for(void **state)
{
    static const struct http_header headers[] = {
        {"Content-Type", "application/json"}, {"X-Test", "a: b"}, {"X-Empty", ""}};
    const struct {
        struct http_request request;
        const char *seen;
    } cases[] = {
        {{.method = "GET", .path = "/a?b=c"}, "GET /a?b=c|[]"},
        {{.method = "GET", .path = "a"}, "GET /a?|[]"},
        {{.method = "DELETE", .path = "/d", .bearer = "t0ken"},
         "DELETE /d?|authorization=Bearer t0ken|[]"},
        {{.method = "POST", .path = "/p"}, "POST /p?|content-length=0|[]"},
        {{.method = "PUT",
          .path = "/p",
          .body = VK_STR("x"),
          .headers = headers,
          .header_count = 3},
         "PUT /p?|content-type=application/json|content-length=1|x-test=a: b|x-empty=|[x]"},
        {{.method = "PATCH", .path = "/p", .body = VK_STR("{}"), .idempotent = true},
         "PATCH /p?|content-length=2|[{}]"},
        {{.method = "DELETE", .path = "/d", .body = VK_STR("opts")},
         "DELETE /d?|content-length=4|[opts]"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct outcome o = fetch_request(w, w->host, cases[i].request);

        assert_int_equal(o.status, 200);
        assert_string_equal(o.body, cases[i].seen);
    }
}

static void head_has_no_body(void **state)
{
    struct world *w = *state;
    struct outcome o =
        fetch_request(w, w->host, (struct http_request){.method = "HEAD", .path = "/x"});

    assert_int_equal(o.status, 200);
    assert_int_equal(o.body_n, 0);
}

static void big_upload_arrives_whole_without_expect(void **state)
{
    struct world *w = *state;
    struct vk_buf body VK_BUF_AUTO;
    struct outcome o;

    vk_buf_init(&body, 1 << 20);
    for (int i = 0; i < (1 << 20) / 8; i++)
        vk_buf_adds(&body, "12345678");
    o = fetch_request(
        w, w->host,
        (struct http_request){.method = "PUT", .path = "/p", .body = vk_buf_str(&body)});
    assert_int_equal(o.status, 200);
    assert_non_null(strstr(o.body, "PUT /p?|content-length=1048576|[12345678"));
    assert_int_equal(o.body_n, strlen("PUT /p?|content-length=1048576|[]") + (1 << 20));
}

static void absolute_urls_of_the_same_host_are_followed_others_refused(void **state)
{
    struct world *w = *state;
    char same[128], port[128];
    const char *others[] = {"https://127.0.0.1/x", "http://127.0.0.2:80/x", port,
                            "http://user@evil.example/x", "http://[bad/"};

    snprintf(same, sizeof(same), "%soperations/1?v=2", w->base_url);
    snprintf(port, sizeof(port), "http://127.0.0.1:%d/x", http_server_port(w->server) ^ 1);
    assert_string_equal(fetch(w, same).body, "GET /operations/1?v=2|[]");
    for (size_t i = 0; i < VK_COUNT(others); i++) {
        struct outcome o = fetch(w, others[i]);

        assert_true(o.has_err);
        assert_int_equal(o.err.code, VK_INVALID);
        assert_string_equal(o.err.reason, "NotSent");
    }
    assert_int_equal(w->requests, 1);
}

static void requests_that_would_break_the_protocol_are_not_sent(void **state)
{
    static const struct http_header split[] = {{"X-Test", "a\r\nX-Evil: b"}};
    static const struct http_header name[] = {{"X Test", "a"}};
    static const struct http_request requests[] = {
        {.path = "/", .headers = split, .header_count = 1},
        {.path = "/", .headers = name, .header_count = 1},
        {.path = "/", .bearer = "token\n"},
        {.path = "/a b"},
        {.path = "/a\r\nHost: b"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < VK_COUNT(requests); i++) {
        struct outcome o = fetch_request(w, w->host, requests[i]);

        assert_true(o.has_err);
        assert_int_equal(o.err.code, VK_INVALID);
        assert_null(strstr(o.err.msg, "token"));
        assert_null(strpbrk(o.err.msg, "\r\n"));
    }
    assert_int_equal(w->requests, 0);
}

/* ---- answers ---- */

static void retry_after_is_understood_in_every_form(void **state)
{
    static const struct {
        const char *header;
        int64_t ms;
    } cases[] = {
        {"Retry-After=7", 7000},
        {"retry-after-ms=1500", 1500},
        {"x-ms-retry-after-ms=20", 20},
        {"Retry-After=soon", 0},
        {"Retry-After=-1", 0},
        {"Retry-After=99999999", 24 * 3600 * 1000},
        {"X-Other=1", 0},
    };
    struct world *w = *state;
    struct outcome o;
    time_t then = time(NULL) + 100;
    struct tm t;
    char path[128];

    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        snprintf(path, sizeof(path), "/retry-after?%s", cases[i].header);
        o = fetch(w, path);
        assert_int_equal(o.status, 429);
        assert_string_equal(o.body, "slow down");
        assert_string_equal(o.twice, "last");
        assert_int_equal(o.retry_after_ms, cases[i].ms);
    }
    strftime(path, sizeof(path), "/retry-after?Retry-After=%a,+%d+%b+%Y+%T+GMT",
             gmtime_r(&then, &t));
    o = fetch(w, path);
    assert_in_range(o.retry_after_ms, 90000, 100000);
}

static void redirects_are_answers(void **state)
{
    assert_int_equal(fetch(*state, "/redirect").status, 307);
}

static void bodies_are_limited_to_the_byte(void **state)
{
    struct world *w = *state;
    struct http_request request = {.path = "/bytes?1000", .max_body = 1000};
    struct outcome o = fetch_request(w, w->host, request);

    assert_int_equal(o.status, 200);
    assert_int_equal(o.body_n, 1000);
    request.path = "/bytes?1001";
    o = fetch_request(w, w->host, request);
    assert_true(o.has_err);
    assert_int_equal(o.err.code, VK_TOO_LARGE);
    /* An error's text is cut instead: the status is what counts. */
    request.path = "/error?200000";
    o = fetch_request(w, w->host, request);
    assert_false(o.has_err);
    assert_int_equal(o.status, 500);
    assert_int_equal(o.body_n, 64 * 1024);
}

static void deadline_ends_a_call_that_is_not_answered(void **state)
{
    struct world *w = *state;
    struct outcome o = fetch_request(
        w, w->host,
        (struct http_request){.method = "PUT", .path = "/never?secret", .deadline_ms = 80});

    assert_true(o.has_err);
    assert_int_equal(o.err.code, VK_TIMEOUT);
    assert_int_equal(o.err.sys_errno, 0);
    assert_string_equal(o.err.reason, "");
    assert_non_null(strstr(o.err.msg, "PUT http://127.0.0.1:"));
    assert_non_null(strstr(o.err.msg, "/never: "));
    assert_null(strstr(o.err.msg, "secret"));
}

/* ---- TLS ---- */

static struct outcome fetch_tls(struct world *w, struct http_host_config config)
{
    struct http_host *host;
    struct outcome o;

    config.base_url = config.base_url ? config.base_url : w->base_url;
    config.no_proxy = true;
    config.connect_timeout_ms = PATIENCE_MS;
    host = http_host_new(w->client, &config);
    o = fetch_request(w, host, (struct http_request){.path = "/x"});
    http_host_free(host);
    return o;
}

static void trusted_servers_are_reached(void **state)
{
    struct world *w = *state;
    char *cert_file = certificate_file(w->client_certificate.cert_pem);
    char *key_file = certificate_file(w->client_certificate.key_pem);
    const struct {
        struct http_host_config config;
        const char *seen;
    } cases[] = {
        {{.ca_pem = w->ca.cert_pem}, "GET /x?|[]"},
        {{.ca_file = w->ca_file}, "GET /x?|[]"},
        {{.ca_file = "/tmp/wrong", .ca_pem = w->ca.cert_pem}, "GET /x?|[]"},
        {{.insecure_skip_verify = true}, "GET /x?|[]"},
        {{.ca_pem = w->ca.cert_pem, .tls_server_name = "kubernetes.default.svc"}, "GET /x?|[]"},
        {{.ca_pem = w->ca.cert_pem,
          .cert_pem = w->client_certificate.cert_pem,
          .key_pem = w->client_certificate.key_pem,
          .user_agent = "aci-kubelet/1"},
         "GET /x?|user-agent=aci-kubelet/1|peer=node|[]"},
        {{.ca_file = w->ca_file, .cert_file = cert_file, .key_file = key_file},
         "GET /x?|peer=node|[]"},
    };

    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct outcome o = fetch_tls(w, cases[i].config);

        if (o.has_err)
            fail_msg("%s", o.err.msg);
        assert_string_equal(o.body, cases[i].seen);
    }
    unlink(cert_file);
    unlink(key_file);
    vk_free(cert_file);
    vk_free(key_file);
}

static void untrusted_servers_get_nothing_and_the_message_says_why(void **state)
{
    struct world *w = *state;
    char *other_file = certificate_file(w->other_ca.cert_pem);
    const struct {
        struct http_host_config config;
        const char *word;
    } cases[] = {
        {{.ca_pem = w->other_ca.cert_pem}, "trusted is the CA data that was configured"},
        {{.ca_file = other_file}, other_file},
        {{.ca_file = "/tmp/no-such-ca"}, "/tmp/no-such-ca"},
        {{0}, "trusted is "},
        {{.ca_pem = w->ca.cert_pem, .tls_server_name = "other.name"}, "other.name"},
        {{.ca_pem = w->ca.cert_pem, .cert_file = "/tmp/no-such-cert"}, "/tmp/no-such-cert"},
        {{.base_url = "http://127.0.0.1:1"}, "Failed to connect"},
        {{.base_url = "http://no-such-host.invalid"}, "esolv"},
    };

    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct outcome o = fetch_tls(w, cases[i].config);

        assert_true(o.has_err);
        assert_int_equal(o.err.code, VK_UNAVAILABLE);
        assert_int_equal(o.err.sys_errno, ECONNREFUSED);
        assert_string_equal(o.err.reason, "NotSent");
        if (!strstr(o.err.msg, cases[i].word))
            fail_msg("\"%s\" does not say \"%s\"", o.err.msg, cases[i].word);
    }
    /* An empty name, as of an option that was given so, is none. */
    assert_string_equal(fetch_tls(w, (struct http_host_config){.ca_file = ""}).err.msg,
                        fetch_tls(w, (struct http_host_config){0}).err.msg);
    assert_int_equal(w->requests, 0);
    unlink(other_file);
    vk_free(other_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define PLAIN(fn) cmocka_unit_test_setup_teardown(fn, set_up_plain, tear_down)
#define TLS(fn) cmocka_unit_test_setup_teardown(fn, set_up_tls, tear_down)
        PLAIN(requests_arrive_as_they_were_asked_for),
        PLAIN(head_has_no_body),
        PLAIN(big_upload_arrives_whole_without_expect),
        PLAIN(absolute_urls_of_the_same_host_are_followed_others_refused),
        PLAIN(requests_that_would_break_the_protocol_are_not_sent),
        PLAIN(retry_after_is_understood_in_every_form),
        PLAIN(redirects_are_answers),
        PLAIN(bodies_are_limited_to_the_byte),
        PLAIN(deadline_ends_a_call_that_is_not_answered),
        TLS(trusted_servers_are_reached),
        TLS(untrusted_servers_get_nothing_and_the_message_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
