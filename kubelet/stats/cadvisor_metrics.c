/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/stats/cadvisor_metrics.h"

#include "base/alloc.h"
#include "base/prometheus.h"

#define NS_PER_MS 1000000

typedef void (*write_usage_fn)(struct vk_buf *out, const char *name,
                               const struct prometheus_labels *labels, const struct usage_stats *u);

static void write_cpu(struct vk_buf *out, const char *name, const struct prometheus_labels *labels,
                      const struct usage_stats *u)
{
    prometheus_seconds_at(out, name, labels, u->cpu_ns, u->sampled_wall_ns / NS_PER_MS);
}

static void write_usage_bytes(struct vk_buf *out, const char *name,
                              const struct prometheus_labels *labels, const struct usage_stats *u)
{
    prometheus_uint_at(out, name, labels, u->memory_bytes, u->sampled_wall_ns / NS_PER_MS);
}

static void write_working_set(struct vk_buf *out, const char *name,
                              const struct prometheus_labels *labels, const struct usage_stats *u)
{
    prometheus_uint_at(out, name, labels, u->working_set_bytes, u->sampled_wall_ns / NS_PER_MS);
}

static void write_rss(struct vk_buf *out, const char *name, const struct prometheus_labels *labels,
                      const struct usage_stats *u)
{
    if (u->rss_bytes > 0)
        prometheus_uint_at(out, name, labels, u->rss_bytes, u->sampled_wall_ns / NS_PER_MS);
}

static void write_start(struct vk_buf *out, const char *name,
                        const struct prometheus_labels *labels, const struct usage_stats *u)
{
    if (u->start_wall_ns > 0)
        prometheus_seconds(out, name, labels, (uint64_t)u->start_wall_ns);
}

static void write_containers(const struct provider_stats *stats, const char *name,
                             write_usage_fn write, image_of_fn image_of, void *user,
                             struct vk_buf *out)
{
    for (size_t i = 0; i < stats->pod_count; i++) {
        const struct pod_stats *pod = &stats->pods[i];

        for (size_t c = 0; c < pod->container_count; c++) {
            const struct container_stats *one = &pod->containers[c];

            if (one->usage.sampled_wall_ns > 0)
                write(out, name,
                      PROMETHEUS_LABELS({"namespace", pod->id.namespace_}, {"pod", pod->id.name},
                                        {"container", one->name},
                                        {"image", image_of(user, &pod->id, one->name)}),
                      &one->usage);
        }
    }
}

typedef uint64_t (*count_fn)(const struct network_stats *n);

static uint64_t received(const struct network_stats *n)
{
    return n->rx_bytes;
}

static uint64_t receive_errors(const struct network_stats *n)
{
    return n->rx_errors;
}

static uint64_t sent(const struct network_stats *n)
{
    return n->tx_bytes;
}

static uint64_t send_errors(const struct network_stats *n)
{
    return n->tx_errors;
}

static void write_network(const struct provider_stats *stats, const char *name, count_fn count,
                          struct vk_buf *out)
{
    for (size_t i = 0; i < stats->pod_count; i++) {
        const struct pod_stats *pod = &stats->pods[i];
        const struct network_stats *n = &pod->network;

        if (n->interface && pod->usage.sampled_wall_ns > 0)
            prometheus_uint_at(out, name,
                               PROMETHEUS_LABELS({"namespace", pod->id.namespace_},
                                                 {"pod", pod->id.name},
                                                 {"interface", n->interface}),
                               count(n), pod->usage.sampled_wall_ns / NS_PER_MS);
    }
}

void cadvisor_metrics_write(const struct provider_stats *stats, image_of_fn image_of, void *user,
                            struct vk_buf *out)
{
    static const struct {
        const char *name, *help;
        enum prometheus_type type;
        write_usage_fn write;
    } containers[] = {
        {"container_cpu_usage_seconds_total", "CPU time that the container used since its start.",
         PROMETHEUS_COUNTER, write_cpu},
        {"container_memory_usage_bytes", "Memory of the container, caches included.",
         PROMETHEUS_GAUGE, write_usage_bytes},
        {"container_memory_working_set_bytes", "Working set of the container.", PROMETHEUS_GAUGE,
         write_working_set},
        {"container_memory_rss", "Anonymous memory of the container, in bytes.", PROMETHEUS_GAUGE,
         write_rss},
        {"container_start_time_seconds", "When the container's counters began, since 1970.",
         PROMETHEUS_GAUGE, write_start},
    };
    static const struct {
        const char *name, *help;
        count_fn count;
    } networks[] = {
        {"container_network_receive_bytes_total", "Bytes that the pod received.", received},
        {"container_network_receive_errors_total", "Errors while the pod received.",
         receive_errors},
        {"container_network_transmit_bytes_total", "Bytes that the pod sent.", sent},
        {"container_network_transmit_errors_total", "Errors while the pod sent.", send_errors},
    };

    for (size_t i = 0; i < VK_COUNT(containers); i++) {
        prometheus_family(out, containers[i].name, containers[i].type, containers[i].help);
        write_containers(stats, containers[i].name, containers[i].write, image_of, user, out);
    }
    for (size_t i = 0; i < VK_COUNT(networks); i++) {
        prometheus_family(out, networks[i].name, PROMETHEUS_COUNTER, networks[i].help);
        write_network(stats, networks[i].name, networks[i].count, out);
    }
}
