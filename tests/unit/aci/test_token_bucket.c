/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aci/token_bucket.h"

static int take_all(struct token_bucket *b, int64_t now, int64_t reserve)
{
    int taken = 0;
    while (taken < 10000 && token_bucket_wait_ms(b, now, reserve) == 0) {
        token_bucket_take(b, now);
        taken++;
    }
    return taken;
}

static void a_bucket_gives_its_size_and_then_its_rate(void **state)
{
    (void)state;
    struct token_bucket b;
    token_bucket_init(&b, 200, 10, 1000);
    assert_int_equal(take_all(&b, 1000, 0), 200);
    assert_int_equal(token_bucket_wait_ms(&b, 1000, 0), 100);
    assert_int_equal(token_bucket_wait_ms(&b, 1099, 0), 1);
    assert_int_equal(take_all(&b, 1100, 0), 1);
    assert_int_equal(take_all(&b, 2100, 0), 10);
    assert_int_equal(take_all(&b, INT64_MAX / 2, 0), 200);
}

/* Asked every millisecond, as a loop under load would: nothing is lost to rounding. */
static void an_hour_at_the_limit_gives_what_arm_allows(void **state)
{
    (void)state;
    static const struct {
        int64_t size, rate, seconds, expected;
    } rows[] = {{200, 10, 3600, 36200}, {250, 25, 3600, 90250}, {250, 7, 600, 4450}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct token_bucket b;
        token_bucket_init(&b, rows[i].size, rows[i].rate, 0);
        int64_t taken = 0;
        for (int64_t now = 0; now <= rows[i].seconds * 1000; now++)
            taken += take_all(&b, now, 0);
        assert_int_equal(taken, rows[i].expected);
    }
}

static void a_reserve_stays_for_others(void **state)
{
    (void)state;
    struct token_bucket b;
    token_bucket_init(&b, 10, 10, 1000);
    assert_int_equal(take_all(&b, 1000, 4), 6);
    assert_int_equal(token_bucket_wait_ms(&b, 1000, 4), 100);
    assert_int_equal(take_all(&b, 1000, 0), 4);
}

static void what_arm_says_is_the_truth(void **state)
{
    (void)state;
    static const struct {
        int64_t remaining, in_flight, left;
    } rows[] = {{100, 0, 100}, {100, 40, 60}, {200, 0, 200}, {1099, 9, 1090}, {5, 20, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct token_bucket b;
        token_bucket_init(&b, 200, 10, 1000);
        (void)take_all(&b, 1000, 50);
        token_bucket_learn(&b, 1000, rows[i].remaining, rows[i].in_flight);
        assert_int_equal(take_all(&b, 1000, 0), rows[i].left);
    }
}

static void a_larger_bucket_that_was_learnt_stays_larger(void **state)
{
    (void)state;
    struct token_bucket b;
    token_bucket_init(&b, 200, 10, 0);
    token_bucket_learn(&b, 0, 1099, 0);
    assert_int_equal(take_all(&b, 0, 0), 1099);
    assert_int_equal(take_all(&b, 1000000, 0), 1099);
}

static void a_429_empties_the_bucket_and_is_waited_for(void **state)
{
    (void)state;
    static const struct {
        int64_t asked, waits;
    } rows[] = {{5000, 5000}, {0, 1000}, {86400000, 600000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct token_bucket b;
        token_bucket_init(&b, 200, 10, 0);
        token_bucket_pause(&b, 0, rows[i].asked);
        assert_int_equal(token_bucket_left(&b, rows[i].waits - 1), 0);
        assert_int_equal(token_bucket_wait_ms(&b, 0, 0), rows[i].waits);
        assert_int_equal(token_bucket_wait_ms(&b, rows[i].waits, 0), 0);
    }
    struct token_bucket b;
    token_bucket_init(&b, 200, 10, 0);
    token_bucket_pause(&b, 0, 5000);
    assert_int_equal(take_all(&b, 5000, 0), 50);
}

static void without_a_limit_only_a_429_counts(void **state)
{
    (void)state;
    struct token_bucket b;
    token_bucket_init(&b, 0, 0, 0);
    assert_int_equal(take_all(&b, 0, 10), 10000);
    token_bucket_learn(&b, 0, 3, 0);
    assert_int_equal(take_all(&b, 0, 0), 10000);
    token_bucket_pause(&b, 0, 2000);
    assert_int_equal(token_bucket_wait_ms(&b, 500, 0), 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_gives_its_size_and_then_its_rate),
        cmocka_unit_test(an_hour_at_the_limit_gives_what_arm_allows),
        cmocka_unit_test(a_reserve_stays_for_others),
        cmocka_unit_test(what_arm_says_is_the_truth),
        cmocka_unit_test(a_larger_bucket_that_was_learnt_stays_larger),
        cmocka_unit_test(a_429_empties_the_bucket_and_is_waited_for),
        cmocka_unit_test(without_a_limit_only_a_429_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
