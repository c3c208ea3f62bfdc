/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/leader_state.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"

/* One Lease, several processes, one clock that all of them read: what each may believe of it. */
#define PROCESSES 3
static const struct leader_timing timing = LEADER_TIMING_DEFAULT;

struct world {
    struct leader_state processes[PROCESSES];
    struct leader_record lease;
    bool is_there;
    int64_t now_ms;
    int version;
};

static void begin(struct world *w)
{
    *w = (struct world){.now_ms = 1000000};
    for (int i = 0; i < PROCESSES; i++)
        leader_state_init(&w->processes[i], &timing, (const char *[]){"a", "b", "c"}[i]);
}

static int64_t wall_ns(const struct world *w)
{
    return w->now_ms * 1000000;
}

/* The API server's part. False: conflict, or the Lease was there already. */
static bool write_lease(struct world *w, const struct leader_record *record, bool is_new)
{
    if (is_new ? w->is_there : !w->is_there || !vk_streq(record->version, w->lease.version))
        return false;
    w->lease = *record;
    w->is_there = true;
    snprintf(w->lease.version, sizeof(w->lease.version), "%d", ++w->version);
    return true;
}

/* One try, as long as a step may follow at once; the answer takes latency_ms. */
static void try_once(struct world *w, int which, int64_t latency_ms)
{
    struct leader_state *s = &w->processes[which];
    bool again = true;

    for (int i = 0; i < 3 && again; i++) {
        struct leader_record record;
        const enum leader_step step = leader_state_next(s, w->now_ms, wall_ns(w), &record);

        again = false;
        if (step == LEADER_READ) {
            w->now_ms += latency_ms;
            again = leader_state_read(s, w->is_there ? &w->lease : NULL, w->now_ms);
        } else if (write_lease(w, &record, step == LEADER_CREATE)) {
            w->now_ms += latency_ms;
            leader_state_written(s, &w->lease, w->now_ms);
        } else {
            leader_state_failed(s);
        }
    }
}

static bool leads(const struct world *w, int which)
{
    return leader_state_leads(&w->processes[which], w->now_ms);
}

static void the_first_one_creates_the_lease_and_the_others_wait(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    try_once(&w, 0, 10);
    assert_true(leads(&w, 0));
    assert_string_equal(w.lease.holder, "a");
    assert_int_equal(w.lease.duration_s, 15);
    assert_int_equal(w.lease.transitions, 0);
    for (int i = 0; i < 20; i++) {
        w.now_ms += 2000;
        try_once(&w, 0, 10);
        try_once(&w, 1, 10);
        assert_true(leads(&w, 0));
        assert_false(leads(&w, 1));
    }
    assert_int_equal(w.lease.acquired_ns, 1000010ll * 1000000);
    assert_true(w.lease.renewed_ns > w.lease.acquired_ns);
}

static void a_silent_leader_has_stopped_before_another_one_begins(void **state)
{
    struct world w;
    int64_t stopped_ms = 0, began_ms = 0;

    (void)state;
    begin(&w);
    try_once(&w, 0, 10);
    while (!began_ms) {
        w.now_ms += 100;
        try_once(&w, 1, 0);
        if (!stopped_ms && !leads(&w, 0))
            stopped_ms = w.now_ms;
        if (leads(&w, 1))
            began_ms = w.now_ms;
        assert_false(leads(&w, 0) && leads(&w, 1));
    }
    assert_in_range(began_ms - stopped_ms, 4800, 5300);
    assert_string_equal(w.lease.holder, "b");
    assert_int_equal(w.lease.transitions, 1);
    /* The first one comes back: it knows by its own clock, and learns it from the Lease. */
    try_once(&w, 0, 10);
    try_once(&w, 0, 10);
    assert_false(leads(&w, 0));
    assert_true(w.processes[0].has_lost);
    assert_string_equal(w.lease.holder, "b");
}

static void the_time_of_a_lease_runs_from_when_we_saw_it_change(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    try_once(&w, 0, 10);
    /* By the record's own times it ended long ago: another clock than ours says so. */
    w.lease.renewed_ns = w.lease.acquired_ns = 1;
    w.now_ms += 60000;
    try_once(&w, 1, 10);
    assert_false(leads(&w, 1));
    /* A label changes the object's version, which is no sign of life. */
    for (int i = 0; i < 14; i++) {
        w.now_ms += 1000;
        snprintf(w.lease.version, sizeof(w.lease.version), "%d", ++w.version);
        try_once(&w, 1, 0);
        assert_false(leads(&w, 1));
    }
    /* Looks that fail do not start the time anew. */
    leader_state_failed(&w.processes[1]);
    w.now_ms += 1500;
    try_once(&w, 1, 0);
    assert_true(leads(&w, 1));
}

static void the_leader_counts_from_when_it_sent(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    try_once(&w, 0, 10);
    w.now_ms += 2000;
    const int64_t sent_ms = w.now_ms;
    try_once(&w, 0, 8000);
    assert_true(leads(&w, 0));
    assert_int_equal(leader_state_delay_ms(&w.processes[0], w.now_ms, 0.5), 0);
    w.now_ms = sent_ms + timing.renew_deadline_ms - 1;
    assert_true(leads(&w, 0));
    w.now_ms++;
    assert_false(leads(&w, 0));
}

static void of_two_that_write_at_once_one_leads(void **state)
{
    struct world w;
    struct leader_record records[2];

    (void)state;
    for (int is_there = 0; is_there < 2; is_there++) {
        begin(&w);
        if (is_there) {
            try_once(&w, 2, 0);
            for (int i = 0; i < 2; i++)
                try_once(&w, i, 0);
            w.now_ms += 15001;
        }
        for (int i = 0; i < 2; i++) {
            struct leader_state *s = &w.processes[i];

            assert_int_equal(leader_state_next(s, w.now_ms, wall_ns(&w), &records[i]), LEADER_READ);
            assert_true(leader_state_read(s, is_there ? &w.lease : NULL, w.now_ms));
            assert_int_equal(leader_state_next(s, w.now_ms, wall_ns(&w), &records[i]),
                             is_there ? LEADER_WRITE : LEADER_CREATE);
        }
        assert_true(write_lease(&w, &records[1], !is_there));
        assert_false(write_lease(&w, &records[0], !is_there));
        leader_state_written(&w.processes[1], &w.lease, w.now_ms);
        leader_state_failed(&w.processes[0]);
        try_once(&w, 0, 0);
        assert_true(leads(&w, 1));
        assert_false(leads(&w, 0));
    }
}

/* The write arrived, its answer did not. */
static void a_write_of_unknown_outcome_is_found_by_reading(void **state)
{
    struct world w;
    struct leader_record record;

    (void)state;
    begin(&w);
    try_once(&w, 0, 10);
    w.now_ms += 2000;
    assert_int_equal(leader_state_next(&w.processes[0], w.now_ms, wall_ns(&w), &record),
                     LEADER_WRITE);
    assert_true(write_lease(&w, &record, false));
    leader_state_failed(&w.processes[0]);
    w.now_ms += 5000;
    try_once(&w, 0, 10);
    assert_true(leads(&w, 0));
    assert_int_equal(w.lease.transitions, 0);
    w.now_ms += 9000;
    assert_true(leads(&w, 0));
}

static void a_lease_given_back_is_taken_at_once(void **state)
{
    struct world w;
    struct leader_record record;

    (void)state;
    begin(&w);
    try_once(&w, 0, 10);
    try_once(&w, 1, 10);
    assert_false(leader_state_release(&w.processes[1], wall_ns(&w), &record));
    assert_true(leader_state_release(&w.processes[0], wall_ns(&w), &record));
    assert_true(write_lease(&w, &record, false));
    assert_string_equal(w.lease.holder, "");
    assert_int_equal(w.lease.duration_s, 1);
    try_once(&w, 1, 10);
    assert_true(leads(&w, 1));
    assert_int_equal(w.lease.transitions, 1);
}

static void a_lease_that_somebody_deleted_is_made_anew(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    try_once(&w, 0, 10);
    w.is_there = false;
    w.now_ms += 2000;
    try_once(&w, 0, 10); /* its write finds nothing */
    w.now_ms += 2000;
    try_once(&w, 0, 10);
    assert_true(w.is_there);
    assert_true(leads(&w, 0));
}

static void those_who_wait_spread(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    assert_int_equal(leader_state_delay_ms(&w.processes[0], w.now_ms, 0), 2000);
    assert_int_equal(leader_state_delay_ms(&w.processes[0], w.now_ms, 1), 4400);
    try_once(&w, 0, 10);
    w.now_ms += 500;
    assert_int_equal(leader_state_delay_ms(&w.processes[0], w.now_ms, 1), 1490);
}

static void times_that_leave_no_room_are_refused(void **state)
{
    static const struct {
        struct leader_timing timing;
        const char *message; /* NULL: taken */
    } table[] = {
        {LEADER_TIMING_DEFAULT, NULL},
        {{3000, 2000, 500}, NULL},
        {{15500, 10000, 2000}, "whole seconds"},
        {{10000, 10000, 2000}, "longer than the renew deadline"},
        {{15000, 2400, 2000}, "1.2 times the retry period"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct vk_err err;
        const int rc = leader_timing_check(&table[i].timing, &err);

        assert_int_equal(rc == 0, table[i].message == NULL);
        if (table[i].message)
            assert_non_null(strstr(err.msg, table[i].message));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_one_creates_the_lease_and_the_others_wait),
        cmocka_unit_test(a_silent_leader_has_stopped_before_another_one_begins),
        cmocka_unit_test(the_time_of_a_lease_runs_from_when_we_saw_it_change),
        cmocka_unit_test(the_leader_counts_from_when_it_sent),
        cmocka_unit_test(of_two_that_write_at_once_one_leads),
        cmocka_unit_test(a_write_of_unknown_outcome_is_found_by_reading),
        cmocka_unit_test(a_lease_given_back_is_taken_at_once),
        cmocka_unit_test(a_lease_that_somebody_deleted_is_made_anew),
        cmocka_unit_test(those_who_wait_spread),
        cmocka_unit_test(times_that_leave_no_room_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
