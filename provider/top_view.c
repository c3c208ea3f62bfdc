/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/top_view.h"

#include <inttypes.h>
#include <math.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/prometheus_text.h"

#define BAR_COLUMNS 40

static const char *const pod_states[TOP_POD_STATES] = {
    [TOP_PENDING] = "pending",         [TOP_RESOLVING] = "resolving", [TOP_CREATING] = "creating",
    [TOP_STARTING] = "starting",       [TOP_RUNNING] = "running",     [TOP_FINISHED] = "finished",
    [TOP_TERMINATING] = "terminating",
};
static const char *const buckets[TOP_BUCKETS] = {"reads", "writes", "deletes"};
static const char *const phases[TOP_PHASES] = {"bound", "resolve", "put",   "provisioning",
                                               "pull",  "start",   "ready", "whole"};

/* ---- reading ---- */

struct reading {
    struct top_sample *sample;
    struct vk_arena *arena;
    bool is_ours;
};

static int index_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (vk_streq(names[i], name))
            return (int)i;
    return -1;
}

static int64_t whole(double value)
{
    return isfinite(value) && fabs(value) < 9e15 ? (int64_t)value : 0;
}

static void read_pods(struct reading *r, const struct prometheus_sample *s)
{
    const int i = index_of(pod_states, TOP_POD_STATES, prometheus_label(s, "state", r->arena));

    r->is_ours = true;
    if (i >= 0)
        r->sample->pods[i] = whole(s->value);
}

static void read_groups(struct reading *r, const struct prometheus_sample *s)
{
    r->sample->groups += whole(s->value);
}

static void read_bucket(struct reading *r, const struct prometheus_sample *s, int64_t *to)
{
    const int i = index_of(buckets, TOP_BUCKETS, prometheus_label(s, "kind", r->arena));

    if (i >= 0)
        to[i] = whole(s->value);
}

static void read_left(struct reading *r, const struct prometheus_sample *s)
{
    read_bucket(r, s, r->sample->left);
}

static void read_size(struct reading *r, const struct prometheus_sample *s)
{
    read_bucket(r, s, r->sample->size);
}

static void read_waiting(struct reading *r, const struct prometheus_sample *s)
{
    r->sample->waiting += whole(s->value);
}

static void read_longest(struct reading *r, const struct prometheus_sample *s)
{
    if (s->value > r->sample->longest_wait)
        r->sample->longest_wait = s->value;
}

static void read_throttled(struct reading *r, const struct prometheus_sample *s)
{
    r->sample->throttled += whole(s->value);
}

static void read_available(struct reading *r, const struct prometheus_sample *s)
{
    r->sample->is_arm_away = whole(s->value) == 0;
}

static void read_phase(struct reading *r, const struct prometheus_sample *s, bool is_sum)
{
    const int i = index_of(phases, TOP_PHASES - 1, prometheus_label(s, "phase", r->arena));

    if (i >= 0)
        *(is_sum ? &r->sample->phases[i].sum : &r->sample->phases[i].count) = s->value;
}

static void read_phase_sum(struct reading *r, const struct prometheus_sample *s)
{
    read_phase(r, s, true);
}

static void read_phase_count(struct reading *r, const struct prometheus_sample *s)
{
    read_phase(r, s, false);
}

static void read_start_sum(struct reading *r, const struct prometheus_sample *s)
{
    r->sample->phases[TOP_PHASES - 1].sum = s->value;
}

static void read_start_count(struct reading *r, const struct prometheus_sample *s)
{
    r->sample->phases[TOP_PHASES - 1].count = s->value;
}

static void read_quota(struct reading *r, const struct prometheus_sample *s, bool is_limit)
{
    const char *name = prometheus_label(s, "quota", r->arena);
    struct top_sample *to = r->sample;
    size_t i = 0;

    while (i < to->quota_count && !vk_streq(to->quotas[i].name, name))
        i++;
    if (i == TOP_QUOTAS)
        return;
    if (i == to->quota_count) {
        vk_strcpy_to(to->quotas[i].name, sizeof(to->quotas[i].name), name);
        to->quota_count++;
    }
    *(is_limit ? &to->quotas[i].limit : &to->quotas[i].used) = whole(s->value);
}

static void read_quota_limit(struct reading *r, const struct prometheus_sample *s)
{
    read_quota(r, s, true);
}

static void read_quota_used(struct reading *r, const struct prometheus_sample *s)
{
    read_quota(r, s, false);
}

static void read_billed(struct reading *r, const struct prometheus_sample *s)
{
    r->sample->billed_vcpu_seconds += s->value;
}

static void on_sample(void *user, const struct prometheus_sample *s)
{
    static const struct {
        const char *name;
        void (*read)(struct reading *r, const struct prometheus_sample *s);
    } metrics[] = {
        {"aci_kubelet_pods", read_pods},
        {"aci_kubelet_container_groups", read_groups},
        {"aci_kubelet_arm_tokens", read_left},
        {"aci_kubelet_arm_tokens_max", read_size},
        {"aci_kubelet_arm_waiting", read_waiting},
        {"aci_kubelet_arm_longest_wait_seconds", read_longest},
        {"aci_kubelet_arm_throttled_total", read_throttled},
        {"aci_kubelet_arm_available", read_available},
        {"aci_kubelet_pod_start_phase_seconds_sum", read_phase_sum},
        {"aci_kubelet_pod_start_phase_seconds_count", read_phase_count},
        {"kubelet_pod_start_duration_seconds_sum", read_start_sum},
        {"kubelet_pod_start_duration_seconds_count", read_start_count},
        {"aci_kubelet_quota_limit", read_quota_limit},
        {"aci_kubelet_quota_used", read_quota_used},
        {"aci_kubelet_billed_vcpu_seconds_total", read_billed},
    };

    for (size_t i = 0; i < VK_COUNT(metrics); i++)
        if (vk_streq(metrics[i].name, s->name))
            metrics[i].read(user, s);
}

int top_sample_read(struct vk_str text, int64_t wall_ms, struct top_sample *ret, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct top_sample sample = {.wall_ms = wall_ms};
    struct reading r = {.sample = &sample, .arena = arena};

    if (prometheus_parse(text, on_sample, &r, err) < 0)
        return -(int)err->code;
    if (!r.is_ours)
        return vk_err_set(err, VK_INVALID, "these are not the metrics of an aci-kubelet");
    *ret = sample;
    return 0;
}

/* ---- what is shown ---- */

/* Mean seconds of a phase of the pods that came through it since `before`; negative: none did. A
 * kubelet that began anew counts from zero. */
static double mean_since(const struct top_sample *now, const struct top_sample *before, size_t i)
{
    const struct top_phase *a = before ? &before->phases[i] : NULL, *b = &now->phases[i];
    const bool restarted = a && a->count > b->count;
    const double count = a && !restarted ? b->count - a->count : b->count;
    const double sum = a && !restarted ? b->sum - a->sum : b->sum;

    return count > 0 ? sum / count : -1;
}

static int64_t pods_on_node(const struct top_sample *s)
{
    int64_t n = 0;

    for (size_t i = 0; i < TOP_POD_STATES; i++)
        n += s->pods[i];
    return n;
}

static void put_time(int64_t wall_ms, struct vk_buf *out)
{
    char text[VK_TIME_MAX];

    vk_time_format_s(wall_ms, text);
    vk_buf_adds(out, text);
}

/* Each pod state in its share of the line: . waiting, : being made, # running, x going. */
static void put_bar(const struct top_sample *s, struct vk_buf *out)
{
    static const char marks[TOP_POD_STATES + 1] = ".::-#=x";
    const int64_t all = pods_on_node(s);
    int64_t seen = 0;
    size_t column = 0;

    vk_buf_addc(out, '[');
    for (size_t i = 0; i < TOP_POD_STATES && all > 0; i++) {
        seen += s->pods[i];
        for (; column < (size_t)(seen * BAR_COLUMNS / all); column++)
            vk_buf_addc(out, marks[i]);
    }
    for (; column < BAR_COLUMNS; column++)
        vk_buf_addc(out, ' ');
    vk_buf_addc(out, ']');
}

static void put_pods(const struct top_sample *s, struct vk_buf *out)
{
    vk_buf_printf(out, "PODS    %5" PRId64 "  ", pods_on_node(s));
    put_bar(s, out);
    vk_buf_adds(out, "\n");
    for (size_t i = 0; i < TOP_POD_STATES; i++)
        vk_buf_printf(out, "%*s", i ? 13 : 15, pod_states[i]);
    vk_buf_adds(out, "\n");
    for (size_t i = 0; i < TOP_POD_STATES; i++)
        vk_buf_printf(out, "%*" PRId64, i ? 13 : 15, s->pods[i]);
    vk_buf_adds(out, "\n");
}

static void put_arm(const struct top_sample *s, struct vk_buf *out)
{
    vk_buf_adds(out, "TOKENS  ");
    for (size_t i = 0; i < TOP_BUCKETS; i++) {
        if (s->size[i])
            vk_buf_printf(out, "%s %" PRId64 "/%" PRId64 "   ", buckets[i], s->left[i], s->size[i]);
        else
            vk_buf_printf(out, "%s no limit   ", buckets[i]);
    }
    vk_buf_printf(out, "waiting %" PRId64, s->waiting);
    if (s->waiting)
        vk_buf_printf(out, ", %.1f s", s->longest_wait);
    vk_buf_printf(out, "   throttled %" PRId64 "%s\n", s->throttled,
                  s->is_arm_away ? "   ARM IS AWAY" : "");
}

static void put_phase_row(const char *title, const struct top_sample *now,
                          const struct top_sample *before, struct vk_buf *out)
{
    vk_buf_printf(out, "%-8s", title);
    for (size_t i = 0; i < TOP_PHASES; i++) {
        const double mean = mean_since(now, before, i);

        if (mean < 0)
            vk_buf_printf(out, "%*s", i ? 13 : 7, "-");
        else
            vk_buf_printf(out, "%*.2f", i ? 13 : 7, mean);
    }
    vk_buf_adds(out, "\n");
}

static void put_phases(const struct top_sample *now, const struct top_sample *before,
                       struct vk_buf *out)
{
    vk_buf_adds(out, "SECONDS ");
    for (size_t i = 0; i < TOP_PHASES; i++)
        vk_buf_printf(out, "%*s", i ? 13 : 7, phases[i]);
    vk_buf_adds(out, "\n");
    if (before)
        put_phase_row("  lately", now, before, out);
    put_phase_row("  mean", now, NULL, out);
}

/* As `text`, but no line is longer than columns. */
static void put_cut(const struct vk_buf *text, size_t columns, struct vk_buf *out)
{
    struct vk_str rest = vk_buf_str(text);

    while (rest.n) {
        struct vk_str line = vk_str_cut(rest, '\n', &rest);

        if (columns && line.n > columns)
            line.n = columns;
        vk_buf_addstr(out, line);
        vk_buf_addc(out, '\n');
    }
}

void top_view_table(const char *node, const struct top_sample *now, const struct top_sample *before,
                    size_t columns, struct vk_buf *out)
{
    struct vk_buf text VK_BUF_AUTO;

    vk_buf_init(&text, 64 * 1024);
    vk_buf_printf(&text, "%s  ", node);
    put_time(now->wall_ms, &text);
    vk_buf_adds(&text, "\n\n");
    put_pods(now, &text);
    vk_buf_printf(&text, "GROUPS  %5" PRId64 "   billed %.0f vCPU seconds\n", now->groups,
                  now->billed_vcpu_seconds);
    for (size_t i = 0; i < now->quota_count; i++)
        vk_buf_printf(&text, "%s%s %" PRId64 "/%" PRId64 "%s", i ? "   " : "QUOTA   ",
                      now->quotas[i].name, now->quotas[i].used, now->quotas[i].limit,
                      i + 1 == now->quota_count ? "\n" : "");
    put_arm(now, &text);
    vk_buf_adds(&text, "\n");
    put_phases(now, before, &text);
    put_cut(&text, columns, out);
}

void top_view_line(const struct top_sample *now, const struct top_sample *before,
                   struct vk_buf *out)
{
    const double start = mean_since(now, before, TOP_PHASES - 1);

    put_time(now->wall_ms, out);
    for (size_t i = 0; i < TOP_POD_STATES; i++)
        vk_buf_printf(out, " %s=%" PRId64, pod_states[i], now->pods[i]);
    vk_buf_printf(out, " groups=%" PRId64, now->groups);
    for (size_t i = 0; i < TOP_BUCKETS; i++)
        if (now->size[i])
            vk_buf_printf(out, " %s=%" PRId64 "/%" PRId64, buckets[i], now->left[i], now->size[i]);
    vk_buf_printf(out, " waiting=%" PRId64 " throttled=%" PRId64, now->waiting, now->throttled);
    if (start >= 0)
        vk_buf_printf(out, " start=%.2fs", start);
    vk_buf_adds(out, now->is_arm_away ? " arm=away\n" : "\n");
}

static void put_phase_means(struct json_writer *w, const char *key, const struct top_sample *now,
                            const struct top_sample *before)
{
    json_begin_object(w, key);
    for (size_t i = 0; i < TOP_PHASES; i++) {
        const double mean = mean_since(now, before, i);

        if (mean >= 0)
            json_put_fixed(w, phases[i], (int64_t)(mean * 1000), 3);
    }
    json_end_object(w);
}

void top_view_json(const char *node, const struct top_sample *now, const struct top_sample *before,
                   struct vk_buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_time_s(&w, "time", now->wall_ms * 1000000);
    json_put_string(&w, "node", node);
    json_begin_object(&w, "pods");
    for (size_t i = 0; i < TOP_POD_STATES; i++)
        json_put_int(&w, pod_states[i], now->pods[i]);
    json_end_object(&w);
    json_put_int(&w, "groups", now->groups);
    json_begin_object(&w, "tokens");
    for (size_t i = 0; i < TOP_BUCKETS; i++) {
        json_begin_object(&w, buckets[i]);
        json_put_int(&w, "left", now->left[i]);
        json_put_int(&w, "size", now->size[i]);
        json_end_object(&w);
    }
    json_end_object(&w);
    json_put_int(&w, "waiting", now->waiting);
    json_put_int(&w, "throttled", now->throttled);
    json_put_bool(&w, "armIsAway", now->is_arm_away);
    json_begin_object(&w, "quotas");
    for (size_t i = 0; i < now->quota_count; i++) {
        json_begin_object(&w, now->quotas[i].name);
        json_put_int(&w, "used", now->quotas[i].used);
        json_put_int(&w, "limit", now->quotas[i].limit);
        json_end_object(&w);
    }
    json_end_object(&w);
    put_phase_means(&w, "secondsPerPhase", now, NULL);
    if (before)
        put_phase_means(&w, "secondsPerPhaseLately", now, before);
    json_end_object(&w);
    vk_buf_addc(out, '\n');
}
