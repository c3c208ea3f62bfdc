/* SPDX-License-Identifier: Apache-2.0 */
/* When a probe is tried, and what a row of tries says. */
#include "kubelet/pods/probe_worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

#define S_NS INT64_C(1000000000)

/* Started at 1,000 s of both clocks. */
static const struct probe_container running = {
    .id = "aci://a/web/0", .is_running = true, .started_at_ns = 1000 * S_NS, .has_started = true};

static struct probe_time at(int64_t ms)
{
    return (struct probe_time){.mono_ms = 1000000 + ms, .wall_ms = 1000000 + ms};
}

static struct probe_worker worker(enum probe_kind kind, struct probe spec)
{
    struct probe_worker w;

    probe_worker_init(&w, kind, &spec, 0);
    return w;
}

/* Each letter is a try: f or s; what stands behind it is what came of it: - nothing, C the result
 * changed, R the container must be started anew. */
static void thresholds_decide(void **state)
{
    static const struct {
        enum probe_kind kind;
        int success, failure;
        const char *tries;
    } cases[] = {
        {PROBE_READINESS, 0, 0, "sCs-f-f-fCf-sC"}, {PROBE_READINESS, 0, 0, "f-f-f-sC"},
        {PROBE_READINESS, 2, 1, "s-sCfCs-f-s-sC"}, {PROBE_READINESS, 3, 2, "s-s-f-s-s-sCf-s-f-fC"},
        {PROBE_LIVENESS, 1, 3, "s-f-f-s-f-f-fR"},  {PROBE_LIVENESS, 1, 1, "fR"},
        {PROBE_STARTUP, 1, 3, "f-f-sC"},           {PROBE_STARTUP, 1, 3, "f-f-fR"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct probe_worker w =
            worker(cases[i].kind, (struct probe){.success_threshold = cases[i].success,
                                                 .failure_threshold = cases[i].failure});
        char seen[64] = "";

        probe_worker_see(&w, &running);
        for (const char *t = cases[i].tries; *t; t += 2) {
            const enum probe_verdict v = probe_worker_take(&w, *t == 's');
            const char said[] = {*t, "-CR"[v], '\0'};

            snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s", said);
        }
        assert_string_equal(seen, cases[i].tries);
        probe_worker_release(&w);
    }
}

static void the_first_result_is_that_of_kubernetes(void **state)
{
    static const struct {
        enum probe_kind kind;
        bool was_ready, was_started;
        enum probe_result result;
    } cases[] = {
        {PROBE_LIVENESS, false, false, PROBE_SUCCESS},
        {PROBE_READINESS, false, true, PROBE_FAILURE},
        {PROBE_READINESS, true, true, PROBE_SUCCESS},
        {PROBE_STARTUP, false, false, PROBE_UNKNOWN},
        {PROBE_STARTUP, true, true, PROBE_SUCCESS},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct probe_worker w = worker(cases[i].kind, (struct probe){0});
        struct probe_container c = running;

        c.was_ready = cases[i].was_ready;
        c.was_started = cases[i].was_started;
        probe_worker_see(&w, &c);
        assert_int_equal(w.result, cases[i].result);
        probe_worker_release(&w);
    }
}

static void tries_come_when_they_are_due(void **state)
{
    static const struct {
        const char *what;
        enum probe_kind kind;
        int64_t initial_delay_s, now_ms, tried_ms; /* tried_ms negative: not yet */
        struct probe_container c;
        int64_t due_ms;
    } cases[] = {
#define RUNS .id = "aci://a/web/0", .is_running = true, .started_at_ns = 1000 * S_NS
        {"at once", PROBE_READINESS, 0, 0, -1, {RUNS, .has_started = true}, 0},
        {"after the delay", PROBE_READINESS, 30, 10000, -1, {RUNS, .has_started = true}, 20000},
        {"delay is over", PROBE_READINESS, 30, 31000, -1, {RUNS, .has_started = true}, 0},
        {"our clock is behind", PROBE_READINESS, 5, -60000, -1, {RUNS, .has_started = true}, 5000},
        {"period", PROBE_READINESS, 0, 14000, 10000, {RUNS, .has_started = true}, 6000},
        {"late", PROBE_READINESS, 0, 90000, 10000, {RUNS, .has_started = true}, 0},
        {"liveness", PROBE_LIVENESS, 0, 0, -1, {RUNS, .has_started = true}, 0},
        {"readiness waits for startup", PROBE_READINESS, 0, 0, -1, {RUNS}, -1},
        {"liveness waits for startup", PROBE_LIVENESS, 0, 0, -1, {RUNS}, -1},
        {"startup", PROBE_STARTUP, 0, 0, -1, {RUNS}, 0},
        {"startup is over", PROBE_STARTUP, 0, 0, -1, {RUNS, .has_started = true}, -1},
        {"it ended", PROBE_READINESS, 0, 0, -1, {.id = "aci://a/web/0", .has_started = true}, -1},
        {"deletion: readiness goes on",
         PROBE_READINESS,
         0,
         0,
         -1,
         {RUNS, .has_started = true, .is_terminating = true},
         0},
        {"deletion: liveness ends",
         PROBE_LIVENESS,
         0,
         0,
         -1,
         {RUNS, .has_started = true, .is_terminating = true},
         -1},
        {"deletion: startup ends", PROBE_STARTUP, 0, 0, -1, {RUNS, .is_terminating = true}, -1},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct probe_worker w = worker(
            cases[i].kind, (struct probe){.initial_delay_seconds = cases[i].initial_delay_s});
        int64_t due;

        probe_worker_see(&w, &running);
        if (cases[i].tried_ms >= 0)
            probe_worker_begin(&w, at(cases[i].tried_ms));
        due = probe_worker_due(&w, &cases[i].c, at(cases[i].now_ms));
        if (due != cases[i].due_ms)
            fail_msg("%s: due in %lld ms", cases[i].what, (long long)due);
        probe_worker_release(&w);
    }
}

static void first_tries_after_a_start_are_spread(void **state)
{
    const struct probe spec = {0};
    struct probe_worker w;

    (void)state;
    probe_worker_init(&w, PROBE_READINESS, &spec, at(7000).mono_ms);
    probe_worker_see(&w, &running);
    assert_int_equal(probe_worker_due(&w, &running, at(0)), 7000);
    probe_worker_begin(&w, at(7000));
    assert_int_equal(probe_worker_due(&w, &running, at(7000)), 10000);
    probe_worker_release(&w);
}

static void after_a_failed_liveness_nothing_is_tried_before_a_new_run(void **state)
{
    struct probe_worker w = worker(PROBE_LIVENESS, (struct probe){.failure_threshold = 1});
    struct probe_container c = running;

    (void)state;
    probe_worker_see(&w, &c);
    assert_int_equal(probe_worker_take(&w, false), PROBE_RESTART);
    assert_int_equal(probe_worker_due(&w, &c, at(60000)), -1);
    /* The same run, seen again, changes nothing. */
    assert_false(probe_worker_see(&w, &c));
    assert_int_equal(probe_worker_due(&w, &c, at(60000)), -1);
    c.started_at_ns += 61 * S_NS;
    assert_true(probe_worker_see(&w, &c));
    assert_int_equal(w.result, PROBE_SUCCESS);
    assert_int_equal(probe_worker_due(&w, &c, at(61000)), 0);
    probe_worker_release(&w);
}

static void a_restart_begins_anew(void **state)
{
    struct probe_worker w = worker(PROBE_READINESS, (struct probe){.initial_delay_seconds = 5});
    struct probe_container c = running;

    (void)state;
    probe_worker_see(&w, &c);
    probe_worker_begin(&w, at(0));
    assert_int_equal(probe_worker_take(&w, true), PROBE_CHANGED);
    assert_int_equal(probe_worker_take(&w, false), PROBE_AS_BEFORE);
    assert_int_equal(probe_worker_take(&w, false), PROBE_AS_BEFORE);
    c.is_running = false;
    assert_true(probe_worker_see(&w, &c));
    assert_int_equal(w.result, PROBE_FAILURE);
    c = running;
    c.id = "aci://a/web/1";
    c.started_at_ns += 60 * S_NS;
    probe_worker_see(&w, &c);
    assert_true(probe_worker_knows(&w, c.id, c.started_at_ns));
    assert_false(probe_worker_knows(&w, running.id, running.started_at_ns));
    assert_int_equal(probe_worker_due(&w, &c, at(60000)), 5000);
    /* Failures of the former run do not count. */
    assert_int_equal(probe_worker_take(&w, true), PROBE_CHANGED);
    assert_int_equal(probe_worker_take(&w, false), PROBE_AS_BEFORE);
    assert_int_equal(w.result, PROBE_SUCCESS);
    probe_worker_release(&w);
}

static void what_never_ran_is_not_probed(void **state)
{
    struct probe_worker w = worker(PROBE_STARTUP, (struct probe){0});
    const struct probe_container c = {0};

    (void)state;
    assert_false(probe_worker_see(&w, &c));
    assert_int_equal(w.result, PROBE_UNKNOWN);
    assert_int_equal(probe_worker_due(&w, &c, at(0)), -1);
    probe_worker_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds_decide),
        cmocka_unit_test(the_first_result_is_that_of_kubernetes),
        cmocka_unit_test(tries_come_when_they_are_due),
        cmocka_unit_test(first_tries_after_a_start_are_spread),
        cmocka_unit_test(after_a_failed_liveness_nothing_is_tried_before_a_new_run),
        cmocka_unit_test(a_restart_begins_anew),
        cmocka_unit_test(what_never_ran_is_not_probed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
