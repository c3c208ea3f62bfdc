/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"

static void frozen_clock_moves_only_when_told(void **state)
{
    (void)state;
    vk_clock_freeze(1000, 1700000000000);
    assert_int_equal(vk_mono_ms(), 1000);
    assert_int_equal(vk_mono_us(), 1000000);
    assert_int_equal(vk_wall_ms(), 1700000000000);
    assert_int_equal(vk_wall_ns(), 1700000000000000000);
    vk_clock_advance(2500);
    assert_int_equal(vk_mono_ms(), 3500);
    assert_int_equal(vk_wall_ms(), 1700000002500);
    vk_clock_thaw();
    assert_true(vk_wall_ms() != 1700000002500);
    assert_true(vk_mono_us() <= vk_mono_us());
}

static void formats_have_the_digits_of_their_unit(void **state)
{
    char out[VK_TIME_MAX];

    (void)state;
    vk_time_format_s(1795534913999, out);
    assert_string_equal(out, "2026-11-24T15:41:53Z");
    vk_time_format_us(1795534913000001, out);
    assert_string_equal(out, "2026-11-24T15:41:53.000001Z");
    vk_time_format_ns(1795534913120000000, out);
    assert_string_equal(out, "2026-11-24T15:41:53.120000000Z");
    vk_time_format_s(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00Z");
    vk_time_format_us(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999999Z");
    vk_time_format_s(951782400000, out);
    assert_string_equal(out, "2000-02-29T00:00:00Z");
    vk_time_format_s(-62135596800000, out);
    assert_string_equal(out, "0001-01-01T00:00:00Z");
    vk_time_format_s(INT64_MIN, out);
    assert_string_equal(out, "0001-01-01T00:00:00Z");
    vk_time_format_s(253402300799000, out);
    assert_string_equal(out, "9999-12-31T23:59:59Z");
    vk_time_format_s(INT64_MAX, out);
    assert_string_equal(out, "9999-12-31T23:59:59Z");
}

static void parser_takes_what_rfc_3339_allows_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t ns;
    } cases[] = {
        {"1970-01-01T00:00:00Z", true, 0},
        {"2026-11-24T15:41:53Z", true, 1795534913000000000},
        {"2026-11-24t15:41:53z", true, 1795534913000000000},
        {"2026-11-24T16:41:53+01:00", true, 1795534913000000000},
        {"2026-11-24T06:11:53-09:30", true, 1795534913000000000},
        {"2026-11-24T15:41:53.5Z", true, 1795534913500000000},
        {"2026-11-24T15:41:53.123456789Z", true, 1795534913123456789},
        {"2026-11-24T15:41:53.1234567899999Z", true, 1795534913123456789},
        {"2024-02-29T00:00:00Z", true, 1709164800000000000},
        {"2016-12-31T23:59:60Z", true, 1483228800000000000},
        {"1969-12-31T23:59:59.9Z", true, -100000000},
        {"9999-12-31T23:59:59Z", true, INT64_MAX},
        {"0001-01-01T00:00:00Z", false, 0}, /* before what nanoseconds reach */
        {"0000-01-01T00:00:00Z", false, 0},
        {"2023-02-29T00:00:00Z", false, 0},
        {"1900-02-29T00:00:00Z", false, 0},
        {"2026-13-01T00:00:00Z", false, 0},
        {"2026-00-01T00:00:00Z", false, 0},
        {"2026-04-31T00:00:00Z", false, 0},
        {"2026-01-01T24:00:00Z", false, 0},
        {"2026-01-01T00:60:00Z", false, 0},
        {"2026-01-01T00:00:61Z", false, 0},
        {"2026-01-01T00:00:00", false, 0},
        {"2026-01-01 00:00:00Z", false, 0},
        {"2026-01-01T00:00:00.Z", false, 0},
        {"2026-01-01T00:00:00Z ", false, 0},
        {"2026-01-01T00:00:00+0100", false, 0},
        {"2026-01-01T00:00:00+24:00", false, 0},
        {"26-01-01T00:00:00Z", false, 0},
        {"2026-1-1T00:00:00Z", false, 0},
        {"+026-01-01T00:00:00Z", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int64_t ns = 4711;

        if (vk_time_parse(vk_str_of(cases[i].text), &ns) != cases[i].ok)
            fail_msg("\"%s\"", cases[i].text);
        assert_int_equal(ns, cases[i].ok ? cases[i].ns : 4711);
    }
}

/* Every day over 400 years, forth and back: the calendar repeats after that. */
static void each_day_survives_the_round_trip(void **state)
{
    (void)state;
    for (int64_t day = -80000; day < 80000; day++) {
        char out[VK_TIME_MAX];
        int64_t ns;

        vk_time_format_ns(day * 86400000000000, out);
        assert_true(vk_time_parse(vk_str_of(out), &ns));
        assert_int_equal(ns, day * 86400000000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_clock_moves_only_when_told),
        cmocka_unit_test(formats_have_the_digits_of_their_unit),
        cmocka_unit_test(parser_takes_what_rfc_3339_allows_and_nothing_else),
        cmocka_unit_test(each_day_survives_the_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
