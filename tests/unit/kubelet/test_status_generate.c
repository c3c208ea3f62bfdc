/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kubelet/pods/status_generate.h"

#define SECOND 1000000000LL
#define NOW (1700000000LL * SECOND + 5)
#define LATER (1700000060LL * SECOND + 7)

static const char *const node_ip = "10.240.0.2";

struct fixture {
    struct pod *pod;
    struct vk_arena *arena;
    struct pod_status previous; /* defaults to the pod's own */
};

static void init(struct fixture *f, const char *meta, const char *spec, const char *status)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    struct vk_err err;

    f->arena = vk_arena_new();
    if (pod_parse(vk_str_of(vk_arena_printf(
                      scratch,
                      "{\"metadata\":{\"name\":\"web\",\"namespace\":\"d\",\"uid\":\"u\","
                      "\"generation\":3%s},\"spec\":%s,\"status\":%s}",
                      meta, spec, status)),
                  &f->pod, &err) < 0)
        fail_msg("%s", err.msg);
    f->previous = f->pod->status;
}

static void release(struct fixture *f)
{
    vk_arena_free(f->arena);
    pod_unref(f->pod);
}

static struct pod_status generate(struct fixture *f, const struct pod_status *platform, int64_t now)
{
    const char *ips[] = {node_ip};
    struct json_strs node_ips = {.v = ips, .n = 1};
    struct pod_status s;

    status_generate(&(struct status_inputs){.pod = f->pod,
                                            .platform = platform,
                                            .previous = &f->previous,
                                            .node_ips = &node_ips,
                                            .now_ns = now},
                    f->arena, &s);
    return s;
}

static struct container_status container(const char *name, enum container_state_kind kind)
{
    return (struct container_status){
        .name = name,
        .image = "i",
        .ready = kind == CONTAINER_RUNNING,
        .state = {.kind = kind, .started_at_ns = NOW},
    };
}

static const char *condition(const struct pod_status *s, const char *type)
{
    const struct pod_condition *c = pod_status_condition(s, type);

    return c ? c->status : "(none)";
}

static const char *condition_reason(const struct pod_status *s, const char *type)
{
    const struct pod_condition *c = pod_status_condition(s, type);

    return c && c->reason ? c->reason : "";
}

#define ONE "{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}"
#define WITH_INIT                                                                                  \
    "{\"initContainers\":[{\"name\":\"i\",\"image\":\"j\"}],\"containers\":[{\"name\":\"c\","      \
    "\"image\":\"i\"}]}"

static void new_pod_waits_with_all_that_a_kubelet_adds(void **state)
{
    struct fixture f;
    struct pod_status s;

    (void)state;
    init(&f, "", WITH_INIT, "{\"phase\":\"Pending\",\"qosClass\":\"Burstable\"}");
    s = generate(&f, &(struct pod_status){0}, NOW);
    assert_string_equal(s.phase, "Pending");
    assert_string_equal(s.qos_class, "Burstable");
    assert_string_equal(s.host_ip, node_ip);
    assert_int_equal(s.host_ips.n, 1);
    assert_int_equal(s.start_time_ns, NOW - 5);
    assert_int_equal(s.observed_generation, 3);
    assert_string_equal(pod_status_container(&s, "c")->state.reason, "PodInitializing");
    assert_string_equal(condition(&s, "PodReadyToStartContainers"), "False");
    assert_string_equal(condition(&s, "Initialized"), "False");
    assert_string_equal(condition_reason(&s, "Initialized"), "ContainersNotInitialized");
    assert_string_equal(pod_status_condition(&s, "Initialized")->message,
                        "containers with incomplete status: [i]");
    assert_string_equal(condition(&s, "ContainersReady"), "False");
    assert_string_equal(pod_status_condition(&s, "Ready")->message,
                        "containers with unready status: [c]");
    assert_string_equal(condition(&s, "PodScheduled"), "(none)");
    for (size_t i = 0; i < s.conditions.n; i++)
        assert_int_equal(((struct pod_condition *)s.conditions.v)[i].observed_generation, 3);
    release(&f);
}

/*
 * k8s v1.37.2 staging/src/k8s.io/api/core/v1/types.go, PodConditionType. The kubelet that can
 * resize and restart all containers writes the last three; whoever disrupts and schedules writes
 * the others.
 */
static const struct {
    const char *type;
    bool is_ours;
} kubernetes_conditions[] = {
    {"ContainersReady", true},
    {"Initialized", true},
    {"Ready", true},
    {"PodReadyToStartContainers", true},
    {"PodScheduled", false},
    {"DisruptionTarget", false},
    {"PodResizePending", false},
    {"PodResizeInProgress", false},
    {"AllContainersRestarting", false},
};
#define OURS 4

static void conditions_are_those_of_kubernetes_that_are_ours(void **state)
{
    static const char *const phases[] = {"Pending", "Running", "Succeeded", "Failed"};

    (void)state;
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const char *before = "";
        struct fixture f;
        struct pod_status s;

        for (size_t k = 0; k < sizeof(kubernetes_conditions) / sizeof(kubernetes_conditions[0]);
             k++)
            before = vk_arena_printf(arena, "%s%s{\"type\":\"%s\",\"status\":\"Unknown\"}", before,
                                     k ? "," : "", kubernetes_conditions[k].type);
        init(&f, "", WITH_INIT, vk_arena_printf(arena, "{\"conditions\":[%s]}", before));
        s = generate(&f, &(struct pod_status){.phase = phases[i]}, NOW);
        assert_int_equal(s.conditions.n, OURS);
        for (size_t k = 0; k < sizeof(kubernetes_conditions) / sizeof(kubernetes_conditions[0]);
             k++) {
            const char *said = condition(&s, kubernetes_conditions[k].type);

            if (kubernetes_conditions[k].is_ours != !vk_streq(said, "(none)") ||
                vk_streq(said, "Unknown"))
                fail_msg("%s: %s is %s", phases[i], kubernetes_conditions[k].type, said);
        }
        release(&f);
    }
}

static void start_time_and_transition_times_are_kept(void **state)
{
    struct container_status c = container("c", CONTAINER_RUNNING);
    struct pod_status running = {.phase = "Running", .container_statuses = {.v = &c, .n = 1}};
    struct fixture f;
    struct pod_status s;

    (void)state;
    init(&f, "", ONE, "{}");
    f.previous = generate(&f, &(struct pod_status){0}, NOW);
    s = generate(&f, &running, LATER);
    assert_int_equal(s.start_time_ns, NOW - 5);
    assert_int_equal(pod_status_condition(&s, "Ready")->last_transition_ns, LATER - 7);
    /* Initialized was true before: without init containers there is nothing to wait for. */
    assert_int_equal(pod_status_condition(&s, "Initialized")->last_transition_ns, NOW - 5);
    assert_string_equal(condition(&s, "Ready"), "True");
    assert_string_equal(condition(&s, "PodReadyToStartContainers"), "True");
    assert_int_equal(pod_status_container(&s, "c")->state.started_at_ns, NOW - 5);
    release(&f);
}

static void transition_time_of_the_api_server_counts_after_a_restart(void **state)
{
    struct fixture f;
    struct pod_status s;

    (void)state;
    init(&f, "", ONE,
         "{\"phase\":\"Pending\",\"startTime\":\"2023-11-14T22:00:00Z\",\"conditions\":[{\"type\":"
         "\"Ready\",\"status\":\"False\",\"lastTransitionTime\":\"2023-11-14T22:00:00Z\"}]}");
    s = generate(&f, &(struct pod_status){0}, NOW);
    assert_int_equal(pod_status_condition(&s, "Ready")->last_transition_ns, 1699999200LL * SECOND);
    assert_int_equal(s.start_time_ns, 1699999200LL * SECOND);
    release(&f);
}

static void platform_without_containers_keeps_what_was_known(void **state)
{
    struct fixture f;
    struct pod_status s;

    (void)state;
    init(&f, "", ONE,
         "{\"phase\":\"Running\",\"podIP\":\"10.244.0.9\",\"containerStatuses\":[{\"name\":\"c\","
         "\"ready\":true,\"image\":\"i\",\"state\":{\"running\":{}}}]}");
    s = generate(&f, &(struct pod_status){0}, NOW);
    assert_string_equal(s.phase, "Running");
    assert_string_equal(s.pod_ip, "10.244.0.9");
    assert_int_equal(s.pod_ips.n, 1);
    assert_int_equal(pod_status_container(&s, "c")->state.kind, CONTAINER_RUNNING);
    assert_string_equal(condition(&s, "Ready"), "True");
    release(&f);
}

static void readiness_gates_hold_ready_back(void **state)
{
    static const struct {
        const char *conditions, *ready;
    } rows[] = {
        {"[]", "False"},
        {"[{\"type\":\"g/x\",\"status\":\"False\"}]", "False"},
        {"[{\"type\":\"g/x\",\"status\":\"True\"}]", "True"},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct container_status c = container("c", CONTAINER_RUNNING);
        struct pod_status running = {.phase = "Running", .container_statuses = {.v = &c, .n = 1}};
        struct pod_status s;
        struct fixture f;
        char status[256];

        snprintf(status, sizeof(status), "{\"conditions\":%s}", rows[i].conditions);
        init(&f, "",
             "{\"readinessGates\":[{\"conditionType\":\"g/x\"}],\"containers\":[{\"name\":\"c\"}]}",
             status);
        s = generate(&f, &running, NOW);
        assert_string_equal(condition(&s, "ContainersReady"), "True");
        assert_string_equal(condition(&s, "Ready"), rows[i].ready);
        if (i < 2)
            assert_string_equal(condition_reason(&s, "Ready"), "ReadinessGatesNotReady");
        release(&f);
    }
}

static void initialized_follows_init_containers_and_sidecars(void **state)
{
    static const struct {
        const char *policy;
        struct container_status init;
        const char *initialized, *containers_ready;
    } rows[] = {
        {"", {.state = {.kind = CONTAINER_RUNNING}}, "False", "True"},
        {"", {.state = {.kind = CONTAINER_TERMINATED, .exit_code = 1}}, "False", "True"},
        {"", {.state = {.kind = CONTAINER_TERMINATED}}, "True", "True"},
        {",\"restartPolicy\":\"Always\"", {.state = {.kind = CONTAINER_RUNNING}}, "False", "False"},
        {",\"restartPolicy\":\"Always\"",
         {.state = {.kind = CONTAINER_RUNNING}, .started = true, .has_started = true},
         "True",
         "False"},
        {",\"restartPolicy\":\"Always\"",
         {.state = {.kind = CONTAINER_RUNNING},
          .started = true,
          .has_started = true,
          .ready = true},
         "True",
         "True"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        /* A ready container that never started keeps Initialized from being implied by it. */
        struct container_status c = {
            .name = "c", .ready = true, .state = {.kind = CONTAINER_WAITING}};
        struct container_status init_status = rows[i].init;
        struct pod_status p = {.phase = "Pending",
                               .container_statuses = {.v = &c, .n = 1},
                               .init_container_statuses = {.v = &init_status, .n = 1}};
        struct pod_status s;
        struct fixture f;
        char spec[256];

        init_status.name = "i";
        snprintf(spec, sizeof(spec),
                 "{\"initContainers\":[{\"name\":\"i\"%s}],\"containers\":[{\"name\":\"c\"}]}",
                 rows[i].policy);
        init(&f, "", spec, "{}");
        s = generate(&f, &p, NOW);
        assert_string_equal(condition(&s, "Initialized"), rows[i].initialized);
        assert_string_equal(condition(&s, "ContainersReady"), rows[i].containers_ready);
        release(&f);
    }
}

static void terminal_phase_and_ended_containers_stay(void **state)
{
    struct container_status c = container("c", CONTAINER_RUNNING);
    struct pod_status running = {.phase = "Running", .container_statuses = {.v = &c, .n = 1}};
    struct fixture f;
    struct pod_status s;

    (void)state;
    init(
        &f, "", ONE,
        "{\"phase\":\"Failed\",\"reason\":\"X\",\"message\":\"m\",\"containerStatuses\":[{\"name\":"
        "\"c\",\"state\":{\"terminated\":{\"exitCode\":3}}}]}");
    s = generate(&f, &running, NOW);
    assert_string_equal(s.phase, "Failed");
    assert_string_equal(s.reason, "X");
    assert_int_equal(pod_status_container(&s, "c")->state.exit_code, 3);
    assert_string_equal(condition(&s, "Ready"), "False");
    assert_string_equal(condition_reason(&s, "ContainersReady"), "PodFailed");
    assert_string_equal(condition(&s, "PodReadyToStartContainers"), "False");
    release(&f);
}

static void first_end_counts_where_nothing_is_restarted(void **state)
{
    static const struct {
        const char *policy, *first_reason;
        int64_t first, now, expected;
        const char *phase;
    } rows[] = {
        {"Never", "Error", 3, 0, 3, "Failed"},
        {"Never", "Completed", 0, 4, 0, "Failed"},
        /* An end that nobody saw is replaced by the one that the platform tells later. */
        {"Never", "ContainerStatusUnknown", 137, 0, 0, "Succeeded"},
        {"OnFailure", "Error", 3, 0, 0, "Succeeded"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct container_status ended = container("c", CONTAINER_TERMINATED),
                                again = container("c", CONTAINER_TERMINATED);
        struct pod_status first = {.phase = "Running", .container_statuses = {.v = &ended, .n = 1}};
        struct pod_status later = {.phase = rows[i].now ? "Failed" : "Succeeded",
                                   .container_statuses = {.v = &again, .n = 1}};
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct fixture f;
        struct pod_status s;

        ended.state.exit_code = rows[i].first;
        ended.state.reason = rows[i].first_reason;
        again.state.exit_code = rows[i].now;
        again.state.reason = "Other";
        init(&f, "",
             vk_arena_printf(arena,
                             "{\"restartPolicy\":\"%s\",\"containers\":[{\"name\":\"c\","
                             "\"image\":\"i\"}]}",
                             rows[i].policy),
             "{}");
        f.previous = generate(&f, &first, NOW);
        s = generate(&f, &later, LATER);
        assert_int_equal(pod_status_container(&s, "c")->state.exit_code, rows[i].expected);
        assert_string_equal(s.phase, rows[i].phase);
        release(&f);
    }
}

static void last_end_is_the_latest_of_all_containers(void **state)
{
    struct container_status c[] = {container("a", CONTAINER_TERMINATED),
                                   container("b", CONTAINER_TERMINATED),
                                   container("c", CONTAINER_RUNNING)};
    struct pod_status s = {.container_statuses = {.v = c, .n = 3}};

    (void)state;
    assert_int_equal(status_ended_ns(&(struct pod_status){0}), 0);
    c[0].state.finished_at_ns = LATER;
    c[1].state.finished_at_ns = NOW;
    assert_int_equal(status_ended_ns(&s), LATER);
}

static void deleted_pod_keeps_its_phase_until_it_is_terminal(void **state)
{
    static const char *const phases[][2] = {
        {"Pending", "Running"}, {"Unknown", "Running"}, {"Succeeded", "Succeeded"}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct pod_status p = {.phase = phases[i][0]};
        struct fixture f;

        init(&f, ",\"deletionTimestamp\":\"2023-11-14T22:00:00Z\"", ONE, "{\"phase\":\"Running\"}");
        assert_string_equal(generate(&f, &p, NOW).phase, phases[i][1]);
        release(&f);
    }
}

static void qos_class_is_computed_where_the_api_server_did_not(void **state)
{
    static const struct {
        const char *resources, *qos;
    } rows[] = {
        {"{}", "BestEffort"},
        {"{\"requests\":{\"cpu\":\"1\"}}", "Burstable"},
        {"{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}", "Guaranteed"},
        {"{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1\",\"memory\":"
         "\"1Gi\"}}",
         "Guaranteed"},
        {"{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1\",\"memory\":"
         "\"1Gi\"}}",
         "Burstable"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture f;
        char spec[512];

        snprintf(spec, sizeof(spec), "{\"containers\":[{\"name\":\"c\",\"resources\":%s}]}",
                 rows[i].resources);
        init(&f, "", spec, "{}");
        assert_string_equal(generate(&f, &(struct pod_status){0}, NOW).qos_class, rows[i].qos);
        release(&f);
    }
}

static void waiting_names_the_container_whose_image_is_meant(void **state)
{
    static const struct {
        const char *text, *a, *b;
    } rows[] = {
        {"The image 'r.example/b:1' is bad", "ContainerCreating", "ErrImagePull"},
        {"something is bad", "ErrImagePull", "ErrImagePull"},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        struct pod_status s;

        init(&f, "",
             "{\"containers\":[{\"name\":\"a\",\"image\":\"r.example/a:1\"},{\"name\":\"b\","
             "\"image\":\"r.example/b:1\"}]}",
             "{}");
        status_of_waiting(f.pod,
                          &(struct waiting_reason){.container_reason = "ErrImagePull",
                                                   .message = rows[i].text,
                                                   .image_of = rows[i].text},
                          f.arena, &s);
        assert_string_equal(pod_status_container(&s, "a")->state.reason, rows[i].a);
        assert_string_equal(pod_status_container(&s, "b")->state.reason, rows[i].b);
        release(&f);
    }
}

static void terminated_pod_has_an_end_for_each_container_that_ran(void **state)
{
    static const struct {
        enum container_state_kind a, b;
        int64_t exit_a;
        const char *phase;
        enum container_state_kind end_b;
    } rows[] = {
        {CONTAINER_RUNNING, CONTAINER_WAITING, 0, "Failed", CONTAINER_TERMINATED},
        {CONTAINER_TERMINATED, CONTAINER_TERMINATED, 0, "Succeeded", CONTAINER_TERMINATED},
        {CONTAINER_TERMINATED, CONTAINER_TERMINATED, 3, "Failed", CONTAINER_TERMINATED},
        {CONTAINER_WAITING, CONTAINER_WAITING, 0, "Failed", CONTAINER_WAITING},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct container_status c[2] = {container("a", rows[i].a), container("b", rows[i].b)};
        struct pod_status before = {.phase = "Running", .container_statuses = {.v = c, .n = 2}};
        struct fixture f;
        struct pod_status s;

        c[0].state.exit_code = rows[i].exit_a;
        init(&f, "", "{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}", "{}");
        status_of_terminated(f.pod, &before, LATER, f.arena, &s);
        assert_string_equal(s.phase, rows[i].phase);
        assert_int_equal(pod_status_container(&s, "b")->state.kind, rows[i].end_b);
        if (rows[i].a == CONTAINER_RUNNING) {
            const struct container_state *end = &pod_status_container(&s, "a")->state;

            assert_int_equal(end->exit_code, 137);
            assert_int_equal(end->started_at_ns, NOW);
            assert_int_equal(end->finished_at_ns, LATER);
        }
        release(&f);
    }
}

static void failed_pod_says_why_in_each_container_that_waits(void **state)
{
    struct fixture f;
    struct pod_status s;

    (void)state;
    init(&f, "", WITH_INIT, "{\"phase\":\"Pending\",\"qosClass\":\"BestEffort\"}");
    status_of_failed(f.pod, &f.previous, "NoSuchSize", "17 CPU", f.arena, &s);
    s = generate(&f, &s, NOW);
    assert_string_equal(s.phase, "Failed");
    assert_string_equal(s.reason, "NoSuchSize");
    assert_string_equal(pod_status_container(&s, "c")->state.reason, "NoSuchSize");
    assert_string_equal(pod_status_container(&s, "c")->state.message, "17 CPU");
    release(&f);
}

static void container_that_kubectl_debug_adds_has_ended_and_says_why(void **state)
{
    const struct pod_status running = {.phase = "Running"};
    const struct container_status *c;
    struct pod_status s, again;
    struct fixture f;

    (void)state;
    init(&f, "",
         "{\"containers\":[{\"name\":\"c\",\"image\":\"app:1\"}],\"ephemeralContainers\":["
         "{\"name\":\"debugger-1\",\"image\":\"busybox\"}]}",
         "{\"phase\":\"Running\"}");
    s = generate(&f, &running, NOW);
    assert_int_equal(s.ephemeral_container_statuses.n, 1);
    c = s.ephemeral_container_statuses.v;
    assert_string_equal(c->name, "debugger-1");
    assert_string_equal(c->image, "busybox");
    assert_int_equal(c->state.kind, CONTAINER_TERMINATED);
    assert_int_equal(c->state.exit_code, 128);
    assert_string_equal(c->state.reason, "EphemeralContainersUnsupported");
    assert_non_null(strstr(c->state.message, "kubectl exec"));
    assert_int_equal(s.container_statuses.n, 1);
    f.previous = s;
    again = generate(&f, &running, LATER);
    assert_true(pod_status_equal(&again, &s));
    release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_pod_waits_with_all_that_a_kubelet_adds),
        cmocka_unit_test(conditions_are_those_of_kubernetes_that_are_ours),
        cmocka_unit_test(start_time_and_transition_times_are_kept),
        cmocka_unit_test(transition_time_of_the_api_server_counts_after_a_restart),
        cmocka_unit_test(platform_without_containers_keeps_what_was_known),
        cmocka_unit_test(readiness_gates_hold_ready_back),
        cmocka_unit_test(initialized_follows_init_containers_and_sidecars),
        cmocka_unit_test(terminal_phase_and_ended_containers_stay),
        cmocka_unit_test(first_end_counts_where_nothing_is_restarted),
        cmocka_unit_test(last_end_is_the_latest_of_all_containers),
        cmocka_unit_test(deleted_pod_keeps_its_phase_until_it_is_terminal),
        cmocka_unit_test(qos_class_is_computed_where_the_api_server_did_not),
        cmocka_unit_test(waiting_names_the_container_whose_image_is_meant),
        cmocka_unit_test(terminated_pod_has_an_end_for_each_container_that_ran),
        cmocka_unit_test(failed_pod_says_why_in_each_container_that_waits),
        cmocka_unit_test(container_that_kubectl_debug_adds_has_ended_and_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
