/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/str.h"
#include "kubelet/client/event_correlator.h"

#define S INT64_C(1000000000)
#define BEGIN (1795536000 * S)

static void equal_events_are_counted_under_one_name(void **state)
{
    struct event_correlator *c = event_correlator_new();
    struct correlated_event first, again, other;

    (void)state;
    assert_true(event_correlate(c, "pod a", "a", "Pulled", "m", BEGIN, &first));
    assert_true(event_correlate(c, "pod a", "a", "Pulled", "m", BEGIN + S, &again));
    assert_true(event_correlate(c, "pod a", "a", "Pulled", "other", BEGIN + S, &other));
    assert_string_equal(first.name, "a.18eb067a956d0000");
    assert_int_equal(first.count, 1);
    assert_int_equal(again.count, 2);
    assert_string_equal(again.name, first.name);
    assert_int_equal(again.first_ns, BEGIN);
    assert_int_equal(other.count, 1);
    assert_string_not_equal(other.name, first.name);
    assert_true(event_correlate(c, "pod b", "a", "Pulled", "m", BEGIN + S, &other));
    assert_int_equal(other.count, 1);
    event_correlator_free(c);
}

static void names_made_in_one_instant_differ(void **state)
{
    struct event_correlator *c = event_correlator_new();
    struct correlated_event a, b;

    (void)state;
    assert_true(event_correlate(c, "pod a", "a", "A", "m", BEGIN, &a));
    assert_true(event_correlate(c, "pod a", "a", "B", "m", BEGIN, &b));
    assert_string_not_equal(a.name, b.name);
    event_correlator_free(c);
}

static void ten_similar_messages_become_one_aggregate(void **state)
{
    struct event_correlator *c = event_correlator_new();
    struct correlated_event e;
    char message[16], aggregate_name[254] = "";

    (void)state;
    for (int i = 1; i <= 14; i++) {
        snprintf(message, sizeof(message), "m%d", i);
        assert_true(event_correlate(c, "pod a", "a", "Failed", message, BEGIN + i * S, &e));
        assert_int_equal(e.is_aggregate, i >= 10);
        assert_int_equal(e.count, i >= 10 ? i - 9 : 1);
        if (i == 10)
            vk_strcpy_to(aggregate_name, sizeof(aggregate_name), e.name);
        if (i >= 10)
            assert_string_equal(e.name, aggregate_name);
    }
    /* Known messages keep their own Event; another reason is another matter. */
    assert_true(event_correlate(c, "pod a", "a", "Failed", "m1", BEGIN + 20 * S, &e));
    assert_false(e.is_aggregate);
    assert_int_equal(e.count, 2);
    assert_true(event_correlate(c, "pod a", "a", "Other", "m15", BEGIN + 20 * S, &e));
    assert_false(e.is_aggregate);
    /* Ten quiet minutes end the aggregation. */
    assert_true(event_correlate(c, "pod a", "a", "Failed", "m16", BEGIN + 700 * S, &e));
    assert_false(e.is_aggregate);
    event_correlator_free(c);
}

static int accepted(struct event_correlator *c, const char *object, int tries, int64_t now)
{
    struct correlated_event e;
    int n = 0;

    for (int i = 0; i < tries; i++)
        n += event_correlate(c, object, "a", "R", "m", now, &e);
    return n;
}

static void each_object_has_a_budget_of_25_and_one_per_5_minutes(void **state)
{
    struct event_correlator *c = event_correlator_new();

    (void)state;
    assert_int_equal(accepted(c, "pod a", 40, BEGIN), 25);
    assert_int_equal(accepted(c, "pod a", 3, BEGIN + 299 * S), 0);
    assert_int_equal(accepted(c, "pod b", 3, BEGIN + 299 * S), 3);
    assert_int_equal(accepted(c, "pod a", 3, BEGIN + 300 * S), 1);
    assert_int_equal(accepted(c, "pod a", 3, BEGIN + 599 * S), 0);
    assert_int_equal(accepted(c, "pod a", 3, BEGIN + 600 * S), 1);
    assert_int_equal(accepted(c, "pod a", 40, BEGIN + 999999 * S), 25);
    /* Set back, the clock still gives one per five minutes. */
    assert_int_equal(accepted(c, "pod a", 1, BEGIN), 0);
    assert_int_equal(accepted(c, "pod a", 3, BEGIN + 300 * S), 1);
    event_correlator_free(c);
}

static void counted_events_have_a_budget_of_their_own(void **state)
{
    struct event_correlator *c = event_correlator_new();
    int n = 0;

    (void)state;
    assert_int_equal(accepted(c, "pod a", 40, BEGIN), 25);
    for (int i = 0; i < 40; i++)
        n += event_correlator_take(c, "pod a", BEGIN);
    assert_int_equal(n, 25);
    event_correlator_free(c);
    event_correlator_free(NULL);
}

static void what_was_long_ago_is_forgotten_first(void **state)
{
    struct event_correlator *c = event_correlator_new();
    struct correlated_event e;
    char object[16];

    (void)state;
    assert_int_equal(accepted(c, "old", 2, BEGIN), 2);
    for (int i = 0; i < 4096; i++) {
        snprintf(object, sizeof(object), "pod %d", i);
        assert_true(event_correlate(c, object, "a", "R", "m", BEGIN, &e));
    }
    assert_true(event_correlate(c, "old", "a", "R", "m", BEGIN, &e));
    assert_int_equal(e.count, 1);
    event_correlator_free(c);
}

static void long_names_are_cut_to_valid_ones(void **state)
{
    char long_name[300], out[254];

    (void)state;
    memset(long_name, 'a', sizeof(long_name));
    long_name[219] = '.';
    long_name[sizeof(long_name) - 1] = '\0';
    event_name(out, long_name, "0123456789abcdef0123456789abcdef0123");
    assert_int_equal(strlen(out), 219 + 1 + 32);
    assert_string_equal(out + 218, "a.0123456789abcdef0123456789abcdef");
    event_name(out, "web-1", "18");
    assert_string_equal(out, "web-1.18");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_events_are_counted_under_one_name),
        cmocka_unit_test(names_made_in_one_instant_differ),
        cmocka_unit_test(ten_similar_messages_become_one_aggregate),
        cmocka_unit_test(each_object_has_a_budget_of_25_and_one_per_5_minutes),
        cmocka_unit_test(counted_events_have_a_budget_of_their_own),
        cmocka_unit_test(what_was_long_ago_is_forgotten_first),
        cmocka_unit_test(long_names_are_cut_to_valid_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
