/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/monitor_realtime.h"

static const struct json_field cpu_fields[] = {
    JSON_INT(struct realtime_usage, cpu_ns, "usageCoreNanoSeconds", JSON_OPTIONAL, 0, INT64_MAX),
    JSON_END};
static const struct json_field memory_fields[] = {
    JSON_INT(struct realtime_usage, memory_bytes, "usageBytes", JSON_OPTIONAL, 0, INT64_MAX),
    JSON_INT(struct realtime_usage, working_set_bytes, "workingSetBytes", JSON_OPTIONAL, 0,
             INT64_MAX),
    JSON_INT(struct realtime_usage, rss_bytes, "rssBytes", JSON_OPTIONAL, 0, INT64_MAX), JSON_END};
static const struct json_field network_fields[] = {
    JSON_STR(struct realtime_network, name, "name", JSON_OPTIONAL),
    JSON_INT(struct realtime_network, rx_bytes, "rxBytes", JSON_OPTIONAL, 0, INT64_MAX),
    JSON_INT(struct realtime_network, rx_errors, "rxErrors", JSON_OPTIONAL, 0, INT64_MAX),
    JSON_INT(struct realtime_network, tx_bytes, "txBytes", JSON_OPTIONAL, 0, INT64_MAX),
    JSON_INT(struct realtime_network, tx_errors, "txErrors", JSON_OPTIONAL, 0, INT64_MAX),
    JSON_END};
static const struct json_field container_fields[] = {
    JSON_STR(struct realtime_container, name, "name", JSON_REQUIRED),
    JSON_OBJ(struct realtime_container, usage, "cpu", cpu_fields),
    JSON_OBJ(struct realtime_container, usage, "memory", memory_fields), JSON_END};

struct reading {
    struct realtime_figures figures;
    struct json_array containers;
};
static const struct json_field fields[] = {
    JSON_INT(struct reading, figures.sampled_wall_ns, "timestamp", JSON_REQUIRED, 1, INT64_MAX),
    JSON_OBJ(struct reading, figures.usage, "cpu", cpu_fields),
    JSON_OBJ(struct reading, figures.usage, "memory", memory_fields),
    JSON_OBJ(struct reading, figures.network, "network", network_fields),
    JSON_ARR(struct reading, containers, "containers", container_fields, struct realtime_container),
    JSON_END};

int monitor_realtime_parse(struct vk_str text, struct vk_arena *arena, struct realtime_figures *ret,
                           struct vk_err *err)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    struct reading reading = {0};
    const struct json *root;

    if (json_parse(text, MONITOR_REALTIME_MAX_BYTES, scratch, &root, err) < 0 ||
        json_decode(root, fields, &reading, arena, "", err) < 0) {
        err->code = VK_PROTOCOL;
        return vk_err_wrap(err, "realtime metrics");
    }
    reading.figures.containers = reading.containers.v;
    reading.figures.count = reading.containers.n;
    *ret = reading.figures;
    return 0;
}

void monitor_realtime_write(struct json_writer *w)
{
    json_begin_object(w, NULL);
    json_put_string(w, "name", "vk-realtime-metrics");
    json_begin_object(w, "properties");
    json_put_string(w, "extensionType", "realtime-metrics");
    json_put_string(w, "version", "1.0");
    json_end_object(w);
    json_end_object(w);
}
