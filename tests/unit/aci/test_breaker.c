/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aci/breaker.h"

static void five_failures_in_a_row_over_two_seconds_open_it(void **state)
{
    (void)state;
    static const struct {
        int failures;
        int64_t apart_ms;
        bool answer_between; /* before the last one */
        bool opens;
    } rows[] = {
        {4, 10000, false, false}, {5, 500, false, true},  {5, 499, false, false},
        {100, 10, false, false},  {300, 10, false, true}, {5, 500, true, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct breaker b = {0};
        bool opened = false;
        for (int n = 0; n < rows[i].failures; n++) {
            if (rows[i].answer_between && n == rows[i].failures - 1)
                assert_false(breaker_answered(&b));
            opened |= breaker_failed(&b, 1000 + n * rows[i].apart_ms);
        }
        assert_int_equal(opened, rows[i].opens);
        assert_int_equal(b.is_open, rows[i].opens);
    }
}

static struct breaker opened_at(int64_t now)
{
    struct breaker b = {0};
    for (int i = 0; i < 5; i++)
        (void)breaker_failed(&b, now - 2000 + 500 * i);
    assert_true(b.is_open);
    return b;
}

static void while_open_one_probe_goes_every_10_s(void **state)
{
    (void)state;
    struct breaker b = opened_at(10000);
    int probes = 0;
    for (int64_t now = 10000; now < 10000 + 600000; now += 50) {
        if (breaker_gate(&b, now) == BREAKER_PROBE) {
            breaker_probe_sent(&b, now);
            /* Answered with an error five seconds later, or never. */
            if (probes++ % 2)
                assert_false(breaker_failed(&b, now));
        } else {
            assert_int_equal(breaker_gate(&b, now), BREAKER_OPEN);
            assert_in_range(breaker_wait_ms(&b, now), 1, 10000);
        }
    }
    assert_int_equal(probes, 59);
}

static void any_answer_closes_it(void **state)
{
    (void)state;
    struct breaker b = opened_at(10000);
    assert_true(breaker_answered(&b));
    assert_int_equal(breaker_gate(&b, 10001), BREAKER_CLOSED);
    assert_int_equal(breaker_wait_ms(&b, 10001), 0);
    assert_false(breaker_failed(&b, 10002));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_in_a_row_over_two_seconds_open_it),
        cmocka_unit_test(while_open_one_probe_goes_every_10_s),
        cmocka_unit_test(any_answer_closes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
