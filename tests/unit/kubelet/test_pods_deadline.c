/* SPDX-License-Identifier: Apache-2.0 */
/* activeDeadlineSeconds: how long is left, and what becomes of a pod that is overdue. */
#include "base/clock.h"
#include "kubelet/pods/deadlines.h"
#include "tests/unit/kubelet/fake_pod_changes.h"
#include "tests/unit/kubelet/memory_provider.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)
#define SPEC_DEADLINE                                                                              \
    "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Always\",\"activeDeadlineSeconds\":2,"          \
    "\"containers\":[{\"name\":\"c\",\"image\":\"app:1\"}]}"
#define SPEC_LONG_DEADLINE                                                                         \
    "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Always\",\"activeDeadlineSeconds\":3600,"       \
    "\"containers\":[{\"name\":\"c\",\"image\":\"app:1\"}]}"
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

static void what_is_left_of_a_deadline(void **state)
{
    static const struct {
        bool has;
        int64_t seconds, start_ns, now_ns, left_ms;
    } rows[] = {
        {false, 0, 100 * SECOND_NS, 200 * SECOND_NS, -1},
        {true, 10, 0, 200 * SECOND_NS, -1},
        {true, 10, 100 * SECOND_NS, 100 * SECOND_NS, 10000},
        {true, 10, 100 * SECOND_NS, 110 * SECOND_NS - 1, 1},
        {true, 10, 100 * SECOND_NS, 110 * SECOND_NS, 0},
        {true, 10, 100 * SECOND_NS, 500 * SECOND_NS, 0},
        /* A clock that was set back makes it longer, as the kubelet's does. */
        {true, 10, 100 * SECOND_NS, 40 * SECOND_NS, 70000},
        {true, INT64_MAX, 100 * SECOND_NS, 100 * SECOND_NS, INT64_C(2147483647000)},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        const struct pod pod = {.spec = {.has_active_deadline = rows[i].has,
                                         .active_deadline_seconds = rows[i].seconds}};
        const struct pod_status status = {.start_time_ns = rows[i].start_ns};

        assert_int_equal(deadline_left_ms(&pod, &status, rows[i].now_ns), rows[i].left_ms);
    }
}

static void failed_by_its_deadline(struct world *w)
{
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Failed"));
    assert_string_equal(world_status(w, "web", "reason"), "DeadlineExceeded");
    assert_string_equal(world_status(w, "web", "message"),
                        "Pod was active on the node longer than the specified deadline");
    RUN_UNTIL(w, vk_map_len(w->memory.groups) == 0);
    RUN_UNTIL(w, world_told(w, "DeadlineExceeded: Pod was active"));
    assert_non_null(fake_find(&w->api, "default", "web"));
}

static void a_running_pod_fails_when_its_deadline_passes(void **state)
{
    struct world *w = *state;
    int64_t before = vk_wall_ns(), took_ns;

    w->memory.run_at_once = true;
    pods_start(w->pods);
    fake_add(&w->api, "web", "uid-1", SPEC_DEADLINE, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    failed_by_its_deadline(w);
    took_ns = vk_wall_ns() - before;
    /* Counted from a startTime in whole seconds. */
    assert_true(took_ns >= SECOND_NS);
    RUN_UNTIL(w, *world_status(w, "web", "containerStatuses.0.state.terminated.exitCode"));
    assert_int_equal(w->memory.creates, 1);
    assert_int_equal(w->memory.retires, 1);
}

static void a_deadline_that_is_set_later_counts_from_the_start(void **state)
{
    struct world *w = *state;
    struct fake_pod *p;

    w->memory.run_at_once = true;
    pods_start(w->pods);
    p = fake_add(&w->api, "web", "uid-1", SPEC_LONG_DEADLINE,
                 "{\"phase\":\"Pending\",\"startTime\":\"2023-11-14T22:13:20Z\"}");
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Failed"));
    failed_by_its_deadline(w);
    assert_int_equal(w->memory.creates, 0);
    fake_remove(&w->api, p, false);
    p = fake_add(&w->api, "web", "uid-2", SPEC_LONG_DEADLINE, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    fake_set_spec(&w->api, p, SPEC_DEADLINE);
    failed_by_its_deadline(w);
}

static void a_restart_does_not_lengthen_a_deadline(void **state)
{
    struct world *w = *state;

    w->memory.run_at_once = true;
    pods_start(w->pods);
    fake_add(&w->api, "web", "uid-1", SPEC_DEADLINE, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    world_stop_pods(w);
    world_start_pods(w);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    pods_start(w->pods);
    failed_by_its_deadline(w);
    assert_int_equal(w->memory.creates, 1);
}

static void an_overdue_pod_does_not_wait_for_its_creation(void **state)
{
    struct world *w = *state;

    w->memory.hold_create = true;
    pods_start(w->pods);
    fake_add(&w->api, "web", "uid-1", SPEC_DEADLINE, NULL);
    RUN_UNTIL(w, w->memory.held);
    RUN_UNTIL(w, w->memory.deletes == 1);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "reason"), "DeadlineExceeded"));
    memory_release_held(&w->memory);
    failed_by_its_deadline(w);
    assert_int_equal(w->memory.creates, 1);
}

static void an_overdue_pod_that_waits_for_an_image_fails(void **state)
{
    struct world *w = *state;

    (void)vk_err_set(&w->memory.error, VK_INVALID, "no such image");
    (void)vk_err_reason(&w->memory.error, PROVIDER_REASON_IMAGE);
    w->memory.fail_creates = 1000;
    pods_start(w->pods);
    fake_add(&w->api, "web", "uid-1", SPEC_DEADLINE, NULL);
    failed_by_its_deadline(w);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_of_a_deadline),
        ONE(a_running_pod_fails_when_its_deadline_passes),
        ONE(a_deadline_that_is_set_later_counts_from_the_start),
        ONE(a_restart_does_not_lengthen_a_deadline),
        ONE(an_overdue_pod_does_not_wait_for_its_creation),
        ONE(an_overdue_pod_that_waits_for_an_image_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
