/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a group when its pod has ended. */
#include "base/clock.h"
#include "tests/unit/kubelet/memory_provider.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)
#define LONG_AGO_NS (1700000000ll * 1000000000)
#define ENDED_LONG_AGO                                                                             \
    "{\"phase\":\"Succeeded\",\"containerStatuses\":[{\"name\":\"c\",\"image\":\"app:1\","         \
    "\"imageID\":\"\",\"ready\":false,\"restartCount\":0,\"lastState\":{},\"state\":{"             \
    "\"terminated\":{"                                                                             \
    "\"exitCode\":0,\"reason\":\"Completed\",\"finishedAt\":\"2023-11-14T22:13:20Z\"}}}]}"

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

static void restart_with_ttl(struct world *w, int64_t ttl_ms)
{
    world_stop_pods(w);
    w->finished_group_ttl_ms = ttl_ms;
    world_start_pods(w);
}

static void run(struct world *w, const char *name, const char *uid)
{
    w->memory.run_at_once = true;
    fake_add(&w->api, name, uid, SPEC_NEVER, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, name, "phase"), "Running"));
}

static void end(struct world *w, const char *name, const char *uid, int64_t ended_at_ns)
{
    w->memory.ended_at_ns = ended_at_ns;
    memory_report(&w->memory, name, uid, "Succeeded", CONTAINER_TERMINATED, 0);
    RUN_UNTIL(w, vk_streq(world_status(w, name, "phase"), "Succeeded"));
}

static void a_finished_group_goes_after_its_time_and_the_status_stays(void **state)
{
    struct world *w = *state;
    int64_t before, took;

    restart_with_ttl(w, 300);
    pods_start(w->pods);
    run(w, "web", "uid-1");
    before = vk_mono_ms();
    end(w, "web", "uid-1", 0);
    RUN_UNTIL(w, w->memory.retires == 1 && vk_map_len(w->memory.groups) == 0);
    took = vk_mono_ms() - before;
    assert_true(took >= 290);
    assert_string_equal(world_status(w, "web", "phase"), "Succeeded");
    assert_int_equal(w->memory.deletes, 0);
    assert_int_equal(w->memory.creates, 1);
    /* And is never created again, by no process. */
    restart_with_ttl(w, 300);
    pods_start(w->pods);
    RUN_UNTIL(w, world_count(w, POD_WORKER_FINISHED) == 1 && w->api.watch);
    run(w, "other", "uid-2");
    assert_int_equal(w->memory.creates, 2);
    assert_int_equal(w->memory.retires, 1);
}

static void a_clock_that_jumps_keeps_no_group_for_ever(void **state)
{
    static const int64_t hour_ns = INT64_C(3600000000000);
    const int64_t jumps_ns[] = {hour_ns, -24 * 365 * hour_ns};
    struct world *w = *state;

    restart_with_ttl(w, 300);
    pods_start(w->pods);
    for (size_t i = 0; i < VK_COUNT(jumps_ns); i++) {
        char name[16];

        snprintf(name, sizeof(name), "web-%zu", i);
        run(w, name, name);
        /* The end lies in the future of a clock that was set back, or long ago. */
        end(w, name, name, vk_wall_ns() + jumps_ns[i]);
        RUN_UNTIL(w, w->memory.retires == i + 1);
    }
}

static void the_time_is_counted_from_the_end_also_across_a_restart(void **state)
{
    struct world *w = *state;

    pods_start(w->pods);
    run(w, "web", "uid-1");
    end(w, "web", "uid-1", vk_wall_ns());
    world_stop_pods(w);
    world_start_pods(w);
    memory_report(&w->memory, "web", "uid-1", "Succeeded", CONTAINER_TERMINATED, 0);
    pods_start(w->pods);
    RUN_UNTIL(w, world_count(w, POD_WORKER_FINISHED) == 1 && w->api.watch);
    assert_int_equal(w->memory.retires, 0);
    /* Not from when this process noticed it. */
    fake_add(&w->api, "old", "uid-2", SPEC_NEVER, ENDED_LONG_AGO);
    memory_group_add(&w->memory, "old", "uid-2");
    w->memory.ended_at_ns = LONG_AGO_NS;
    memory_report(&w->memory, "old", "uid-2", "Succeeded", CONTAINER_TERMINATED, 0);
    RUN_UNTIL(w, world_workers(w) == 2);
    memory_report(&w->memory, "old", "uid-2", "Succeeded", CONTAINER_TERMINATED, 0);
    RUN_UNTIL(w, w->memory.retires == 1);
    assert_string_equal(w->memory.last_retired, "old");
}

static void a_group_goes_only_once_the_end_is_written_down(void **state)
{
    struct world *w = *state;

    pods_start(w->pods);
    run(w, "web", "uid-1");
    w->api.refuse_patches = 3;
    w->api.refusal = 503;
    w->memory.ended_at_ns = LONG_AGO_NS;
    memory_report(&w->memory, "web", "uid-1", "Succeeded", CONTAINER_TERMINATED, 0);
    RUN_UNTIL(w, w->memory.retires == 1);
    assert_string_equal(world_status(w, "web", "phase"), "Succeeded");
}

static void a_quota_lets_the_oldest_finished_group_go_first(void **state)
{
    struct world *w = *state;
    int64_t now_ns = vk_wall_ns();

    pods_start(w->pods);
    run(w, "young", "uid-1");
    run(w, "old", "uid-2");
    run(w, "busy", "uid-3");
    end(w, "young", "uid-1", now_ns);
    end(w, "old", "uid-2", now_ns - 60ll * 1000000000);
    vk_err_set(&w->memory.error, VK_UNAVAILABLE, "quota 'ContainerGroups' exceeded");
    vk_err_reason(&w->memory.error, PROVIDER_REASON_QUOTA);
    w->memory.fail_creates = 1;
    fake_add(&w->api, "next", "uid-4", SPEC_NEVER, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "next", "phase"), "Running"));
    RUN_UNTIL(w, w->memory.retires == 1 && vk_map_len(w->memory.groups) == 3);
    assert_string_equal(w->memory.last_retired, "old");
    RUN_UNTIL(w, world_told(w, "ContainerGroupQuotaReached: quota"));
    w->memory.fail_creates = 2;
    fake_add(&w->api, "last", "uid-5", SPEC_NEVER, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "last", "phase"), "Running"));
    RUN_UNTIL(w, w->memory.retires == 2);
    assert_string_equal(w->memory.last_retired, "young");
    assert_string_equal(world_status(w, "busy", "phase"), "Running");
}

static void a_pod_that_runs_on_after_its_end_loses_its_group_at_once(void **state)
{
    struct world *w = *state;

    pods_start(w->pods);
    run(w, "web", "uid-1");
    w->memory.runs_on = true;
    w->memory.ended_at_ns = vk_wall_ns();
    memory_report(&w->memory, "web", "uid-1", "Failed", CONTAINER_TERMINATED, 3);
    RUN_UNTIL(w, w->memory.retires == 1 && vk_map_len(w->memory.groups) == 0);
    assert_string_equal(world_status(w, "web", "phase"), "Failed");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.terminated.exitCode"),
                        "3");
}

static void a_finished_pod_that_is_seen_to_run_later_loses_its_group(void **state)
{
    struct world *w = *state;

    pods_start(w->pods);
    run(w, "web", "uid-1");
    end(w, "web", "uid-1", vk_wall_ns());
    w->memory.runs_on = true;
    memory_report(&w->memory, "web", "uid-1", "Succeeded", CONTAINER_TERMINATED, 0);
    RUN_UNTIL(w, w->memory.retires == 1);
}

static void a_failed_removal_is_tried_again(void **state)
{
    struct world *w = *state;

    pods_start(w->pods);
    run(w, "web", "uid-1");
    vk_err_set(&w->memory.error, VK_UNAVAILABLE, "no answer");
    w->memory.fail_deletes = 2;
    end(w, "web", "uid-1", LONG_AGO_NS);
    RUN_UNTIL(w, w->memory.retires == 3 && vk_map_len(w->memory.groups) == 0);
}

static void deleting_the_object_after_its_group_forgets_the_pod(void **state)
{
    struct world *w = *state;

    pods_start(w->pods);
    run(w, "web", "uid-1");
    end(w, "web", "uid-1", LONG_AGO_NS);
    RUN_UNTIL(w, w->memory.retires == 1 && vk_map_len(w->memory.groups) == 0);
    assert_int_equal(w->memory.forgets, 0);
    fake_begin_deletion(&w->api, fake_find(&w->api, "default", "web"));
    RUN_UNTIL(w, world_workers(w) == 0);
    assert_int_equal(w->memory.forgets, 1);
    assert_int_equal(w->memory.deletes, 0);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_finished_group_goes_after_its_time_and_the_status_stays),
        IN_WORLD(a_clock_that_jumps_keeps_no_group_for_ever),
        IN_WORLD(the_time_is_counted_from_the_end_also_across_a_restart),
        IN_WORLD(a_group_goes_only_once_the_end_is_written_down),
        IN_WORLD(a_quota_lets_the_oldest_finished_group_go_first),
        IN_WORLD(a_pod_that_runs_on_after_its_end_loses_its_group_at_once),
        IN_WORLD(a_finished_pod_that_is_seen_to_run_later_loses_its_group),
        IN_WORLD(a_failed_removal_is_tried_again),
        IN_WORLD(deleting_the_object_after_its_group_forgets_the_pod),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
