/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kubelet/api/quantity.h"

static const struct {
    const char *text;
    int64_t milli, value;
} good[] = {
    {"0", 0, 0},
    {"1", 1000, 1},
    {"+1", 1000, 1},
    {"-1", -1000, -1},
    {"007", 7000, 7},
    {"100m", 100, 1},
    {"1500m", 1500, 2},
    {"1.5", 1500, 2},
    {".5", 500, 1},
    {"1.", 1000, 1},
    {"0.5m", 1, 1},
    {"-0.5m", -1, -1},
    {"0.0001", 1, 1},
    {"1n", 1, 1},
    {"1000000n", 1, 1},
    {"1000001n", 2, 1},
    {"1u", 1, 1},
    {"2e3", 2000000, 2000},
    {"2E3", 2000000, 2000},
    {"2e+3", 2000000, 2000},
    {"2e-3", 2, 1},
    {"12e-1", 1200, 2},
    {"1k", 1000000, 1000},
    {"1M", 1000000000, 1000000},
    {"1E", INT64_MAX, 1000000000000000000},
    {"1Ki", 1024000, 1024},
    {"1.5Gi", 1610612736000, 1610612736},
    {"0.1Ki", 102400, 103},
    {"0.0009765625Ki", 1000, 1},
    {"0.00097656250000000000001Ki", 1001, 2},
    {"64Mi", 67108864000, 67108864},
    {"7Ei", INT64_MAX, 8070450532247928832},
    {"8Ei", INT64_MAX, INT64_MAX},
    {"-8Ei", INT64_MIN, INT64_MIN},
    {"9223372036854775807", INT64_MAX, INT64_MAX},
    {"9223372036854775808", INT64_MAX, INT64_MAX},
    {"9223372036854775806.5", INT64_MAX, INT64_MAX},
    {"9223372036854775807.5", INT64_MAX, INT64_MAX},
    {"99999999999999999999999999999999", INT64_MAX, INT64_MAX},
    {"99999999999999999999999999999999Ki", INT64_MAX, INT64_MAX},
    {"1e999999999999", INT64_MAX, INT64_MAX},
    {"0e999999999999", 0, 0},
    {"1e-999999999999", 1, 1},
    {"9223372036854775808000n", 9223372036854776, 9223372036855},
};

static void good_quantities_are_exact_rounded_up_and_saturated(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(good); i++) {
        int64_t milli = 42, value = 42;

        print_message("%s\n", good[i].text);
        assert_true(quantity_milli(good[i].text, &milli));
        assert_true(quantity_value(good[i].text, &value));
        assert_int_equal(milli, good[i].milli);
        assert_int_equal(value, good[i].value);
    }
}

static void bad_quantities_are_refused_and_leave_the_result(void **state)
{
    static const char *const bad[] = {
        "",    " ",     "m",   ".",   "+",   "-",    "Ki",   "1 ",  " 1",  "1K",  "1ki",
        "1kI", "1B",    "1mi", "1e",  "1e+", "1e1.", "1ee",  "1..", "--1", "+-1", "0x1",
        "1,5", "1.5.1", "1_",  "nan", "inf", "1Gi ", "1e3m", "1m3", "1Zi",
    };
    char long_text[300];
    int64_t ret = 42;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        print_message("\"%s\"\n", bad[i]);
        assert_false(quantity_milli(bad[i], &ret));
        assert_false(quantity_value(bad[i], &ret));
    }
    memset(long_text, '1', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    assert_false(quantity_milli(long_text, &ret));
    assert_false(quantity_milli(NULL, &ret));
    assert_int_equal(ret, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_quantities_are_exact_rounded_up_and_saturated),
        cmocka_unit_test(bad_quantities_are_refused_and_leave_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
