/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/kubernetes_data.h"

#include "base/alloc.h"
#include "kubelet/api/meta.h"

static void metadata_is_decoded(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct object_meta meta = {0};
    const struct owner_reference *owner;
    const struct json *root;
    struct vk_err err;

    (void)state;
    assert_int_equal(json_parse(VK_STR("{\"name\":\"a\",\"namespace\":\"n\",\"uid\":\"u\","
                                       "\"resourceVersion\":\"7\",\"generation\":3,"
                                       "\"labels\":{\"app\":\"web\",\"empty\":\"\"},"
                                       "\"annotations\":null,"
                                       "\"creationTimestamp\":\"1970-01-01T00:00:02Z\","
                                       "\"deletionTimestamp\":\"1970-01-01T00:00:03Z\","
                                       "\"deletionGracePeriodSeconds\":0,"
                                       "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\","
                                       "\"kind\":\"ReplicaSet\",\"name\":\"r\",\"uid\":\"ru\","
                                       "\"controller\":true}],\"finalizers\":[\"x/y\"]}"),
                                1000, arena, &root, &err),
                     0);
    assert_int_equal(json_decode(root, object_meta_fields, &meta, arena, "", &err), 0);
    assert_string_equal(meta.name, "a");
    assert_string_equal(meta.namespace_, "n");
    assert_string_equal(meta.uid, "u");
    assert_string_equal(meta.resource_version, "7");
    assert_int_equal(meta.generation, 3);
    assert_int_equal(meta.creation_timestamp_ns, 2000000000);
    assert_int_equal(meta.deletion_timestamp_ns, 3000000000);
    assert_true(meta.has_deletion_grace_period);
    assert_int_equal(meta.deletion_grace_period_seconds, 0);
    assert_string_equal(pairs_get(&meta.labels, "app"), "web");
    assert_string_equal(pairs_get(&meta.labels, "empty"), "");
    assert_null(pairs_get(&meta.labels, "none"));
    assert_null(pairs_get(&meta.annotations, "app"));
    owner = meta.owner_references.v;
    assert_int_equal(meta.owner_references.n, 1);
    assert_string_equal(owner->kind, "ReplicaSet");
    assert_true(owner->controller);
    assert_string_equal(meta.finalizers.v[0], "x/y");
}

static const struct {
    const char *file;
    int http_status;
    enum vk_code code;
    const char *reason, *message;
    int64_t retry_after_ms;
} recorded[] = {
    {"status-not-found.json", 404, VK_NOT_FOUND, "NotFound",
     "get pod: pods \"none\" not found (HTTP 404)", 0},
    {"status-already-exists.json", 409, VK_ALREADY_EXISTS, "AlreadyExists",
     "get pod: namespaces \"default\" already exists (HTTP 409)", 0},
    {"status-conflict.json", 409, VK_CONFLICT, "Conflict", NULL, 0},
    {"status-forbidden.json", 403, VK_FORBIDDEN, "Forbidden", NULL, 0},
    {"status-unauthorized.json", 401, VK_UNAUTHENTICATED, "Unauthorized",
     "get pod: Unauthorized (HTTP 401)", 0},
    {"status-invalid.json", 422, VK_INVALID, "Invalid", NULL, 0},
    {"status-too-large-rv.json", 504, VK_TIMEOUT, "Timeout",
     "get pod: Timeout: Too large resource version: 99999999, current: 300 (HTTP 504)", 1000},
};

static void recorded_answers_become_errors(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();

    (void)state;
    for (size_t i = 0; i < VK_COUNT(recorded); i++) {
        struct vk_err err;
        int rc = meta_status_error(&err, recorded[i].http_status,
                                   kubernetes_data(recorded[i].file, arena), 0, "get pod");

        print_message("%s: %s\n", recorded[i].file, err.msg);
        assert_int_equal(rc, -(int)recorded[i].code);
        assert_int_equal(err.code, recorded[i].code);
        assert_int_equal(err.http_status, recorded[i].http_status);
        assert_string_equal(err.reason, recorded[i].reason);
        assert_int_equal(err.retry_after_ms, recorded[i].retry_after_ms);
        if (recorded[i].message)
            assert_string_equal(err.msg, recorded[i].message);
        assert_null(strchr(err.msg, '\n'));
    }
}

static void answers_that_are_no_status_are_quoted_on_one_line(void **state)
{
    static const struct {
        int http_status;
        const char *body;
        enum vk_code code;
        const char *message;
    } cases[] = {
        {502, "<html>\nbad gateway", VK_UNAVAILABLE, "x: <html> (HTTP 502)"},
        {503, "", VK_UNAVAILABLE, "x: the API server gave no reason (HTTP 503)"},
        {500, "a\tb\x1b[1m", VK_UNAVAILABLE, "x: a b [1m (HTTP 500)"},
        {429, "{}", VK_THROTTLED, "x: the API server gave no reason (HTTP 429)"},
        {400, "[1]", VK_INVALID, "x: the API server gave no reason (HTTP 400)"},
        {410, "{\"reason\":\"Expired\",\"message\":\"old\"}", VK_CONFLICT, "x: old (HTTP 410)"},
        {200, "{\"message\":7}", VK_PROTOCOL, "x: the API server gave no reason (HTTP 200)"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_err err;

        assert_true(
            meta_status_error(&err, cases[i].http_status, vk_str_of(cases[i].body), 0, "x") < 0);
        assert_string_equal(err.msg, cases[i].message);
        assert_int_equal(err.code, cases[i].code);
    }
}

static void the_wait_of_the_header_wins_and_that_of_the_body_is_bounded(void **state)
{
    struct vk_err err;

    (void)state;
    assert_true(meta_status_error(&err, 429, VK_STR("{\"details\":{\"retryAfterSeconds\":9}}"),
                                  1500, "x") < 0);
    assert_int_equal(err.retry_after_ms, 1500);
    assert_true(meta_status_error(&err, 429,
                                  VK_STR("{\"details\":{\"retryAfterSeconds\":99999999999}}"), 0,
                                  "x") < 0);
    assert_int_equal(err.retry_after_ms, 3600000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_is_decoded),
        cmocka_unit_test(recorded_answers_become_errors),
        cmocka_unit_test(answers_that_are_no_status_are_quoted_on_one_line),
        cmocka_unit_test(the_wait_of_the_header_wins_and_that_of_the_body_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
