/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/emulator/lifecycle_world.h"

#include <signal.h>

/* --- the way up --- */

static void init_containers_run_one_after_the_other(void **state)
{
    struct world w;

    (void)state;
    begin(&w, GROUP("'initContainers':[{'name':'one','properties':{'image':'i'}},"
                    "{'name':'two','properties':{'image':'i'}}],",
                    CONTAINER("c", "")));
    assert_true(w.engine.is_creating);
    assert_string_equal(w.g->provisioning_state, "Creating");
    scripted_create(&w.engine);
    assert_string_equal(w.g->ip, "10.244.0.2");
    assert_int_equal(w.engine.container_count, 1);
    scripted_start(&w.engine, "one");
    assert_int_equal(w.engine.container_count, 1);
    scripted_exit(&w.engine, "one", 0);
    assert_null(scripted_container(&w.engine, "c"));
    scripted_start(&w.engine, "two");
    assert_string_equal(group_state(w.g), "Pending");
    assert_true(group_is_in_transition(w.g));
    scripted_exit(&w.engine, "two", 0);
    scripted_start(&w.engine, "c");
    assert_string_equal(group_state(w.g), "Running");
    assert_string_equal(w.g->provisioning_state, "Succeeded");
    assert_false(group_is_in_transition(w.g));
    assert_string_equal(container(&w, "one")->current.detail, "Completed");
    end(&w);
}

static void events_tell_the_pull_and_the_start(void **state)
{
    static const char *const names[] = {"Pulling", "Pulled", "Created", "Started"};
    const struct container *c;
    struct world w;

    (void)state;
    begin_running(&w, GROUP("", CONTAINER("c", "")));
    c = container(&w, "c");
    assert_int_equal(c->events.n, VK_COUNT(names));
    for (size_t i = 0; i < VK_COUNT(names); i++)
        assert_string_equal(c->events.v[i].name, names[i]);
    assert_string_equal(c->events.v[0].message, "pulling image \"busybox@sha256:abc\"");
    end(&w);
}

static void secure_values_reach_the_container(void **state)
{
    struct world w;

    (void)state;
    begin_running(&w, GROUP("", CONTAINER("c", "'environmentVariables':[{'name':'A','value':'1'},"
                                               "{'name':'B','secureValue':'2'},{'name':'C'}],")));
    assert_string_equal(scripted_container(&w.engine, "c")->env, "A=1;B=2;C=;");
    end(&w);
}

static void a_failing_init_container_fails_the_group_under_never(void **state)
{
    struct world w;

    (void)state;
    begin(&w, GROUP("'restartPolicy':'Never'," INIT, CONTAINER("c", "")));
    scripted_create(&w.engine);
    scripted_start(&w.engine, "prepare");
    scripted_exit(&w.engine, "prepare", 1);
    assert_string_equal(group_state(w.g), "Failed");
    assert_null(scripted_container(&w.engine, "c"));
    end(&w);
}

static void a_failing_init_container_is_tried_again_otherwise(void **state)
{
    struct world w;

    (void)state;
    begin(&w, GROUP(INIT, CONTAINER("c", "")));
    scripted_create(&w.engine);
    scripted_start(&w.engine, "prepare");
    scripted_exit(&w.engine, "prepare", 1);
    assert_int_equal(container(&w, "prepare")->phase, CONTAINER_BACKOFF);
    assert_string_equal(group_state(w.g), "Pending");
    end(&w);
}

/* --- exits --- */

static void exits_follow_the_restart_policy(void **state)
{
    static const struct {
        const char *policy;
        int code;
        enum container_phase phase;
        const char *group_state, *detail;
    } cases[] = {
        {"Always", 0, CONTAINER_BACKOFF, "Running", "CrashLoopBackOff: Back-off restarting failed"},
        {"Always", 3, CONTAINER_BACKOFF, "Running", "CrashLoopBackOff: Back-off restarting failed"},
        {"OnFailure", 0, CONTAINER_DONE, "Succeeded", "Completed"},
        {"OnFailure", 3, CONTAINER_BACKOFF, "Running",
         "CrashLoopBackOff: Back-off restarting failed"},
        {"Never", 0, CONTAINER_DONE, "Succeeded", "Completed"},
        {"Never", 3, CONTAINER_DONE, "Failed", "Error"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char *body VK_AUTOFREE =
            vk_asprintf(GROUP("'restartPolicy':'%s',", CONTAINER("c", "")), cases[i].policy);
        const struct container *c;
        struct world w;

        begin_running(&w, body);
        scripted_exit(&w.engine, "c", cases[i].code);
        c = container(&w, "c");
        assert_int_equal(c->phase, cases[i].phase);
        assert_string_equal(group_state(w.g), cases[i].group_state);
        assert_string_equal(c->current.detail, cases[i].detail);
        if (cases[i].phase == CONTAINER_BACKOFF) {
            assert_int_equal(c->previous.exit_code, cases[i].code);
            assert_int_equal(c->current.kind, CONTAINER_WAITING);
            assert_true(vk_timer_is_armed(&c->restart_timer));
        } else {
            assert_int_equal(c->current.exit_code, cases[i].code);
        }
        end(&w);
    }
}

static void a_restart_counts_and_keeps_the_last_end(void **state)
{
    static const bool never;
    const struct container *c;
    struct world w;

    (void)state;
    begin_running(&w, GROUP("", CONTAINER("c", "")));
    scripted_exit(&w.engine, "c", 3);
    for (int i = 0; i < 60 && scripted_container(&w.engine, "c")->starts < 2; i++)
        vk_loop_run_until(w.loop, &never, 50);
    assert_int_equal(scripted_container(&w.engine, "c")->starts, 2);
    scripted_start(&w.engine, "c");
    c = container(&w, "c");
    assert_int_equal(c->restart_count, 1);
    assert_int_equal(c->current.kind, CONTAINER_RUNNING);
    assert_int_equal(c->previous.exit_code, 3);
    assert_int_equal(event_count(c, "Started"), 2);
    end(&w);
}

static void a_start_that_fails_is_an_exit_128_with_an_event(void **state)
{
    const struct container *c;
    struct world w;

    (void)state;
    begin(&w, GROUP("'restartPolicy':'Never',", CONTAINER("c", "")));
    scripted_create(&w.engine);
    scripted_start_fails(&w.engine, "c");
    c = container(&w, "c");
    assert_int_equal(c->current.exit_code, 128);
    assert_int_equal(event_count(c, "Failed"), 1);
    assert_string_equal(group_state(w.g), "Failed");
    assert_string_equal(w.g->provisioning_state, "Succeeded");
    end(&w);
}

static void wait_for_start(struct world *w, const char *name, int starts)
{
    static const bool never;

    for (int i = 0; i < 1200 && scripted_container(&w->engine, name)->starts < starts; i++)
        vk_loop_run_until(w->loop, &never, 50);
    assert_int_equal(scripted_container(&w->engine, name)->starts, starts);
}

static void a_start_that_the_machine_spoils_is_no_end(void **state)
{
    const struct container *c;
    struct world w;

    (void)state;
    begin(&w, GROUP("'restartPolicy':'Never'," INIT, CONTAINER("c", "")));
    scripted_create(&w.engine);
    scripted_set_up_fails(&w.engine, "prepare");
    assert_int_equal(container(&w, "prepare")->phase, CONTAINER_HELD);
    assert_string_equal(group_state(w.g), "Pending");
    wait_for_start(&w, "prepare", 2);
    scripted_start(&w.engine, "prepare");
    scripted_exit(&w.engine, "prepare", 0);
    scripted_set_up_fails(&w.engine, "c");
    c = container(&w, "c");
    assert_int_equal(c->phase, CONTAINER_HELD);
    assert_int_equal(c->current.kind, CONTAINER_WAITING);
    assert_false(c->has_previous);
    assert_int_equal(event_count(c, "Failed"), 1);
    assert_string_equal(w.g->provisioning_state, "Creating");
    wait_for_start(&w, "c", 2);
    scripted_start(&w.engine, "c");
    assert_int_equal(c->restart_count, 0);
    assert_string_equal(group_state(w.g), "Running");
    assert_string_equal(w.g->provisioning_state, "Succeeded");
    end(&w);
}

static void a_restart_that_the_machine_spoils_counts_once(void **state)
{
    const struct container *c;
    struct world w;

    (void)state;
    begin_running(&w, GROUP("", CONTAINER("c", "")));
    scripted_exit(&w.engine, "c", 3);
    wait_for_start(&w, "c", 2);
    scripted_set_up_fails(&w.engine, "c");
    c = container(&w, "c");
    assert_int_equal(c->restart_count, 0);
    assert_int_equal(c->previous.exit_code, 3);
    wait_for_start(&w, "c", 3);
    scripted_start(&w.engine, "c");
    assert_int_equal(c->restart_count, 1);
    assert_int_equal(c->previous.exit_code, 3);
    end(&w);
}

/* --- deletion at every moment --- */

enum moment {
    ACCEPTED,
    CREATING,
    INIT_STARTING,
    INIT_HELD,
    INIT_RUNNING,
    STARTING,
    RUNNING,
    BACKOFF,
    ENDED,
    STOPPING,
    STOPPED,
    RESTARTING,
    MOMENTS
};

static void bring_to(struct world *w, enum moment moment)
{
    struct scripted_engine *e = &w->engine;

    begin_with(w,
               moment == ENDED ? GROUP("'restartPolicy':'Never'," INIT, CONTAINER("c", ""))
                               : GROUP(INIT, CONTAINER("c", "")),
               &(struct lifecycle_config){.start_latency_ms = moment == ACCEPTED ? 60000 : 0,
                                          .stop_grace_ms = 60000});
    if (moment <= CREATING)
        return;
    scripted_create(e);
    if (moment == INIT_STARTING)
        return;
    if (moment == INIT_HELD) {
        scripted_set_up_fails(e, "prepare");
        return;
    }
    scripted_start(e, "prepare");
    if (moment == INIT_RUNNING)
        return;
    scripted_exit(e, "prepare", 0);
    if (moment == STARTING)
        return;
    scripted_start(e, "c");
    if (moment == BACKOFF || moment == ENDED)
        scripted_exit(e, "c", 1);
    if (moment == ENDED)
        assert_int_equal(w->g->phase, GROUP_ENDED);
    if (moment == STOPPING || moment == STOPPED)
        lifecycle_stop(w->g, NULL, NULL);
    if (moment == STOPPED) {
        scripted_exit(e, "c", 143);
        scripted_deleted(e);
        assert_int_equal(w->g->phase, GROUP_STOPPED);
    }
    if (moment == RESTARTING)
        lifecycle_restart(w->g);
}

static void a_deletion_at_any_moment_leaves_nothing(void **state)
{
    (void)state;
    for (enum moment moment = 0; moment < MOMENTS; moment++) {
        struct world w;

        bring_to(&w, moment);
        lifecycle_delete(w.g, on_woken, &w);
        assert_non_null(w.g);
        assert_int_equal(w.woken, 0);
        if (w.engine.is_creating)
            scripted_create(&w.engine);
        if (w.engine.is_deleting)
            scripted_deleted(&w.engine);
        turn(&w);
        if (w.g || w.woken != 1 || lifecycle_sandboxes(w.lifecycle) != 0 || w.engine.exists)
            fail_msg("moment %d: gone %d woken %d sandboxes %zu exists %d", (int)moment, !w.g,
                     w.woken, lifecycle_sandboxes(w.lifecycle), w.engine.exists);
        assert_int_equal(w.woken_in, GROUP_DELETING);
        end(&w);
    }
}

static void a_sandbox_that_fails_under_a_deletion_is_not_deleted(void **state)
{
    struct world w;

    (void)state;
    bring_to(&w, CREATING);
    lifecycle_delete(w.g, on_woken, &w);
    scripted_create_fails(&w.engine);
    assert_null(w.g);
    assert_int_equal(w.engine.deletes, 0);
    assert_int_equal(lifecycle_sandboxes(w.lifecycle), 0);
    end(&w);
}

static void two_deletions_both_end(void **state)
{
    struct world w;

    (void)state;
    bring_to(&w, RUNNING);
    lifecycle_delete(w.g, on_woken, &w);
    lifecycle_delete(w.g, on_woken, &w);
    scripted_deleted(&w.engine);
    assert_null(w.g);
    assert_int_equal(w.woken, 2);
    assert_int_equal(w.engine.deletes, 1);
    end(&w);
}

static void a_deletion_takes_its_latency(void **state)
{
    static const bool never;
    struct world w;
    int64_t before;

    (void)state;
    begin_with(&w, GROUP("", CONTAINER("c", "")),
               &(struct lifecycle_config){.delete_latency_ms = 200});
    scripted_create(&w.engine);
    before = vk_mono_ms();
    lifecycle_delete(w.g, on_woken, &w);
    scripted_deleted(&w.engine);
    for (int i = 0; i < 400 && w.g; i++)
        vk_loop_run_until(w.loop, &never, 5);
    assert_null(w.g);
    assert_true(vk_mono_ms() - before >= 190);
    assert_int_equal(w.woken, 1);
    end(&w);
}

/* --- stop, restart, update --- */

static void a_stop_sends_sigterm_and_shows_who_asked(void **state)
{
    const struct container *c;
    struct world w;

    (void)state;
    begin_running(&w, GROUP("", CONTAINER("c", "")));
    lifecycle_stop(w.g, on_woken, &w);
    assert_int_equal(scripted_container(&w.engine, "c")->last_signal, SIGTERM);
    assert_true(group_is_in_transition(w.g));
    assert_int_equal(w.engine.deletes, 0);
    scripted_exit(&w.engine, "c", 143);
    scripted_deleted(&w.engine);
    assert_int_equal(w.woken, 1);
    assert_string_equal(group_state(w.g), "Stopped");
    c = container(&w, "c");
    assert_int_equal(c->current.kind, CONTAINER_TERMINATED);
    assert_false(c->current.has_exit_code);
    assert_string_equal(c->current.detail, "Container stopped per client request");
    assert_int_equal(c->previous.kind, CONTAINER_RUNNING);
    end(&w);
}

static void a_stop_does_not_wait_longer_than_its_grace(void **state)
{
    static const bool never;
    struct world w;

    (void)state;
    begin_with(&w, GROUP("", CONTAINER("c", "")), &(struct lifecycle_config){.stop_grace_ms = 50});
    scripted_create(&w.engine);
    scripted_start(&w.engine, "c");
    lifecycle_stop(w.g, on_woken, &w);
    for (int i = 0; i < 40 && !w.engine.is_deleting; i++)
        vk_loop_run_until(w.loop, &never, 50);
    scripted_deleted(&w.engine);
    assert_int_equal(w.g->phase, GROUP_STOPPED);
    end(&w);
}

static void a_stopped_group_starts_without_history(void **state)
{
    struct world w;

    (void)state;
    bring_to(&w, STOPPED);
    lifecycle_start(w.g);
    turn(&w);
    scripted_create(&w.engine);
    scripted_start(&w.engine, "prepare");
    scripted_exit(&w.engine, "prepare", 0);
    scripted_start(&w.engine, "c");
    assert_string_equal(group_state(w.g), "Running");
    assert_int_equal(container(&w, "c")->restart_count, 0);
    assert_false(container(&w, "c")->has_previous);
    assert_int_equal(event_count(container(&w, "c"), "Started"), 1);
    end(&w);
}

static void a_restart_kills_and_starts_every_container(void **state)
{
    const struct container *c;
    uint64_t generation;
    struct world w;

    (void)state;
    begin_running(&w, GROUP("", CONTAINER("c", "")));
    generation = w.g->generation;
    lifecycle_restart(w.g);
    assert_string_equal(w.g->provisioning_state, "Updating");
    scripted_deleted(&w.engine);
    turn(&w);
    scripted_create(&w.engine);
    scripted_start(&w.engine, "c");
    c = container(&w, "c");
    assert_int_equal(w.g->generation, generation + 1);
    assert_int_equal(c->restart_count, 1);
    assert_int_equal(event_count(c, "Killing"), 1);
    assert_int_equal(event_count(c, "Started"), 2);
    assert_int_equal(c->previous.exit_code, 7147);
    end(&w);
}

static void an_update_clears_first_and_keeps_history_by_name(void **state)
{
    struct world w;

    (void)state;
    begin(&w, GROUP("", CONTAINER("c", "") "," CONTAINER("old", "")));
    scripted_create(&w.engine);
    scripted_start(&w.engine, "c");
    scripted_start(&w.engine, "old");
    lifecycle_clear(w.g, on_woken, &w);
    assert_int_equal(w.woken, 0);
    scripted_deleted(&w.engine);
    assert_int_equal(w.woken, 1);
    group_adopt_spec(w.g, parse(GROUP("", CONTAINER("new", "") "," CONTAINER("c", ""))), images(),
                     1);
    lifecycle_run(w.g, "Updating");
    turn(&w);
    scripted_create(&w.engine);
    scripted_start(&w.engine, "c");
    scripted_start(&w.engine, "new");
    assert_int_equal(container(&w, "c")->restart_count, 1);
    assert_int_equal(container(&w, "new")->restart_count, 0);
    assert_null(container(&w, "old"));
    assert_string_equal(w.g->provisioning_state, "Succeeded");
    end(&w);
}

static void a_deletion_overtakes_an_update(void **state)
{
    struct world w;

    (void)state;
    bring_to(&w, RUNNING);
    lifecycle_clear(w.g, on_woken, &w);
    lifecycle_delete(w.g, on_woken, &w);
    scripted_deleted(&w.engine);
    assert_int_equal(w.woken, 2);
    assert_int_equal(w.woken_in, GROUP_DELETING);
    assert_null(w.g);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_containers_run_one_after_the_other),
        cmocka_unit_test(events_tell_the_pull_and_the_start),
        cmocka_unit_test(secure_values_reach_the_container),
        cmocka_unit_test(a_failing_init_container_fails_the_group_under_never),
        cmocka_unit_test(a_failing_init_container_is_tried_again_otherwise),
        cmocka_unit_test(exits_follow_the_restart_policy),
        cmocka_unit_test(a_restart_counts_and_keeps_the_last_end),
        cmocka_unit_test(a_start_that_fails_is_an_exit_128_with_an_event),
        cmocka_unit_test(a_start_that_the_machine_spoils_is_no_end),
        cmocka_unit_test(a_restart_that_the_machine_spoils_counts_once),
        cmocka_unit_test(a_deletion_at_any_moment_leaves_nothing),
        cmocka_unit_test(a_sandbox_that_fails_under_a_deletion_is_not_deleted),
        cmocka_unit_test(two_deletions_both_end),
        cmocka_unit_test(a_deletion_takes_its_latency),
        cmocka_unit_test(a_stop_sends_sigterm_and_shows_who_asked),
        cmocka_unit_test(a_stop_does_not_wait_longer_than_its_grace),
        cmocka_unit_test(a_stopped_group_starts_without_history),
        cmocka_unit_test(a_restart_kills_and_starts_every_container),
        cmocka_unit_test(an_update_clears_first_and_keeps_history_by_name),
        cmocka_unit_test(a_deletion_overtakes_an_update),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
