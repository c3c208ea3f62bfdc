/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/stats/resource_metrics.h"

#include "base/prometheus.h"

#define NS_PER_MS 1000000

static void write_cpu(struct vk_buf *out, const char *name, const struct prometheus_labels *labels,
                      const struct usage_stats *u)
{
    if (u->sampled_wall_ns > 0)
        prometheus_seconds_at(out, name, labels, u->cpu_ns, u->sampled_wall_ns / NS_PER_MS);
}

static void write_memory(struct vk_buf *out, const char *name,
                         const struct prometheus_labels *labels, const struct usage_stats *u)
{
    if (u->sampled_wall_ns > 0)
        prometheus_uint_at(out, name, labels, u->working_set_bytes, u->sampled_wall_ns / NS_PER_MS);
}

static void write_start(struct vk_buf *out, const char *name,
                        const struct prometheus_labels *labels, const struct usage_stats *u)
{
    if (u->sampled_wall_ns > 0 && u->start_wall_ns > 0)
        prometheus_seconds(out, name, labels, (uint64_t)u->start_wall_ns);
}

typedef void (*write_fn)(struct vk_buf *out, const char *name,
                         const struct prometheus_labels *labels, const struct usage_stats *u);

static void write_containers(const struct provider_stats *stats, const char *name, write_fn write,
                             struct vk_buf *out)
{
    for (size_t i = 0; i < stats->pod_count; i++) {
        const struct pod_stats *pod = &stats->pods[i];

        for (size_t c = 0; c < pod->container_count; c++)
            write(out, name,
                  PROMETHEUS_LABELS({"namespace", pod->id.namespace_}, {"pod", pod->id.name},
                                    {"container", pod->containers[c].name}),
                  &pod->containers[c].usage);
    }
}

static void write_pods(const struct provider_stats *stats, const char *name, write_fn write,
                       struct vk_buf *out)
{
    for (size_t i = 0; i < stats->pod_count; i++)
        write(out, name,
              PROMETHEUS_LABELS({"namespace", stats->pods[i].id.namespace_},
                                {"pod", stats->pods[i].id.name}),
              &stats->pods[i].usage);
}

static void write_node(const struct provider_stats *stats, const char *name, write_fn write,
                       struct vk_buf *out)
{
    write(out, name, NULL, &stats->node);
}

void resource_metrics_write(const struct provider_stats *stats, struct vk_buf *out)
{
    static const struct {
        const char *name, *help;
        enum prometheus_type type;
        void (*whose)(const struct provider_stats *stats, const char *name, write_fn write,
                      struct vk_buf *out);
        write_fn write;
    } families[] = {
        {"container_cpu_usage_seconds_total", "CPU time that the container used since its start.",
         PROMETHEUS_COUNTER, write_containers, write_cpu},
        {"container_memory_working_set_bytes", "Working set of the container.", PROMETHEUS_GAUGE,
         write_containers, write_memory},
        {"container_start_time_seconds", "When the container's counters began, since 1970.",
         PROMETHEUS_GAUGE, write_containers, write_start},
        {"node_cpu_usage_seconds_total", "CPU time that the node's pods used.", PROMETHEUS_COUNTER,
         write_node, write_cpu},
        {"node_memory_working_set_bytes", "Working set of the node's pods.", PROMETHEUS_GAUGE,
         write_node, write_memory},
        {"pod_cpu_usage_seconds_total", "CPU time that the pod used.", PROMETHEUS_COUNTER,
         write_pods, write_cpu},
        {"pod_memory_working_set_bytes", "Working set of the pod.", PROMETHEUS_GAUGE, write_pods,
         write_memory},
    };
    /* One pod that is not known yet is no error, a node of which nothing is known is one. */
    const bool failed = stats->pod_count > 0 && stats->without_figures == stats->pod_count;

    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        prometheus_family(out, families[i].name, families[i].type, families[i].help);
        families[i].whose(stats, families[i].name, families[i].write, out);
    }
    prometheus_family(out, "scrape_error", PROMETHEUS_GAUGE,
                      "1 when pods run and no figure of any is known.");
    prometheus_int(out, "scrape_error", NULL, failed);
    prometheus_family(out, "resource_scrape_error", PROMETHEUS_GAUGE,
                      "The same by its newer name.");
    prometheus_int(out, "resource_scrape_error", NULL, failed);
}
