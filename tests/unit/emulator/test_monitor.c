/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/realtime.h"
#include "base/clock.h"
#include "tests/unit/emulator/emulator_world.h"

#define WEB WORLD_GROUP("web")
#define INSIGHTS WORLD_RG "/containerGroups/web/providers/microsoft.insights/"
#define METRICS INSIGHTS "metrics?api-version=2018-01-01"
#define EACH "&$filter=containerName%20eq%20'*'"
#define MINUTE_MS 60000

static void no_delay(struct emulator_options *o)
{
    o->metrics_delay_ms = 0;
}

/* Two containers that the engine was asked for twice within one minute, which is over. */
static int64_t begin(struct world *w)
{
    int64_t minute_ms;

    world_begin(w, no_delay);
    assert_int_equal(
        world_arm(w, "PUT", WEB, GROUP("", CONTAINER("one", "") "," CONTAINER("two", ""))), 201);
    world_await(w, WEB, "Running");
    minute_ms = vk_wall_ms() / MINUTE_MS * MINUTE_MS - 3 * MINUTE_MS;
    for (int64_t at = 10000; at <= 50000; at += 20000) {
        vk_clock_freeze(vk_mono_ms(), minute_ms + at);
        metrics_sample(w->emulator->metrics);
        vk_clock_thaw();
    }
    return minute_ms;
}

static const struct json *metric_at(const struct world *w, size_t index)
{
    const struct json *it = json_first(json_get(w->answer.body, "value"));

    while (it && index-- > 0)
        it = json_next(it);
    return it;
}

/* How many points have this member; the last such value is returned in ret. */
static size_t count_points(const struct json *series, const char *member, double *ret)
{
    size_t n = 0;

    for (const struct json *it = json_first(json_get(series, "data")); it; it = json_next(it)) {
        assert_non_null(json_get(it, "timeStamp"));
        if (json_double(json_get(it, member), ret))
            n++;
    }
    return n;
}

static void a_minute_has_one_point_a_container(void **state)
{
    struct world w;
    const struct json *series;
    double value = 0;

    (void)state;
    (void)begin(&w);
    assert_int_equal(world_arm(&w, "GET",
                               METRICS "&metricnames=CpuUsage,MemoryUsage&aggregation="
                                       "Average,Maximum" EACH,
                               NULL),
                     200);
    series = json_first(json_get(metric_at(&w, 0), "timeseries"));
    assert_int_equal(json_len(json_get(metric_at(&w, 0), "timeseries")), 2);
    assert_string_equal(json_string_or(json_first(json_get(series, "metadatavalues")), "value", ""),
                        "one");
    /* The simulated engine's containers use a hundredth of a CPU. */
    assert_int_equal(count_points(series, "average", &value), 1);
    assert_true(value > 9.99 && value < 10.01);
    assert_int_equal(count_points(series, "maximum", &value), 1);
    assert_int_equal(count_points(series, "minimum", &value), 0);
    assert_true(json_len(json_get(series, "data")) >= 60);
    series = json_first(json_get(metric_at(&w, 1), "timeseries"));
    assert_int_equal(count_points(series, "average", &value), 1);
    assert_true(value > 1024 * 1024);
    assert_string_equal(json_string_or(metric_at(&w, 1), "errorCode", ""), "Success");
    world_end(&w);
}

static void figures_come_late(void **state)
{
    struct world w;
    double value;

    (void)state;
    (void)begin(&w);
    w.options.metrics_delay_ms = 5 * MINUTE_MS;
    assert_int_equal(world_arm(&w, "GET", METRICS EACH, NULL), 200);
    assert_int_equal(
        count_points(json_first(json_get(metric_at(&w, 0), "timeseries")), "average", &value), 0);
    world_end(&w);
}

static void a_filter_names_one_container(void **state)
{
    struct world w;

    (void)state;
    (void)begin(&w);
    assert_int_equal(world_arm(&w, "GET", METRICS "&$filter=containerName%20eq%20'two'", NULL),
                     200);
    assert_int_equal(json_len(json_get(metric_at(&w, 0), "timeseries")), 1);
    world_end(&w);
}

static void network_is_the_groups(void **state)
{
    struct world w;
    double value = 0;

    (void)state;
    (void)begin(&w);
    assert_int_equal(
        world_arm(&w, "GET", METRICS "&metricnames=NetworkBytesReceivedPerSecond", NULL), 200);
    assert_int_equal(
        count_points(json_first(json_get(metric_at(&w, 0), "timeseries")), "average", &value), 1);
    assert_true(value > 999 && value < 1001);
    world_end(&w);
}

static void bad_questions_are_refused_flat(void **state)
{
    static const char *const bad[] = {
        METRICS "&metricnames=NetworkBytesReceivedPerSecond" EACH,
        METRICS "&metricnames=Nonsense",
        METRICS "&interval=PT7M",
        METRICS "&timespan=yesterday",
        METRICS "&aggregation=Median",
        METRICS "&$filter=region%20eq%20'x'",
    };
    struct world w;

    (void)state;
    (void)begin(&w);
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        assert_int_equal(world_arm(&w, "GET", bad[i], NULL), 400);
        assert_string_equal(json_string_or(w.answer.body, "code", ""), "BadRequest");
    }
    assert_int_equal(world_arm(&w, "GET",
                               INSIGHTS "metricDefinitions"
                                        "?api-version=2018-01-01",
                               NULL),
                     200);
    assert_int_equal(json_len(json_get(w.answer.body, "value")), 4);
    world_end(&w);
}

static void realtime_figures_are_those_of_the_engine(void **state)
{
    struct world w;
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer writer;
    const struct json *root, *first;
    struct vk_err err;
    int64_t number;

    (void)state;
    (void)begin(&w);
    vk_buf_init(&out, 1 << 16);
    json_writer_init(&writer, &out);
    realtime_write(w.emulator, groups_find(w.emulator->groups, "burst", "web"), &writer);
    assert_int_equal(json_parse(vk_buf_str(&out), 1 << 16, w.answer.arena, &root, &err), 0);
    first = json_first(json_get(root, "containers"));
    assert_int_equal(json_len(json_get(root, "containers")), 2);
    assert_string_equal(json_string_or(first, "name", ""), "one");
    assert_true(json_int64(json_get(json_get(first, "cpu"), "usageCoreNanoSeconds"), &number));
    assert_int_equal(json_int64_or(json_get(first, "memory"), "workingSetBytes", 0), 10 << 20);
    assert_int_equal(json_int64_or(json_get(root, "memory"), "workingSetBytes", 0), 20 << 20);
    assert_string_equal(json_string_or(json_get(root, "network"), "name", ""), "eth0");
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_has_one_point_a_container),
        cmocka_unit_test(figures_come_late),
        cmocka_unit_test(a_filter_names_one_container),
        cmocka_unit_test(network_is_the_groups),
        cmocka_unit_test(bad_questions_are_refused_flat),
        cmocka_unit_test(realtime_figures_are_those_of_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
