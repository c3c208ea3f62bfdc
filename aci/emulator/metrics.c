/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"

#define SAMPLE_MS 5000
#define KEPT_MINUTES 64

/* Points in the order of their minutes; most groups live for a few. */
struct line {
    struct metric_point *points; /* owned */
    size_t count;
};
struct series {
    int64_t last_wall_ns;
    struct engine_usage last;
    struct line lines[METRIC_COUNT];
};

struct metrics {
    const struct groups *groups;
    struct engine *engine;
    struct vk_map *series; /* "group uid/container" */
    struct vk_timer timer;
};

static void on_timer(void *user)
{
    struct metrics *m = user;

    metrics_sample(m);
    vk_timer_arm(&m->timer, SAMPLE_MS);
}

struct metrics *metrics_new(struct vk_loop *loop, const struct groups *groups,
                            struct engine *engine)
{
    struct metrics *m = vk_calloc(1, sizeof(*m));

    m->groups = groups;
    m->engine = engine;
    m->series = vk_map_new();
    vk_timer_init(&m->timer, loop, "metrics", on_timer, m);
    vk_timer_arm(&m->timer, SAMPLE_MS);
    return m;
}

static void series_free(void *p)
{
    struct series *s = p;

    for (size_t i = 0; s && i < METRIC_COUNT; i++)
        vk_free(s->lines[i].points);
    vk_free(s);
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    vk_timer_disarm(&m->timer);
    vk_map_free(m->series, series_free);
    vk_free(m);
}

/* A container of any name fits: names have at most 63 characters. */
static void key_of(const struct group *g, const char *container, char out[96])
{
    (void)snprintf(out, 96, "%" PRIu64 "/%.63s", g->uid, container ? container : "");
}

static void add(struct series *s, enum metric metric, int64_t minute, double value)
{
    struct line *line = &s->lines[metric];
    struct metric_point *p = line->count ? &line->points[line->count - 1] : NULL;

    if (!p || p->minute != minute) {
        if (line->count == KEPT_MINUTES)
            memmove(line->points, line->points + 1, --line->count * sizeof(*p));
        line->points = vk_realloc(line->points, (line->count + 1) * sizeof(*p));
        p = &line->points[line->count++];
        *p = (struct metric_point){.minute = minute, .min = value, .max = value};
    }
    p->samples++;
    p->sum += value;
    p->min = value < p->min ? value : p->min;
    p->max = value > p->max ? value : p->max;
}

/* A counter that went back began anew. */
static double rate(int64_t now, int64_t before, double seconds)
{
    return (double)(now < before ? now : now - before) / seconds;
}

static void note(struct metrics *m, const struct group *g, const char *container,
                 const struct engine_usage *usage)
{
    const int64_t now = vk_wall_ns(), minute = now / METRICS_MINUTE_NS;
    char key[96];
    struct series *s;

    key_of(g, container, key);
    s = vk_map_get(m->series, key);
    if (!s) {
        s = vk_calloc(1, sizeof(*s));
        (void)vk_map_put(m->series, key, s);
    }
    if (s->last_wall_ns > 0 && now > s->last_wall_ns) {
        const double seconds = (double)(now - s->last_wall_ns) / 1e9;

        if (container) {
            add(s, METRIC_CPU_USAGE, minute, rate(usage->cpu_ns, s->last.cpu_ns, seconds) / 1e6);
            add(s, METRIC_MEMORY_USAGE, minute, (double)usage->working_set_bytes);
        } else {
            add(s, METRIC_BYTES_IN, minute, rate(usage->rx_bytes, s->last.rx_bytes, seconds));
            add(s, METRIC_BYTES_OUT, minute, rate(usage->tx_bytes, s->last.tx_bytes, seconds));
        }
    }
    s->last = *usage;
    s->last_wall_ns = now;
}

static void drop_old(struct metrics *m)
{
    const int64_t oldest = vk_wall_ns() - KEPT_MINUTES * METRICS_MINUTE_NS;
    const char *key;
    void *value;

    for (size_t it = 0; vk_map_next(m->series, &it, &key, &value);) {
        if (((const struct series *)value)->last_wall_ns < oldest)
            series_free(vk_map_remove(m->series, key));
    }
}

void metrics_sample(struct metrics *m)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct engine_ops *ops = m->engine->ops;
    struct group **list;
    size_t count = groups_list(m->groups, NULL, arena, &list);
    struct engine_usage usage;

    for (size_t i = 0; i < count; i++) {
        const struct group *g = list[i];

        if (!g->sandbox)
            continue;
        if (ops->sandbox_usage && ops->sandbox_usage(m->engine, g->sandbox, &usage))
            note(m, g, NULL, &usage);
        for (size_t c = 0; c < g->container_count; c++) {
            if (g->containers[c].phase == CONTAINER_UP &&
                ops->container_usage(m->engine, g->sandbox, g->containers[c].name, &usage))
                note(m, g, g->containers[c].name, &usage);
        }
    }
    drop_old(m);
}

struct metric_point metrics_point(const struct metrics *m, const struct group *g,
                                  const char *container, enum metric metric, int64_t minute)
{
    char key[96];
    const struct series *s;

    key_of(g, container, key);
    s = vk_map_get(m->series, key);
    for (size_t i = 0; s && i < s->lines[metric].count; i++) {
        if (s->lines[metric].points[i].minute == minute)
            return s->lines[metric].points[i];
    }
    return (struct metric_point){.minute = minute};
}
