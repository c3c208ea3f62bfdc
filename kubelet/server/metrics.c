/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: the kubelet's own names where they exist, then what the provider tells. */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/prometheus.h"
#include "kubelet/client/event_recorder.h"
#include "kubelet/pods/token_expiries.h"
#include "kubelet/server/handlers.h"
#include "kubelet/server/long_answer.h"
#include "kubelet/stats/pod_phases.h"

#define ANSWER_LIMIT (16u << 20)
#define NS_PER_US 1000

struct tally {
    size_t running_pods;
    size_t containers[CONTAINER_TERMINATED + 1];
};

static void tally_pod(void *user, const struct pods_entry *entry)
{
    struct tally *t = user;
    const struct container_status *c = entry->status->container_statuses.v;
    bool runs = false;

    for (size_t i = 0; i < entry->status->container_statuses.n; i++) {
        t->containers[c[i].state.kind]++;
        runs |= c[i].state.kind == CONTAINER_RUNNING;
    }
    t->running_pods += runs;
}

static void write_pods(const struct handler_context *c, struct vk_buf *out)
{
    static const char *const states[] = {[CONTAINER_WAITING] = "created",
                                         [CONTAINER_RUNNING] = "running",
                                         [CONTAINER_TERMINATED] = "exited"};
    size_t counts[POD_WORKER_STATES];
    struct tally t = {0};

    pods_foreach(c->pods, tally_pod, &t);
    pods_count(c->pods, counts);
    prometheus_family(out, "kubelet_running_pods", PROMETHEUS_GAUGE,
                      "Pods with a running container.");
    prometheus_uint(out, "kubelet_running_pods", NULL, t.running_pods);
    prometheus_family(out, "kubelet_running_containers", PROMETHEUS_GAUGE, "Containers by state.");
    for (size_t i = CONTAINER_WAITING; i <= CONTAINER_TERMINATED; i++)
        prometheus_uint(out, "kubelet_running_containers",
                        PROMETHEUS_LABELS({"container_state", states[i]}), t.containers[i]);
    prometheus_family(out, "aci_kubelet_pods", PROMETHEUS_GAUGE,
                      "Pods by the state of their start.");
    for (size_t i = 0; i < POD_WORKER_STATES; i++)
        prometheus_uint(
            out, "aci_kubelet_pods",
            PROMETHEUS_LABELS({"state", pod_worker_state_name((enum pod_worker_state)i)}),
            counts[i]);
    pod_phases_write(pods_phases(c->pods), out);
}

static void write_tokens(const struct handler_context *c, struct vk_buf *out)
{
    struct token_expiry_counts counts;

    pods_count_tokens(c->pods, &counts);
    prometheus_family(out, "aci_kubelet_pods_with_expiring_tokens", PROMETHEUS_GAUGE,
                      "Pods with a service account token that is near its end and can't be "
                      "renewed; see their Event TokenExpiresSoon.");
    prometheus_uint(out, "aci_kubelet_pods_with_expiring_tokens", NULL, counts.expiring);
    if (counts.first_expiry_wall_ms == 0)
        return;
    prometheus_family(out, "aci_kubelet_pod_token_first_expiry_timestamp_seconds", PROMETHEUS_GAUGE,
                      "When the first of the pods' tokens expires.");
    prometheus_int(out, "aci_kubelet_pod_token_first_expiry_timestamp_seconds", NULL,
                   counts.first_expiry_wall_ms / 1000);
}

static void write_watch(const struct handler_context *c, struct vk_buf *out)
{
    struct list_watch_counts counts;

    pods_watch_counts(c->pods, &counts);
    prometheus_family(out, "aci_kubelet_pod_watch_failing", PROMETHEUS_GAUGE,
                      "1 while pods can't be watched.");
    prometheus_int(out, "aci_kubelet_pod_watch_failing", NULL, pods_watch_error(c->pods) != NULL);
    prometheus_family(out, "aci_kubelet_pod_lists_total", PROMETHEUS_COUNTER,
                      "How often pods were listed; once, where nothing went wrong.");
    prometheus_uint(out, "aci_kubelet_pod_lists_total", NULL, counts.lists);
    prometheus_family(out, "aci_kubelet_pod_watches_total", PROMETHEUS_COUNTER,
                      "Watches that were begun; each ends after some minutes.");
    prometheus_uint(out, "aci_kubelet_pod_watches_total", NULL, counts.watches);
    prometheus_family(out, "aci_kubelet_pod_watch_failures_total", PROMETHEUS_COUNTER,
                      "Watches that ended with an error.");
    prometheus_uint(out, "aci_kubelet_pod_watch_failures_total", NULL, counts.failures);
}

static void write_events(const struct handler_context *c, struct vk_buf *out)
{
    struct event_counts counts;

    if (!c->events)
        return;
    event_recorder_count(c->events, &counts);
    prometheus_family(out, "aci_kubelet_events_waiting", PROMETHEUS_GAUGE,
                      "Events that are not at the API server yet.");
    prometheus_uint(out, "aci_kubelet_events_waiting", NULL, counts.waiting);
    prometheus_family(out, "aci_kubelet_events_dropped_total", PROMETHEUS_COUNTER,
                      "Events that were never written: their object told too much, too many "
                      "waited, or the API server did not take them.");
    prometheus_uint(out, "aci_kubelet_events_dropped_total",
                    PROMETHEUS_LABELS({"reason", "budget"}), counts.over_budget);
    prometheus_uint(out, "aci_kubelet_events_dropped_total",
                    PROMETHEUS_LABELS({"reason", "no-room"}), counts.no_room);
    prometheus_uint(out, "aci_kubelet_events_dropped_total",
                    PROMETHEUS_LABELS({"reason", "refused"}), counts.refused);
}

static void write_requests(const struct handler_context *c, struct vk_buf *out)
{
    const struct request_counts *r = c->requests;

    prometheus_family(out, "kubelet_http_requests_total", PROMETHEUS_COUNTER,
                      "Requests on the kubelet port that were let in, by path.");
    for (size_t i = 0; r && i < r->count; i++)
        prometheus_uint(out, "kubelet_http_requests_total",
                        PROMETHEUS_LABELS({"path", r->paths[i]}), r->requests[i]);
}

static void write_streams(const struct handler_context *c, struct vk_buf *out)
{
    prometheus_family(out, "aci_kubelet_streams", PROMETHEUS_GAUGE,
                      "Open sessions of clients: exec and attach, port-forward.");
    prometheus_uint(out, "aci_kubelet_streams", PROMETHEUS_LABELS({"kind", "remote-command"}),
                    c->remote_commands ? *c->remote_commands : 0);
    prometheus_uint(out, "aci_kubelet_streams", PROMETHEUS_LABELS({"kind", "port-forward"}),
                    c->port_forwards ? *c->port_forwards : 0);
}

static uint64_t count_open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the folder itself */
}

static uint64_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f) {
        if (fscanf(f, "%lu %lu", &size, &resident) != 2)
            resident = 0;
        fclose(f);
    }
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void write_process(const struct handler_context *c, struct vk_buf *out)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    prometheus_family(out, "process_cpu_seconds_total", PROMETHEUS_COUNTER,
                      "CPU time of this process.");
    prometheus_seconds(out, "process_cpu_seconds_total", NULL,
                       ((uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                        (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)) *
                           NS_PER_US);
    prometheus_family(out, "process_resident_memory_bytes", PROMETHEUS_GAUGE,
                      "Memory of this process.");
    prometheus_uint(out, "process_resident_memory_bytes", NULL, resident_bytes());
    prometheus_family(out, "process_open_fds", PROMETHEUS_GAUGE,
                      "File descriptors of this process.");
    prometheus_uint(out, "process_open_fds", NULL, count_open_files());
    prometheus_family(out, "process_start_time_seconds", PROMETHEUS_GAUGE,
                      "When this process began, since 1970.");
    prometheus_seconds(out, "process_start_time_seconds", NULL, (uint64_t)c->began_wall_ns);
    prometheus_family(out, "kubelet_node_name", PROMETHEUS_GAUGE, "The node's name; always 1.");
    prometheus_int(out, "kubelet_node_name", PROMETHEUS_LABELS({"node", c->node_name}), 1);
    prometheus_family(out, "aci_kubelet_build_info", PROMETHEUS_GAUGE,
                      "Version of this program; always 1.");
    prometheus_int(out, "aci_kubelet_build_info",
                   PROMETHEUS_LABELS({"version", VK_VERSION}, {"provider", c->provider->ops->name}),
                   1);
}

/* Only the one that leads is asked: others answer 503. */
static void write_leader(const struct handler_context *c, struct vk_buf *out)
{
    if (!c->election)
        return;
    prometheus_family(out, "leader_election_master_status", PROMETHEUS_GAUGE,
                      "1 while this process leads.");
    prometheus_int(out, "leader_election_master_status",
                   PROMETHEUS_LABELS({"name", leader_election_name(c->election)}),
                   leader_election_leads(c->election));
}

void handle_metrics(const struct handler_context *c, struct http_exchange *x)
{
    struct vk_buf text;
    struct vk_err err;

    vk_buf_init(&text, ANSWER_LIMIT);
    write_process(c, &text);
    write_leader(c, &text);
    write_pods(c, &text);
    write_tokens(c, &text);
    write_watch(c, &text);
    write_events(c, &text);
    write_requests(c, &text);
    write_streams(c, &text);
    if (c->provider->ops->write_metrics)
        c->provider->ops->write_metrics(c->provider->p, &text);
    if (!text.failed) {
        long_answer_send(x, PROMETHEUS_CONTENT_TYPE, &text);
        return;
    }
    vk_buf_release(&text);
    vk_err_set(&err, VK_TOO_LARGE, "the answer is larger than %u bytes", ANSWER_LIMIT);
    handler_reply_error(x, &err, 500);
}
