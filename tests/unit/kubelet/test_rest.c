/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/fake_api_server.h"

#include <unistd.h>

#include "base/clock.h"

struct answer {
    bool is_done;
    int count;
    struct vk_buf body;
    bool failed;
    struct vk_err err;
};

static void on_done(void *user, struct vk_str body, const struct vk_err *err)
{
    struct answer *a = user;

    a->count++;
    a->is_done = true;
    a->failed = err != NULL;
    if (err)
        a->err = *err;
    vk_buf_addstr(&a->body, body);
}

static int on_body(void *user, struct vk_str piece)
{
    struct answer *a = user;

    vk_buf_addstr(&a->body, piece);
    return 0;
}

static int refuse_body(void *user, struct vk_str piece)
{
    (void)user;
    (void)piece;
    return -1;
}

static void answer_init(struct answer *a)
{
    *a = (struct answer){0};
    vk_buf_init(&a->body, 1 << 20);
}

static void run(struct fake_api *api, struct rest_request request, struct answer *a)
{
    answer_init(a);
    request.on_done = on_done;
    request.user = a;
    rest_start(api->rest, &request);
    assert_false(a->is_done);
    fake_run_until(api, &a->is_done);
    assert_int_equal(a->count, 1);
}

static void the_body_of_a_2xx_is_handed_over(void **state)
{
    static const struct fake_step steps[] = {{.body = "{\"a\":1}"}, {.status = 201, .body = "{}"}};
    struct fake_api api;
    struct answer a;

    (void)state;
    fake_start(&api, steps, VK_COUNT(steps), NULL);
    run(&api, (struct rest_request){.method = "GET", .path = "/api/v1/pods?x=1"}, &a);
    assert_false(a.failed);
    assert_string_equal(vk_buf_peek(&a.body), "{\"a\":1}");
    vk_buf_release(&a.body);
    run(&api,
        (struct rest_request){.method = "POST", .path = "/api/v1/x", .body = VK_STR("{\"b\":2}")},
        &a);
    assert_false(a.failed);
    assert_string_equal(vk_buf_peek(&api.asked), "GET /api/v1/pods?x=1\n"
                                                 "POST /api/v1/x [application/json] {\"b\":2}\n");
    vk_buf_release(&a.body);
    fake_stop(&api);
}

static void each_patch_has_its_content_type(void **state)
{
    static const struct {
        enum rest_patch_type type;
        const char *asked;
    } cases[] = {
        {REST_MERGE_PATCH, "PATCH /p [application/merge-patch+json] {}\n"},
        {REST_STRATEGIC_MERGE_PATCH, "PATCH /p [application/strategic-merge-patch+json] {}\n"},
        {REST_JSON_PATCH, "PATCH /p [application/json-patch+json] {}\n"},
    };
    static const struct fake_step step = {.body = "{}"};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct fake_api api;
        struct answer a;

        fake_start(&api, &step, 1, NULL);
        run(&api,
            (struct rest_request){
                .method = "PATCH", .path = "/p", .body = VK_STR("{}"), .patch = cases[i].type},
            &a);
        assert_string_equal(vk_buf_peek(&api.asked), cases[i].asked);
        vk_buf_release(&a.body);
        fake_stop(&api);
    }
}

static void refusals_are_errors_made_from_the_status(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 404,
         .body = "{\"kind\":\"Status\",\"message\":\"pods \\\"y\\\" not found\","
                 "\"reason\":\"NotFound\",\"code\":404}"},
        {.status = 429, .body = "slow down", .retry_after = "2"},
        {.status = 409, .body = "{\"reason\":\"AlreadyExists\",\"message\":\"there\"}"},
    };
    struct fake_api api;
    struct answer a;
    const struct rest_request request = {
        .method = "GET", .path = "/p", .what = "get pod x/y", .on_body = on_body};

    (void)state;
    fake_start(&api, steps, VK_COUNT(steps), NULL);
    run(&api, request, &a);
    assert_true(a.failed);
    assert_int_equal(a.err.code, VK_NOT_FOUND);
    assert_string_equal(a.err.reason, "NotFound");
    assert_string_equal(a.err.msg, "get pod x/y: pods \"y\" not found (HTTP 404)");
    assert_int_equal(vk_buf_len(&a.body), 0);
    vk_buf_release(&a.body);
    run(&api, request, &a);
    assert_int_equal(a.err.code, VK_THROTTLED);
    assert_int_equal(a.err.retry_after_ms, 2000);
    vk_buf_release(&a.body);
    run(&api, request, &a);
    assert_int_equal(a.err.code, VK_ALREADY_EXISTS);
    vk_buf_release(&a.body);
    fake_stop(&api);
}

static void a_streamed_body_arrives_in_pieces_and_a_cut_is_an_error(void **state)
{
    static const struct fake_step steps[] = {
        {.body = "first", .ending = FAKE_END},
        {.body = "second", .ending = FAKE_CUT},
        {.body = "third", .ending = FAKE_HOLD},
    };
    struct rest_request request = {.method = "GET", .path = "/w", .on_body = on_body};
    struct fake_api api;
    struct answer a;

    (void)state;
    fake_start(&api, steps, VK_COUNT(steps), NULL);
    run(&api, request, &a);
    assert_false(a.failed);
    assert_string_equal(vk_buf_peek(&a.body), "first");
    vk_buf_release(&a.body);
    run(&api, request, &a);
    assert_int_equal(a.err.code, VK_UNAVAILABLE);
    assert_string_equal(vk_buf_peek(&a.body), "second");
    assert_true(vk_starts(a.err.msg, "GET /w: "));
    vk_buf_release(&a.body);
    request.on_body = refuse_body;
    run(&api, request, &a);
    assert_int_equal(a.err.code, VK_CANCELLED);
    vk_buf_release(&a.body);
    fake_stop(&api);
}

static void a_deadline_ends_a_call(void **state)
{
    static const struct fake_step step = {.ending = FAKE_HOLD};
    struct fake_api api;
    struct answer a;

    (void)state;
    fake_start(&api, &step, 1, NULL);
    run(&api, (struct rest_request){.method = "GET", .path = "/p", .deadline_ms = 50}, &a);
    assert_int_equal(a.err.code, VK_TIMEOUT);
    vk_buf_release(&a.body);
    fake_stop(&api);
}

static void a_cancelled_call_never_calls_back(void **state)
{
    static const struct fake_step steps[] = {{.ending = FAKE_HOLD}, {.body = "{}"}};
    struct rest_request request = {.method = "GET", .path = "/p", .on_done = on_done};
    struct fake_api api;
    struct answer gone, a;
    struct rest_call *call;

    (void)state;
    fake_start(&api, steps, VK_COUNT(steps), NULL);
    answer_init(&gone);
    request.user = &gone;
    call = rest_start(api.rest, &request);
    while (api.next == 0)
        fake_run_ms(&api, 1);
    rest_cancel(call);
    rest_cancel(NULL);
    run(&api, (struct rest_request){.method = "GET", .path = "/q"}, &a);
    assert_int_equal(gone.count, 0);
    rest_start(api.rest, &request);
    fake_stop(&api);
    assert_int_equal(gone.count, 0);
    vk_buf_release(&a.body);
    vk_buf_release(&gone.body);
}

static char token_path[] = "/tmp/test_rest.XXXXXX";

static void write_token(const char *text)
{
    FILE *f = fopen(token_path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void rotate_token(void *user)
{
    (void)user;
    write_token("new\n");
}

static void a_rotated_token_is_read_again_at_401_and_the_call_repeated_once(void **state)
{
    static const struct fake_step steps[] = {
        {.body = "{}"},
        {.status = 401, .body = "{}", .before = rotate_token},
        {.body = "again"},
        {.status = 401, .body = "{}"},
    };
    const struct cluster_config config = {.token_file = token_path};
    struct rest_request request = {.method = "POST", .path = "/p", .body = VK_STR("{\"a\":1}")};
    struct fake_api api;
    struct answer a;

    (void)state;
    write_token("old");
    fake_start(&api, steps, VK_COUNT(steps), &config);
    run(&api, request, &a);
    vk_buf_release(&a.body);
    run(&api, request, &a);
    assert_false(a.failed);
    assert_string_equal(vk_buf_peek(&a.body), "again");
    vk_buf_release(&a.body);
    /* The file has nothing new: the 401 is final. */
    run(&api, request, &a);
    assert_int_equal(a.err.code, VK_UNAUTHENTICATED);
    vk_buf_release(&a.body);
    assert_string_equal(vk_buf_peek(&api.authorization),
                        "Bearer old\nBearer old\nBearer new\nBearer new\n");
    assert_string_equal(vk_buf_peek(&api.asked), "POST /p [application/json] {\"a\":1}\n"
                                                 "POST /p [application/json] {\"a\":1}\n"
                                                 "POST /p [application/json] {\"a\":1}\n"
                                                 "POST /p [application/json] {\"a\":1}\n");
    fake_stop(&api);
}

static void a_token_file_is_read_again_once_a_minute(void **state)
{
    static const struct fake_step steps[] = {{.body = "{}"}, {.body = "{}"}, {.body = "{}"}};
    const struct cluster_config config = {.token_file = token_path};
    const struct rest_request request = {.method = "GET", .path = "/p"};
    struct fake_api api;
    struct answer a;

    (void)state;
    write_token("old");
    vk_clock_freeze(1000000, 1000000);
    fake_start(&api, steps, VK_COUNT(steps), &config);
    write_token("new");
    run(&api, request, &a);
    vk_buf_release(&a.body);
    vk_clock_advance(60000);
    run(&api, request, &a);
    vk_buf_release(&a.body);
    /* Between two versions of the file the last good token serves. */
    write_token("");
    vk_clock_advance(60000);
    run(&api, request, &a);
    vk_buf_release(&a.body);
    assert_string_equal(vk_buf_peek(&api.authorization), "Bearer old\nBearer new\nBearer new\n");
    fake_stop(&api);
    vk_clock_thaw();
}

static void a_client_without_its_token_is_refused(void **state)
{
    struct vk_loop *loop = vk_loop_new();
    struct http_client *http = http_client_new(loop);
    struct cluster_config config = {
        .server = "http://127.0.0.1:1", .token_file = "/nowhere/token", .source = "kubeconfig /k"};
    struct rest_client *client;
    struct vk_err err;

    (void)state;
    assert_int_equal(rest_client_new(http, &config, "test", &client, &err), -VK_NOT_FOUND);
    assert_true(vk_starts(err.msg, "kubeconfig /k: "));
    write_token("\n");
    config.token_file = token_path;
    assert_int_equal(rest_client_new(http, &config, "test", &client, &err), -VK_INVALID);
    http_client_free(http);
    vk_loop_free(loop);
}

static void an_unreachable_server_is_named(void **state)
{
    struct vk_loop *loop = vk_loop_new();
    struct http_client *http = http_client_new(loop);
    const struct cluster_config config = {.server = "http://127.0.0.1:1"};
    struct rest_client *client;
    struct vk_err err;
    struct answer a;

    (void)state;
    assert_int_equal(rest_client_new(http, &config, "test", &client, &err), 0);
    assert_string_equal(rest_client_server(client), "http://127.0.0.1:1");
    answer_init(&a);
    rest_start(
        client,
        &(struct rest_request){
            .method = "GET", .path = "/p", .what = "list pods", .on_done = on_done, .user = &a});
    assert_true(vk_loop_run_until(loop, &a.is_done, FAKE_DEADLINE_MS));
    assert_int_equal(a.err.code, VK_UNAVAILABLE);
    assert_true(vk_starts(a.err.msg, "list pods: "));
    assert_non_null(strstr(a.err.msg, "127.0.0.1"));
    vk_buf_release(&a.body);
    rest_client_free(client);
    http_client_free(http);
    vk_loop_free(loop);
}

static int make_token_file(void **state)
{
    int fd = mkstemp(token_path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_token_file(void **state)
{
    (void)state;
    return unlink(token_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_body_of_a_2xx_is_handed_over),
        cmocka_unit_test(each_patch_has_its_content_type),
        cmocka_unit_test(refusals_are_errors_made_from_the_status),
        cmocka_unit_test(a_streamed_body_arrives_in_pieces_and_a_cut_is_an_error),
        cmocka_unit_test(a_deadline_ends_a_call),
        cmocka_unit_test(a_cancelled_call_never_calls_back),
        cmocka_unit_test(a_rotated_token_is_read_again_at_401_and_the_call_repeated_once),
        cmocka_unit_test(a_token_file_is_read_again_once_a_minute),
        cmocka_unit_test(a_client_without_its_token_is_refused),
        cmocka_unit_test(an_unreachable_server_is_named),
    };
    return cmocka_run_group_tests(tests, make_token_file, remove_token_file);
}
