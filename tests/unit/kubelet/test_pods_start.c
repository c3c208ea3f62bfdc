/* SPDX-License-Identifier: Apache-2.0 */
/* postStart hooks: when they run, what a pod's status says meanwhile, and what a failure leads to.
 */
#include "tests/unit/kubelet/fake_pod_changes.h"
#include "tests/unit/kubelet/memory_provider.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)
#define SPEC(policy)                                                                               \
    "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"" policy "\",\"containers\":[{\"name\":\"c\","  \
    "\"image\":\"app:1\",\"lifecycle\":{\"postStart\":{\"exec\":{\"command\":[\"/warm\"]}}}}]}"
#define HOOK "exec c: /warm\n"
#define STATE "containerStatuses.0.state."

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

static struct fake_pod *start_one(struct world *w, const char *spec)
{
    struct fake_pod *p;

    w->memory.run_at_once = true;
    pods_start(w->pods);
    RUN_UNTIL(w, pods_has_synced(w->pods) && w->api.watch);
    p = fake_add(&w->api, "web", "uid-1", spec, NULL);
    RUN_UNTIL(w, *deeds(w));
    return p;
}

static void settle(struct world *w)
{
    const bool never = false;

    for (int i = 0; i < 30; i++)
        (void)vk_loop_run_until(w->api.loop, &never, 2);
}

static bool runs(struct world *w)
{
    return *world_status(w, "web", STATE "running") != 0;
}

/* The platform's word: container c in its so many-th run. */
static void report_run(struct world *w, int64_t run)
{
    struct container_status c = {
        .name = "c",
        .restart_count = run,
        .ready = true,
        .started = true,
        .state = {.kind = CONTAINER_RUNNING,
                  .started_at_ns = (1700000000 + run) * INT64_C(1000000000) + 5}};
    const struct provider_pod_status s = {
        .id = memory_id("web", "uid-1"),
        .group_exists = true,
        .status = {.phase = "Running", .container_statuses = {.v = &c, .n = 1}}};

    w->memory.up->status_changed(w->memory.up->k, &s);
}

static void a_container_waits_until_its_hook_has_succeeded(void **state)
{
    struct world *w = *state;

    w->memory.hold_execs = true;
    start_one(w, SPEC("Always"));
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "podIP"), "10.244.0.7"));
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
    assert_string_equal(world_status(w, "web", STATE "waiting.reason"), "PostStartHookRunning");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.started"), "false");
    assert_string_equal(world_status(w, "web", "conditions.Ready.status"), "False");
    memory_end_execs(&w->memory);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "conditions.Ready.status"), "True"));
    assert_string_equal(world_status(w, "web", "phase"), "Running");
    assert_true(runs(w));
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    settle(w);
    assert_string_equal(deeds(w), HOOK);
}

static void a_failed_hook_ends_the_container(void **state)
{
    struct world *w = *state;

    w->memory.exec_code = 7;
    w->memory.hold_execs = true;
    w->memory.fail_restarts = 2;
    (void)vk_err_set(&w->memory.error, VK_UNAVAILABLE, "not now");
    start_one(w, SPEC("Always"));
    memory_end_execs(&w->memory);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", STATE "waiting.reason"), "PostStartHookError"));
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
    RUN_UNTIL(w, w->memory.restarts == 3);
    RUN_UNTIL(w, world_told(w, "FailedPostStartHook: PostStartHook failed: its command ended with "
                               "code 7"));
    RUN_UNTIL(w,
              world_told(w, "Killing: Container c failed its postStart hook, will be restarted"));
    /* The run that came of it has its own. */
    RUN_UNTIL(w, vk_streq(deeds(w), HOOK "stop c\n" HOOK));
    w->memory.exec_code = 0;
    memory_end_execs(&w->memory);
    RUN_UNTIL(w, runs(w));
    assert_int_equal(w->memory.restarts, 3);
}

static void a_failed_hook_fails_a_pod_that_never_restarts(void **state)
{
    struct world *w = *state;

    w->memory.exec_code = 7;
    start_one(w, SPEC("Never"));
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Failed"));
    assert_string_equal(world_status(w, "web", STATE "terminated.exitCode"), "137");
    RUN_UNTIL(w, vk_map_len(w->memory.groups) == 0);
    assert_int_equal(w->memory.restarts, 0);
    assert_string_equal(deeds(w), HOOK "stop c\n");
}

static void a_hook_that_succeeded_is_not_run_by_the_next_process(void **state)
{
    struct world *w = *state;

    start_one(w, SPEC("Always"));
    RUN_UNTIL(w, runs(w));
    world_stop_pods(w);
    world_start_pods(w);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    pods_start(w->pods);
    RUN_UNTIL(w, world_count(w, POD_WORKER_RUNNING) == 1);
    settle(w);
    assert_string_equal(deeds(w), HOOK);
    /* Another run of the container is another matter; the pod goes on to be Running. */
    w->memory.hold_execs = true;
    report_run(w, 1);
    RUN_UNTIL(w, vk_streq(deeds(w), HOOK HOOK));
    RUN_UNTIL(w, !runs(w));
    assert_string_equal(world_status(w, "web", "phase"), "Running");
    memory_end_execs(&w->memory);
    RUN_UNTIL(w, runs(w));
}

static void a_hook_that_nobody_saw_end_is_run_again(void **state)
{
    struct world *w = *state;

    w->memory.hold_execs = true;
    start_one(w, SPEC("Always"));
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "podIP"), "10.244.0.7"));
    world_stop_pods(w);
    assert_null(w->memory.open_execs);
    w->memory.hold_execs = false;
    world_start_pods(w);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    pods_start(w->pods);
    RUN_UNTIL(w, runs(w));
    assert_string_equal(deeds(w), HOOK HOOK);
    assert_int_equal(w->memory.creates, 1);
}

static void deletion_ends_the_hook_and_signals_the_container(void **state)
{
    struct world *w = *state;
    struct fake_pod *p;

    w->memory.hold_execs = true;
    p = start_one(w, SPEC("Always"));
    w->memory.hold_stops = true;
    fake_delete_within(&w->api, p, 600);
    RUN_UNTIL(w, vk_streq(deeds(w), HOOK "stop c\n"));
    assert_null(w->memory.open_execs);
    RUN_UNTIL(w, runs(w));
    memory_end_stops(&w->memory);
    RUN_UNTIL(w, world_workers(w) == 0);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ONE(a_container_waits_until_its_hook_has_succeeded),
        ONE(a_failed_hook_ends_the_container),
        ONE(a_failed_hook_fails_a_pod_that_never_restarts),
        ONE(a_hook_that_succeeded_is_not_run_by_the_next_process),
        ONE(a_hook_that_nobody_saw_end_is_run_again),
        ONE(deletion_ends_the_hook_and_signals_the_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
