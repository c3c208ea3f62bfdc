/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks and signals between the deletion of a pod, or its deadline, and the end of its group. */
#include "base/clock.h"
#include "kubelet/pods/pod_worker.h"
#include "tests/unit/kubelet/fake_pod_changes.h"
#include "tests/unit/kubelet/memory_provider.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)
#define HOOK(command) "\"lifecycle\":{\"preStop\":{\"exec\":{\"command\":[\"" command "\"]}}}"
#define SPEC(fields, containers)                                                                   \
    "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Always\"," fields "\"containers\":[" containers \
    "]}"
#define MAIN "{\"name\":\"c\",\"image\":\"app:1\"}"
#define MAIN_WITH_HOOK "{\"name\":\"c\",\"image\":\"app:1\"," HOOK("/drain") "}"
#define SIDECAR(name) "{\"name\":\"" name "\",\"image\":\"app:1\",\"restartPolicy\":\"Always\"}"
#define SECOND_NS INT64_C(1000000000)

static int setup(void **state)
{
    *state = world_new();
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static const char *deeds(struct world *w)
{
    return vk_buf_peek(&w->memory.deeds);
}

static struct fake_pod *run_one(struct world *w, const char *spec)
{
    struct fake_pod *p;

    w->memory.run_at_once = true;
    pods_start(w->pods);
    RUN_UNTIL(w, pods_has_synced(w->pods) && w->api.watch);
    p = fake_add(&w->api, "web", "uid-1", spec, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    return p;
}

/* All that would come of what is under way has come. */
static void settle(struct world *w)
{
    const bool never = false;

    for (int i = 0; i < 30; i++)
        (void)vk_loop_run_until(w->api.loop, &never, 2);
}

static void is_gone(struct world *w)
{
    RUN_UNTIL(w, !fake_find(&w->api, "default", "web"));
    RUN_UNTIL(w, world_workers(w) == 0);
    assert_int_equal(w->memory.deletes, 1);
    assert_int_equal(vk_map_len(w->memory.groups), 0);
    assert_null(w->memory.open_stops);
    assert_null(w->memory.open_execs);
}

static void what_is_left_of_a_grace_period(void **state)
{
    static const struct {
        const char *what;
        bool has_spec, has_deletion;
        int64_t spec_s, deletion_s;
        int64_t deleted_at_s, overdue_at_s, now_s; /* deletionTimestamp lies grace_s behind it */
        int64_t left_ms;
    } rows[] = {
        {"at once", true, true, 60, 10, 100, 0, 100, 10000},
        {"later", true, true, 60, 10, 100, 0, 104, 6000},
        {"over, while nobody was there", true, true, 60, 10, 100, 0, 500, 2000},
        {"by force", true, true, 60, 0, 100, 0, 100, 0},
        {"a clock that is ahead of ours", true, true, 60, 10, 900, 0, 100, 10000},
        {"an API server that names no period", true, false, 60, 60, 100, 0, 100, 60000},
        {"a deadline", true, false, 60, 0, 0, 100, 110, 50000},
        {"a deadline without a period", false, false, 0, 0, 0, 100, 100, 30000},
        {"a deadline that passed long ago", true, false, 60, 0, 0, 100, 1000, 2000},
        {"a deadline of a pod that wants none", true, false, 0, 0, 0, 100, 100, 0},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        const int64_t at = rows[i].deleted_at_s;
        const struct pod pod = {
            .meta = {.deletion_timestamp_ns = at ? (at + rows[i].deletion_s) * SECOND_NS : 0,
                     .has_deletion_grace_period = rows[i].has_deletion,
                     .deletion_grace_period_seconds = rows[i].deletion_s},
            .spec = {.has_termination_grace_period = rows[i].has_spec,
                     .termination_grace_period_seconds = rows[i].spec_s}};
        const int64_t left =
            worker_grace_left_ms(&pod, rows[i].overdue_at_s * SECOND_NS, rows[i].now_s * SECOND_NS);

        if (left != rows[i].left_ms)
            fail_msg("%s: %lld", rows[i].what, (long long)left);
    }
}

static void the_group_goes_when_the_container_has_ended(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN));

    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, w->memory.stops == 1);
    settle(w);
    assert_int_equal(w->memory.deletes, 0);
    assert_string_equal(world_status(w, "web", "phase"), "Running");
    memory_end_stops(&w->memory);
    is_gone(w);
    assert_string_equal(deeds(w), "stop c\n");
    assert_int_equal(w->memory.looks, 0);
}

static void a_hook_comes_before_the_signal(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN_WITH_HOOK));

    fake_delete_within(&w->api, p, 600);
    is_gone(w);
    assert_string_equal(deeds(w), "exec c: /drain\nstop c\n");
    assert_false(world_told(w, "FailedPreStopHook"));
}

static void a_pause_is_a_hook(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(
        w, SPEC("", "{\"name\":\"c\",\"image\":\"app:1\",\"lifecycle\":{\"preStop\":{\"sleep\":{"
                    "\"seconds\":1}}}}"));
    const int64_t before = vk_mono_ms();

    fake_delete_within(&w->api, p, 600);
    is_gone(w);
    assert_string_equal(deeds(w), "stop c\n");
    assert_true(vk_mono_ms() - before >= 990);
}

static void an_answer_is_a_success_whatever_it_says(void **state)
{
    struct world *w = *state;
    char *spec VK_AUTOFREE = vk_asprintf(
        SPEC("", "{\"name\":\"c\",\"image\":\"app:1\",\"lifecycle\":{\"preStop\":{\"httpGet\":{"
                 "\"host\":\"127.0.0.1\",\"port\":%d,\"path\":\"/drain\"}}}}"),
        http_server_port(w->api.server));
    struct fake_pod *p = run_one(w, spec);

    fake_delete_within(&w->api, p, 600);
    is_gone(w);
    assert_string_equal(deeds(w), "stop c\n");
    settle(w);
    assert_false(world_told(w, "FailedPreStopHook"));
}

static void https_that_is_answered_by_plain_http_is_sent_again(void **state)
{
    struct world *w = *state;
    char *spec VK_AUTOFREE = vk_asprintf(
        SPEC("", "{\"name\":\"c\",\"image\":\"app:1\",\"lifecycle\":{\"preStop\":{\"httpGet\":{"
                 "\"host\":\"127.0.0.1\",\"port\":%d,\"path\":\"/drain\",\"scheme\":\"HTTPS\"}}}}"),
        http_server_port(w->api.server));
    struct fake_pod *p = run_one(w, spec);

    fake_delete_within(&w->api, p, 600);
    is_gone(w);
    assert_string_equal(deeds(w), "stop c\n");
    RUN_UNTIL(w, world_told(w, "LifecycleHTTPFallback: "));
    assert_false(world_told(w, "FailedPreStopHook"));
}

static void a_hook_that_fails_is_told_and_changes_nothing(void **state)
{
    static const char *const handlers[] = {
        "\"exec\":{\"command\":[\"/drain\"]}",
        "\"httpGet\":{\"port\":\"none\"}",
        "\"httpGet\":{\"host\":\"127.0.0.1\",\"port\":1}",
        "\"tcpSocket\":{\"port\":80}",
    };
    static const char *const said[] = {
        "FailedPreStopHook: PreStopHook failed: its command ended with code 3",
        "FailedPreStopHook: PreStopHook failed: the container has no port none",
        "FailedPreStopHook: PreStopHook failed: ",
        "FailedPreStopHook: PreStopHook failed: it names no exec, httpGet or sleep",
    };
    struct world *w = *state;

    w->memory.exec_code = 3;
    w->memory.run_at_once = true;
    pods_start(w->pods);
    for (size_t i = 0; i < VK_COUNT(handlers); i++) {
        char *spec VK_AUTOFREE = vk_asprintf(
            SPEC("", "{\"name\":\"c\",\"image\":\"app:1\",\"lifecycle\":{\"preStop\":{%s}}}"),
            handlers[i]);
        char name[16];

        snprintf(name, sizeof(name), "web-%zu", i);
        struct fake_pod *p = fake_add(&w->api, name, name, spec, NULL);
        RUN_UNTIL(w, vk_streq(world_status(w, name, "phase"), "Running"));
        vk_buf_clear(&w->api.event_log);
        fake_delete_within(&w->api, p, 600);
        RUN_UNTIL(w, !fake_find(&w->api, "default", name));
        RUN_UNTIL(w, world_told(w, said[i]));
        assert_int_equal(w->memory.stops, i + 1);
        /* Others than the pod's owner read Events. */
        assert_false(world_told(w, "output"));
    }
}

static void a_hook_that_hangs_ends_with_the_grace_period(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN_WITH_HOOK));
    const int64_t before = vk_mono_ms();

    w->memory.hold_execs = true;
    fake_delete_within(&w->api, p, 2);
    is_gone(w);
    assert_true(vk_mono_ms() - before >= 1990);
    assert_string_equal(deeds(w), "exec c: /drain\nstop c\n");
    RUN_UNTIL(w, world_told(w, "FailedPreStopHook: PreStopHook failed: it did not end within"));
}

static void a_container_that_does_not_end_has_its_time(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN));
    const int64_t before = vk_mono_ms();

    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 3);
    is_gone(w);
    assert_true(vk_mono_ms() - before >= 1990);
    assert_string_equal(deeds(w), "stop c\n");
}

/* The platform's word: container c and sidecars. */
static void report(struct world *w, size_t sidecars, enum container_state_kind c_kind,
                   int64_t restarts)
{
    static const char *const names[] = {"s1", "s2"};
    struct container_status init[2];
    struct container_status c = {
        .name = "c",
        .restart_count = restarts,
        .state = {.kind = c_kind, .started_at_ns = 1700000000000000000 + restarts * SECOND_NS}};
    struct provider_pod_status s = {
        .id = memory_id("web", "uid-1"),
        .group_exists = true,
        .status = {.phase = "Running", .container_statuses = {.v = &c, .n = 1}}};

    for (size_t i = 0; i < sidecars; i++)
        init[i] = (struct container_status){
            .name = names[i],
            .state = {.kind = CONTAINER_RUNNING, .started_at_ns = 1700000000000000000}};
    s.status.init_container_statuses = (struct json_array){.v = init, .n = sidecars};
    w->memory.up->status_changed(w->memory.up->k, &s);
}

static void sidecars_end_last_and_in_reverse_order(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(
        w, SPEC("\"initContainers\":[" SIDECAR("s1") "," SIDECAR("s2") "],", MAIN_WITH_HOOK));

    report(w, 2, CONTAINER_RUNNING, 0);
    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, vk_streq(deeds(w), "exec c: /drain\nstop c\n"));
    settle(w);
    memory_end_stops(&w->memory);
    RUN_UNTIL(w, vk_streq(deeds(w), "exec c: /drain\nstop c\nstop s2\n"));
    settle(w);
    memory_end_stops(&w->memory);
    RUN_UNTIL(w, vk_streq(deeds(w), "exec c: /drain\nstop c\nstop s2\nstop s1\n"));
    assert_int_equal(w->memory.deletes, 0);
    memory_end_stops(&w->memory);
    is_gone(w);
}

static void when_the_time_is_over_sidecars_are_signalled_all_the_same(void **state)
{
    struct world *w = *state;
    struct fake_pod *p =
        run_one(w, SPEC("\"initContainers\":[" SIDECAR("s1") "," SIDECAR("s2") "],", MAIN));

    report(w, 2, CONTAINER_RUNNING, 0);
    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 2);
    is_gone(w);
    assert_string_equal(deeds(w), "stop c\nstop s2\nstop s1\n");
}

static void what_was_told_is_looked_at_until_it_ended(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN));

    w->memory.stop_result = PROVIDER_STOP_TOLD;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, w->memory.looks >= 1);
    settle(w);
    assert_int_equal(w->memory.deletes, 0);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_TERMINATED, 0);
    is_gone(w);
}

/* ACI starts a container again that ended on our word: it has ended all the same. */
static void a_container_that_runs_anew_has_ended(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN));

    report(w, 0, CONTAINER_RUNNING, 0);
    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, w->memory.stops == 1);
    report(w, 0, CONTAINER_RUNNING, 0);
    settle(w);
    assert_int_equal(w->memory.deletes, 0);
    report(w, 0, CONTAINER_RUNNING, 1);
    is_gone(w);
}

static void who_can_not_be_told_is_not_waited_for(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN));

    w->memory.stop_result = PROVIDER_STOP_REFUSED;
    (void)vk_err_set(&w->memory.stop_err, VK_UNSUPPORTED, "no shell");
    fake_delete_within(&w->api, p, 600);
    is_gone(w);
    RUN_UNTIL(w, world_told(w, "NoTerminationSignal: no shell"));
}

static void where_the_user_wants_no_signal_nothing_is_said(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN));

    w->memory.stop_result = PROVIDER_STOP_REFUSED;
    fake_delete_within(&w->api, p, 600);
    is_gone(w);
    settle(w);
    assert_false(world_told(w, "NoTerminationSignal"));
}

static void force_ends_the_wait(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN_WITH_HOOK));

    w->memory.hold_execs = true;
    p->finalizer = true;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, vk_streq(deeds(w), "exec c: /drain\n"));
    fake_delete_within(&w->api, p, 0);
    RUN_UNTIL(w, w->memory.deletes == 1);
    p->finalizer = false;
    fake_remove(&w->api, p, false);
    is_gone(w);
    assert_string_equal(deeds(w), "exec c: /drain\n");
}

static void a_shorter_period_counts(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN));

    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, w->memory.stops == 1);
    fake_delete_within(&w->api, p, 2);
    is_gone(w);
    assert_int_equal(w->memory.stops, 1);
}

static void removal_of_the_object_ends_the_wait(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN));

    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, w->memory.stops == 1);
    fake_remove(&w->api, p, false);
    is_gone(w);
}

static void a_group_that_vanishes_ends_the_wait(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN));

    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, w->memory.stops == 1);
    memory_lose(&w->memory, "web", "uid-1");
    is_gone(w);
}

static void a_restart_goes_on_with_what_is_left(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN_WITH_HOOK));

    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, w->memory.stops == 1);
    world_stop_pods(w);
    assert_null(w->memory.open_stops);
    w->memory.hold_stops = false;
    world_start_pods(w);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    pods_start(w->pods);
    is_gone(w);
    assert_string_equal(deeds(w), "exec c: /drain\nstop c\nexec c: /drain\nstop c\n");
}

static void containers_that_do_not_run_are_not_told(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC("", MAIN_WITH_HOOK));

    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_WAITING, 0);
    RUN_UNTIL(w, *world_status(w, "web", "containerStatuses.0.state.waiting"));
    fake_delete_within(&w->api, p, 600);
    is_gone(w);
    assert_string_equal(deeds(w), "");
}

static void a_deadline_gives_the_grace_period_too(void **state)
{
    struct world *w = *state;

    w->memory.hold_stops = true;
    run_one(w, SPEC("\"activeDeadlineSeconds\":1,\"terminationGracePeriodSeconds\":600,",
                    MAIN_WITH_HOOK));
    RUN_UNTIL(w, vk_streq(deeds(w), "exec c: /drain\nstop c\n"));
    settle(w);
    assert_string_equal(world_status(w, "web", "phase"), "Running");
    /* Whatever its containers make of it. */
    memory_report(&w->memory, "web", "uid-1", "Succeeded", CONTAINER_TERMINATED, 0);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Failed"));
    assert_string_equal(world_status(w, "web", "reason"), "DeadlineExceeded");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.terminated.exitCode"),
                        "0");
    RUN_UNTIL(w, vk_map_len(w->memory.groups) == 0);
    assert_null(w->memory.open_stops);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_of_a_grace_period),
        ONE(the_group_goes_when_the_container_has_ended),
        ONE(a_hook_comes_before_the_signal),
        ONE(a_pause_is_a_hook),
        ONE(an_answer_is_a_success_whatever_it_says),
        ONE(https_that_is_answered_by_plain_http_is_sent_again),
        ONE(a_hook_that_fails_is_told_and_changes_nothing),
        ONE(a_hook_that_hangs_ends_with_the_grace_period),
        ONE(a_container_that_does_not_end_has_its_time),
        ONE(sidecars_end_last_and_in_reverse_order),
        ONE(when_the_time_is_over_sidecars_are_signalled_all_the_same),
        ONE(what_was_told_is_looked_at_until_it_ended),
        ONE(a_container_that_runs_anew_has_ended),
        ONE(who_can_not_be_told_is_not_waited_for),
        ONE(where_the_user_wants_no_signal_nothing_is_said),
        ONE(force_ends_the_wait),
        ONE(a_shorter_period_counts),
        ONE(removal_of_the_object_ends_the_wait),
        ONE(a_group_that_vanishes_ends_the_wait),
        ONE(a_restart_goes_on_with_what_is_left),
        ONE(containers_that_do_not_run_are_not_told),
        ONE(a_deadline_gives_the_grace_period_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
