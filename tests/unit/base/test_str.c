/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void comparison_knows_length_and_case(void **state)
{
    (void)state;
    assert_true(vk_str_eq(VK_STR("abc"), VK_STR("abc")));
    assert_false(vk_str_eq(VK_STR("abc"), VK_STR("abcd")));
    assert_true(vk_str_eq((struct vk_str){0}, VK_STR("")));
    assert_true(vk_str_is(vk_str_of(NULL), ""));
    assert_true(vk_str_ieq(VK_STR("Content-Length"), VK_STR("content-LENGTH")));
    assert_false(vk_str_ieq(VK_STR("a["), VK_STR("a{"))); /* differ by the bit of case only */
    assert_true(vk_str_starts(VK_STR("abc"), VK_STR("ab")));
    assert_true(vk_str_starts(VK_STR("abc"), VK_STR("")));
    assert_false(vk_str_starts(VK_STR("ab"), VK_STR("abc")));
    assert_true(vk_streq(NULL, ""));
    assert_false(vk_streq("a", NULL));
    assert_true(vk_strieq("Bearer", "bearer"));
    assert_true(vk_starts("--port", "--"));
    assert_true(vk_ends("pod.yaml", ".yaml"));
    assert_false(vk_ends("l", "yaml"));
    assert_true(vk_str_empty(NULL));
    assert_true(vk_str_empty(""));
    assert_false(vk_str_empty(" "));
}

static void trim_takes_white_space_of_both_ends(void **state)
{
    (void)state;
    assert_true(vk_str_is(vk_str_trim(VK_STR(" \t a b\r\n")), "a b"));
    assert_true(vk_str_is(vk_str_trim(VK_STR("  ")), ""));
    assert_true(vk_str_is(vk_str_trim(VK_STR("")), ""));
}

static void cut_tells_an_absent_separator_from_an_empty_rest(void **state)
{
    struct vk_str rest;

    (void)state;
    assert_true(vk_str_is(vk_str_cut(VK_STR("a=b=c"), '=', &rest), "a"));
    assert_true(vk_str_is(rest, "b=c"));
    assert_true(vk_str_is(vk_str_cut(VK_STR("a="), '=', &rest), "a"));
    assert_non_null(rest.p);
    assert_int_equal(rest.n, 0);
    assert_true(vk_str_is(vk_str_cut(VK_STR("a"), '=', &rest), "a"));
    assert_null(rest.p);
    /* The rest may be the variable that is cut. */
    rest = VK_STR("x,y");
    assert_true(vk_str_is(vk_str_cut(rest, ',', &rest), "x"));
    assert_true(vk_str_is(rest, "y"));
}

static void numbers_are_whole_and_in_range(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", 0, 9, true, 0},
        {"-5", -9, 9, true, -5},
        {"007", 0, 9, true, 7},
        {"9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN},
        {"9223372036854775808", INT64_MIN, INT64_MAX, false, 0},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, false, 0},
        {"99999999999999999999999", INT64_MIN, INT64_MAX, false, 0},
        {"10", 0, 9, false, 0},
        {"-1", 0, 9, false, 0},
        {"", 0, 9, false, 0},
        {"-", -9, 9, false, 0},
        {"+1", 0, 9, false, 0},
        {" 1", 0, 9, false, 0},
        {"1 ", 0, 9, false, 0},
        {"1a", 0, 9, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int64_t value = 4711;

        if (vk_str_int64(vk_str_of(cases[i].text), cases[i].min, cases[i].max, &value) !=
            cases[i].ok)
            fail_msg("\"%s\"", cases[i].text);
        assert_int_equal(value, cases[i].ok ? cases[i].value : 4711);
    }
}

static void copy_cuts_between_characters(void **state)
{
    char out[4];

    (void)state;
    assert_true(vk_strcpy_to(out, sizeof(out), "abc"));
    assert_string_equal(out, "abc");
    assert_false(vk_strcpy_to(out, sizeof(out), "abcd"));
    assert_string_equal(out, "abc");
    assert_false(vk_strcpy_to(out, sizeof(out), "ab\xc3\xa9"));
    assert_string_equal(out, "ab");
    assert_true(vk_strcpy_to(out, sizeof(out), NULL));
    assert_string_equal(out, "");
    assert_false(vk_strcpy_to(out, 1, "x"));
    assert_string_equal(out, "");
}

static void utf8_is_well_formed_or_refused(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"", true},
        {"plain", true},
        {"\xc3\xa9", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\x80", false},             /* continuation alone */
        {"\xc3", false},             /* cut off */
        {"\xe2\x82", false},         /* cut off */
        {"\xf0\x9f\x98", false},     /* cut off */
        {"\xc0\xaf", false},         /* overlong '/' */
        {"\xc1\xbf", false},         /* overlong */
        {"\xe0\x9f\xbf", false},     /* overlong */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"\xe2\x28\xa1", false},
        {"\xe2\x82\x28", false},
        {"a\xc3(", false},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        if (vk_utf8_valid(cases[i].text, strlen(cases[i].text)) != cases[i].ok)
            fail_msg("case %zu", i);
    }
    assert_int_equal(vk_utf8_len("\xe2\x82\xac", 3), 3);
    assert_int_equal(vk_utf8_len("\xe2\x82\xac", 2), 0);
    assert_int_equal(vk_utf8_len("a", 0), 0);
    assert_int_equal(vk_utf8_len("\0", 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_knows_length_and_case),
        cmocka_unit_test(trim_takes_white_space_of_both_ends),
        cmocka_unit_test(cut_tells_an_absent_separator_from_an_empty_rest),
        cmocka_unit_test(numbers_are_whole_and_in_range),
        cmocka_unit_test(copy_cuts_between_characters),
        cmocka_unit_test(utf8_is_well_formed_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
