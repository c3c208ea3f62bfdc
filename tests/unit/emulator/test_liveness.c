/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "tests/unit/emulator/lifecycle_world.h"

#define PROBED(policy, fields)                                                                     \
    GROUP("'restartPolicy':'" policy "',",                                                         \
          CONTAINER("c", "'livenessProbe':{'exec':{'command':['true']}" fields "},"))

static const char *last_event(const struct container *c)
{
    return c->events.v[c->events.n - 1].message;
}

static void one_that_fails_often_enough_is_ended_and_runs_again(void **state)
{
    struct world w;

    (void)state;
    begin_running(&w, PROBED("Always", ",'failureThreshold':1"));
    turn(&w);
    assert_int_equal(w.engine.checks, 1);
    scripted_checked(&w.engine, false);
    assert_int_equal(event_count(container(&w, "c"), "Unhealthy"), 1);
    assert_string_equal(last_event(container(&w, "c")),
                        "Container c failed liveness probe, will be restarted");
    assert_int_equal(scripted_container(&w.engine, "c")->kills, 1);
    assert_int_equal(scripted_container(&w.engine, "c")->last_signal, SIGTERM);
    scripted_exit(&w.engine, "c", 143);
    assert_int_equal(container(&w, "c")->phase, CONTAINER_BACKOFF);
    assert_int_equal(container(&w, "c")->previous.exit_code, 143);
    end(&w);
}

static void one_failure_of_three_ends_nothing(void **state)
{
    struct world w;

    (void)state;
    begin_running(&w, PROBED("Always", ""));
    turn(&w);
    scripted_checked(&w.engine, false);
    assert_int_equal(event_count(container(&w, "c"), "Unhealthy"), 1);
    assert_int_equal(scripted_container(&w.engine, "c")->kills, 0);
    assert_int_equal(container(&w, "c")->phase, CONTAINER_UP);
    end(&w);
}

static void nobody_is_looked_at_before_the_delay_or_without_a_probe(void **state)
{
    struct world w;

    (void)state;
    begin_running(&w, PROBED("Always", ",'initialDelaySeconds':3600"));
    turn(&w);
    assert_int_equal(w.engine.checks, 0);
    end(&w);
    begin_running(&w, GROUP("", CONTAINER("c", "")));
    turn(&w);
    assert_int_equal(w.engine.checks, 0);
    end(&w);
}

static void an_answer_that_comes_after_the_end_counts_for_nothing(void **state)
{
    struct world w;

    (void)state;
    begin_running(&w, PROBED("Never", ",'failureThreshold':1"));
    turn(&w);
    scripted_exit(&w.engine, "c", 0);
    assert_int_equal(container(&w, "c")->phase, CONTAINER_DONE);
    scripted_checked(&w.engine, false);
    assert_int_equal(event_count(container(&w, "c"), "Unhealthy"), 0);
    assert_int_equal(scripted_container(&w.engine, "c")->kills, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_fails_often_enough_is_ended_and_runs_again),
        cmocka_unit_test(one_failure_of_three_ends_nothing),
        cmocka_unit_test(nobody_is_looked_at_before_the_delay_or_without_a_probe),
        cmocka_unit_test(an_answer_that_comes_after_the_end_counts_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
