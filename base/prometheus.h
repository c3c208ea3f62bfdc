/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus' text format, version 0.0.4: families of samples, written one after the other; exact
 * integers, seconds from nanoseconds without a detour by floating point; histograms of durations.
 */
#pragma once

#include "base/buf.h"

#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum prometheus_type { PROMETHEUS_COUNTER, PROMETHEUS_GAUGE, PROMETHEUS_HISTOGRAM };

struct prometheus_label {
    const char *name, *value; /* value NULL: the label is left out */
};
#define PROMETHEUS_MAX_LABELS 6
/* Labels end with the first that has no name. */
struct prometheus_labels {
    struct prometheus_label v[PROMETHEUS_MAX_LABELS];
};
#define PROMETHEUS_LABELS(...) (&(const struct prometheus_labels){{__VA_ARGS__}})

/* The lines before a family's samples. */
void prometheus_family(struct vk_buf *out, const char *name, enum prometheus_type type,
                       const char *help);
/* labels NULL: none. */
void prometheus_int(struct vk_buf *out, const char *name, const struct prometheus_labels *labels,
                    int64_t value);
void prometheus_uint(struct vk_buf *out, const char *name, const struct prometheus_labels *labels,
                     uint64_t value);
/* A ratio, a price: 15 digits. */
void prometheus_double(struct vk_buf *out, const char *name, const struct prometheus_labels *labels,
                       double value);
void prometheus_seconds(struct vk_buf *out, const char *name,
                        const struct prometheus_labels *labels, uint64_t ns);
/* The same two with the time of the sample, in ms since 1970. */
void prometheus_uint_at(struct vk_buf *out, const char *name,
                        const struct prometheus_labels *labels, uint64_t value, int64_t wall_ms);
void prometheus_seconds_at(struct vk_buf *out, const char *name,
                           const struct prometheus_labels *labels, uint64_t ns, int64_t wall_ms);

/* Durations by upper bounds in seconds, ascending; static. */
#define PROMETHEUS_MAX_BUCKETS 20
struct prometheus_bounds {
    double seconds[PROMETHEUS_MAX_BUCKETS];
    size_t count;
};
struct prometheus_histogram {
    uint64_t buckets[PROMETHEUS_MAX_BUCKETS + 1]; /* not cumulated */
    uint64_t count;
    double sum;
};
void prometheus_observe(struct prometheus_histogram *h, const struct prometheus_bounds *bounds,
                        double seconds);
/* The samples of one histogram of the family. */
void prometheus_histogram(struct vk_buf *out, const char *name,
                          const struct prometheus_labels *labels,
                          const struct prometheus_bounds *bounds,
                          const struct prometheus_histogram *h);
