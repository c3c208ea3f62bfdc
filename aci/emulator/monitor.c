/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/monitor.h"

#include <inttypes.h>

#include "aci/emulator/arm_groups.h"
#include "base/alloc.h"
#include "base/clock.h"

#define NAMESPACE "Microsoft.ContainerInstance/containerGroups"
#define MAX_ANSWER (8 * 1024 * 1024)
#define MAX_POINTS 1440
#define DEFAULT_SPAN_NS (60 * METRICS_MINUTE_NS)

static const struct definition {
    const char *name, *shown, *unit, *description;
    bool per_container;
} definitions[METRIC_COUNT] = {
    [METRIC_CPU_USAGE] = {"CpuUsage", "CPU Usage", "Count", "CPU usage on all cores in millicores.",
                          true},
    [METRIC_MEMORY_USAGE] = {"MemoryUsage", "Memory Usage", "Bytes", "Total memory usage in byte.",
                             true},
    [METRIC_BYTES_IN] = {"NetworkBytesReceivedPerSecond", "Network Bytes Received Per Second",
                         "Bytes", "The network bytes received per second.", false},
    [METRIC_BYTES_OUT] = {"NetworkBytesTransmittedPerSecond",
                          "Network Bytes Transmitted Per Second", "Bytes",
                          "The network bytes transmitted per second.", false},
};
static const struct {
    const char *name;
    int64_t minutes;
} grains[] = {{"PT1M", 1}, {"PT5M", 5}, {"PT15M", 15}, {"PT30M", 30}, {"PT1H", 60}};

struct query {
    int64_t from, to; /* minutes since 1970; to is excluded */
    int64_t grain;
    const char *grain_name;
    bool metrics[METRIC_COUNT];
    bool average, minimum, maximum;
    bool has_filter;
    const char *container; /* NULL: each */
};

/* Azure Monitor's own errors lack the object around them. */
static void refuse(struct arm_request *r, const char *message)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "code", "BadRequest");
    json_put_string(&w, "message", message);
    json_end_object(&w);
    arm_reply_json(r, 400, vk_buf_str(&out));
}

static const char *read_span(struct arm_request *r, struct query *q)
{
    const char *text = arm_request_query(r, "timespan");
    int64_t from, to = vk_wall_ns();
    struct vk_str end;

    from = to - DEFAULT_SPAN_NS;
    if (text) {
        struct vk_str begin = vk_str_cut(vk_str_of(text), '/', &end);

        if (!vk_time_parse(begin, &from) || !vk_time_parse(end, &to) || from >= to)
            return "The timespan is not START/END in ISO 8601.";
    }
    q->from = from / METRICS_MINUTE_NS / q->grain * q->grain;
    q->to = (to + METRICS_MINUTE_NS - 1) / METRICS_MINUTE_NS;
    if (q->from < 0 || (q->to - q->from) / q->grain > MAX_POINTS)
        return "The timespan holds too many points.";
    return NULL;
}

static const char *read_grain(struct arm_request *r, struct query *q)
{
    const char *text = arm_request_query(r, "interval");

    for (size_t i = 0; i < VK_COUNT(grains); i++) {
        if (vk_strieq(text ? text : grains[0].name, grains[i].name)) {
            q->grain = grains[i].minutes;
            q->grain_name = grains[i].name;
            return NULL;
        }
    }
    return "The interval is none of PT1M, PT5M, PT15M, PT30M, PT1H.";
}

static const char *read_names(struct arm_request *r, struct query *q)
{
    const char *text = arm_request_query(r, "metricnames");
    struct vk_str rest = vk_str_of(text ? text : definitions[0].name);

    while (rest.n) {
        struct vk_str name = vk_str_trim(vk_str_cut(rest, ',', &rest));
        size_t i = 0;

        while (i < METRIC_COUNT && !vk_str_ieq(name, vk_str_of(definitions[i].name)))
            i++;
        if (i == METRIC_COUNT)
            return vk_arena_printf(r->arena,
                                   "Failed to find metric configuration for provider: "
                                   "Microsoft.ContainerInstance, resource Type: containerGroups, "
                                   "metric: %.*s.",
                                   (int)(name.n < 100 ? name.n : 100), name.p);
        q->metrics[i] = true;
    }
    return NULL;
}

static const char *read_aggregation(struct arm_request *r, struct query *q)
{
    const char *text = arm_request_query(r, "aggregation");
    struct vk_str rest = vk_str_of(text ? text : "Average");

    while (rest.n) {
        struct vk_str name = vk_str_trim(vk_str_cut(rest, ',', &rest));

        if (vk_str_ieq(name, VK_STR("Average")))
            q->average = true;
        else if (vk_str_ieq(name, VK_STR("Minimum")))
            q->minimum = true;
        else if (vk_str_ieq(name, VK_STR("Maximum")))
            q->maximum = true;
        else
            return "The aggregation is none of Average, Minimum, Maximum.";
    }
    return NULL;
}

/* containerName eq '*', or one name. */
static const char *read_filter(struct arm_request *r, struct query *q)
{
    const char *text = arm_request_query(r, "$filter");
    struct vk_str rest, name, comparison;

    if (vk_str_empty(text))
        return NULL;
    name = vk_str_cut(vk_str_trim(vk_str_of(text)), ' ', &rest);
    comparison = vk_str_cut(vk_str_trim(rest), ' ', &rest);
    rest = vk_str_trim(rest);
    if (!vk_str_ieq(name, VK_STR("containerName")) || !vk_str_ieq(comparison, VK_STR("eq")) ||
        rest.n < 3 || rest.p[0] != '\'' || rest.p[rest.n - 1] != '\'')
        return "The filter is not containerName eq 'NAME'.";
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (q->metrics[i] && !definitions[i].per_container)
            return vk_arena_printf(r->arena,
                                   "Metric: %s does not support requested dimension "
                                   "combination: containername.",
                                   definitions[i].name);
    }
    q->has_filter = true;
    rest = (struct vk_str){.p = rest.p + 1, .n = rest.n - 2};
    if (!vk_str_is(rest, "*"))
        q->container = vk_arena_str(r->arena, rest);
    return NULL;
}

static struct metric_point merge(struct metric_point a, struct metric_point b)
{
    if (a.samples == 0 || b.samples == 0)
        return a.samples ? a : b;
    a.min = b.min < a.min ? b.min : a.min;
    a.max = b.max > a.max ? b.max : a.max;
    a.sum += b.sum;
    a.samples += b.samples;
    return a;
}

/* One grain of one container, or of all of them: then the mean over what is there. */
static struct metric_point read_point(const struct arm_request *r, const struct group *g,
                                      const char *container, enum metric metric, int64_t from,
                                      int64_t grain)
{
    const struct metrics *m = r->emulator->metrics;
    const bool is_sum = definitions[metric].per_container && !container;
    struct metric_point all = {.minute = from};

    for (int64_t minute = from; minute < from + grain; minute++) {
        if (!is_sum) {
            all = merge(all, metrics_point(m, g, container, metric, minute));
            continue;
        }
        for (size_t i = 0; i < g->container_count; i++)
            all = merge(all, metrics_point(m, g, g->containers[i].name, metric, minute));
    }
    return all;
}

static void put_number(struct json_writer *w, const char *key, double value)
{
    json_put_fixed(w, key, (int64_t)(value * 1000 + 0.5), 3);
}

static void write_series(struct arm_request *r, const struct query *q, const struct group *g,
                         const char *container, enum metric metric, struct json_writer *w)
{
    const int64_t known = (vk_wall_ns() / 1000000 - r->emulator->options->metrics_delay_ms) / 60000;

    json_begin_object(w, NULL);
    json_begin_array(w, "metadatavalues");
    if (container) {
        json_begin_object(w, NULL);
        json_begin_object(w, "name");
        json_put_string(w, "value", "containername");
        json_put_string(w, "localizedValue", "containername");
        json_end_object(w);
        json_put_string(w, "value", container);
        json_end_object(w);
    }
    json_end_array(w);
    json_begin_array(w, "data");
    for (int64_t at = q->from; at < q->to; at += q->grain) {
        struct metric_point p = read_point(r, g, container, metric, at, q->grain);
        const bool is_known = p.samples > 0 && at + q->grain <= known;

        json_begin_object(w, NULL);
        json_put_time_s(w, "timeStamp", at * METRICS_MINUTE_NS);
        if (is_known && q->average)
            put_number(w, "average", p.sum / (double)p.samples);
        if (is_known && q->minimum)
            put_number(w, "minimum", p.min);
        if (is_known && q->maximum)
            put_number(w, "maximum", p.max);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_name(const struct definition *d, struct json_writer *w)
{
    json_begin_object(w, "name");
    json_put_string(w, "value", d->name);
    json_put_string(w, "localizedValue", d->shown);
    json_end_object(w);
}

static void write_metric(struct arm_request *r, const struct query *q, const struct group *g,
                         enum metric metric, struct json_writer *w)
{
    const struct definition *d = &definitions[metric];

    json_begin_object(w, NULL);
    json_put_string(
        w, "id",
        vk_arena_printf(r->arena, "%s/providers/Microsoft.Insights/metrics/%s", g->id, d->name));
    json_put_string(w, "type", "Microsoft.Insights/metrics");
    write_name(d, w);
    json_put_string(w, "displayDescription", d->description);
    json_put_string(w, "unit", d->unit);
    json_begin_array(w, "timeseries");
    for (size_t i = 0; q->has_filter && i < g->container_count; i++) {
        if (!q->container || vk_strieq(q->container, g->containers[i].name))
            write_series(r, q, g, g->containers[i].name, metric, w);
    }
    if (!q->has_filter)
        write_series(r, q, g, NULL, metric, w);
    json_end_array(w);
    json_put_string(w, "errorCode", "Success");
    json_end_object(w);
}

void monitor_metrics(struct arm_request *r)
{
    const struct group *g = arm_groups_find(r);
    struct query q = {0};
    struct json_writer w;
    struct vk_buf out VK_BUF_AUTO;
    char from[VK_TIME_MAX], to[VK_TIME_MAX];
    const char *wrong;

    vk_buf_init(&out, MAX_ANSWER);
    if (!g)
        return;
    if ((wrong = read_grain(r, &q)) || (wrong = read_span(r, &q)) || (wrong = read_names(r, &q)) ||
        (wrong = read_aggregation(r, &q)) || (wrong = read_filter(r, &q))) {
        refuse(r, wrong);
        return;
    }
    vk_time_format_s(q.from * 60000, from);
    vk_time_format_s(q.to * 60000, to);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_int(&w, "cost", 0);
    json_put_string(&w, "timespan", vk_arena_printf(r->arena, "%s/%s", from, to));
    json_put_string(&w, "interval", q.grain_name);
    json_put_string(&w, "namespace", NAMESPACE);
    json_put_string(&w, "resourceregion", r->emulator->options->location);
    json_begin_array(&w, "value");
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (q.metrics[i])
            write_metric(r, &q, g, (enum metric)i, &w);
    }
    json_end_array(&w);
    json_end_object(&w);
    arm_reply_json(r, 200, vk_buf_str(&out));
}

static void write_definition(struct arm_request *r, const struct group *g, enum metric metric,
                             struct json_writer *w)
{
    const struct definition *d = &definitions[metric];

    json_begin_object(w, NULL);
    json_put_string(w, "id",
                    vk_arena_printf(r->arena,
                                    "%s/providers/microsoft.insights/metricdefinitions/%s", g->id,
                                    d->name));
    json_put_string(w, "resourceId", g->id);
    json_put_string(w, "namespace", NAMESPACE);
    write_name(d, w);
    json_put_string(w, "displayDescription", d->description);
    json_put_bool(w, "isDimensionRequired", false);
    json_put_string(w, "unit", d->unit);
    json_put_string(w, "primaryAggregationType", "Average");
    json_begin_array(w, "metricAvailabilities");
    for (size_t i = 0; i < VK_COUNT(grains); i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "timeGrain", grains[i].name);
        json_put_string(w, "retention", "P93D");
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void monitor_definitions(struct arm_request *r)
{
    const struct group *g = arm_groups_find(r);
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, MAX_ANSWER);
    if (!g)
        return;
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "value");
    for (int i = 0; i < METRIC_COUNT; i++)
        write_definition(r, g, (enum metric)i, &w);
    json_end_array(&w);
    json_end_object(&w);
    arm_reply_json(r, 200, vk_buf_str(&out));
}
