/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prometheus.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define NS_PER_S UINT64_C(1000000000)

void prometheus_family(struct vk_buf *out, const char *name, enum prometheus_type type,
                       const char *help)
{
    static const char *const types[] = {[PROMETHEUS_COUNTER] = "counter",
                                        [PROMETHEUS_GAUGE] = "gauge",
                                        [PROMETHEUS_HISTOGRAM] = "histogram"};

    vk_buf_printf(out, "# HELP %s ", name);
    for (const char *p = help; *p; p++) {
        if (*p == '\n')
            vk_buf_adds(out, "\\n");
        else if (*p == '\\')
            vk_buf_adds(out, "\\\\");
        else
            vk_buf_addc(out, *p);
    }
    vk_buf_printf(out, "\n# TYPE %s %s\n", name, types[type]);
}

static void add_value(struct vk_buf *out, const char *value)
{
    for (const char *p = value; *p; p++) {
        if (*p == '\n')
            vk_buf_adds(out, "\\n");
        else if (*p == '\\' || *p == '"')
            vk_buf_printf(out, "\\%c", *p);
        else
            vk_buf_addc(out, *p);
    }
}

/* more: one label after the others, or NULL. */
static void begin(struct vk_buf *out, const char *name, const char *suffix,
                  const struct prometheus_labels *labels, const struct prometheus_label *more)
{
    bool is_first = true;

    vk_buf_adds(out, name);
    vk_buf_adds(out, suffix);
    for (size_t i = 0; i <= PROMETHEUS_MAX_LABELS; i++) {
        const bool is_own = labels && i < PROMETHEUS_MAX_LABELS && labels->v[i].name;
        const struct prometheus_label *l = is_own                       ? &labels->v[i]
                                           : i == PROMETHEUS_MAX_LABELS ? more
                                                                        : NULL;

        if (!l || !l->value)
            continue;
        vk_buf_printf(out, "%c%s=\"", is_first ? '{' : ',', l->name);
        add_value(out, l->value);
        vk_buf_addc(out, '"');
        is_first = false;
    }
    vk_buf_adds(out, is_first ? " " : "} ");
}

void prometheus_int(struct vk_buf *out, const char *name, const struct prometheus_labels *labels,
                    int64_t value)
{
    begin(out, name, "", labels, NULL);
    vk_buf_printf(out, "%" PRId64 "\n", value);
}

void prometheus_uint(struct vk_buf *out, const char *name, const struct prometheus_labels *labels,
                     uint64_t value)
{
    begin(out, name, "", labels, NULL);
    vk_buf_printf(out, "%" PRIu64 "\n", value);
}

static void add_double(struct vk_buf *out, double value)
{
    if (isnan(value))
        vk_buf_adds(out, "NaN");
    else if (isinf(value))
        vk_buf_adds(out, value > 0 ? "+Inf" : "-Inf");
    else
        vk_buf_printf(out, "%.15g", value);
}

void prometheus_double(struct vk_buf *out, const char *name, const struct prometheus_labels *labels,
                       double value)
{
    begin(out, name, "", labels, NULL);
    add_double(out, value);
    vk_buf_addc(out, '\n');
}

static void add_seconds(struct vk_buf *out, uint64_t ns)
{
    vk_buf_printf(out, "%" PRIu64 ".%09" PRIu64, ns / NS_PER_S, ns % NS_PER_S);
}

void prometheus_seconds(struct vk_buf *out, const char *name,
                        const struct prometheus_labels *labels, uint64_t ns)
{
    begin(out, name, "", labels, NULL);
    add_seconds(out, ns);
    vk_buf_addc(out, '\n');
}

void prometheus_uint_at(struct vk_buf *out, const char *name,
                        const struct prometheus_labels *labels, uint64_t value, int64_t wall_ms)
{
    begin(out, name, "", labels, NULL);
    vk_buf_printf(out, "%" PRIu64 " %" PRId64 "\n", value, wall_ms);
}

void prometheus_seconds_at(struct vk_buf *out, const char *name,
                           const struct prometheus_labels *labels, uint64_t ns, int64_t wall_ms)
{
    begin(out, name, "", labels, NULL);
    add_seconds(out, ns);
    vk_buf_printf(out, " %" PRId64 "\n", wall_ms);
}

void prometheus_observe(struct prometheus_histogram *h, const struct prometheus_bounds *bounds,
                        double seconds)
{
    size_t i = 0;

    while (i < bounds->count && seconds > bounds->seconds[i])
        i++;
    h->buckets[i]++;
    h->count++;
    h->sum += seconds;
}

void prometheus_histogram(struct vk_buf *out, const char *name,
                          const struct prometheus_labels *labels,
                          const struct prometheus_bounds *bounds,
                          const struct prometheus_histogram *h)
{
    uint64_t sum = 0;
    char bound[32];

    for (size_t i = 0; i <= bounds->count; i++) {
        sum += h->buckets[i];
        if (i < bounds->count)
            (void)snprintf(bound, sizeof(bound), "%g", bounds->seconds[i]);
        else
            (void)snprintf(bound, sizeof(bound), "+Inf");
        begin(out, name, "_bucket", labels, &(struct prometheus_label){"le", bound});
        vk_buf_printf(out, "%" PRIu64 "\n", sum);
    }
    begin(out, name, "_sum", labels, NULL);
    add_double(out, h->sum);
    vk_buf_addc(out, '\n');
    begin(out, name, "_count", labels, NULL);
    vk_buf_printf(out, "%" PRIu64 "\n", h->count);
}
