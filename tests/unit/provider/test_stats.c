/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/monitor.h"
#include "aci/monitor_realtime.h"
#include "tests/unit/provider/provider_world.h"

/* The extension inside of the group: this process. */
struct extension {
    struct world *w;
    struct http_server *server;
    unsigned asked;
    int64_t cpu_ns; /* more each time */
    int status;
    struct vk_arena *arena;
    struct provider_stats stats;
};
static struct extension extension;

static void answer_stats(void *user, struct http_exchange *x)
{
    struct extension *e = user;

    assert_string_equal(http_exchange_head(x)->path, "/v1/stats");
    e->asked++;
    e->cpu_ns += 500000000;
    http_exchange_reply(
        x, e->status, "application/json",
        vk_str_of(vk_arena_printf(
            http_exchange_arena(x),
            "{\"timestamp\":%lld,\"cpu\":{\"usageCoreNanoSeconds\":%lld},"
            "\"memory\":{\"usageBytes\":9,\"workingSetBytes\":7,\"rssBytes\":5},"
            "\"network\":{\"name\":\"eth0\",\"rxBytes\":11,\"txBytes\":12},"
            "\"containers\":[{\"name\":\"c\",\"cpu\":{\"usageCoreNanoSeconds\":%lld},"
            "\"memory\":{\"usageBytes\":3,\"workingSetBytes\":2,\"rssBytes\":1}},"
            "{\"name\":\"infra\",\"cpu\":{\"usageCoreNanoSeconds\":1},\"memory\":{}}]}",
            (long long)vk_wall_ns(), (long long)e->cpu_ns + 1000, (long long)e->cpu_ns)));
}

static int setup(void **state, bool has_extension)
{
    struct http_server_config config = {.listener = {.address = "127.0.0.1", .plain = true}};
    struct vk_err err;

    assert_int_equal(world_setup(state), 0);
    extension = (struct extension){.w = *state, .status = 200};
    assert_int_equal(http_server_new(extension.w->loop, &config, answer_stats, &extension,
                                     &extension.server, &err),
                     0);
    extension.w->arm.ip = "127.0.0.1";
    if (has_extension)
        extension.w->realtime_port = http_server_port(extension.server);
    world_leave_group(extension.w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    extension.w->existing = "u1";
    aci_provider_free(extension.w->aci);
    world_provider(extension.w);
    world_start(extension.w);
    return 0;
}

static int setup_realtime(void **state)
{
    return setup(state, true);
}

static int setup_monitor(void **state)
{
    return setup(state, false);
}

static int teardown(void **state)
{
    vk_arena_free(extension.arena);
    http_server_free(extension.server);
    return world_teardown(state);
}

static const struct provider_stats *ask(struct world *w)
{
    vk_arena_free(extension.arena);
    extension.arena = vk_arena_new();
    w->provider.ops->get_stats(w->provider.p, extension.arena, &extension.stats);
    return &extension.stats;
}

static bool pod_runs(struct world *w)
{
    return ask(w)->pod_count == 1;
}

static bool pod_has_figures(struct world *w)
{
    return ask(w)->pod_count == 1 && extension.stats.pods[0].container_count > 0;
}

static void figures_come_from_the_extension(void **state)
{
    struct world *w = *state;
    const struct pod_stats *pod;

    UNTIL(w, pod_has_figures);
    pod = &extension.stats.pods[0];
    assert_string_equal(pod->id.name, "web");
    assert_string_equal(pod->id.uid, "u1");
    /* The platform's own containers are not the pod's. */
    assert_int_equal(pod->container_count, 1);
    assert_string_equal(pod->containers[0].name, "c");
    assert_int_equal(pod->containers[0].usage.cpu_ns, 500000000);
    assert_int_equal(pod->containers[0].usage.working_set_bytes, 2);
    assert_int_equal(pod->usage.working_set_bytes, 7);
    assert_int_equal(pod->network.rx_bytes, 11);
    assert_true(pod->containers[0].usage.start_wall_ns > 0);
    assert_int_equal(extension.stats.node.working_set_bytes, 7);
    /* It ran before this process began: what it used then is no news. */
    assert_int_equal(extension.stats.node.cpu_ns, 0);
    assert_true(extension.stats.node.sampled_wall_ns > 0);
    assert_int_equal(w->arm.monitored, 0);
    assert_int_equal(extension.stats.without_figures, 0);
    /* However often somebody asks. */
    for (int i = 0; i < 100; i++)
        (void)ask(w);
    assert_int_equal(extension.asked, 1);
}

static bool monitor_was_asked(struct world *w)
{
    return ask(w) && w->arm.monitored > 0;
}

static void a_pod_without_figures_is_told_of_all_the_same(void **state)
{
    struct world *w = *state;

    UNTIL(w, pod_runs);
    UNTIL(w, monitor_was_asked);
    assert_int_equal(ask(w)->pod_count, 1);
    assert_int_equal(extension.stats.without_figures, 1);
    assert_int_equal(extension.stats.pods[0].usage.sampled_wall_ns, 0);
    assert_int_equal(extension.asked, 0);
}

#define MONITOR_ANSWER                                                                             \
    "{'cost':0,'value':[{'name':{'value':'CpuUsage'},'timeseries':[{'metadatavalues':[{'name':"    \
    "{'value':'containername'},'value':'c'}],'data':[{'timeStamp':'%s','average':250.5},"          \
    "{'timeStamp':'2024-05-01T00:00:00Z'}]}],'errorCode':'Success'},"                              \
    "{'name':{'value':'MemoryUsage'},'timeseries':[{'metadatavalues':[{'name':"                    \
    "{'value':'containername'},'value':'c'}],'data':[{'timeStamp':'%s','average':4096}]}],"        \
    "'errorCode':'Success'}]}"

static void without_the_extension_they_come_from_azure_monitor(void **state)
{
    struct world *w = *state;
    const struct usage_stats *usage;

    w->arm.monitor = MONITOR_ANSWER;
    UNTIL(w, pod_has_figures);
    usage = &extension.stats.pods[0].containers[0].usage;
    /* A quarter of a CPU for a minute. */
    assert_int_equal(usage->cpu_ns, 15030000000);
    assert_int_equal(usage->working_set_bytes, 4096);
    assert_int_equal(usage->sampled_wall_ns % MONITOR_MINUTE_NS, 0);
    assert_int_equal(usage->sampled_wall_ns - usage->start_wall_ns, MONITOR_MINUTE_NS);
    assert_int_equal(extension.stats.pods[0].usage.cpu_ns, 15030000000);
    assert_int_equal(extension.stats.node.cpu_ns, 15030000000);
    assert_int_equal(extension.stats.node.working_set_bytes, 4096);
    for (int i = 0; i < 100; i++)
        (void)ask(w);
    assert_int_equal(w->arm.monitored, 1);
}

static bool pod_is_gone(struct world *w)
{
    return ask(w)->pod_count == 0;
}

static void a_pod_that_is_gone_is_forgotten(void **state)
{
    struct world *w = *state;

    UNTIL(w, pod_has_figures);
    world_delete(w, "web", "u1");
    UNTIL(w, pod_is_gone);
}

static void answers_of_the_extension_are_read_strictly(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {
        {"{\"timestamp\":1,\"cpu\":{\"usageCoreNanoSeconds\":9223372036854775807}}", true},
        {"{\"timestamp\":1,\"containers\":null}", true},
        {"{\"timestamp\":0}", false},
        {"{}", false},
        {"{\"timestamp\":1,\"cpu\":{\"usageCoreNanoSeconds\":-1}}", false},
        {"{\"timestamp\":1,\"containers\":[{}]}", false},
        {"[]", false},
        {"", false},
    };
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct realtime_figures figures;
    struct vk_err err;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int rc = monitor_realtime_parse(vk_str_of(cases[i].text), arena, &figures, &err);

        assert_int_equal(rc == 0, cases[i].is_good);
        assert_true(rc == 0 || err.code == VK_PROTOCOL);
    }
    assert_int_equal(monitor_realtime_parse(vk_str_of(cases[0].text), arena, &figures, &err), 0);
    assert_true(figures.usage.cpu_ns == INT64_MAX);
}

static void answers_of_azure_monitor_are_read_leniently(void **state)
{
    static const struct {
        const char *text;
        enum vk_code code;
        size_t series, points;
    } cases[] = {
        {"{\"value\":[]}", VK_OK, 0, 0},
        {"{\"value\":[{\"name\":{\"value\":\"CpuUsage\"},\"timeseries\":[{\"metadatavalues\":"
         "[{\"name\":{\"value\":\"containerName\"},\"value\":\"c\"}],\"data\":["
         "{\"timeStamp\":\"2024-05-01T00:02:00Z\",\"average\":2},"
         "{\"timeStamp\":\"2024-05-01T00:01:00Z\",\"average\":1},"
         "{\"timeStamp\":\"2024-05-01T00:03:00Z\",\"average\":-1},"
         "{\"timeStamp\":\"soon\",\"average\":1},{\"average\":1},"
         "{\"timeStamp\":\"2024-05-01T00:04:00Z\"}]}]}]}",
         VK_OK, 1, 2},
        /* Without its container a series says nothing. */
        {"{\"value\":[{\"name\":{\"value\":\"CpuUsage\"},\"timeseries\":[{\"data\":["
         "{\"timeStamp\":\"2024-05-01T00:02:00Z\",\"average\":2}]}]}]}",
         VK_OK, 0, 0},
        {"{\"value\":[{\"name\":{\"value\":\"CpuUsage\"},\"timeseries\":[],"
         "\"errorCode\":\"InternalError\",\"errorMessage\":\"no\"}]}",
         VK_UNAVAILABLE, 0, 0},
        {"{}", VK_PROTOCOL, 0, 0},
        {"<html>", VK_PROTOCOL, 0, 0},
    };
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct monitor_answer answer = {0};
        struct vk_err err = {0};

        (void)!monitor_parse(vk_str_of(cases[i].text), arena, &answer, &err);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(answer.count, cases[i].series);
        if (cases[i].series) {
            assert_int_equal(answer.series[0].count, cases[i].points);
            assert_true(answer.series[0].points[0].begin_wall_ns <
                        answer.series[0].points[1].begin_wall_ns);
        }
    }
}

static bool group_was_put(struct world *w)
{
    return w->arm.last_put != NULL;
}

static void groups_with_a_network_get_the_extension(void **state)
{
    struct world *w = *state;

    UNTIL(w, pod_runs);
    world_create(w, "new", "u2", false);
    UNTIL(w, group_was_put);
    assert_non_null(strstr(w->arm.last_put, "\"extensionType\":\"realtime-metrics\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(figures_come_from_the_extension, setup_realtime, teardown),
        cmocka_unit_test_setup_teardown(a_pod_that_is_gone_is_forgotten, setup_realtime, teardown),
        cmocka_unit_test_setup_teardown(groups_with_a_network_get_the_extension, setup_realtime,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_pod_without_figures_is_told_of_all_the_same,
                                        setup_monitor, teardown),
        cmocka_unit_test_setup_teardown(without_the_extension_they_come_from_azure_monitor,
                                        setup_monitor, teardown),
        cmocka_unit_test(answers_of_the_extension_are_read_strictly),
        cmocka_unit_test(answers_of_azure_monitor_are_read_leniently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
