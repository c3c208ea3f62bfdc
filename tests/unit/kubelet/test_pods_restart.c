/* SPDX-License-Identifier: Apache-2.0 */
/* The room as a whole: start, restart, relist, stop, a thousand pods. */
#include <time.h>

#include "base/clock.h"
#include "tests/unit/kubelet/memory_provider.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)

#define RUNNING_STATUS                                                                             \
    "{\"phase\":\"Running\",\"qosClass\":\"BestEffort\",\"startTime\":\"2026-11-24T15:00:00Z\","   \
    "\"observedGeneration\":1,\"hostIP\":\"10.240.0.2\",\"hostIPs\":[{\"ip\":\"10.240.0.2\"}],"    \
    "\"podIP\":\"10.244.0.7\",\"podIPs\":[{\"ip\":\"10.244.0.7\"}],\"containerStatuses\":[{"       \
    "\"name\":\"c\",\"image\":\"app:1\",\"imageID\":\"sha256:1\",\"containerID\":\"aci://1\","     \
    "\"ready\":true,\"started\":true,\"restartCount\":0,\"lastState\":{},\"state\":{\"running\":{" \
    "\"startedAt\":\"2023-11-14T22:13:20Z\"}}}],\"conditions\":["                                  \
    "{\"type\":\"PodReadyToStartContainers\",\"status\":\"True\",\"observedGeneration\":1,"        \
    "\"lastTransitionTime\":\"2026-11-24T15:00:00Z\"},"                                            \
    "{\"type\":\"Initialized\",\"status\":\"True\",\"observedGeneration\":1,"                      \
    "\"lastTransitionTime\":\"2026-11-24T15:00:00Z\"},"                                            \
    "{\"type\":\"ContainersReady\",\"status\":\"True\",\"observedGeneration\":1,"                  \
    "\"lastTransitionTime\":\"2026-11-24T15:00:00Z\"},"                                            \
    "{\"type\":\"Ready\",\"status\":\"True\",\"observedGeneration\":1,"                            \
    "\"lastTransitionTime\":\"2026-11-24T15:00:00Z\"}]}"

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

static void nothing_is_created_before_the_provider_is_synced(void **state)
{
    struct world *w = *state;

    w->memory.synced = false;
    fake_add(&w->api, "web", "uid-1", SPEC_ALWAYS, NULL);
    pods_start(w->pods);
    RUN_UNTIL(w, pods_has_synced(w->pods) && w->api.watch);
    RUN_UNTIL(w, world_count(w, POD_WORKER_PENDING) == 1);
    assert_int_equal(w->memory.creates, 0);
    w->memory.synced = true;
    w->memory.up->synced(w->memory.up->k);
    RUN_UNTIL(w, w->memory.creates == 1);
    /* Somebody before us may have begun with it. */
    assert_true(w->memory.last_may_exist);
}

static void reported_group_is_adopted_without_a_write(void **state)
{
    struct world *w = *state;

    fake_add(&w->api, "web", "uid-1", SPEC_ALWAYS, RUNNING_STATUS);
    memory_group_add(&w->memory, "web", "uid-1");
    /* The provider is quicker than the API server; what LIST shows has no container states. */
    memory_report(&w->memory, "web", "uid-1", NULL, CONTAINER_STATE_NONE, 0);
    pods_start(w->pods);
    RUN_UNTIL(w, world_count(w, POD_WORKER_RUNNING) == 1 && w->api.watch);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    /* A pod that comes later shows that nothing was pending. */
    fake_add(&w->api, "other", "uid-2", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, *world_status(w, "other", "startTime") && w->memory.creates == 1);
    assert_int_equal(w->api.patches, 1);
    assert_int_equal(w->memory.adoptions, 0);
    assert_string_equal(world_status(w, "web", "phase"), "Running");
}

/* The API server was away when we started, and came back after the group had gone. */
static void group_that_vanished_before_its_pod_was_known_is_made_again(void **state)
{
    struct world *w = *state;

    fake_add(&w->api, "web", "uid-1", SPEC_ALWAYS, RUNNING_STATUS);
    memory_group_add(&w->memory, "web", "uid-1");
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    memory_lose(&w->memory, "web", "uid-1");
    pods_start(w->pods);
    RUN_UNTIL(w, w->memory.creates == 1);
    assert_true(w->memory.last_may_exist);
}

static void restart_changes_nothing(void **state)
{
    struct world *w = *state;
    size_t patches;

    w->memory.run_at_once = true;
    pods_start(w->pods);
    fake_add(&w->api, "web", "uid-1", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    patches = w->api.patches;
    for (int i = 0; i < 3; i++) {
        world_stop_pods(w);
        world_start_pods(w);
        memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
        pods_start(w->pods);
        RUN_UNTIL(w, world_count(w, POD_WORKER_RUNNING) == 1 && w->api.watch);
    }
    assert_int_equal(w->memory.creates, 1);
    assert_int_equal(w->memory.deletes, 0);
    assert_int_equal(w->api.patches, patches);
    assert_int_equal(vk_map_len(w->memory.groups), 1);
}

static void stop_in_the_middle_of_a_creation_is_made_good(void **state)
{
    struct world *w = *state;

    w->memory.hold_create = true;
    pods_start(w->pods);
    fake_add(&w->api, "web", "uid-1", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, w->memory.held);
    pods_stop(w->pods);
    memory_release_held(&w->memory);
    world_stop_pods(w);
    w->memory.hold_create = false;
    world_start_pods(w);
    pods_start(w->pods);
    RUN_UNTIL(w, w->memory.creates == 2 && world_count(w, POD_WORKER_STARTING) == 1);
    assert_true(w->memory.last_may_exist);
    assert_int_equal(w->memory.adoptions, 1);
    assert_int_equal(vk_map_len(w->memory.groups), 1);
}

static void pods_lost_while_we_were_away(void **state)
{
    struct world *w = *state;

    fake_add(&w->api, "never", "uid-1", SPEC_NEVER, RUNNING_STATUS);
    fake_add(&w->api, "always", "uid-2", SPEC_ALWAYS, RUNNING_STATUS);
    pods_start(w->pods);
    RUN_UNTIL(w, vk_streq(world_status(w, "never", "phase"), "Failed"));
    assert_string_equal(world_status(w, "never", "reason"), "ContainerGroupLost");
    RUN_UNTIL(w, vk_map_get(w->memory.groups, "uid-2"));
    assert_int_equal(w->memory.creates, 1);
    RUN_UNTIL(w, vk_streq(world_status(w, "always", "phase"), "Pending"));
    RUN_UNTIL(w, world_told(w, "ContainerGroupLost: The container group vanished and is created"));
}

static void group_that_was_not_reported_is_looked_for(void **state)
{
    struct world *w = *state;

    memory_group_add(&w->memory, "never", "uid-1");
    memory_group_add(&w->memory, "always", "uid-2");
    fake_add(&w->api, "never", "uid-1", SPEC_NEVER, RUNNING_STATUS);
    fake_add(&w->api, "always", "uid-2", SPEC_ALWAYS, RUNNING_STATUS);
    w->memory.fail_finds = 3;
    (void)vk_err_set(&w->memory.error, VK_UNAVAILABLE, "away");
    pods_start(w->pods);
    RUN_UNTIL(w, world_count(w, POD_WORKER_RUNNING) == 2);
    assert_int_equal(w->memory.finds, 5);
    assert_int_equal(w->memory.creates, 0);
    assert_string_equal(world_status(w, "never", "phase"), "Running");
    assert_string_equal(world_status(w, "always", "phase"), "Running");
}

static void finished_pod_is_never_created(void **state)
{
    struct world *w = *state;

    fake_add(&w->api, "done", "uid-1", SPEC_NEVER, "{\"phase\":\"Succeeded\"}");
    fake_add(&w->api, "web", "uid-2", SPEC_ALWAYS, NULL);
    pods_start(w->pods);
    RUN_UNTIL(w, vk_map_get(w->memory.groups, "uid-2"));
    assert_int_equal(world_count(w, POD_WORKER_FINISHED), 1);
    assert_int_equal(w->memory.creates, 1);
    /* Its group may still be there, so that its end looks for one. */
    fake_begin_deletion(&w->api, fake_find(&w->api, "default", "done"));
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_int_equal(w->memory.deletes, 1);
}

static void deletion_begun_before_the_start_is_ended(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = fake_add(&w->api, "web", "uid-1", SPEC_ALWAYS, RUNNING_STATUS);

    memory_group_add(&w->memory, "web", "uid-1");
    p->deleting = true;
    pods_start(w->pods);
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_int_equal(vk_map_len(w->memory.groups), 0);
    assert_int_equal(w->memory.creates, 0);
    assert_null(fake_find(&w->api, "default", "web"));
}

static void pod_missing_from_a_relist_loses_its_group(void **state)
{
    struct world *w = *state;
    struct pods_entry entry;

    w->memory.run_at_once = true;
    pods_start(w->pods);
    fake_add(&w->api, "stays", "uid-1", SPEC_ALWAYS, NULL);
    fake_add(&w->api, "goes", "uid-2", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, world_count(w, POD_WORKER_RUNNING) == 2 && w->api.watch);
    fake_remove(&w->api, fake_find(&w->api, "default", "goes"), true);
    fake_expire_watch(&w->api);
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_null(vk_map_get(w->memory.groups, "uid-2"));
    assert_non_null(vk_map_get(w->memory.groups, "uid-1"));
    assert_false(pods_find(w->pods, "default", "goes", &entry));
    assert_true(pods_find_by_uid(w->pods, "uid-1", &entry));
    assert_int_equal(w->memory.creates, 2);
}

struct question {
    bool answered, exists, failed;
    enum vk_code code;
};

static void on_answer(void *user, bool exists, const struct vk_err *err)
{
    struct question *q = user;

    assert_false(q->answered);
    q->answered = true;
    q->exists = exists;
    q->failed = err != NULL;
    if (err)
        q->code = err->code;
}

static void existence_is_asked_of_the_api_server(void **state)
{
    static const struct {
        const char *name, *uid;
        bool exists;
    } rows[] = {
        {"web", "uid-1", true},
        {"web", "uid-2", false},
        {"none", "uid-3", false},
    };
    struct world *w = *state;
    struct pod_identity id = memory_id("web", "uid-1");
    struct question early = {0};

    fake_add(&w->api, "web", "uid-1", SPEC_ALWAYS, NULL);
    w->memory.up->pod_exists(w->memory.up->k, &id, on_answer, &early);
    assert_false(early.answered);
    RUN_UNTIL(w, early.answered);
    assert_true(early.failed);
    assert_int_equal(early.code, VK_UNAVAILABLE);
    assert_int_equal(w->api.pod_gets, 0);
    pods_start(w->pods);
    RUN_UNTIL(w, pods_has_synced(w->pods));
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct question q = {0};

        id = memory_id(rows[i].name, rows[i].uid);
        w->memory.up->pod_exists(w->memory.up->k, &id, on_answer, &q);
        RUN_UNTIL(w, q.answered);
        assert_false(q.failed);
        assert_int_equal(q.exists, rows[i].exists);
        assert_int_equal(w->api.pod_gets, i + 1);
    }
}

static void platform_events_are_told_on_the_pod(void **state)
{
    struct world *w = *state;
    struct pod_identity id = memory_id("web", "uid-1");

    pods_start(w->pods);
    w->memory.up->event(w->memory.up->k, &id, "app", "Normal", "Pulled", "pulled app:1", 1,
                        1700000000000000000, 1700000000000000000);
    w->memory.up->event(w->memory.up->k, &id, NULL, "Warning", "PodFieldsIgnored", "probes", 0, 0,
                        0);
    RUN_UNTIL(w,
              world_told(w, "Pulled: pulled app:1") && world_told(w, "PodFieldsIgnored: probes"));
}

static void count_running(void *user, const struct pods_entry *entry)
{
    size_t *n = user;

    *n += vk_streq(entry->status->phase, "Running");
}

static void thousand_pods_run_and_go_in_bounded_time(void **state)
{
    enum { COUNT = 1000 };
    struct world *w = *state;
    const clock_t cpu_begin = clock();
    int64_t begin = vk_mono_ms(), created, running_ms;
    size_t running = 0;

    w->memory.run_at_once = true;
    pods_start(w->pods);
    RUN_UNTIL(w, w->api.watch);
    for (int i = 0; i < COUNT; i++) {
        char name[16], uid[16];

        snprintf(name, sizeof(name), "web-%d", i);
        snprintf(uid, sizeof(uid), "uid-%d", i);
        fake_add(&w->api, name, uid, SPEC_ALWAYS, NULL);
    }
    RUN_UNTIL(w, w->memory.creates == COUNT);
    created = vk_mono_ms() - begin;
    RUN_UNTIL(w, world_count(w, POD_WORKER_RUNNING) == COUNT);
    pods_foreach(w->pods, count_running, &running);
    assert_int_equal(running, COUNT);
    for (int i = 0; i < COUNT; i++) {
        char name[16];

        snprintf(name, sizeof(name), "web-%d", i);
        RUN_UNTIL(w, vk_streq(world_status(w, name, "phase"), "Running"));
    }
    running_ms = vk_mono_ms() - begin;
    while (w->api.pod_count) {
        for (size_t i = 0; i < w->api.pod_count; i++)
            if (!w->api.pods[i]->deleting)
                fake_begin_deletion(&w->api, w->api.pods[i]);
        RUN_UNTIL(w, !w->api.pod_count);
    }
    RUN_UNTIL(w, world_workers(w) == 0);
    print_message("%d pods: created %d ms, running %d ms, gone %d ms, %zu patches\n", COUNT,
                  (int)created, (int)running_ms, (int)(vk_mono_ms() - begin), w->api.patches);
    assert_int_equal(w->memory.creates, COUNT);
    assert_int_equal(w->memory.deletes, COUNT);
    assert_int_equal(vk_map_len(w->memory.groups), 0);
    assert_int_equal(w->api.useless_patches, 0);
    assert_in_range(w->api.patches, COUNT, 3 * COUNT);
    /* Of the processor, which others may want, too. */
    assert_true((clock() - cpu_begin) / CLOCKS_PER_SEC < 60);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ONE(nothing_is_created_before_the_provider_is_synced),
        ONE(reported_group_is_adopted_without_a_write),
        ONE(group_that_vanished_before_its_pod_was_known_is_made_again),
        ONE(restart_changes_nothing),
        ONE(stop_in_the_middle_of_a_creation_is_made_good),
        ONE(pods_lost_while_we_were_away),
        ONE(group_that_was_not_reported_is_looked_for),
        ONE(finished_pod_is_never_created),
        ONE(deletion_begun_before_the_start_is_ended),
        ONE(pod_missing_from_a_relist_loses_its_group),
        ONE(existence_is_asked_of_the_api_server),
        ONE(platform_events_are_told_on_the_pod),
        ONE(thousand_pods_run_and_go_in_bounded_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
