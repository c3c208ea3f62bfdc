/* SPDX-License-Identifier: Apache-2.0 */
/* What probes do to a pod's status and to its containers: the room with a provider in memory, and
 * ports of this machine that open and close. */
#include <unistd.h>

#include "base/tcp.h"
#include "tests/unit/kubelet/memory_provider.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)

/* A second is the shortest period that Kubernetes knows. */
#define PROBE(failures)                                                                            \
    "{\"tcpSocket\":{\"host\":\"127.0.0.1\",\"port\":%d},\"periodSeconds\":1,"                     \
    "\"timeoutSeconds\":1,\"successThreshold\":1,\"failureThreshold\":" #failures "}"

struct port {
    int fd, number;
};

static void port_open(struct port *p)
{
    struct vk_err err;

    if (tcp_listen("127.0.0.1", p->number, &p->fd, &p->number, &err) < 0)
        fail_msg("%s", err.msg);
}

static void port_close(struct port *p)
{
    close(p->fd);
}

/* Free, and closed. */
static struct port port_new(void)
{
    struct port p = {.number = 0};

    port_open(&p);
    port_close(&p);
    return p;
}

static int setup(void **state)
{
    struct world *w = world_new();

    w->memory.run_at_once = true;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static struct fake_pod *run_one(struct world *w, const char *policy, const char *probes)
{
    char *spec VK_AUTOFREE =
        vk_asprintf("{\"nodeName\":\"burst-1\",\"restartPolicy\":\"%s\",\"containers\":[{\"name\":"
                    "\"c\",\"image\":\"app:1\",%s}]}",
                    policy, probes);
    struct fake_pod *p;

    pods_start(w->pods);
    RUN_UNTIL(w, pods_has_synced(w->pods) && w->api.watch);
    p = fake_add(&w->api, "web", "uid-1", spec, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    return p;
}

static bool is_ready(struct world *w)
{
    return vk_streq(world_status(w, "web", "conditions.Ready.status"), "True");
}

static bool is_started(struct world *w)
{
    return vk_streq(world_status(w, "web", "containerStatuses.0.started"), "true");
}

static void readiness_follows_the_server(void **state)
{
    struct world *w = *state;
    struct port port = port_new();
    char *probes VK_AUTOFREE = vk_asprintf("\"readinessProbe\":" PROBE(1), port.number);
    char *told VK_AUTOFREE =
        vk_asprintf("Unhealthy: Readiness probe failed: dial tcp 127.0.0.1:%d: "
                    "connect: connection refused",
                    port.number);

    run_one(w, "Always", probes);
    RUN_UNTIL(w, world_told(w, told));
    assert_false(is_ready(w));
    assert_true(is_started(w));
    assert_string_equal(world_status(w, "web", "containerStatuses.0.ready"), "false");
    assert_string_equal(world_status(w, "web", "conditions.ContainersReady.reason"),
                        "ContainersNotReady");
    assert_string_equal(world_status(w, "web", "conditions.ContainersReady.message"),
                        "containers with unready status: [c]");
    /* The container may be gone: the provider is asked. */
    assert_int_equal(w->memory.looks, 1);
    port_open(&port);
    RUN_UNTIL(w, is_ready(w));
    assert_string_equal(world_status(w, "web", "conditions.ContainersReady.status"), "True");
    /* What the provider says next does not take it back. */
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    assert_true(is_ready(w));
    port_close(&port);
    RUN_UNTIL(w, !is_ready(w));
    assert_int_equal(w->memory.restarts, 0);
}

static void take_counts(void *user, const struct probe_counts *counts)
{
    struct probe_counts *ret = user;

    *ret = *counts;
}

static void each_try_is_counted(void **state)
{
    struct world *w = *state;
    struct port port = port_new();
    char *probes VK_AUTOFREE = vk_asprintf("\"readinessProbe\":" PROBE(1), port.number);
    struct probe_counts counts = {0};

    run_one(w, "Always", probes);
    RUN_UNTIL(w, world_told(w, "Unhealthy: Readiness probe failed: "));
    pods_count_probes(w->pods, take_counts, &counts);
    assert_string_equal(counts.pod->meta.uid, "uid-1");
    assert_string_equal(counts.container, "c");
    assert_int_equal(counts.kind, PROBE_READINESS);
    assert_true(counts.tries[PROBE_TRY_FAILED] >= 1);
    assert_int_equal(counts.tries[PROBE_TRY_SUCCESSFUL], 0);
    port_open(&port);
    RUN_UNTIL(w, is_ready(w));
    pods_count_probes(w->pods, take_counts, &counts);
    assert_true(counts.tries[PROBE_TRY_SUCCESSFUL] >= 1);
    assert_int_equal(counts.tries[PROBE_TRY_UNKNOWN], 0);
    port_close(&port);
}

static void startup_comes_first(void **state)
{
    struct world *w = *state;
    struct port slow = port_new(), server = port_new();
    char *probes VK_AUTOFREE =
        vk_asprintf("\"startupProbe\":" PROBE(30) ",\"readinessProbe\":" PROBE(
                        1) ",\"livenessProbe\":" PROBE(1),
                    slow.number, server.number, server.number);

    run_one(w, "Always", probes);
    RUN_UNTIL(w, world_told(w, "Startup probe failed: "));
    assert_false(is_started(w));
    assert_false(is_ready(w));
    /* Nobody asked the others: the server is closed. */
    assert_false(world_told(w, "Readiness probe failed: "));
    assert_false(world_told(w, "Liveness probe failed: "));
    port_open(&server);
    port_open(&slow);
    RUN_UNTIL(w, is_ready(w));
    assert_true(is_started(w));
    assert_int_equal(w->memory.restarts, 0);
    port_close(&server);
    port_close(&slow);
}

static bool is_run(struct world *w, const char *started_at)
{
    return vk_streq(world_status(w, "web", "containerStatuses.0.state.running.startedAt"),
                    started_at);
}

static void a_failed_liveness_ends_the_container(void **state)
{
    struct world *w = *state;
    struct port port = port_new();
    char *probes VK_AUTOFREE = vk_asprintf("\"livenessProbe\":" PROBE(2), port.number);

    w->memory.runs_after_stop = true;
    run_one(w, "Always", probes);
    RUN_UNTIL(w, w->memory.stops >= 1);
    port_open(&port);
    RUN_UNTIL(w, is_run(w, "2023-11-14T22:13:21Z"));
    RUN_UNTIL(w, is_ready(w));
    RUN_UNTIL(w, world_told(w, "Killing: Container c failed liveness probe, will be restarted\n"));
    assert_string_equal(world_status(w, "web", "phase"), "Running");
    /* The platform's own policy started it anew. */
    assert_int_equal(w->memory.restarts, 0);
    port_close(&port);
}

static void a_failed_startup_ends_it_too(void **state)
{
    struct world *w = *state;
    struct port port = port_new();
    char *probes VK_AUTOFREE = vk_asprintf("\"startupProbe\":" PROBE(2), port.number);

    w->memory.runs_after_stop = true;
    run_one(w, "OnFailure", probes);
    RUN_UNTIL(w, w->memory.stops >= 1);
    port_open(&port);
    RUN_UNTIL(w, is_ready(w));
    RUN_UNTIL(w, world_told(w, "Killing: Container c failed startup probe, will be restarted\n"));
    port_close(&port);
}

static void what_does_not_end_is_started_anew_by_the_platform(void **state)
{
    struct world *w = *state;
    struct port port = port_new();
    char *probes VK_AUTOFREE = vk_asprintf("\"livenessProbe\":" PROBE(2), port.number);

    w->memory.stop_result = PROVIDER_STOP_REFUSED;
    vk_err_set(&w->memory.stop_err, VK_UNSUPPORTED, "the image has no shell");
    w->memory.fail_restarts = 1;
    vk_err_set(&w->memory.error, VK_CONFLICT, "the group is being written");
    run_one(w, "Always", probes);
    RUN_UNTIL(w, w->memory.restarts == 2);
    RUN_UNTIL(w, world_told(w, "FailedKillPod: the group is being written"));
    port_open(&port);
    RUN_UNTIL(w, is_run(w, "2023-11-14T22:13:21Z"));
    RUN_UNTIL(w, is_ready(w));
    assert_int_equal(w->memory.stops, 1);
    port_close(&port);
}

static void under_never_a_pod_that_does_not_end_has_failed(void **state)
{
    struct world *w = *state;
    struct port port = port_new();
    char *probes VK_AUTOFREE = vk_asprintf("\"livenessProbe\":" PROBE(2), port.number);

    w->memory.stop_result = PROVIDER_STOP_REFUSED;
    run_one(w, "Never", probes);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Failed"));
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.terminated.exitCode"),
                        "137");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.terminated.message"),
                        "Container c failed liveness probe");
    RUN_UNTIL(w, w->memory.retires == 1);
    RUN_UNTIL(w, world_told(w, "Killing: Container c failed liveness probe\n"));
    assert_int_equal(w->memory.restarts, 0);
}

static void a_deletion_overtakes_a_restart(void **state)
{
    struct world *w = *state;
    struct port port = port_new();
    char *probes VK_AUTOFREE = vk_asprintf("\"livenessProbe\":" PROBE(2), port.number);
    struct fake_pod *p;

    w->memory.hold_stops = true;
    p = run_one(w, "Always", probes);
    RUN_UNTIL(w, w->memory.stops == 1);
    fake_begin_deletion(&w->api, p);
    RUN_UNTIL(w, w->memory.stops == 2);
    memory_end_stops(&w->memory);
    RUN_UNTIL(w, world_workers(w) == 0);
    assert_int_equal(w->memory.restarts, 0);
}

static void a_new_process_takes_no_readiness_away(void **state)
{
    struct world *w = *state;
    struct port port = port_new();
    char *probes VK_AUTOFREE = vk_asprintf("\"readinessProbe\":" PROBE(3), port.number);

    port_open(&port);
    run_one(w, "Always", probes);
    RUN_UNTIL(w, is_ready(w));
    port_close(&port);
    world_stop_pods(w);
    world_start_pods(w);
    pods_start(w->pods);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    RUN_UNTIL(w, pods_has_synced(w->pods) && world_count(w, POD_WORKER_RUNNING) == 1);
    assert_true(is_ready(w));
    /* But it is looked at: three failures in a row count. */
    RUN_UNTIL(w, !is_ready(w));
}

static void a_pod_that_goes_is_not_probed_any_more(void **state)
{
    struct world *w = *state;
    struct port port = port_new();
    char *probes VK_AUTOFREE = vk_asprintf(
        "\"readinessProbe\":" PROBE(1) ",\"livenessProbe\":" PROBE(2), port.number, port.number);
    struct fake_pod *p = run_one(w, "Always", probes);

    RUN_UNTIL(w, world_told(w, "Liveness probe failed: "));
    fake_begin_deletion(&w->api, p);
    RUN_UNTIL(w, world_workers(w) == 0);
    assert_int_equal(w->memory.restarts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        TEST(readiness_follows_the_server),
        TEST(each_try_is_counted),
        TEST(startup_comes_first),
        TEST(a_failed_liveness_ends_the_container),
        TEST(a_failed_startup_ends_it_too),
        TEST(what_does_not_end_is_started_anew_by_the_platform),
        TEST(under_never_a_pod_that_does_not_end_has_failed),
        TEST(a_deletion_overtakes_a_restart),
        TEST(a_new_process_takes_no_readiness_away),
        TEST(a_pod_that_goes_is_not_probed_any_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
