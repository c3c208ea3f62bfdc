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

static int take_all(struct sliding_window *w, int64_t now)
{
    int taken = 0;
    while (taken < 20000 && sliding_window_wait_ms(w, now) == 0) {
        sliding_window_take(w, now);
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
        sliding_window_take(&w, now);
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
    assert_true(now >= 10 * MINUTE && now <= 10 * MINUTE + 3000);
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
        sliding_window_take(&w, now);
        went++;
        sliding_window_learn(&w, 0, now, 1000 - went, 0);
    }
    assert_int_equal(went, 1000);
    /* The second thousand begins when the first that went leaves its period. */
    const int64_t wait = sliding_window_wait_ms(&w, 4 * MINUTE);
    assert_true(wait > 0 && wait <= MINUTE + 3001);
    sliding_window_release(&w);
}

static void an_answer_with_nothing_left_is_believed_before_our_own_count(void **state)
{
    (void)state;
    static const struct sliding_limit limits[] = {{100, 5 * MINUTE}};
    struct sliding_window w;
    sliding_window_init(&w, limits, 1);
    sliding_window_take(&w, 1);
    /* A former process used the rest. */
    sliding_window_learn(&w, 0, 1, 0, 0);
    assert_int_equal(sliding_window_wait_ms(&w, 1), 30100);
    assert_int_equal(sliding_window_wait_ms(&w, 30101), 0);
    sliding_window_learn(&w, 0, 30101, 60, 10);
    assert_int_equal(take_all(&w, 30102), 50);
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

static void without_limits_all_may_go(void **state)
{
    (void)state;
    struct sliding_window w;
    sliding_window_init(&w, NULL, 0);
    assert_int_equal(take_all(&w, 1), 20000);
    sliding_window_learn(&w, 0, 1, 0, 0);
    assert_int_equal(sliding_window_wait_ms(&w, 1), 0);
    sliding_window_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_stretch_of_time_holds_more_than_allowed),
        cmocka_unit_test(a_burst_of_300_takes_two_periods_of_5_minutes),
        cmocka_unit_test(an_answer_with_more_left_raises_the_limit),
        cmocka_unit_test(an_answer_with_nothing_left_is_believed_before_our_own_count),
        cmocka_unit_test(a_refusal_is_waited_for),
        cmocka_unit_test(without_limits_all_may_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
