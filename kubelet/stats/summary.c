/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/stats/summary.h"

#include <inttypes.h>
#include <stdio.h>

/* Go reads all of them as uint64. */
static void put_uint(struct json_writer *w, const char *key, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    json_put_raw(w, key, vk_str_of(text));
}

static void put_time(struct json_writer *w, const char *key, int64_t wall_ns)
{
    if (wall_ns > 0)
        json_put_time_s(w, key, wall_ns);
    else
        json_put_null(w, key);
}

static void write_usage(const struct usage_stats *u, struct json_writer *w)
{
    if (u->sampled_wall_ns == 0)
        return;
    json_begin_object(w, "cpu");
    put_time(w, "time", u->sampled_wall_ns);
    put_uint(w, "usageNanoCores", u->cpu_nano_cores);
    put_uint(w, "usageCoreNanoSeconds", u->cpu_ns);
    json_end_object(w);
    json_begin_object(w, "memory");
    put_time(w, "time", u->sampled_wall_ns);
    put_uint(w, "usageBytes", u->memory_bytes);
    put_uint(w, "workingSetBytes", u->working_set_bytes);
    if (u->rss_bytes > 0)
        put_uint(w, "rssBytes", u->rss_bytes);
    json_end_object(w);
}

static void write_interface(const struct network_stats *n, struct json_writer *w)
{
    json_put_string(w, "name", n->interface);
    put_uint(w, "rxBytes", n->rx_bytes);
    put_uint(w, "rxErrors", n->rx_errors);
    put_uint(w, "txBytes", n->tx_bytes);
    put_uint(w, "txErrors", n->tx_errors);
}

static void write_network(const struct pod_stats *pod, struct json_writer *w)
{
    if (!pod->network.interface)
        return;
    json_begin_object(w, "network");
    put_time(w, "time", pod->usage.sampled_wall_ns);
    write_interface(&pod->network, w);
    json_begin_array(w, "interfaces");
    json_begin_object(w, NULL);
    write_interface(&pod->network, w);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

static void write_pod(const struct pod_stats *pod, bool only_cpu_and_memory, struct json_writer *w)
{
    json_begin_object(w, NULL);
    json_begin_object(w, "podRef");
    json_put_string(w, "name", pod->id.name);
    json_put_string(w, "namespace", pod->id.namespace_);
    json_put_string(w, "uid", pod->id.uid);
    json_end_object(w);
    put_time(w, "startTime", pod->usage.start_wall_ns);
    json_begin_array(w, "containers");
    for (size_t i = 0; i < pod->container_count; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", pod->containers[i].name);
        put_time(w, "startTime", pod->containers[i].usage.start_wall_ns);
        write_usage(&pod->containers[i].usage, w);
        json_end_object(w);
    }
    json_end_array(w);
    write_usage(&pod->usage, w);
    if (!only_cpu_and_memory)
        write_network(pod, w);
    json_end_object(w);
}

void summary_write(const struct provider_stats *stats, const char *node_name,
                   bool only_cpu_and_memory, struct json_writer *w)
{
    json_begin_object(w, NULL);
    json_begin_object(w, "node");
    json_put_string(w, "nodeName", node_name);
    put_time(w, "startTime", stats->node.start_wall_ns);
    write_usage(&stats->node, w);
    json_end_object(w);
    json_begin_array(w, "pods");
    for (size_t i = 0; i < stats->pod_count; i++)
        write_pod(&stats->pods[i], only_cpu_and_memory, w);
    json_end_array(w);
    json_end_object(w);
}
