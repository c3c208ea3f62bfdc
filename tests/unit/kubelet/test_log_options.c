/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kubelet/server/log_options.h"

#define SECOND 1000000000LL
#define NOW_NS (1700000000 * SECOND)

static void queries_of_kubectl_are_read(void **state)
{
    static const struct {
        const char *query;
        struct container_log_options want;
    } table[] = {
        {"", {.tail_lines = -1}},
        {"tailLines=0", {.tail_lines = 0}},
        {"tailLines=20&timestamps=true", {.tail_lines = 20, .timestamps = true}},
        {"follow=true&previous=false", {.tail_lines = -1, .follow = true}},
        {"sinceSeconds=60", {.tail_lines = -1, .since_wall_ns = NOW_NS - 60 * SECOND}},
        {"sinceSeconds=99999999999", {.tail_lines = -1}},
        {"sinceTime=2023-11-14T22%3A13%3A20Z", {.tail_lines = -1, .since_wall_ns = NOW_NS}},
        {"limitBytes=1", {.tail_lines = -1, .limit_bytes = 1}},
        {"stream=All&limitBytes=7", {.tail_lines = -1, .limit_bytes = 7}},
        {"previous=1&x=y", {.tail_lines = -1, .previous = true}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct container_log_options got;
        struct vk_err err;

        if (log_options_parse(table[i].query, NOW_NS, arena, &got, &err) < 0)
            fail_msg("%s: %s", table[i].query, err.msg);
        assert_int_equal(got.tail_lines, table[i].want.tail_lines);
        assert_int_equal(got.since_wall_ns, table[i].want.since_wall_ns);
        assert_int_equal(got.limit_bytes, table[i].want.limit_bytes);
        assert_int_equal(got.follow, table[i].want.follow);
        assert_int_equal(got.previous, table[i].want.previous);
        assert_int_equal(got.timestamps, table[i].want.timestamps);
    }
}

static void bad_queries_are_refused_by_name(void **state)
{
    static const struct {
        const char *query, *names;
    } table[] = {
        {"tailLines=-1", "tailLines"},
        {"tailLines=x", "tailLines"},
        {"limitBytes=0", "limitBytes"},
        {"sinceSeconds=0", "sinceSeconds"},
        {"sinceTime=yesterday", "sinceTime"},
        {"follow=maybe", "follow"},
        {"stream=Stderr", "stream"},
        {"sinceSeconds=1&sinceTime=2023-11-14T22%3A13%3A20Z", "at most one"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct container_log_options got;
        struct vk_err err;

        assert_int_equal(log_options_parse(table[i].query, NOW_NS, arena, &got, &err), -VK_INVALID);
        if (!strstr(err.msg, table[i].names))
            fail_msg("%s: message '%s' does not name %s", table[i].query, err.msg, table[i].names);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_of_kubectl_are_read),
        cmocka_unit_test(bad_queries_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
