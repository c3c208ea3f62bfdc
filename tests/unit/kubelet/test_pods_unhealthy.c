/* SPDX-License-Identifier: Apache-2.0 */
/* Containers that fail their liveness probes while something else is under way. */
#include <unistd.h>

#include "base/clock.h"
#include "base/tcp.h"
#include "tests/unit/kubelet/fake_pod_changes.h"
#include "tests/unit/kubelet/memory_provider.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)

#define CONTAINER_AT(name, image, port)                                                            \
    "{\"name\":\"" name "\",\"image\":\"" image "\",\"livenessProbe\":{\"tcpSocket\":{"            \
    "\"host\":\"127.0.0.1\",\"port\":" port "},\"periodSeconds\":1,\"timeoutSeconds\":1,"          \
    "\"successThreshold\":1,\"failureThreshold\":1}}"
/* Nobody listens on port 1. */
#define CONTAINER(name, image) CONTAINER_AT(name, image, "1")
#define SPEC(policy, containers)                                                                   \
    "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"" policy "\",\"containers\":[" containers "]}"
#define LONG_AGO INT64_C(1700000000)

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

static void run(struct world *w, const char *spec)
{
    pods_start(w->pods);
    RUN_UNTIL(w, pods_has_synced(w->pods) && w->api.watch);
    fake_add(&w->api, "web", "uid-1", spec, NULL);
    RUN_UNTIL(w, w->memory.creates == 1 && world_count(w, POD_WORKER_STARTING) == 1);
}

static bool has_done(struct world *w, const char *deed)
{
    return strstr(vk_buf_peek(&w->memory.deeds), deed) != NULL;
}

/* Containers c and d run, each in its own run. */
static void report_two(struct world *w, int64_t run_of_c, int64_t run_of_d)
{
    const int64_t runs[] = {run_of_c, run_of_d};
    struct container_status c[2];
    const struct provider_pod_status s = {
        .id = memory_id("web", "uid-1"),
        .group_exists = true,
        .status = {.phase = "Running",
                   .pod_ip = "10.244.0.7",
                   .container_statuses = {.v = c, .n = VK_COUNT(c)}},
    };

    for (size_t i = 0; i < VK_COUNT(c); i++)
        c[i] = (struct container_status){
            .name = i ? "d" : "c",
            .image = "app:1",
            .container_id = i ? "aci://2" : "aci://1",
            .ready = true,
            .state = {.kind = CONTAINER_RUNNING,
                      .started_at_ns = (LONG_AGO + runs[i]) * INT64_C(1000000000)},
        };
    w->memory.up->status_changed(w->memory.up->k, &s);
}

static void each_container_that_failed_is_ended(void **state)
{
    struct world *w = *state;

    w->memory.hold_stops = true;
    run(w, SPEC("Always", CONTAINER("c", "app:1") "," CONTAINER("d", "app:1")));
    report_two(w, 0, 0);
    RUN_UNTIL(w, world_told(w, "Liveness probe failed") && w->memory.stops == 1);
    /* The other one fails while the first one is being ended, and is not probed again before its
     * next run. */
    for (int i = 0; i < 50; i++)
        (void)vk_loop_run_until(w->loop, &(bool){false}, 10);
    assert_int_equal(w->memory.stops, 1);
    if (has_done(w, "stop c"))
        report_two(w, 1, 0);
    else
        report_two(w, 0, 1);
    RUN_UNTIL(w, has_done(w, "stop c") && has_done(w, "stop d"));
}

static void an_end_that_was_asked_for_is_no_success(void **state)
{
    struct world *w = *state;
    char *spec VK_AUTOFREE = NULL;
    struct vk_err err;
    int fd, port = 0;

    /* Free, and closed until the container runs anew. */
    assert_int_equal(tcp_listen("127.0.0.1", 0, &fd, &port, &err), 0);
    close(fd);
    spec = vk_asprintf(SPEC("OnFailure", CONTAINER_AT("c", "app:1", "%d")), port);
    w->memory.hold_stops = true;
    w->memory.ended_at_ns = vk_wall_ns();
    run(w, spec);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    RUN_UNTIL(w, w->memory.stops == 1);
    assert_int_equal(tcp_listen("127.0.0.1", port, &fd, &port, &err), 0);
    /* It heeds SIGTERM, and its platform takes that for the end of the pod. */
    memory_report(&w->memory, "web", "uid-1", "Succeeded", CONTAINER_TERMINATED, 0);
    assert_int_equal(world_count(w, POD_WORKER_FINISHED), 0);
    RUN_UNTIL(w, w->memory.restarts == 1);
    RUN_UNTIL(w, w->memory.run == 1);
    assert_int_equal(world_count(w, POD_WORKER_FINISHED), 0);
    /* What is reported of the new run counts. */
    memory_report(&w->memory, "web", "uid-1", "Succeeded", CONTAINER_TERMINATED, 0);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Succeeded"));
    close(fd);
}

static void one_that_can_not_run_anew_has_failed(void **state)
{
    struct world *w = *state;

    w->memory.hold_stops = true;
    w->memory.fail_restarts = 1;
    (void)vk_err_set(&w->memory.error, VK_INVALID, "the group has ended");
    run(w, SPEC("OnFailure", CONTAINER("c", "app:1")));
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    RUN_UNTIL(w, w->memory.stops == 1);
    memory_report(&w->memory, "web", "uid-1", "Succeeded", CONTAINER_TERMINATED, 0);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Failed"));
    RUN_UNTIL(w, world_told(w, "FailedKillPod: the group has ended"));
    assert_int_equal(w->memory.restarts, 1);
}

static void refuse_update(void *user, struct resolved_pod *pod, provider_done_fn done,
                          void *done_user)
{
    struct memory_provider *p = user;
    const struct pod_identity id = memory_id(pod->pod->meta.name, pod->pod->meta.uid);
    static size_t always;

    always = 1;
    resolved_pod_free(pod);
    p->busy++;
    memory_ask(p, &id, &always, memory_restarted, done, done_user);
}

/* It runs, and its next image is waited for. ops: live as long as the world. */
static void run_with_refused_image(struct world *w, struct provider_ops *ops)
{
    ops->update_pod = refuse_update;
    w->provider.ops = ops;
    w->retries.image_initial_ms = w->retries.image_max_ms = 600 * 1000;
    world_stop_pods(w);
    world_start_pods(w);
    (void)vk_err_set(&w->memory.error, VK_INVALID, "no such image");
    (void)vk_err_reason(&w->memory.error, PROVIDER_REASON_IMAGE);
    run(w, SPEC("Always", CONTAINER("c", "app:1")));
    fake_set_spec(&w->api, fake_find(&w->api, "default", "web"),
                  SPEC("Always", CONTAINER("c", "app:2")));
    RUN_UNTIL(w, world_told(w, "Failed: no such image"));
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
}

static void an_image_that_is_waited_for_holds_up_no_end(void **state)
{
    struct world *w = *state;
    struct provider_ops ops = memory_ops;

    run_with_refused_image(w, &ops);
    RUN_UNTIL(w, w->memory.stops == 1);
    world_free(w);
    *state = world_new();
}

static struct {
    size_t calls;
    provider_done_fn done;
    void *user;
} held_restart;

static void hold_restart(void *user, const struct pod_identity *id, provider_done_fn done,
                         void *done_user)
{
    (void)user;
    (void)id;
    held_restart.calls++;
    held_restart.done = done;
    held_restart.user = done_user;
}

/* The container can't be ended alone. */
static void an_image_that_is_waited_for_holds_up_no_restart(void **state)
{
    struct world *w = *state;
    struct provider_ops ops = memory_ops;

    memset(&held_restart, 0, sizeof(held_restart));
    ops.restart_pod = hold_restart;
    ops.stop_container = NULL;
    run_with_refused_image(w, &ops);
    RUN_UNTIL(w, held_restart.calls == 1);
    held_restart.done(held_restart.user, NULL);
    world_free(w);
    *state = world_new();
}

static void a_deletion_waits_for_no_restart(void **state)
{
    struct world *w = *state;
    struct provider_ops ops = memory_ops;

    memset(&held_restart, 0, sizeof(held_restart));
    ops.restart_pod = hold_restart;
    ops.stop_container = NULL;
    w->provider.ops = &ops;
    run(w, SPEC("Always", CONTAINER("c", "app:1")));
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    RUN_UNTIL(w, held_restart.calls == 1);
    fake_begin_deletion(&w->api, fake_find(&w->api, "default", "web"));
    RUN_UNTIL(w, w->memory.deletes == 1);
    held_restart.done(held_restart.user, NULL);
    RUN_UNTIL(w, world_workers(w) == 0);
    assert_int_equal(w->memory.deletes, 1);
    assert_int_equal(held_restart.calls, 1);
    w->provider.ops = &memory_ops;
}

/* Container c and sidecar s run. */
static void report_with_sidecar(struct world *w)
{
    struct container_status c[2];
    const struct provider_pod_status s = {
        .id = memory_id("web", "uid-1"),
        .group_exists = true,
        .status = {.phase = "Running",
                   .pod_ip = "10.244.0.7",
                   .container_statuses = {.v = &c[0], .n = 1},
                   .init_container_statuses = {.v = &c[1], .n = 1}},
    };

    for (size_t i = 0; i < VK_COUNT(c); i++)
        c[i] = (struct container_status){
            .name = i ? "s" : "c",
            .image = "app:1",
            .container_id = i ? "aci://2" : "aci://1",
            .ready = true,
            .state = {.kind = CONTAINER_RUNNING, .started_at_ns = LONG_AGO * INT64_C(1000000000)},
        };
    w->memory.up->status_changed(w->memory.up->k, &s);
}

static void a_sidecar_that_can_not_run_anew_is_left_as_it_is(void **state)
{
    struct world *w = *state;

    run(w,
        "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Never\",\"initContainers\":[{\"name\":\"s\","
        "\"image\":\"app:1\",\"restartPolicy\":\"Always\",\"livenessProbe\":{\"tcpSocket\":{"
        "\"host\":\"127.0.0.1\",\"port\":1},\"periodSeconds\":1,\"timeoutSeconds\":1,"
        "\"successThreshold\":1,\"failureThreshold\":1}}],"
        "\"containers\":[{\"name\":\"c\",\"image\":\"app:1\"}]}");
    report_with_sidecar(w);
    RUN_UNTIL(w, world_told(w, "SidecarNotRestarted: Container s failed liveness probe"));
    assert_int_equal(w->memory.stops, 0);
    assert_int_equal(w->memory.restarts, 0);
    assert_string_equal(world_status(w, "web", "phase"), "Running");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        TEST(each_container_that_failed_is_ended),
        TEST(an_end_that_was_asked_for_is_no_success),
        TEST(one_that_can_not_run_anew_has_failed),
        TEST(an_image_that_is_waited_for_holds_up_no_end),
        TEST(an_image_that_is_waited_for_holds_up_no_restart),
        TEST(a_deletion_waits_for_no_restart),
        TEST(a_sidecar_that_can_not_run_anew_is_left_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
