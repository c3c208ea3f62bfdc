/* SPDX-License-Identifier: Apache-2.0 */
#include "base/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(int64_t delay, int64_t middle)
{
    /* One millisecond less for what division cuts off. */
    if (delay < middle * 3 / 4 - 1 || delay >= middle * 5 / 4 + 1)
        fail_msg("%lld is not around %lld", (long long)delay, (long long)middle);
}

static void delay_doubles_up_to_the_maximum(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct backoff b = {.initial_ms = 100, .max_ms = 1000};
        static const int64_t middles[] = {100, 200, 400, 800, 1000, 1000, 1000};

        for (size_t i = 0; i < sizeof(middles) / sizeof(middles[0]); i++)
            check(backoff_next_ms(&b), middles[i]);
        backoff_reset(&b);
        check(backoff_next_ms(&b), 100);
    }
}

static void jitter_fills_its_range(void **state)
{
    int64_t low = INT64_MAX, high = 0;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct backoff b = {.initial_ms = 1000, .max_ms = 1000};
        int64_t delay = backoff_next_ms(&b);

        low = delay < low ? delay : low;
        high = delay > high ? delay : high;
    }
    assert_true(low < 780 && high > 1220);
}

static void extreme_values_do_not_overflow(void **state)
{
    struct backoff b = {.initial_ms = 1, .max_ms = INT64_MAX / 2, .attempts = UINT32_MAX};
    struct backoff none = {0};

    (void)state;
    assert_true(backoff_next_ms(&b) >= INT64_MAX / 8 * 3 - 1);
    assert_int_equal(b.attempts, UINT32_MAX);
    assert_int_equal(backoff_next_ms(&none), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delay_doubles_up_to_the_maximum),
        cmocka_unit_test(jitter_fills_its_range),
        cmocka_unit_test(extreme_values_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
