/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/finished_logs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static int setup(void **state)
{
    *state = finished_logs_new(FINISHED_LOGS_MAX);
    return 0;
}

static int teardown(void **state)
{
    finished_logs_free(*state);
    return 0;
}

/* Lines of ten bytes: "000000001\n" ... */
static char *lines(size_t n)
{
    char *text = vk_calloc(n * 10 + 1, 1);
    for (size_t i = 0; i < n; i++)
        (void)snprintf(text + i * 10, 11, "%09u\n", (unsigned)i % 1000000000u);
    return text;
}

static void what_is_kept_is_found_by_pod_and_container(void **state)
{
    struct finished_logs *l = *state;
    struct vk_str text;
    finished_logs_keep(l, "u1", "a", VK_STR("one\n"));
    finished_logs_keep(l, "u1", "b", VK_STR(""));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    assert_true(vk_str_eq(text, VK_STR("one\n")));
    assert_true(finished_logs_find(l, "u1", "b", &text));
    assert_int_equal(text.n, 0);
    assert_false(finished_logs_find(l, "u1", "c", &text));
    assert_false(finished_logs_find(l, "u2", "a", &text));
    finished_logs_keep(l, "u1", "a", VK_STR("two\n"));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    assert_true(vk_str_eq(text, VK_STR("two\n")));
    assert_int_equal(finished_logs_bytes(l), 4);
    finished_logs_forget(l, "u1");
    assert_false(finished_logs_find(l, "u1", "a", &text));
    assert_int_equal(finished_logs_bytes(l), 0);
    finished_logs_forget(l, "u1");
}

static void of_a_long_log_the_last_whole_lines_stay(void **state)
{
    struct finished_logs *l = *state;
    /* One line more or less than fits, and one whose cut falls on a line's start. */
    static const size_t counts[] = {6553, 6554, 20000, 13108};
    for (size_t i = 0; i < VK_COUNT(counts); i++) {
        char *text VK_AUTOFREE = lines(counts[i]);
        struct vk_str kept;
        char last[11];
        finished_logs_keep(l, "u1", "a", vk_str_of(text));
        assert_true(finished_logs_find(l, "u1", "a", &kept));
        assert_int_equal(kept.n, 65530);
        (void)snprintf(last, sizeof(last), "%09u\n", (unsigned)(counts[i] - 1) % 1000000000u);
        assert_memory_equal(kept.p + kept.n - 10, last, 10);
    }
}

static void a_line_longer_than_the_limit_is_cut(void **state)
{
    struct finished_logs *l = *state;
    char *text VK_AUTOFREE = vk_calloc(100001, 1);
    struct vk_str kept;
    memset(text, 'x', 100000);
    finished_logs_keep(l, "u1", "a", vk_str_of(text));
    assert_true(finished_logs_find(l, "u1", "a", &kept));
    assert_int_equal(kept.n, FINISHED_LOG_MAX);
    text[99999] = '\n';
    finished_logs_keep(l, "u1", "a", vk_str_of(text));
    assert_true(finished_logs_find(l, "u1", "a", &kept));
    assert_int_equal(kept.n, FINISHED_LOG_MAX);
}

static void the_pod_that_nobody_looked_at_goes_first(void **state)
{
    (void)state;
    struct finished_logs *l = finished_logs_new(30);
    struct vk_str text;
    finished_logs_keep(l, "u1", "a", VK_STR("123456789\n"));
    finished_logs_keep(l, "u2", "a", VK_STR("123456789\n"));
    finished_logs_keep(l, "u3", "a", VK_STR("123456789\n"));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    finished_logs_keep(l, "u4", "a", VK_STR("1\n"));
    assert_int_equal(finished_logs_bytes(l), 22);
    assert_false(finished_logs_find(l, "u2", "a", &text));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    /* One pod may have more than all of the room: it stays, the others go. */
    finished_logs_keep(l, "u5", "a", VK_STR("123456789 123456789 123456789 123456789\n"));
    assert_int_equal(finished_logs_bytes(l), 40);
    assert_true(finished_logs_find(l, "u5", "a", &text));
    finished_logs_free(l);
}

#define KEPT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEPT(what_is_kept_is_found_by_pod_and_container),
        KEPT(of_a_long_log_the_last_whole_lines_stay),
        KEPT(a_line_longer_than_the_limit_is_cut),
        KEPT(the_pod_that_nobody_looked_at_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
