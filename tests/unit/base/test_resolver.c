/* SPDX-License-Identifier: Apache-2.0 */
#include "base/resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define LIMIT 256

struct answers {
    int count, wanted;
    int failed_for_queue;
    size_t addresses;
    char first[64];
    enum vk_code code;
    char msg[448];
    bool done;
};

static int set_up(void **state)
{
    *state = vk_loop_new();
    return 0;
}

static int tear_down(void **state)
{
    vk_loop_free(*state);
    return 0;
}

static void on_answer(void *user, const char *const *addresses, size_t count,
                      const struct vk_err *err)
{
    struct answers *a = user;

    assert_true((count == 0) == (err != NULL));
    a->addresses = count;
    if (count)
        snprintf(a->first, sizeof(a->first), "%s", addresses[0]);
    if (err) {
        a->code = err->code;
        snprintf(a->msg, sizeof(a->msg), "%s", err->msg);
        if (strstr(err->msg, "are waiting"))
            a->failed_for_queue++;
    }
    a->done = ++a->count == a->wanted;
}

static void numeric_hosts_and_localhost_resolve(void **state)
{
    static const struct {
        const char *host, *first;
    } cases[] = {{"127.0.0.1", "127.0.0.1"}, {"::1", "::1"}, {"10.1.2.3", "10.1.2.3"}};
    struct resolver *r = resolver_new(*state);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct answers a = {.wanted = 1};

        assert_non_null(resolver_lookup(r, cases[i].host, on_answer, &a));
        assert_int_equal(a.count, 0);
        assert_true(vk_loop_run_until(*state, &a.done, PATIENCE_MS));
        assert_int_equal(a.addresses, 1);
        assert_string_equal(a.first, cases[i].first);
    }
    resolver_free(r);
}

static void bad_host_fails_with_its_name(void **state)
{
    struct resolver *r = resolver_new(*state);
    struct answers a = {.wanted = 1};

    resolver_lookup(r, "no-such-host..invalid", on_answer, &a);
    assert_true(vk_loop_run_until(*state, &a.done, PATIENCE_MS));
    assert_true(a.code == VK_NOT_FOUND || a.code == VK_UNAVAILABLE);
    assert_non_null(strstr(a.msg, "no-such-host..invalid"));
    resolver_free(r);
}

static void cancelled_query_is_not_answered(void **state)
{
    struct resolver *r = resolver_new(*state);
    struct answers cancelled = {.wanted = 1}, kept = {.wanted = 1};
    struct resolver_query *queries[50];

    for (int i = 0; i < 50; i++)
        queries[i] = resolver_lookup(r, "127.0.0.1", on_answer, &cancelled);
    for (int i = 0; i < 50; i++)
        resolver_cancel(queries[i]);
    resolver_lookup(r, "127.0.0.1", on_answer, &kept);
    resolver_cancel(NULL);
    assert_true(vk_loop_run_until(*state, &kept.done, PATIENCE_MS));
    assert_int_equal(cancelled.count, 0);
    resolver_free(r);
}

static void too_many_queries_fail_asynchronously(void **state)
{
    struct resolver *r = resolver_new(*state);
    struct answers a = {.wanted = 4 * LIMIT};

    /* The thread takes some meanwhile, but far fewer than three quarters. */
    for (int i = 0; i < a.wanted; i++)
        resolver_lookup(r, "no-such-host..invalid", on_answer, &a);
    assert_int_equal(a.count, 0);
    assert_true(vk_loop_run_until(*state, &a.done, PATIENCE_MS));
    assert_int_equal(a.count, a.wanted);
    resolver_free(r);
}

static void free_drops_pending_queries(void **state)
{
    struct resolver *r = resolver_new(*state);
    struct answers a = {.wanted = 1};
    bool never = false;

    for (int i = 0; i < 20; i++)
        resolver_lookup(r, "127.0.0.1", on_answer, &a);
    resolver_free(r);
    assert_false(vk_loop_run_until(*state, &never, 5));
    assert_int_equal(a.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(numeric_hosts_and_localhost_resolve), TEST(bad_host_fails_with_its_name),
        TEST(cancelled_query_is_not_answered),     TEST(too_many_queries_fail_asynchronously),
        TEST(free_drops_pending_queries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
