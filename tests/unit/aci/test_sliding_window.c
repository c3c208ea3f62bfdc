/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aci/sliding_window.h"

#define MINUTE 60000ll
#define HOUR (60 * MINUTE)

static const struct sliding_limit aci_limits[] = {{100, 5 * MINUTE}, {300, HOUR}};

/* Goes and ends at once. */
static void go(struct sliding_window *w, int64_t now)
{
    sliding_window_take(w);
    sliding_window_end(w, now, true);
}

static int take_all(struct sliding_window *w, int64_t now)
{
    int taken = 0;
    while (taken < 20000 && sliding_window_wait_ms(w, now) == 0) {
        go(w, now);
        taken++;
    }
    return taken;
}

/* Goes as early as it may for six hours, then every stretch of every period is counted. */
static void no_stretch_of_time_holds_more_than_allowed(void **state)
{
    (void)state;
    enum { MOST = 4096 };
    static int64_t went[MOST];
    size_t n = 0;
    struct sliding_window w;
    sliding_window_init(&w, aci_limits, 2);
    for (int64_t now = 1; now < 6 * HOUR;) {
        const int64_t wait = sliding_window_wait_ms(&w, now);
        if (wait > 0) {
            now += wait;
            continue;
        }
        go(&w, now);
        assert_true(n < MOST);
        went[n++] = now;
    }
    for (size_t limit = 0; limit < 2; limit++) {
        const size_t count = (size_t)aci_limits[limit].count;
        for (size_t i = 0; i + count < n; i++)
            assert_true(went[i + count] - went[i] >= aci_limits[limit].period_ms);
    }
    /* Nor does it leave much of what is allowed. */
    assert_int_equal(n, 6 * 300);
    sliding_window_release(&w);
}

static void a_burst_of_300_takes_two_periods_of_5_minutes(void **state)
{
    (void)state;
    struct sliding_window w;
    sliding_window_init(&w, aci_limits, 2);
    int64_t now = 1;
    for (int taken = 0; taken < 300;) {
        taken += take_all(&w, now);
        if (taken < 300)
            now += sliding_window_wait_ms(&w, now);
    }
    assert_int_equal(now, 1 + 10 * MINUTE);
    assert_true(sliding_window_wait_ms(&w, now) > 49 * MINUTE);
    sliding_window_release(&w);
}

static void an_answer_with_more_left_raises_the_limit(void **state)
{
    (void)state;
    static const struct sliding_limit limits[] = {{100, 5 * MINUTE}};
    struct sliding_window w;
    sliding_window_init(&w, limits, 1);
    int went = 0;
    /* A quota of 1,000, of which each answer says what is left. */
    for (int64_t now = 1; now < 4 * MINUTE; now += 10) {
        if (sliding_window_wait_ms(&w, now) > 0)
            continue;
        go(&w, now);
        went++;
        sliding_window_learn(&w, 0, now, 1000 - went);
    }
    assert_int_equal(went, 1000);
    /* The second thousand begins when the first that went leaves its period. */
    const int64_t wait = sliding_window_wait_ms(&w, 4 * MINUTE);
    assert_true(wait > 0 && wait <= MINUTE + 1);
    sliding_window_release(&w);
}

static void an_answer_with_nothing_left_is_believed_before_our_own_count(void **state)
{
    (void)state;
    static const struct sliding_limit limits[] = {{100, 5 * MINUTE}};
    struct sliding_window w;
    sliding_window_init(&w, limits, 1);
    go(&w, 1);
    /* A former process used the rest. */
    sliding_window_learn(&w, 0, 1, 0);
    assert_int_equal(sliding_window_wait_ms(&w, 1), 30000);
    assert_int_equal(sliding_window_wait_ms(&w, 30001), 0);
    for (int i = 0; i < 10; i++)
        sliding_window_take(&w);
    sliding_window_learn(&w, 0, 30001, 60);
    assert_int_equal(take_all(&w, 30002), 50);
    sliding_window_release(&w);
}

/* ACI counts a request when it comes, which is some time before its answer. */
static void what_is_under_way_may_be_counted_at_its_end(void **state)
{
    (void)state;
    static const struct sliding_limit limits[] = {{3, 1000}};
    struct sliding_window w;
    sliding_window_init(&w, limits, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sliding_window_wait_ms(&w, 5000), 0);
        sliding_window_take(&w);
    }
    assert_int_equal(sliding_window_wait_ms(&w, 5000), -1);
    sliding_window_end(&w, 5700, true);
    assert_int_equal(sliding_window_wait_ms(&w, 5700), 1000);
    /* Refused before it was counted. */
    sliding_window_end(&w, 5800, false);
    assert_int_equal(sliding_window_wait_ms(&w, 5800), 0);
    sliding_window_take(&w);
    sliding_window_end(&w, 5900, true);
    sliding_window_end(&w, 6000, true);
    assert_int_equal(sliding_window_wait_ms(&w, 6000), 700);
    assert_int_equal(take_all(&w, 6700), 1);
    sliding_window_release(&w);
}

/* Our own times are later than ACI's: an answer may show a place that we still hold as taken. */
static void a_place_that_became_free_at_aci_raises_nothing(void **state)
{
    (void)state;
    static const struct sliding_limit limits[] = {{100, 10000}};
    struct sliding_window w;
    sliding_window_init(&w, limits, 1);
    assert_int_equal(take_all(&w, 1100), 100);
    /* Came at 1,000: at 11,010 ACI has forgotten all. */
    sliding_window_learn(&w, 0, 11010, 99);
    assert_int_equal(take_all(&w, 11200), 99);
    sliding_window_learn(&w, 0, 11200, 1);
    assert_int_equal(take_all(&w, 11200), 1);
    assert_true(sliding_window_wait_ms(&w, 11200) > 9000);
    sliding_window_release(&w);
}

static void a_refusal_is_waited_for(void **state)
{
    (void)state;
    struct sliding_window w;
    sliding_window_init(&w, aci_limits, 2);
    sliding_window_pause(&w, 1, 372000);
    assert_int_equal(sliding_window_wait_ms(&w, 1), 372000);
    assert_int_equal(sliding_window_wait_ms(&w, 372001), 0);
    sliding_window_release(&w);
}

/* ACI's word on when to come again counts, not that it knew of none left before. */
static void after_a_pause_one_goes_and_its_answer_decides_for_the_others(void **state)
{
    (void)state;
    const struct {
        int64_t left; /* as the answer to the first says */
        int64_t expected;
    } rows[] = {{40, 40}, {0, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sliding_window w;
        sliding_window_init(&w, aci_limits, 2);
        for (size_t limit = 0; limit < 2; limit++)
            sliding_window_learn(&w, limit, 1, 0);
        sliding_window_pause(&w, 1, 2000);
        assert_int_equal(sliding_window_wait_ms(&w, 1), 2000);
        assert_int_equal(sliding_window_wait_ms(&w, 2001), 0);
        sliding_window_take(&w);
        assert_true(sliding_window_wait_ms(&w, 2001) != 0);
        sliding_window_end(&w, 2050, rows[i].left > 0);
        for (size_t limit = 0; limit < 2; limit++)
            sliding_window_learn(&w, limit, 2050, rows[i].left);
        assert_int_equal(take_all(&w, 2051), rows[i].expected);
        sliding_window_release(&w);
    }
}

static void without_limits_all_may_go(void **state)
{
    (void)state;
    struct sliding_window w;
    sliding_window_init(&w, NULL, 0);
    assert_int_equal(take_all(&w, 1), 20000);
    sliding_window_learn(&w, 0, 1, 0);
    assert_int_equal(sliding_window_wait_ms(&w, 1), 0);
    sliding_window_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_stretch_of_time_holds_more_than_allowed),
        cmocka_unit_test(after_a_pause_one_goes_and_its_answer_decides_for_the_others),
        cmocka_unit_test(a_burst_of_300_takes_two_periods_of_5_minutes),
        cmocka_unit_test(an_answer_with_more_left_raises_the_limit),
        cmocka_unit_test(an_answer_with_nothing_left_is_believed_before_our_own_count),
        cmocka_unit_test(what_is_under_way_may_be_counted_at_its_end),
        cmocka_unit_test(a_place_that_became_free_at_aci_raises_nothing),
        cmocka_unit_test(a_refusal_is_waited_for),
        cmocka_unit_test(without_limits_all_may_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
