/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/monitor.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/url.h"

#define API_VERSION "2018-01-01"
#define DEADLINE_MS 30000
#define MAX_BYTES (4u << 20)
#define MAX_SERIES 64
#define MAX_POINTS 1440
#define CPU "CpuUsage"
#define MEMORY "MemoryUsage"

struct monitor {
    struct arm_client *arm;
    char *base; /* up to the group's name */
};

struct monitor_call {
    struct arm_call *arm;
    monitor_fn done;
    void *user;
};

/* The container that a time series is of; NULL: none. */
static const char *series_container(const struct json *series)
{
    const struct json *values = json_get(series, "metadatavalues");

    for (const struct json *it = json_first(values); it; it = json_next(it)) {
        if (vk_strieq(json_string_or(json_get(it, "name"), "value", ""), "containername"))
            return json_string(json_get(it, "value"));
    }
    return NULL;
}

static struct monitor_series *find_series(struct monitor_answer *answer, const char *container,
                                          struct vk_arena *arena)
{
    for (size_t i = 0; i < answer->count; i++) {
        if (vk_streq(answer->series[i].container, container))
            return &answer->series[i];
    }
    if (answer->count == MAX_SERIES)
        return NULL;
    struct monitor_series *s = &answer->series[answer->count++];
    s->container = vk_arena_strdup(arena, container);
    s->points = vk_arena_array(arena, MAX_POINTS, sizeof(*s->points));
    return s;
}

/* The point of a minute, in its place in time; NULL when there are too many. */
static struct monitor_point *find_point(struct monitor_series *s, int64_t begin_wall_ns)
{
    size_t i = s->count;

    while (i > 0 && s->points[i - 1].begin_wall_ns > begin_wall_ns)
        i--;
    if (i > 0 && s->points[i - 1].begin_wall_ns == begin_wall_ns)
        return &s->points[i - 1];
    if (s->count == MAX_POINTS)
        return NULL;
    memmove(&s->points[i + 1], &s->points[i], (s->count - i) * sizeof(*s->points));
    s->count++;
    s->points[i] = (struct monitor_point){.begin_wall_ns = begin_wall_ns};
    return &s->points[i];
}

static void read_points(const struct json *series, bool is_cpu, struct monitor_series *to)
{
    for (const struct json *it = json_first(json_get(series, "data")); it; it = json_next(it)) {
        const char *stamp = json_string(json_get(it, "timeStamp"));
        struct monitor_point *p;
        int64_t begin;
        double value;

        if (!json_double(json_get(it, "average"), &value) || value < 0 ||
            !vk_time_parse(vk_str_of(stamp), &begin) || !(p = find_point(to, begin)))
            continue;
        if (is_cpu) {
            p->has_cpu = true;
            p->cpu_milli = value;
        } else {
            p->has_memory = true;
            p->memory_bytes = value;
        }
    }
}

static int read_metric(const struct json *metric, struct vk_arena *arena,
                       struct monitor_answer *answer, struct vk_err *err)
{
    const char *name = json_string_or(json_get(metric, "name"), "value", "");
    const char *code = json_string_or(metric, "errorCode", "Success");
    const bool is_cpu = vk_strieq(name, CPU);

    if (!vk_strieq(code, "Success"))
        return vk_err_set(err, VK_UNAVAILABLE, "Azure Monitor has no %.60s: %.200s", name,
                          json_string_or(metric, "errorMessage", code));
    if (!is_cpu && !vk_strieq(name, MEMORY))
        return 0;
    const struct json *list = json_get(metric, "timeseries");
    for (const struct json *it = json_first(list); it; it = json_next(it)) {
        const char *container = series_container(it);
        struct monitor_series *to = container ? find_series(answer, container, arena) : NULL;

        if (to)
            read_points(it, is_cpu, to);
    }
    return 0;
}

int monitor_parse(struct vk_str text, struct vk_arena *arena, struct monitor_answer *ret,
                  struct vk_err *err)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    struct monitor_answer answer = {0};
    const struct json *root;

    if (json_parse(text, MAX_BYTES, scratch, &root, err) < 0) {
        err->code = VK_PROTOCOL;
        return vk_err_wrap(err, "Azure Monitor's answer");
    }
    if (json_type_of(json_get(root, "value")) != JSON_ARRAY)
        return vk_err_set(err, VK_PROTOCOL, "Azure Monitor's answer has no list of metrics");
    answer.series = vk_arena_array(arena, MAX_SERIES, sizeof(*answer.series));
    for (const struct json *it = json_first(json_get(root, "value")); it; it = json_next(it)) {
        if (read_metric(it, arena, &answer, err) < 0)
            return -(int)err->code;
    }
    *ret = answer;
    return 0;
}

struct monitor *monitor_new(struct arm_client *arm, const char *subscription,
                            const char *resource_group)
{
    struct monitor *m = vk_calloc(1, sizeof(*m));
    struct vk_buf base;

    m->arm = arm;
    vk_buf_init(&base, ARM_MAX_URL_BYTES);
    vk_buf_adds(&base, "/subscriptions/");
    url_encode(&base, vk_str_of(subscription));
    vk_buf_adds(&base, "/resourceGroups/");
    url_encode(&base, vk_str_of(resource_group));
    vk_buf_adds(&base, "/providers/Microsoft.ContainerInstance/containerGroups/");
    m->base = vk_buf_take(&base);
    return m;
}

void monitor_free(struct monitor *m)
{
    if (!m)
        return;
    vk_free(m->base);
    vk_free(m);
}

static void on_done(void *user, const struct arm_response *response, const struct vk_err *err)
{
    struct monitor_call *call = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const monitor_fn done = call->done;
    void *to = call->user;
    struct monitor_answer answer;
    struct vk_err bad;

    vk_free(call);
    if (err)
        done(to, NULL, err);
    else if (monitor_parse(response->body, arena, &answer, &bad) < 0)
        done(to, NULL, &bad);
    else
        done(to, &answer, NULL);
}

static void add_span(struct vk_buf *path, int64_t from_wall_ns, int64_t to_wall_ns)
{
    char from[VK_TIME_MAX], to[VK_TIME_MAX], span[2 * VK_TIME_MAX];

    vk_time_format_s(from_wall_ns / 1000000, from);
    vk_time_format_s(to_wall_ns / 1000000, to);
    (void)snprintf(span, sizeof(span), "%s/%s", from, to);
    url_query_add(path, "timespan", span);
}

struct monitor_call *monitor_get(struct monitor *m, const char *group, int64_t from_wall_ns,
                                 int64_t to_wall_ns, monitor_fn done, void *user)
{
    struct monitor_call *call = vk_calloc(1, sizeof(*call));
    struct vk_buf path VK_BUF_AUTO;

    call->done = done;
    call->user = user;
    vk_buf_init(&path, ARM_MAX_URL_BYTES);
    vk_buf_adds(&path, m->base);
    url_encode(&path, vk_str_of(group));
    vk_buf_adds(&path, "/providers/Microsoft.Insights/metrics");
    add_span(&path, from_wall_ns, to_wall_ns);
    url_query_add(&path, "interval", "PT1M");
    url_query_add(&path, "metricnames", CPU "," MEMORY);
    url_query_add(&path, "aggregation", "Average");
    url_query_add(&path, "$filter", "containerName eq '*'");
    /* The default is 10 containers; a group has 60 at most. */
    url_query_add(&path, "top", "64");
    call->arm = arm_call_start(m->arm, &(struct arm_request){
                                           .method = "GET",
                                           .operation = "metrics",
                                           .target = vk_buf_peek(&path),
                                           .api_version = API_VERSION,
                                           .deadline_ms = DEADLINE_MS,
                                           .priority = THROTTLE_TRACK,
                                           .max_body = MAX_BYTES,
                                           .idempotent = true,
                                           .on_done = on_done,
                                           .user = call,
                                       });
    return call;
}

void monitor_call_cancel(struct monitor_call *call)
{
    if (!call)
        return;
    arm_call_cancel(call->arm);
    vk_free(call);
}
