/* SPDX-License-Identifier: Apache-2.0 */
/* Pods that the node can't run, and who would replace them. */
#include "tests/unit/kubelet/memory_provider.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)
#define AN_HOUR_MS (3600 * 1000)

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

static void restart_with(struct world *w, int64_t initial_ms, int64_t max_ms)
{
    w->retries.refused_initial_ms = initial_ms;
    w->retries.refused_max_ms = max_ms;
    world_stop_pods(w);
    world_start_pods(w);
}

static void refuse(struct world *w, const char *owner_kind, size_t creates)
{
    w->api.owner_kind = owner_kind;
    w->memory.run_at_once = true;
    w->memory.fail_creates = creates;
    vk_err_set(&w->memory.error, VK_UNSUPPORTED, "no hostPath on ACI");
    vk_err_reason(&w->memory.error, "UnsupportedPodField");
}

static struct fake_pod *start_one(struct world *w, const char *spec)
{
    struct fake_pod *p = fake_add(&w->api, "web", "uid-1", spec, NULL);

    pods_start(w->pods);
    return p;
}

static bool is_failed(struct world *w, const char *name)
{
    return vk_streq(world_status(w, name, "phase"), "Failed");
}

static void pods_of_one_controller_do_not_fail_in_a_row(void **state)
{
    struct world *w = *state;
    struct fake_pod *second;

    restart_with(w, AN_HOUR_MS, AN_HOUR_MS);
    refuse(w, "ReplicaSet", 2);
    start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, is_failed(w, "web"));
    second = fake_add(&w->api, "second", "uid-2", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "second", "reason"), "UnsupportedPodField"));
    assert_string_equal(world_status(w, "second", "phase"), "Pending");
    assert_string_equal(world_status(w, "second", "containerStatuses.0.state.waiting.reason"),
                        "UnsupportedPodField");
    RUN_UNTIL(w, w->api.event_posts == 2);
    assert_int_equal(w->memory.creates, 2);
    /* What changes is tried anew, and has nothing to do with the pace. */
    second->generation++;
    fake_send_event(&w->api, "MODIFIED", second);
    RUN_UNTIL(w, vk_streq(world_status(w, "second", "phase"), "Running"));
}

static void each_fails_when_it_is_its_turn_with_one_event(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"web", "b", "c", "d"};
    static const char *const uids[] = {"uid-1", "uid-2", "uid-3", "uid-4"};

    restart_with(w, 20, 40);
    refuse(w, "StatefulSet", VK_COUNT(names));
    start_one(w, SPEC_ALWAYS);
    for (size_t i = 1; i < VK_COUNT(names); i++)
        fake_add(&w->api, names[i], uids[i], SPEC_ALWAYS, NULL);
    for (size_t i = 0; i < VK_COUNT(names); i++)
        RUN_UNTIL(w, is_failed(w, names[i]));
    RUN_UNTIL(w, w->api.event_posts >= VK_COUNT(names));
    assert_int_equal(w->api.event_posts, VK_COUNT(names));
    assert_int_equal(w->memory.creates, VK_COUNT(names));
    assert_int_equal(world_count(w, POD_WORKER_FINISHED), VK_COUNT(names));
}

static void pods_of_a_job_fail_at_once(void **state)
{
    struct world *w = *state;

    restart_with(w, AN_HOUR_MS, AN_HOUR_MS);
    refuse(w, "Job", 2);
    start_one(w, SPEC_NEVER);
    fake_add(&w->api, "second", "uid-2", SPEC_NEVER, NULL);
    RUN_UNTIL(w, is_failed(w, "web") && is_failed(w, "second"));
}

static void one_that_is_deleted_while_it_waits_goes(void **state)
{
    struct world *w = *state;

    restart_with(w, AN_HOUR_MS, AN_HOUR_MS);
    refuse(w, "ReplicaSet", 2);
    start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, is_failed(w, "web"));
    fake_add(&w->api, "second", "uid-2", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "second", "reason"), "UnsupportedPodField"));
    fake_begin_deletion(&w->api, fake_find(&w->api, "default", "second"));
    RUN_UNTIL(w, world_workers(w) == 1);
}

static void a_daemon_that_cannot_run_here_waits_with_one_event(void **state)
{
    struct world *w = *state;
    struct fake_pod *p;

    refuse(w, "DaemonSet", 1);
    p = start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "reason"), "UnsupportedPodField"));
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
    assert_string_equal(world_status(w, "web", "message"), "no hostPath on ACI");
    RUN_UNTIL(w, world_told(w, "UnsupportedPodField: no hostPath on ACI"));
    /* Whatever happens to it, as long as it asks for the same. Another pod's fifth try shows that
     * it would have been tried again by now. */
    fake_send_event(&w->api, "MODIFIED", p);
    w->api.owner_kind = NULL;
    w->memory.fail_creates = 5;
    vk_err_set(&w->memory.error, VK_UNAVAILABLE, "not now");
    fake_add(&w->api, "other", "uid-2", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "other", "phase"), "Running"));
    assert_int_equal(w->memory.creates, 1 + 6);
    RUN_UNTIL(w, w->api.event_posts == 2);
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
    /* A new image, say. */
    p->generation++;
    fake_send_event(&w->api, "MODIFIED", p);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    assert_int_equal(w->memory.creates, 1 + 6 + 1);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(pods_of_one_controller_do_not_fail_in_a_row),
        IN_WORLD(each_fails_when_it_is_its_turn_with_one_event),
        IN_WORLD(pods_of_a_job_fail_at_once),
        IN_WORLD(one_that_is_deleted_while_it_waits_goes),
        IN_WORLD(a_daemon_that_cannot_run_here_waits_with_one_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
