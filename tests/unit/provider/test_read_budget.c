/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "provider/read_budget.h"

static unsigned take_all(struct read_budget *b, int64_t now_ms, int64_t reserve)
{
    unsigned n = 0;
    while (n < 10000 && read_budget_take(b, now_ms, reserve))
        n++;
    return n;
}

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    (void)state;
    struct read_budget b;
    read_budget_init(&b, 20, 200, 1000);
    assert_int_equal(take_all(&b, 1000, 0), 200);
    assert_int_equal(take_all(&b, 1049, 0), 0);
    assert_int_equal(take_all(&b, 2000, 0), 20);
    assert_int_equal(take_all(&b, INT64_MAX / 2, 0), 200);
}

static void a_reserve_stays_for_what_is_more_urgent(void **state)
{
    (void)state;
    struct read_budget b;
    read_budget_init(&b, 20, 200, 1000);
    assert_int_equal(take_all(&b, 1000, 50), 150);
    assert_int_equal(take_all(&b, 1000, 20), 30);
    assert_int_equal(take_all(&b, 1000, 0), 20);
}

static void a_throttled_bucket_is_empty_until_the_wait_is_over(void **state)
{
    (void)state;
    struct read_budget b;
    read_budget_init(&b, 20, 200, 1000);
    read_budget_pause(&b, 1000, 5000);
    assert_false(read_budget_take(&b, 5999, 0));
    assert_int_equal(take_all(&b, 6000, 0), 100);
}

static void what_arm_says_is_the_truth(void **state)
{
    (void)state;
    struct read_budget b;
    read_budget_init(&b, 20, 200, 1000);
    read_budget_learn(&b, 1000, 60);
    assert_int_equal(take_all(&b, 1000, 0), 10);
    read_budget_learn(&b, 1000, 20);
    assert_int_equal(take_all(&b, 1000, 0), 0);
    /* 30 below zero, so that a second and a half passes before there is one again. */
    assert_int_equal(take_all(&b, 2500, 0), 0);
    assert_int_equal(take_all(&b, 2550, 0), 1);
    read_budget_learn(&b, 3000, 5050);
    assert_int_equal(take_all(&b, 3000, 0), 5000);
}

static void without_a_word_of_arm_the_limit_is_lifted_until_a_429(void **state)
{
    (void)state;
    struct read_budget b;
    read_budget_init(&b, 20, 200, 1000);
    read_budget_lift(&b);
    assert_int_equal(take_all(&b, 1000, 0), 200);
    assert_int_equal(take_all(&b, 2000, 0), 200);
    read_budget_pause(&b, 2000, 1000);
    assert_int_equal(take_all(&b, 3000, 0), 20);
}

static void pages_are_paid_afterwards(void **state)
{
    (void)state;
    struct read_budget b;
    read_budget_init(&b, 20, 10, 1000);
    read_budget_debit(&b, 9);
    assert_int_equal(take_all(&b, 1000, 0), 1);
    read_budget_debit(&b, 20);
    assert_int_equal(take_all(&b, 2000, 0), 0);
    assert_int_equal(take_all(&b, 2050, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
        cmocka_unit_test(a_reserve_stays_for_what_is_more_urgent),
        cmocka_unit_test(a_throttled_bucket_is_empty_until_the_wait_is_over),
        cmocka_unit_test(what_arm_says_is_the_truth),
        cmocka_unit_test(without_a_word_of_arm_the_limit_is_lifted_until_a_429),
        cmocka_unit_test(pages_are_paid_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
