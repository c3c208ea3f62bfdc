/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "provider/log_lines.h"

#define T1 "2024-05-01T00:00:01.000000001Z "
#define T2 "2024-05-01T00:00:02Z "
#define T3 "2024-05-01T00:00:03.5Z "

static void cut(struct log_cursor *cursor, const char *content, bool is_final, const char *expected)
{
    struct vk_buf out VK_BUF_AUTO;
    vk_buf_init(&out, 1u << 16);
    log_lines_cut(vk_str_of(content), false, 0, is_final, cursor, &out);
    assert_string_equal(vk_buf_peek(&out), expected);
}

static void a_growing_log_is_given_out_once(void **state)
{
    (void)state;
    struct log_cursor c = {0};
    cut(&c, T1 "a\n", false, "a\n");
    cut(&c, T1 "a\n", false, "");
    cut(&c, T1 "a\n" T1 "b\n", false, "b\n");
    cut(&c, T1 "a\n" T1 "b\n" T2 "c\n" T2 "d\n", false, "c\nd\n");
    /* The front was dropped by the size limit. */
    cut(&c, T2 "c\n" T2 "d\n" T3 "e\n", false, "e\n");
    cut(&c, "", false, "");
}

static void a_line_without_end_waits_unless_nothing_follows(void **state)
{
    (void)state;
    struct log_cursor c = {0};
    cut(&c, T1 "a\n" T2 "hal", false, "a\n");
    cut(&c, T1 "a\n" T2 "half\n" T3 "en", false, "half\n");
    cut(&c, T1 "a\n" T2 "half\n" T3 "end", true, "end");
}

static void a_line_without_time_belongs_to_the_one_before(void **state)
{
    (void)state;
    struct log_cursor c = {0};
    cut(&c, T1 "a\nplain\n", false, "a\nplain\n");
    cut(&c, T1 "a\nplain\n" T2 "b\n", false, "b\n");
}

static void a_clock_that_steps_back_repeats_nothing(void **state)
{
    (void)state;
    struct log_cursor c = {0};
    cut(&c, T2 "a\n" T1 "b\n", false, "a\nb\n");
    cut(&c, T2 "a\n" T1 "b\n" T1 "c\n", false, "c\n");
}

static void every_split_gives_the_same_lines(void **state)
{
    (void)state;
    const char *whole = T1 "a\n" T1 "a\n" T2 "\n" T2 "b c\nplain\n" T3 "d\n";
    for (size_t n = 0; n <= strlen(whole); n++) {
        struct vk_buf out VK_BUF_AUTO;
        vk_buf_init(&out, 1u << 16);
        struct log_cursor c = {0};
        const struct vk_str part = {.p = whole, .n = n};
        log_lines_cut(part, false, 0, false, &c, &out);
        log_lines_cut(vk_str_of(whole), false, 0, true, &c, &out);
        assert_string_equal(vk_buf_peek(&out), "a\na\n\nb c\nplain\nd\n");
    }
}

static void times_and_since_are_honoured(void **state)
{
    (void)state;
    struct vk_buf out VK_BUF_AUTO;
    vk_buf_init(&out, 1u << 16);
    struct log_cursor c = {0};
    const char *text = T1 "a\n" T2 "b\n" T3 "c\n";
    log_lines_cut(vk_str_of(text), true, 1714521602000000000, true, &c, &out);
    assert_string_equal(vk_buf_peek(&out), T2 "b\n" T3 "c\n");
}

static void a_tail_that_starts_after_the_cursor_has_a_gap(void **state)
{
    (void)state;
    struct log_cursor c = {0};
    assert_false(log_lines_has_gap(VK_STR(T2 "b\n"), false, &c));
    cut(&c, T1 "a\n", false, "a\n");
    assert_true(log_lines_has_gap(VK_STR(T2 "b\n"), false, &c));
    assert_true(log_lines_has_gap(VK_STR("no time\n"), false, &c));
    assert_false(log_lines_has_gap(VK_STR(""), false, &c));
    struct log_cursor later = {0};
    cut(&later, T1 "a\n" T2 "b\n", false, "a\nb\n");
    assert_false(log_lines_has_gap(VK_STR(T1 "a\n" T2 "b\n"), false, &later));
}

static void a_whole_text_may_begin_at_the_cursor(void **state)
{
    (void)state;
    struct log_cursor c = {0};
    cut(&c, T1 "a\n" T1 "b\n", false, "a\nb\n");
    assert_false(log_lines_has_gap(VK_STR(T1 "a\n" T1 "b\n"), true, &c));
    assert_false(log_lines_has_gap(VK_STR(T1 "a\n" T1 "b\n" T2 "c\n"), true, &c));
    assert_true(log_lines_has_gap(VK_STR(T1 "a\n" T1 "b\n" T2 "c\n"), false, &c));
    assert_true(log_lines_has_gap(VK_STR(T1 "b\n" T2 "c\n"), true, &c));
    assert_true(log_lines_has_gap(VK_STR(T2 "c\n"), true, &c));
}

static void some_lines_are_cut_and_the_rest_later(void **state)
{
    (void)state;
    const char *whole = T1 "a\n" T1 "b\n" T2 "c\n" T2 "d";
    for (size_t max = 1; max < 12; max++) {
        struct vk_buf out VK_BUF_AUTO, all VK_BUF_AUTO;
        struct log_cursor c = {0};
        struct vk_str rest;
        vk_buf_init(&out, 1024);
        vk_buf_init(&all, 1024);
        do {
            vk_buf_clear(&out);
            rest = log_lines_cut_some(vk_str_of(whole), false, 0, true, max, &c, &out);
            assert_true(vk_buf_len(&out) <= max + 2);
            vk_buf_addstr(&all, vk_buf_str(&out));
        } while (rest.n > 0);
        assert_string_equal(vk_buf_peek(&all), "a\nb\nc\nd");
    }
}

static void a_text_has_an_end_and_is_cut_there(void **state)
{
    (void)state;
    const struct vk_str text = VK_STR(T1 "a\nplain\n" T2 "b\n" T3 "c\n");
    assert_int_equal(log_lines_end_ns(text), 1714521603500000000);
    assert_int_equal(log_lines_end_ns(VK_STR("plain\n")), 0);
    const struct vk_str until = log_lines_until(text, 1714521602000000000);
    assert_int_equal(until.n, strlen(T1 "a\nplain\n" T2 "b\n"));
    assert_int_equal(log_lines_until(text, INT64_MAX).n, text.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_growing_log_is_given_out_once),
        cmocka_unit_test(a_line_without_end_waits_unless_nothing_follows),
        cmocka_unit_test(a_line_without_time_belongs_to_the_one_before),
        cmocka_unit_test(a_clock_that_steps_back_repeats_nothing),
        cmocka_unit_test(every_split_gives_the_same_lines),
        cmocka_unit_test(times_and_since_are_honoured),
        cmocka_unit_test(a_tail_that_starts_after_the_cursor_has_a_gap),
        cmocka_unit_test(a_whole_text_may_begin_at_the_cursor),
        cmocka_unit_test(some_lines_are_cut_and_the_rest_later),
        cmocka_unit_test(a_text_has_an_end_and_is_cut_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
