/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/stats_counter.h"

#define S 1000000000ll
#define MINUTE (60 * S)

static void a_total_is_counted_from_the_start_of_the_container(void **state)
{
    struct stats_counter c = {0};

    (void)state;
    assert_int_equal(stats_counter_total(&c, 5 * S, 110 * S, 100 * S), 5 * S);
    assert_int_equal(c.usage.start_wall_ns, 100 * S);
    assert_int_equal(c.usage.cpu_nano_cores, S / 2);
    assert_int_equal(stats_counter_total(&c, 9 * S, 120 * S, 100 * S), 4 * S);
    assert_int_equal(c.usage.cpu_ns, 9 * S);
    assert_int_equal(c.usage.cpu_nano_cores, 4 * S / 10);
    /* Late and repeated answers. */
    assert_int_equal(stats_counter_total(&c, 8 * S, 115 * S, 100 * S), 0);
    assert_int_equal(stats_counter_total(&c, 10 * S, 120 * S, 100 * S), 0);
    assert_int_equal(c.usage.cpu_ns, 9 * S);
}

static void a_total_that_goes_back_has_a_later_start(void **state)
{
    struct stats_counter c = {0};

    (void)state;
    (void)stats_counter_total(&c, 9 * S, 120 * S, 100 * S);
    assert_int_equal(stats_counter_total(&c, 2 * S, 130 * S, 100 * S), 2 * S);
    assert_int_equal(c.usage.cpu_ns, 2 * S);
    assert_int_equal(c.usage.start_wall_ns, 120 * S);
    /* The status tells the true start only now. */
    assert_int_equal(stats_counter_total(&c, 3 * S, 140 * S, 127 * S), 1 * S);
    assert_int_equal(c.usage.start_wall_ns, 127 * S);
    /* A start never goes back. */
    (void)stats_counter_total(&c, 4 * S, 150 * S, 100 * S);
    assert_int_equal(c.usage.start_wall_ns, 127 * S);
}

static void a_restart_that_used_more_than_the_run_before_is_one_too(void **state)
{
    struct stats_counter c = {0};

    (void)state;
    (void)stats_counter_total(&c, 1 * S, 120 * S, 100 * S);
    assert_int_equal(stats_counter_total(&c, 6 * S, 130 * S, 122 * S), 6 * S);
    assert_int_equal(c.usage.start_wall_ns, 122 * S);
    assert_int_equal(c.usage.cpu_nano_cores, 6 * S / 8);
}

static void numbers_beyond_2_to_the_53_are_exact(void **state)
{
    struct stats_counter c = {0};
    const uint64_t big = (1ull << 62) + 1;

    (void)state;
    (void)stats_counter_total(&c, big, 120 * S, 100 * S);
    assert_int_equal(stats_counter_total(&c, big + 3, 130 * S, 100 * S), 3);
    assert_true(c.usage.cpu_ns == big + 3);
}

static void means_add_up(void **state)
{
    struct stats_counter c = {0};

    (void)state;
    /* Started in the middle of the first minute; half a CPU. */
    assert_int_equal(stats_counter_mean(&c, 500, 10 * MINUTE, 11 * MINUTE, 10 * MINUTE + 30 * S),
                     15 * S);
    assert_int_equal(c.usage.start_wall_ns, 10 * MINUTE + 30 * S);
    assert_int_equal(stats_counter_mean(&c, 500, 10 * MINUTE, 11 * MINUTE, 0), 0);
    assert_int_equal(stats_counter_mean(&c, 250, 12 * MINUTE, 13 * MINUTE, 0), 15 * S);
    /* What comes after what is later is not counted any more. */
    assert_int_equal(stats_counter_mean(&c, 250, 11 * MINUTE, 12 * MINUTE, 0), 0);
    assert_int_equal(c.usage.cpu_ns, 30 * S);
    assert_int_equal(c.usage.cpu_nano_cores, S / 4);
    assert_int_equal(c.usage.sampled_wall_ns, 13 * MINUTE);
}

static void an_idle_container_is_not_one_without_figures(void **state)
{
    struct stats_counter c = {0};

    (void)state;
    assert_true(stats_counter_mean(&c, 0, 10 * MINUTE, 11 * MINUTE, 0) > 0);
    assert_true(c.usage.cpu_ns > 0);
}

static void means_of_a_restarted_container_begin_anew(void **state)
{
    struct stats_counter c = {0};

    (void)state;
    (void)stats_counter_mean(&c, 1000, 10 * MINUTE, 11 * MINUTE, 9 * MINUTE);
    (void)stats_counter_mean(&c, 1000, 11 * MINUTE, 12 * MINUTE, 11 * MINUTE + 20 * S);
    assert_int_equal(c.usage.cpu_ns, 40 * S);
    assert_int_equal(c.usage.start_wall_ns, 11 * MINUTE + 20 * S);
}

/* A reader that took the whole total for the work of one moment would scale to the maximum. */
static void another_source_goes_on_from_where_the_counter_is(void **state)
{
    struct stats_counter c = {0};

    (void)state;
    (void)stats_counter_mean(&c, 1000, 10 * MINUTE, 11 * MINUTE, 0);
    assert_int_equal(stats_counter_total(&c, 5000 * S, 12 * MINUTE, 0), 0);
    assert_int_equal(c.usage.cpu_ns, 60 * S);
    assert_int_equal(c.usage.start_wall_ns, 10 * MINUTE);
    assert_int_equal(stats_counter_total(&c, 5001 * S, 12 * MINUTE + 10 * S, 0), 1 * S);
    assert_int_equal(c.usage.cpu_ns, 61 * S);
    /* And back: the minute in which both speak counts from the last total on. */
    assert_int_equal(stats_counter_mean(&c, 1000, 12 * MINUTE, 13 * MINUTE, 0), 50 * S);
    assert_int_equal(c.usage.cpu_ns, 111 * S);
    /* Lower than what was said last, and still no restart. */
    assert_int_equal(stats_counter_total(&c, 10 * S, 14 * MINUTE, 0), 0);
    assert_int_equal(c.usage.cpu_ns, 111 * S);
    assert_int_equal(c.usage.start_wall_ns, 10 * MINUTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_total_is_counted_from_the_start_of_the_container),
        cmocka_unit_test(a_total_that_goes_back_has_a_later_start),
        cmocka_unit_test(a_restart_that_used_more_than_the_run_before_is_one_too),
        cmocka_unit_test(numbers_beyond_2_to_the_53_are_exact),
        cmocka_unit_test(means_add_up),
        cmocka_unit_test(an_idle_container_is_not_one_without_figures),
        cmocka_unit_test(means_of_a_restarted_container_begin_anew),
        cmocka_unit_test(another_source_goes_on_from_where_the_counter_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
