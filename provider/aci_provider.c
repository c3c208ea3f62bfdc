/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/aci_provider.h"

#include <assert.h>

#include "aci/auth/client_certificate.h"
#include "aci/auth/client_secret.h"
#include "aci/auth/managed_identity.h"
#include "aci/auth/workload_identity.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "provider/capacity.h"
#include "provider/container_logs.h"
#include "provider/container_stop.h"
#include "provider/exec_session.h"
#include "provider/group_update.h"
#include "provider/group_writer.h"
#include "provider/image_configs.h"
#include "provider/metrics.h"
#include "provider/orphans.h"
#include "provider/probes.h"
#include "provider/retirement.h"
#include "provider/stats.h"

#define DEFAULT_ARM_ENDPOINT "https://management.azure.com"
#define DEFAULT_AUTHORITY_HOST "https://login.microsoftonline.com"
#define DEFAULT_IMDS "http://169.254.169.254"
#define DEFAULT_SCOPE "https://management.azure.com/.default"
#define DEFAULT_API_VERSION "2025-09-01"
#define DEFAULT_CLUSTER_DOMAIN "cluster.local"
#define DEFAULT_CPU_MILLI (10000ll * 1000)
#define DEFAULT_MEMORY_BYTES (4ll << 40)
#define DEFAULT_PODS 5000
#define DEFAULT_ORPHAN_SWEEP_MS 60000
/* Longer than ARM takes from a request's arrival until its group can be read, as a rule. */
#define DEFAULT_EARLIER_PUT_MS 5000
/* A ping costs a read only when ARM has been silent for this long. */
#define PING_FRESH_MS 15000
/* No pod's group: names of groups end in a hash. */
#define PING_GROUP "aci-kubelet-ping"

struct ping {
    struct vk_list link;
    struct aci_provider *provider;
    provider_done_fn done;
    void *user;
    struct groups_call *call;
    struct vk_timer deliver;
    struct vk_err result;
};

struct aci_provider {
    struct vk_loop *loop;
    struct token_source *tokens;
    struct arm_client *arm;
    struct container_groups *groups;
    struct tracker *tracker;
    struct group_writer *writer;
    struct finished_logs *finished_logs;
    struct retirement *retirement;
    struct orphans *orphans;
    struct container_logs *logs;
    struct resolver *resolver;
    struct exec_streams *streams;
    struct exec_sessions *execs;
    struct container_stops *stops;
    struct registry_client *registries;
    struct image_configs *images;
    struct monitor *monitor;
    struct stats *stats;
    struct metrics *metrics;
    struct vk_list pings;
    struct provider_env env; /* members are owned */
    struct capacity *capacity;
};

static const char *or_default(const char *text, const char *fallback)
{
    return vk_str_empty(text) ? fallback : text;
}

static char *copy_or_null(const char *text)
{
    return vk_str_empty(text) ? NULL : vk_strdup(text);
}

static void aci_start(void *self, const struct provider_start *start)
{
    struct aci_provider *p = self;
    assert(!p->env.cluster_id);
    p->env.cluster_id = vk_strdup(start->cluster_id);
    p->env.node_name = vk_strdup(start->node_name);
    tracker_start(p->tracker, start);
}

static void aci_create_pod(void *self, struct resolved_pod *pod, provider_done_fn done, void *user)
{
    struct aci_provider *p = self;
    group_writer_create(p->writer, pod, done, user);
}

static void aci_update_pod(void *self, struct resolved_pod *pod, provider_done_fn done, void *user)
{
    struct aci_provider *p = self;
    tracked_pod_note_restart(tracker_find(p->tracker, pod->pod->meta.uid), vk_wall_ns());
    group_writer_update(p->writer, pod, done, user);
}

static void aci_find_pod(void *self, const struct pod_identity *id, provider_done_fn done,
                         void *user)
{
    struct aci_provider *p = self;
    group_writer_find(p->writer, id, done, user);
}

static void aci_delete_pod(void *self, const struct pod_identity *id, provider_done_fn done,
                           void *user)
{
    struct aci_provider *p = self;
    group_writer_delete(p->writer, id, done, user);
}

static void aci_restart_pod(void *self, const struct pod_identity *id, provider_done_fn done,
                            void *user)
{
    struct aci_provider *p = self;
    tracked_pod_note_restart(tracker_find(p->tracker, id->uid), vk_wall_ns());
    group_writer_restart(p->writer, id, done, user);
}

static void aci_retire_pod(void *self, const struct pod_identity *id, provider_done_fn done,
                           void *user)
{
    struct aci_provider *p = self;
    retirement_start(p->retirement, id, done, user);
}

static struct log_stream *aci_get_container_logs(void *self, const struct pod_identity *id,
                                                 const char *container,
                                                 const struct container_log_options *options,
                                                 const struct log_sink *sink, provider_done_fn done,
                                                 void *user)
{
    struct aci_provider *p = self;
    return container_logs_start(p->logs, id, container, options, sink, done, user);
}

static void aci_log_stream_resume(void *self, struct log_stream *s)
{
    (void)self;
    log_stream_resume(s);
}

static void aci_log_stream_cancel(void *self, struct log_stream *s)
{
    (void)self;
    log_stream_cancel(s);
}

static struct exec_session *aci_run_in_container(void *self, const struct exec_request *request,
                                                 const struct exec_events *events, void *user)
{
    struct aci_provider *p = self;
    return exec_session_run(p->execs, request, events, user);
}

static struct exec_session *aci_attach_to_container(void *self, const struct exec_request *request,
                                                    const struct exec_events *events, void *user)
{
    struct aci_provider *p = self;
    return exec_session_attach(p->execs, request, events, user);
}

static bool aci_exec_write(void *self, struct exec_session *s, struct vk_str bytes)
{
    (void)self;
    return exec_session_write(s, bytes);
}

static void aci_exec_end_input(void *self, struct exec_session *s)
{
    (void)self;
    exec_session_end_input(s);
}

static void aci_exec_resize(void *self, struct exec_session *s, uint16_t rows, uint16_t columns)
{
    (void)self;
    exec_session_resize(s, rows, columns);
}

static void aci_exec_resume(void *self, struct exec_session *s)
{
    (void)self;
    exec_session_resume(s);
}

static void aci_exec_cancel(void *self, struct exec_session *s)
{
    (void)self;
    exec_session_cancel(s);
}

static struct container_stop *aci_stop_container(void *self, const struct pod_identity *id,
                                                 const char *container, provider_stop_fn done,
                                                 void *user)
{
    struct aci_provider *p = self;
    return container_stop_start(p->stops, id, container, done, user);
}

static void aci_stop_container_cancel(void *self, struct container_stop *s)
{
    (void)self;
    container_stop_cancel(s);
}

static void aci_get_stats(void *self, struct vk_arena *arena, struct provider_stats *ret)
{
    struct aci_provider *p = self;
    stats_get(p->stats, arena, ret);
}

static void aci_write_metrics(void *self, struct vk_buf *out)
{
    struct aci_provider *p = self;
    metrics_write(p->metrics, out);
    capacity_write_metrics(p->capacity, out);
}

static void aci_get_capacity(void *self, struct node_capacity *ret)
{
    const struct aci_provider *p = self;
    capacity_get(p->capacity, ret);
}

static bool aci_is_synced(void *self)
{
    const struct aci_provider *p = self;
    return tracker_is_synced(p->tracker);
}

static void ping_free(struct ping *ping)
{
    vk_list_remove(&ping->link);
    groups_call_cancel(ping->call);
    vk_timer_disarm(&ping->deliver);
    vk_free(ping);
}

static void ping_deliver(void *user)
{
    struct ping *ping = user;
    const provider_done_fn done = ping->done;
    void *done_user = ping->user;
    const struct vk_err result = ping->result;
    ping_free(ping);
    done(done_user, result.code == VK_OK ? NULL : &result);
}

static void on_ping(void *user, const struct container_group *group, const struct vk_err *err)
{
    (void)group;
    struct ping *ping = user;
    ping->call = NULL;
    /* "No such group" is the answer of a platform that works; a missing resource group is not. */
    const bool is_up =
        !err || vk_streq(err->reason, "ResourceNotFound") ||
        (err->code == VK_NOT_FOUND && !vk_streq(err->reason, "ResourceGroupNotFound") &&
         !vk_streq(err->reason, "SubscriptionNotFound"));
    if (!is_up)
        ping->result = *err;
    ping_deliver(ping);
}

static void aci_ping(void *self, provider_done_fn done, void *user)
{
    struct aci_provider *p = self;
    struct ping *ping = vk_calloc(1, sizeof(*ping));
    ping->provider = p;
    ping->done = done;
    ping->user = user;
    vk_list_init(&ping->link);
    vk_list_add_tail(&p->pings, &ping->link);
    vk_timer_init(&ping->deliver, p->loop, "ping", ping_deliver, ping);
    const int64_t heard = arm_client_last_answer_mono_ms(p->arm);
    const struct vk_err *list_err = tracker_list_error(p->tracker);
    if (list_err) {
        ping->result = *list_err;
        vk_timer_arm(&ping->deliver, 0);
    } else if (heard != 0 && vk_mono_ms() - heard < PING_FRESH_MS) {
        vk_timer_arm(&ping->deliver, 0);
    } else {
        const struct groups_turn turn = {.priority = THROTTLE_USER};
        ping->call = container_groups_get(p->groups, PING_GROUP, turn, on_ping, ping);
    }
}

static void aci_forget_pod(void *self, const struct pod_identity *id)
{
    struct aci_provider *p = self;
    struct tracked_pod *pod = tracker_find(p->tracker, id->uid);
    finished_logs_forget(p->finished_logs, id->uid);
    if (pod)
        tracker_forget(p->tracker, pod);
}

static size_t aci_settle(void *self)
{
    struct aci_provider *p = self;
    return group_writer_settle(p->writer) + orphans_settle(p->orphans);
}

static void aci_stop(void *self)
{
    struct aci_provider *p = self;
    stats_stop(p->stats);
    metrics_stop(p->metrics);
    tracker_stop(p->tracker);
    capacity_stop(p->capacity);
    retirement_stop(p->retirement);
    group_writer_stop(p->writer);
    orphans_stop(p->orphans);
    VK_LIST_FOREACH(it, &p->pings)
    {
        ping_free(VK_LIST_ENTRY(it, struct ping, link));
    }
}

static void aci_look_at_pod(void *self, const struct pod_identity *id)
{
    struct aci_provider *p = self;
    tracker_hint(p->tracker, id->uid);
}

static bool aci_runs_probe(void *p, const struct pod *pod, const struct container *container,
                           enum probe_kind kind)
{
    (void)p;
    return probes_run_by_aci(pod, container, kind);
}

static const struct provider_ops aci_ops = {
    .name = "azure",
    .start = aci_start,
    .create_pod = aci_create_pod,
    .update_pod = aci_update_pod,
    .find_pod = aci_find_pod,
    .delete_pod = aci_delete_pod,
    .retire_pod = aci_retire_pod,
    .get_container_logs = aci_get_container_logs,
    .log_stream_resume = aci_log_stream_resume,
    .log_stream_cancel = aci_log_stream_cancel,
    .run_in_container = aci_run_in_container,
    .attach_to_container = aci_attach_to_container,
    .exec_write = aci_exec_write,
    .exec_end_input = aci_exec_end_input,
    .exec_resize = aci_exec_resize,
    .exec_resume = aci_exec_resume,
    .exec_cancel = aci_exec_cancel,
    .stop_container = aci_stop_container,
    .stop_container_cancel = aci_stop_container_cancel,
    .get_stats = aci_get_stats,
    .write_metrics = aci_write_metrics,
    .get_capacity = aci_get_capacity,
    .is_synced = aci_is_synced,
    .runs_probe = aci_runs_probe,
    .restart_pod = aci_restart_pod,
    .look_at_pod = aci_look_at_pod,
    .ping = aci_ping,
    .forget_pod = aci_forget_pod,
    .settle = aci_settle,
    .stop = aci_stop,
};

static int check_config(const struct aci_provider_config *c, struct vk_err *err)
{
    const struct {
        const char *value, *what, *way_out;
    } required[] = {
        {c->subscription, "subscription", "set --subscription or AZURE_SUBSCRIPTION_ID"},
        {c->resource_group, "resource group", "set --resource-group or ACI_RESOURCE_GROUP"},
        {c->location, "location", "set --location or ACI_REGION, for example westeurope"},
    };
    for (size_t i = 0; i < VK_COUNT(required); i++) {
        if (vk_str_empty(required[i].value))
            return vk_err_set(err, VK_INVALID, "no Azure %s: %s", required[i].what,
                              required[i].way_out);
    }
    if (vk_secret_is_empty(&c->client_secret) && vk_str_empty(c->client_cert_file) &&
        vk_str_empty(c->federated_token_file))
        return 0;
    if (vk_str_empty(c->tenant_id) || vk_str_empty(c->client_id))
        return vk_err_set(err, VK_INVALID,
                          "a client secret, certificate or federated token needs AZURE_TENANT_ID "
                          "and AZURE_CLIENT_ID beside it; without them a managed identity is used");
    return 0;
}

struct token_fetcher aci_provider_token_fetcher(struct vk_loop *loop, struct http_client *http,
                                                const struct aci_provider_config *c,
                                                const char *user_agent)
{
    const struct client_credentials_config client = {
        .authority_host = or_default(c->authority_host, DEFAULT_AUTHORITY_HOST),
        .ca_file = c->azure_ca_file,
        .tenant_id = c->tenant_id,
        .client_id = c->client_id,
        .user_agent = user_agent,
    };
    if (!vk_secret_is_empty(&c->client_secret))
        return client_secret_fetcher(loop, http, &client, &c->client_secret);
    if (!vk_str_empty(c->client_cert_file))
        return client_certificate_fetcher(loop, http, &client, c->client_cert_file,
                                          c->client_key_file);
    if (!vk_str_empty(c->federated_token_file))
        return workload_identity_fetcher(loop, http, &client, c->federated_token_file);
    const struct managed_identity_config config = {
        .imds_endpoint = or_default(c->imds_endpoint, DEFAULT_IMDS),
        .identity_endpoint = c->identity_endpoint,
        .identity_header = &c->identity_header,
        .client_id = or_default(c->managed_identity_client_id, c->client_id),
        .user_agent = user_agent,
    };
    return managed_identity_fetcher(loop, http, &config);
}

static void on_listed(void *user)
{
    struct aci_provider *p = user;
    orphans_on_listed(p->orphans);
    capacity_on_listed(p->capacity);
}

static void on_stream_ended(void *user, const char *uid)
{
    struct aci_provider *p = user;
    tracker_hint(p->tracker, uid);
}

static void build_rooms(struct aci_provider *p, struct http_client *http,
                        const struct aci_provider_config *c, const struct metrics_prices *prices)
{
    const struct tracker_config tracking = {
        .groups = p->groups,
        .arm = p->arm,
        .on_listed = on_listed,
        .user = p,
    };
    p->tracker = tracker_new(p->loop, &tracking);
    const struct capacity_config capacity = {
        .arm = p->arm,
        .tracker = p->tracker,
        .subscription = c->subscription,
        .location = c->location,
        .most = {.cpu_milli = c->cpu_milli > 0 ? c->cpu_milli : DEFAULT_CPU_MILLI,
                 .memory_bytes = c->memory_bytes > 0 ? c->memory_bytes : DEFAULT_MEMORY_BYTES,
                 .pods = c->pods > 0 ? c->pods : DEFAULT_PODS,
                 .os = c->group_settings.windows ? "Windows" : "Linux",
                 .arch = "amd64",
                 /* Azure's cloud controller removes Nodes that are no machines, but for these. */
                 .label_key = "kubernetes.azure.com/managed",
                 .label_value = "false"},
    };
    p->capacity = capacity_new(p->loop, &capacity);
    p->writer =
        group_writer_new(p->loop, p->groups, p->tracker, p->images, p->capacity, &p->env,
                         c->earlier_put_ms > 0 ? c->earlier_put_ms : DEFAULT_EARLIER_PUT_MS);
    p->orphans = orphans_new(p->loop, p->groups, p->tracker,
                             c->orphan_sweep_ms > 0 ? c->orphan_sweep_ms : DEFAULT_ORPHAN_SWEEP_MS);
    p->finished_logs = finished_logs_new(FINISHED_LOGS_MAX, c->finished_log_dir);
    p->retirement = retirement_new(p->loop, p->groups, p->tracker, p->writer, p->finished_logs);
    p->resolver = resolver_new(p->loop);
    const struct exec_streams_config streams = {
        .resolver = p->resolver,
        .ca_file = vk_str_empty(c->azure_ca_file) ? NULL : c->azure_ca_file,
        .message_max = c->exec_message_max};
    p->streams = exec_streams_new(p->loop, &streams);
    const struct container_logs_config logs = {.groups = p->groups,
                                               .streams = p->streams,
                                               .tracker = p->tracker,
                                               .finished = p->finished_logs};
    p->logs = container_logs_new(p->loop, &logs);
    const struct exec_sessions_config execs = {
        .groups = p->groups, .streams = p->streams, .ended = on_stream_ended, .user = p};
    p->execs = exec_sessions_new(p->loop, &execs);
    /* Windows has no such signal. */
    p->stops = container_stops_new(p->loop, p->groups, p->streams,
                                   c->stop_by_exec && !c->group_settings.windows);
    p->monitor = monitor_new(p->arm, c->subscription, c->resource_group);
    const struct stats_config stats = {
        .http = http,
        .arm = p->arm,
        .monitor = p->monitor,
        .tracker = p->tracker,
        .realtime = p->env.realtime_metrics,
        .realtime_port = c->realtime_metrics_port,
    };
    p->stats = stats_new(p->loop, &stats);
    p->metrics = metrics_new(p->loop, p->tracker, p->arm, prices);
}

int aci_provider_new(struct vk_loop *loop, struct http_client *http,
                     const struct aci_provider_config *config, struct aci_provider **ret,
                     struct vk_err *err)
{
    struct metrics_prices prices;
    if (check_config(config, err) < 0 || metrics_prices_parse(config->prices, &prices, err) < 0)
        return -(int)err->code;
    char *agent VK_AUTOFREE = vk_asprintf("aci-kubelet/%s%s%s", VK_VERSION,
                                          vk_str_empty(config->user_agent_extra) ? "" : " ",
                                          or_default(config->user_agent_extra, ""));
    struct registry_client *registries;
    const struct registry_client_config registry = {
        .user_agent = agent,
        .ca_file = config->registry_ca_file,
        .mirrors = config->registry_mirrors,
        .mirror_count = config->registry_mirror_count,
    };
    if (registry_client_new(http, &registry, &registries, err) < 0)
        return -(int)err->code;
    struct aci_provider *p = vk_calloc(1, sizeof(*p));
    p->loop = loop;
    p->registries = registries;
    p->images = image_configs_new(loop, registries,
                                  config->group_settings.windows ? "windows" : "linux", "amd64");
    vk_list_init(&p->pings);
    p->env = (struct provider_env){
        .location = vk_strdup(config->location),
        .subnet_id = copy_or_null(config->subnet_id),
        .private_ip = config->private_ip,
        .realtime_metrics = config->realtime_metrics,
        .cluster_dns = copy_or_null(config->cluster_dns),
        .cluster_domain = vk_strdup(or_default(config->cluster_domain, DEFAULT_CLUSTER_DOMAIN)),
        .settings = config->group_settings,
    };
    p->env.settings.api_version = or_default(config->api_version, DEFAULT_API_VERSION);
    p->tokens = token_source_new(loop, aci_provider_token_fetcher(loop, http, config, agent),
                                 or_default(config->token_scope, DEFAULT_SCOPE));
    const struct arm_client_config arm = {
        .endpoint = or_default(config->arm_endpoint, DEFAULT_ARM_ENDPOINT),
        .ca_file = config->azure_ca_file,
        .api_version = or_default(config->api_version, DEFAULT_API_VERSION),
        .user_agent = agent,
        .limits = config->limits,
    };
    p->arm = arm_client_new(loop, http, p->tokens, &arm);
    p->groups = container_groups_new(loop, p->arm, config->subscription, config->resource_group);
    build_rooms(p, http, config, &prices);
    *ret = p;
    return 0;
}

struct provider aci_provider_interface(struct aci_provider *p)
{
    return (struct provider){.ops = &aci_ops, .p = p};
}

static void free_text(const char *text)
{
    vk_free((void *)(uintptr_t)text);
}

void aci_provider_free(struct aci_provider *p)
{
    if (!p)
        return;
    aci_stop(p);
    stats_free(p->stats);
    metrics_free(p->metrics);
    monitor_free(p->monitor);
    container_logs_free(p->logs);
    container_stops_free(p->stops);
    exec_sessions_free(p->execs);
    exec_streams_free(p->streams);
    resolver_free(p->resolver);
    retirement_free(p->retirement);
    finished_logs_free(p->finished_logs);
    orphans_free(p->orphans);
    group_writer_free(p->writer);
    capacity_free(p->capacity);
    image_configs_free(p->images);
    registry_client_free(p->registries);
    tracker_free(p->tracker);
    container_groups_free(p->groups);
    arm_client_free(p->arm);
    token_source_free(p->tokens);
    free_text(p->env.location);
    free_text(p->env.cluster_id);
    free_text(p->env.node_name);
    free_text(p->env.subnet_id);
    free_text(p->env.cluster_dns);
    free_text(p->env.cluster_domain);
    vk_free(p);
}
