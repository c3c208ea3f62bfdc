/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/stats.h"

#include "aci/monitor_realtime.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "provider/stats_counter.h"

#define TICK_MS 500
#define REALTIME_MS 10000
/* Of many pods each has its turn more seldom: 50 a second. */
#define REALTIME_STEP_MS 20
#define REALTIME_DEADLINE_MS 3000
#define REALTIME_IN_FLIGHT 32
/* After so many failures in a row Azure Monitor is asked; the extension again after a while. */
#define REALTIME_TRIES 3
#define REALTIME_AGAIN_MS 300000
#define MONITOR_MS 60000
#define MONITOR_IN_FLIGHT 2
#define MONITOR_LOOK_BACK_NS (10 * MONITOR_MINUTE_NS)
/* Percent of ARM's reads that Azure Monitor leaves to everybody else. */
#define MONITOR_RESERVE 40
/* Nobody asks: nothing is gathered. metrics-server asks each 15 s, Prometheus each minute. */
#define DEMAND_MS 150000

struct container_figures {
    char *name;
    struct stats_counter counter;
};

struct pod_figures {
    struct stats *stats;
    char *uid;
    struct stats_counter counter;         /* of the pod as a whole */
    int64_t began_wall_ns;                /* the first of its containers, when it was first seen */
    struct network_stats network;         /* the name is owned */
    struct container_figures *containers; /* owned */
    size_t count;
    /* where they come from */
    unsigned failures; /* of the extension in a row */
    int64_t realtime_due_mono_ms, monitor_due_mono_ms;
    struct http_host *host;
    struct http_call *realtime;
    struct monitor_call *monitor;
};

struct stats {
    struct stats_config config;
    struct vk_map *pods; /* uid -> struct pod_figures */
    struct vk_timer tick;
    int64_t began_wall_ns, asked_mono_ms; /* 0: never */
    size_t realtime_in_flight, monitor_in_flight, running;
    struct usage_stats node; /* memory is summed up when it is asked for */
};

static void end_calls(struct pod_figures *f)
{
    if (f->realtime)
        f->stats->realtime_in_flight--;
    if (f->monitor)
        f->stats->monitor_in_flight--;
    http_call_cancel(vk_take(f->realtime));
    http_host_free(vk_take(f->host));
    monitor_call_cancel(vk_take(f->monitor));
}

static void figures_free(struct pod_figures *f)
{
    end_calls(f);
    for (size_t i = 0; i < f->count; i++)
        vk_free(f->containers[i].name);
    vk_free(f->containers);
    vk_free((void *)(uintptr_t)f->network.interface);
    vk_free(f->uid);
    vk_free(f);
}

/* --- what figures mean --- */

/* Since when a container of that name runs; 0: it does not, or is not the pod's. */
static int64_t running_since(const struct tracked_pod *pod, const char *container)
{
    const struct container_status *c = pod_status_container(&pod->status, container);

    if (!c || c->state.kind != CONTAINER_RUNNING)
        return 0;
    return c->state.started_at_ns > 0 ? c->state.started_at_ns : 1;
}

/* A container that is started again later does not begin the pod anew. */
static int64_t pod_began(struct pod_figures *f, const struct tracked_pod *pod)
{
    const struct container_status *list = pod->status.container_statuses.v;
    int64_t first = 0;

    for (size_t i = 0; f->began_wall_ns == 0 && i < pod->status.container_statuses.n; i++) {
        const int64_t since = running_since(pod, list[i].name);

        if (since > 0 && (first == 0 || since < first))
            first = since;
    }
    if (f->began_wall_ns == 0)
        f->began_wall_ns = first;
    return f->began_wall_ns;
}

static struct stats_counter *find_counter(struct pod_figures *f, const char *container)
{
    for (size_t i = 0; i < f->count; i++) {
        if (vk_streq(f->containers[i].name, container))
            return &f->containers[i].counter;
    }
    f->containers = vk_realloc(f->containers, (f->count + 1) * sizeof(*f->containers));
    struct container_figures *c = &f->containers[f->count++];
    *c = (struct container_figures){.name = vk_strdup(container)};
    return &c->counter;
}

static void add_to_node(struct stats *s, uint64_t used_ns, int64_t sampled_wall_ns)
{
    s->node.cpu_ns += used_ns;
    if (sampled_wall_ns > s->node.sampled_wall_ns)
        s->node.sampled_wall_ns = sampled_wall_ns;
}

static void set_memory(struct usage_stats *to, const struct realtime_usage *from)
{
    to->memory_bytes = (uint64_t)from->memory_bytes;
    to->working_set_bytes = (uint64_t)from->working_set_bytes;
    to->rss_bytes = (uint64_t)from->rss_bytes;
}

static void take_network(struct pod_figures *f, const struct realtime_network *n)
{
    if (!n->name)
        return;
    if (!vk_streq(f->network.interface, n->name)) {
        vk_free((void *)(uintptr_t)f->network.interface);
        f->network.interface = vk_strdup(n->name);
    }
    f->network.rx_bytes = (uint64_t)n->rx_bytes;
    f->network.rx_errors = (uint64_t)n->rx_errors;
    f->network.tx_bytes = (uint64_t)n->tx_bytes;
    f->network.tx_errors = (uint64_t)n->tx_errors;
}

static void take_realtime(struct pod_figures *f, const struct tracked_pod *pod,
                          const struct realtime_figures *r)
{
    struct stats *s = f->stats;
    const int64_t at = r->sampled_wall_ns;
    const bool is_first = f->counter.usage.sampled_wall_ns == 0;
    const int64_t began = pod_began(f, pod);

    if (at <= f->counter.usage.sampled_wall_ns)
        return;
    const uint64_t used = stats_counter_total(&f->counter, (uint64_t)r->usage.cpu_ns, at, began);
    set_memory(&f->counter.usage, &r->usage);
    take_network(f, &r->network);
    /* What a pod used before this process began is not news of the node. */
    add_to_node(s, is_first && began < s->began_wall_ns ? 0 : used, at);
    for (size_t i = 0; i < r->count; i++) {
        const struct realtime_container *c = &r->containers[i];
        const int64_t since = running_since(pod, c->name);

        if (since == 0)
            continue;
        struct stats_counter *counter = find_counter(f, c->name);
        (void)stats_counter_total(counter, (uint64_t)c->usage.cpu_ns, at, since);
        set_memory(&counter->usage, &c->usage);
    }
}

static void take_series(struct pod_figures *f, const struct tracked_pod *pod,
                        const struct monitor_series *series)
{
    const struct container_status *list = pod->status.container_statuses.v;

    for (size_t i = 0; i < pod->status.container_statuses.n; i++) {
        const int64_t since = running_since(pod, list[i].name);
        struct stats_counter *counter;

        if (since == 0 || !vk_strieq(list[i].name, series->container))
            continue;
        counter = find_counter(f, list[i].name);
        for (size_t k = 0; k < series->count; k++) {
            const struct monitor_point *p = &series->points[k];
            const int64_t end = p->begin_wall_ns + MONITOR_MINUTE_NS;

            if (p->has_memory && end > counter->usage.sampled_wall_ns)
                counter->usage.memory_bytes = counter->usage.working_set_bytes =
                    (uint64_t)p->memory_bytes;
            if (!p->has_cpu)
                continue;
            const uint64_t used =
                stats_counter_mean(counter, p->cpu_milli, p->begin_wall_ns, end, since);
            f->counter.usage.cpu_ns += used;
            add_to_node(f->stats, used, used > 0 ? end : 0);
        }
    }
}

/* The pod as the sum of its containers. */
static void sum_up(struct pod_figures *f, const struct tracked_pod *pod)
{
    struct usage_stats *u = &f->counter.usage;

    u->memory_bytes = u->working_set_bytes = u->rss_bytes = u->cpu_nano_cores = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct usage_stats *c = &f->containers[i].counter.usage;

        if (running_since(pod, f->containers[i].name) == 0)
            continue;
        u->memory_bytes += c->memory_bytes;
        u->working_set_bytes += c->working_set_bytes;
        u->cpu_nano_cores += c->cpu_nano_cores;
        if (c->sampled_wall_ns > u->sampled_wall_ns)
            u->sampled_wall_ns = c->sampled_wall_ns;
        if (u->start_wall_ns == 0 || (c->start_wall_ns > 0 && c->start_wall_ns < u->start_wall_ns))
            u->start_wall_ns = c->start_wall_ns;
    }
    f->counter.is_of_means = true;
}

/* --- the two sources --- */

static void on_realtime(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct pod_figures *f = user;
    struct stats *s = f->stats;
    const struct tracked_pod *pod = tracker_find(s->config.tracker, f->uid);
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct realtime_figures figures;
    struct vk_err bad;

    f->realtime = NULL;
    s->realtime_in_flight--;
    http_host_free(vk_take(f->host));
    if (!err && response->status != 200) {
        vk_err_set(&bad, VK_UNAVAILABLE, "HTTP status %d", response->status);
        err = &bad;
    }
    if (!err && monitor_realtime_parse(response->body, arena, &figures, &bad) < 0)
        err = &bad;
    if (!err && pod)
        take_realtime(f, pod, &figures);
    if (!err) {
        f->failures = 0;
        return;
    }
    if (++f->failures == 1)
        tracker_hint(s->config.tracker, f->uid);
    if (f->failures >= REALTIME_TRIES)
        f->realtime_due_mono_ms = vk_mono_ms() + REALTIME_AGAIN_MS;
    log_v(2, "No realtime metrics of a container group", LS("podUID", f->uid), LERR(err),
          LI("failures", f->failures));
}

static void ask_realtime(struct stats *s, struct pod_figures *f, const char *ip, int64_t now)
{
    const int port = s->config.realtime_port ? s->config.realtime_port : MONITOR_REALTIME_PORT;
    const bool is_v6 = strchr(ip, ':') != NULL;
    char *url VK_AUTOFREE = vk_asprintf(is_v6 ? "http://[%s]:%d" : "http://%s:%d", ip, port);
    static const struct http_header close_after = {"Connection", "close"};
    const int64_t spread = (int64_t)s->running * REALTIME_STEP_MS;

    f->realtime_due_mono_ms = now + (spread > REALTIME_MS ? spread : REALTIME_MS);
    f->host = http_host_new(s->config.http,
                            &(struct http_host_config){.base_url = url,
                                                       .no_proxy = true,
                                                       .connect_timeout_ms = REALTIME_DEADLINE_MS});
    f->realtime = http_call_start(f->host, &(struct http_request){
                                               .method = "GET",
                                               .path = MONITOR_REALTIME_PATH,
                                               .headers = &close_after,
                                               .header_count = 1,
                                               .deadline_ms = REALTIME_DEADLINE_MS,
                                               .max_body = MONITOR_REALTIME_MAX_BYTES,
                                               .on_done = on_realtime,
                                               .user = f,
                                           });
    s->realtime_in_flight++;
}

static void on_monitor(void *user, const struct monitor_answer *answer, const struct vk_err *err)
{
    struct pod_figures *f = user;
    struct stats *s = f->stats;
    const struct tracked_pod *pod = tracker_find(s->config.tracker, f->uid);

    f->monitor = NULL;
    s->monitor_in_flight--;
    if (err) {
        log_v(2, "No figures of Azure Monitor", LS("podUID", f->uid), LERR(err));
        return;
    }
    if (!pod)
        return;
    for (size_t i = 0; i < answer->count; i++)
        take_series(f, pod, &answer->series[i]);
    sum_up(f, pod);
}

static void ask_monitor(struct stats *s, struct pod_figures *f, const struct tracked_pod *pod,
                        int64_t now)
{
    const int64_t wall = vk_wall_ns();
    int64_t from = f->counter.usage.sampled_wall_ns;

    if (from < wall - MONITOR_LOOK_BACK_NS)
        from = wall - MONITOR_LOOK_BACK_NS;
    f->monitor_due_mono_ms = now + MONITOR_MS;
    f->monitor = monitor_get(s->config.monitor, pod->group,
                             from / MONITOR_MINUTE_NS * MONITOR_MINUTE_NS, wall, on_monitor, f);
    s->monitor_in_flight++;
}

static bool may_ask_monitor(const struct stats *s)
{
    struct throttle_state state;

    if (s->monitor_in_flight >= MONITOR_IN_FLIGHT ||
        arm_client_away_since_mono_ms(s->config.arm) != 0)
        return false;
    arm_client_describe(s->config.arm, &state);
    const int64_t size = state.size[THROTTLE_READS];
    return size <= 0 || state.left[THROTTLE_READS] * 100 / size >= MONITOR_RESERVE;
}

/* --- whose turn it is --- */

static bool is_running(const struct tracked_pod *pod)
{
    return pod->exists && pod->was_reported && vk_streq(pod->status.phase, "Running");
}

static void visit(void *user, struct tracked_pod *pod)
{
    struct stats *s = user;
    struct pod_figures *f = vk_map_get(s->pods, pod->uid);
    const int64_t now = vk_mono_ms();

    if (!is_running(pod))
        return;
    if (!f) {
        f = vk_calloc(1, sizeof(*f));
        f->stats = s;
        f->uid = vk_strdup(pod->uid);
        (void)vk_map_put(s->pods, f->uid, f);
    }
    s->running++;
    if (s->config.realtime && pod->status.pod_ip && !f->realtime &&
        now >= f->realtime_due_mono_ms && s->realtime_in_flight < REALTIME_IN_FLIGHT)
        ask_realtime(s, f, pod->status.pod_ip, now);
    const bool is_monitors =
        !s->config.realtime || !pod->status.pod_ip || f->failures >= REALTIME_TRIES;
    if (is_monitors && !f->monitor && now >= f->monitor_due_mono_ms && may_ask_monitor(s))
        ask_monitor(s, f, pod, now);
}

static void forget_gone(struct stats *s)
{
    const char *uid;
    void *value;

    for (size_t it = 0; vk_map_next(s->pods, &it, &uid, &value);) {
        const struct tracked_pod *pod = tracker_find(s->config.tracker, uid);

        if (pod && is_running(pod))
            continue;
        (void)vk_map_remove(s->pods, uid);
        figures_free(value);
    }
}

static void gather(struct stats *s)
{
    forget_gone(s);
    s->running = 0;
    tracker_foreach(s->config.tracker, visit, s);
}

static void on_tick(void *user)
{
    struct stats *s = user;

    if (vk_mono_ms() - s->asked_mono_ms > DEMAND_MS)
        return;
    gather(s);
    vk_timer_arm(&s->tick, TICK_MS);
}

/* --- whoever asks --- */

static void fill_pod(const struct pod_figures *f, const struct tracked_pod *pod,
                     struct vk_arena *arena, struct pod_stats *ret)
{
    *ret = (struct pod_stats){.id = tracked_pod_identity(pod)};
    ret->id.namespace_ = vk_arena_strdup(arena, pod->namespace_);
    ret->id.name = vk_arena_strdup(arena, pod->name);
    ret->id.uid = vk_arena_strdup(arena, pod->uid);
    if (!f)
        return;
    ret->usage = f->counter.usage;
    ret->network = f->network;
    if (f->network.interface)
        ret->network.interface = vk_arena_strdup(arena, f->network.interface);
    ret->containers = vk_arena_array(arena, f->count, sizeof(*ret->containers));
    for (size_t i = 0; i < f->count; i++) {
        if (f->containers[i].counter.usage.sampled_wall_ns == 0 ||
            running_since(pod, f->containers[i].name) == 0)
            continue;
        ret->containers[ret->container_count++] = (struct container_stats){
            .name = vk_arena_strdup(arena, f->containers[i].name),
            .usage = f->containers[i].counter.usage,
        };
    }
}

struct answer {
    const struct stats *stats;
    struct vk_arena *arena;
    struct provider_stats *ret;
};

static void count_running(void *user, struct tracked_pod *pod)
{
    size_t *n = user;

    *n += is_running(pod);
}

static void add_pod(void *user, struct tracked_pod *pod)
{
    const struct answer *a = user;
    const struct pod_figures *f = vk_map_get(a->stats->pods, pod->uid);
    struct pod_stats *to = &a->ret->pods[a->ret->pod_count];

    if (!is_running(pod))
        return;
    fill_pod(f, pod, a->arena, to);
    a->ret->pod_count++;
    a->ret->without_figures += to->container_count == 0;
    a->ret->node.memory_bytes += to->usage.memory_bytes;
    a->ret->node.working_set_bytes += to->usage.working_set_bytes;
    a->ret->node.rss_bytes += to->usage.rss_bytes;
    a->ret->node.cpu_nano_cores += to->usage.cpu_nano_cores;
}

void stats_get(struct stats *s, struct vk_arena *arena, struct provider_stats *ret)
{
    struct answer a = {.stats = s, .arena = arena, .ret = ret};
    size_t running = 0;

    s->asked_mono_ms = vk_mono_ms();
    if (!vk_timer_is_armed(&s->tick))
        vk_timer_arm(&s->tick, 0);
    tracker_foreach(s->config.tracker, count_running, &running);
    *ret = (struct provider_stats){.node = s->node};
    ret->pods = vk_arena_array(arena, running, sizeof(*ret->pods));
    tracker_foreach(s->config.tracker, add_pod, &a);
}

struct stats *stats_new(struct vk_loop *loop, const struct stats_config *config)
{
    struct stats *s = vk_calloc(1, sizeof(*s));

    s->config = *config;
    s->pods = vk_map_new();
    s->began_wall_ns = vk_wall_ns();
    s->node.start_wall_ns = s->began_wall_ns;
    vk_timer_init(&s->tick, loop, "stats", on_tick, s);
    return s;
}

void stats_stop(struct stats *s)
{
    const char *uid;
    void *value;

    vk_timer_disarm(&s->tick);
    for (size_t it = 0; vk_map_next(s->pods, &it, &uid, &value);)
        end_calls(value);
}

static void free_figures(void *p)
{
    figures_free(p);
}

void stats_free(struct stats *s)
{
    if (!s)
        return;
    stats_stop(s);
    vk_map_free(s->pods, free_figures);
    vk_free(s);
}
