/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/kubernetes_data.h"

#include "base/alloc.h"
#include "kubelet/api/pod.h"

static struct pod *recorded_pod(void)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod *pod = NULL;
    struct vk_err err;

    if (pod_parse(kubernetes_data("pod-web.json", arena), &pod, &err) < 0)
        fail_msg("%s", err.msg);
    return pod;
}

static const char *write(const struct pod_status *status, struct vk_arena *arena)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, 1 << 20);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    pod_status_write(&w, status);
    json_end_object(&w);
    assert_true(json_writer_done(&w));
    return vk_arena_str(arena, vk_buf_str(&out));
}

static struct pod_status read_status(const char *text, struct vk_arena *arena)
{
    struct pod_status status = {0};
    const struct json *root;
    struct vk_err err;

    if (json_parse(vk_str_of(text), 1 << 20, arena, &root, &err) < 0 ||
        json_decode(root, pod_status_fields, &status, arena, "", &err) < 0)
        fail_msg("%s", err.msg);
    return status;
}

static void a_recorded_status_is_decoded(void **state)
{
    struct pod *pod = recorded_pod();
    const struct container_status *c = pod_status_container(&pod->status, "web");
    const struct pod_condition *ready = pod_status_condition(&pod->status, "Ready");

    (void)state;
    assert_int_equal(c->state.kind, CONTAINER_RUNNING);
    assert_int_equal(c->state.started_at_ns, INT64_C(1795536004000000000));
    assert_int_equal(c->last_state.kind, CONTAINER_TERMINATED);
    assert_int_equal(c->last_state.exit_code, 3);
    assert_string_equal(c->last_state.message, "boom\n");
    assert_true(c->ready && c->has_started && c->started);
    assert_int_equal(c->restart_count, 1);
    assert_string_equal(ready->status, "True");
    assert_int_equal(ready->last_transition_ns, INT64_C(1795536005000000000));
    assert_string_equal(pod->status.qos_class, "Burstable");
    assert_null(pod_status_condition(&pod->status, "Initialized"));
    assert_null(pod_status_container(&pod->status, "none"));
    pod_unref(pod);
}

static void a_written_status_reads_back_equal(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod *pod = recorded_pod();
    struct pod_status copy, again;

    (void)state;
    pod_status_copy(&copy, &pod->status, arena);
    assert_true(pod_status_equal(&copy, &pod->status));
    pod_unref(pod);
    again = read_status(write(&copy, arena), arena);
    assert_true(pod_status_equal(&copy, &again));
    assert_true(pod_status_equal(&again, &copy));
}

static void written_members_are_those_of_core_v1(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"{}", "{}"},
        {"{\"phase\":\"Pending\",\"reason\":\"\",\"message\":\"m\"}",
         "{\"phase\":\"Pending\",\"message\":\"m\"}"},
        {"{\"podIP\":\"10.0.0.1\",\"hostIP\":\"10.0.0.2\"}",
         "{\"hostIP\":\"10.0.0.2\",\"hostIPs\":[{\"ip\":\"10.0.0.2\"}],\"podIP\":\"10.0.0.1\","
         "\"podIPs\":[{\"ip\":\"10.0.0.1\"}]}"},
        {"{\"startTime\":\"2026-01-02T03:04:05.9Z\",\"observedGeneration\":2}",
         "{\"observedGeneration\":2,\"startTime\":\"2026-01-02T03:04:05Z\"}"},
        {"{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"R\"}]}",
         "{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"R\"}]}"},
        {"{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":\"R\"}}}]}",
         "{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":\"R\"}},"
         "\"lastState\":{},\"ready\":false,\"restartCount\":0,\"image\":\"\",\"imageID\":\"\"}]}"},
        {"{\"initContainerStatuses\":[{\"name\":\"c\",\"started\":false,\"state\":{\"terminated\":"
         "{\"exitCode\":0,\"finishedAt\":\"2026-01-02T03:04:05Z\"}}}]}",
         "{\"initContainerStatuses\":[{\"name\":\"c\",\"state\":{\"terminated\":{\"exitCode\":0,"
         "\"finishedAt\":\"2026-01-02T03:04:05Z\"}},\"lastState\":{},\"ready\":false,"
         "\"restartCount\":0,\"image\":\"\",\"imageID\":\"\",\"started\":false}]}"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct pod_status status = read_status(cases[i].in, arena);

        assert_string_equal(write(&status, arena), cases[i].out);
    }
}

static void what_kubernetes_calls_equal_is_equal(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"{}", "{\"reason\":\"\",\"conditions\":[]}", true},
        {"{\"phase\":\"Running\"}", "{\"phase\":\"Pending\"}", false},
        {"{\"podIP\":\"1.1.1.1\"}", "{\"podIP\":\"1.1.1.1\",\"podIPs\":[{\"ip\":\"1.1.1.1\"}]}",
         true},
        {"{\"podIP\":\"1.1.1.1\"}",
         "{\"podIP\":\"1.1.1.1\",\"podIPs\":[{\"ip\":\"1.1.1.1\"},{\"ip\":\"f::1\"}]}", false},
        {"{\"podIP\":\"1.1.1.1\"}", "{\"podIP\":\"1.1.1.2\"}", false},
        {"{\"startTime\":\"2026-01-01T00:00:00.1Z\"}", "{\"startTime\":\"2026-01-01T00:00:00Z\"}",
         true},
        {"{\"startTime\":\"2026-01-01T00:00:00Z\"}", "{}", false},
        {"{\"conditions\":[{\"type\":\"A\",\"status\":\"True\"},{\"type\":\"B\"}]}",
         "{\"conditions\":[{\"type\":\"B\"},{\"type\":\"A\",\"status\":\"True\"}]}", true},
        {"{\"conditions\":[{\"type\":\"A\",\"status\":\"True\"}]}",
         "{\"conditions\":[{\"type\":\"A\",\"status\":\"False\"}]}", false},
        {"{\"conditions\":[{\"type\":\"A\"}]}", "{\"conditions\":[{\"type\":\"B\"}]}", false},
        {"{\"conditions\":[{\"type\":\"A\",\"observedGeneration\":1}]}",
         "{\"conditions\":[{\"type\":\"A\"}]}", false},
        {"{\"containerStatuses\":[{\"name\":\"c\"}]}", "{}", false},
        {"{\"containerStatuses\":[{\"name\":\"c\",\"started\":false}]}",
         "{\"containerStatuses\":[{\"name\":\"c\"}]}", false},
        {"{\"containerStatuses\":[{\"name\":\"c\",\"restartCount\":1}]}",
         "{\"containerStatuses\":[{\"name\":\"c\"}]}", false},
        {"{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":\"A\"}}}]}",
         "{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":\"B\"}}}]}",
         false},
        {"{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{}}}]}",
         "{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"running\":{}}}]}", false},
        {"{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"terminated\":{\"exitCode\":1}}}]}",
         "{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"terminated\":{\"exitCode\":2}}}]}",
         false},
        {"{\"containerStatuses\":[{\"name\":\"c\",\"lastState\":{\"running\":{\"startedAt\":"
         "\"2026-01-01T00:00:00Z\"}}}]}",
         "{\"containerStatuses\":[{\"name\":\"c\",\"lastState\":{\"running\":{\"startedAt\":"
         "\"2026-01-01T00:00:01Z\"}}}]}",
         false},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct pod_status a = read_status(cases[i].a, arena), b = read_status(cases[i].b, arena);

        if (pod_status_equal(&a, &b) != cases[i].equal ||
            pod_status_equal(&b, &a) != cases[i].equal)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        assert_true(pod_status_equal(&a, &a));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_status_is_decoded),
        cmocka_unit_test(a_written_status_reads_back_equal),
        cmocka_unit_test(written_members_are_those_of_core_v1),
        cmocka_unit_test(what_kubernetes_calls_equal_is_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
