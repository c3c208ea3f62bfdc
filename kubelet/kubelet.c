/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/kubelet.h"

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/client/event_recorder.h"
#include "kubelet/client/rest.h"
#include "kubelet/node/node_lease.h"
#include "kubelet/node/node_status.h"
#include "kubelet/pods/pods.h"
#include "kubelet/server/server.h"

#define NAMESPACE_LIMIT (1 << 20)
#define FORBIDDEN_PATIENCE_MS 30000
#define SHUTDOWN_PATIENCE_MS 20000
/* Events are worth less than the time of whoever waits for the process to end. */
#define SHUTDOWN_EVENTS_MS 3000
#define SHUTDOWN_POLL_MS 20

struct kubelet {
    struct vk_loop *loop;
    struct kubelet_config config;
    struct provider *provider;
    struct rest_client *client;
    struct event_recorder *events;
    struct pods *pods;
    struct provider_upcalls upcalls;
    struct kubelet_server *server;
    struct node_status *node_status;
    struct node_lease *node_lease;
    struct leader_election *election;               /* NULL: there is no other process */
    struct certificate_manager *client_certificate; /* NULL: it is not ours to renew */
    struct vk_arena *arena;
    struct pod_api_server api_server;
    /* the question for the cluster's identity */
    struct vk_timer identity_timer;
    struct rest_call *identity_call;
    struct backoff identity_backoff;
    int64_t forbidden_mono_ms; /* when it was first forbidden in a row; 0: it was not */
    bool started;
    /* the way out */
    struct vk_timer shutdown_timer;
    int64_t shutdown_mono_ms; /* when it began */
    void (*shut_down)(void *user);
    void *shut_down_user;
};

static void on_given_up(void *user)
{
    (void)user;
}

/* Pods that are left, such as a DaemonSet's, are still ended in order. */
static void on_drained(void *user)
{
    struct kubelet *k = user;

    log_info("The node was drained and is about to be deleted; it comes back when this process is "
             "started again",
             LS("node", k->config.node.name));
    node_status_give_up(k->node_status);
    node_lease_release(k->node_lease, on_given_up, k);
}

/* Somebody deleted the node: 40 s later its pods are, unless it is back. */
static void on_lease_gone(void *user)
{
    struct kubelet *k = user;

    node_status_look(k->node_status);
}

static void on_registered(void *user, const char *node_uid)
{
    struct kubelet *k = user;

    node_lease_start(k->node_lease, node_uid);
}

static void on_capacity_changed(void *user)
{
    struct kubelet *k = user;

    node_status_capacity_changed(k->node_status);
    pods_retry_quota(k->pods);
}

/* The cluster is known: everything that writes may begin. */
static void start(struct kubelet *k, const char *cluster_id)
{
    k->started = true;
    log_info("Serving as a node", LS("node", k->config.node.name), LS("cluster", cluster_id),
             LS("server", rest_client_server(k->client)), LS("provider", k->provider->ops->name));
    k->provider->ops->start(k->provider->p, &(struct provider_start){
                                                .upcalls = &k->upcalls,
                                                .cluster_id = cluster_id,
                                                .node_name = k->config.node.name,
                                            });
    kubelet_server_start(k->server);
    if (k->client_certificate)
        certificate_manager_start(k->client_certificate, k->client);
    node_status_start(k->node_status);
    pods_start(k->pods);
}

/* An API server that has just come up forbids what it has not yet read that it should allow. */
static bool is_forbidden_for_good(struct kubelet *k, const struct vk_err *err)
{
    if (err->code != VK_FORBIDDEN) {
        k->forbidden_mono_ms = 0;
        return false;
    }
    if (k->forbidden_mono_ms == 0)
        k->forbidden_mono_ms = vk_mono_ms();
    return vk_mono_ms() - k->forbidden_mono_ms >= FORBIDDEN_PATIENCE_MS;
}

static void identity_failed(struct kubelet *k, const struct vk_err *err)
{
    struct vk_err fatal = *err;

    if (err->code == VK_UNAUTHENTICATED) {
        vk_err_wrap(&fatal, "the API server refuses the credentials of %s",
                    k->config.cluster->source);
        k->config.fatal(k->config.user, &fatal);
        return;
    }
    if (is_forbidden_for_good(k, err)) {
        vk_err_wrap(&fatal, "the cluster's identity is the UID of namespace kube-system, which "
                            "this identity may not read; grant it or set --cluster-id");
        k->config.fatal(k->config.user, &fatal);
        return;
    }
    if (err->code == VK_FORBIDDEN)
        log_warning("Not allowed to read the UID of namespace kube-system, retrying; grant it or "
                    "set --cluster-id",
                    LERR(err));
    else
        log_error("The API server does not answer, retrying; check the address in the kubeconfig "
                  "and that it is reachable from here",
                  LS("server", rest_client_server(k->client)), LERR(err));
    vk_timer_arm(&k->identity_timer, err->retry_after_ms > 0
                                         ? err->retry_after_ms
                                         : backoff_next_ms(&k->identity_backoff));
}

static void on_identity(void *user, struct vk_str body, const struct vk_err *err)
{
    struct kubelet *k = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *namespace_;
    const char *uid;
    struct vk_err parse_err;

    k->identity_call = NULL;
    if (err) {
        identity_failed(k, err);
        return;
    }
    if (json_parse(body, NAMESPACE_LIMIT, arena, &namespace_, &parse_err) < 0) {
        identity_failed(k, &parse_err);
        return;
    }
    uid = json_string(json_get(json_get(namespace_, "metadata"), "uid"));
    if (vk_str_empty(uid)) {
        vk_err_set(&parse_err, VK_PROTOCOL, "namespace kube-system has no UID in the answer");
        identity_failed(k, &parse_err);
        return;
    }
    start(k, uid);
}

static void ask_identity(void *user)
{
    struct kubelet *k = user;

    if (!vk_str_empty(k->config.cluster_id)) {
        start(k, k->config.cluster_id);
        return;
    }
    k->identity_call = rest_start(k->client, &(struct rest_request){
                                                 .method = "GET",
                                                 .path = "/api/v1/namespaces/kube-system",
                                                 .deadline_ms = 10000,
                                                 .what = "get namespace kube-system",
                                                 .on_done = on_identity,
                                                 .user = k,
                                             });
}

static void on_leads(void *user)
{
    struct kubelet *k = user;

    /* The word may come while everything ends: nothing is begun then, the lease is given back. */
    if (!k->shut_down)
        vk_timer_arm(&k->identity_timer, 0);
}

static void on_leadership_lost(void *user, const struct vk_err *err)
{
    struct kubelet *k = user;
    struct vk_err fatal = *err;

    (void)vk_err_wrap(&fatal, "this process may not act for node %s any more", k->config.node.name);
    k->config.fatal(k->config.user, &fatal);
}

static void on_leadership_released(void *user)
{
    struct kubelet *k = user;

    k->shut_down(k->shut_down_user);
}

static void on_lease_released(void *user)
{
    struct kubelet *k = user;

    if (k->election)
        leader_election_release(k->election, on_leadership_released, k);
    else
        k->shut_down(k->shut_down_user);
}

static size_t settle(struct kubelet *k)
{
    size_t writes = pods_settle(k->pods);

    if (k->started && k->provider->ops->settle)
        writes += k->provider->ops->settle(k->provider->p);
    return writes;
}

static void on_shutdown_timer(void *user)
{
    struct kubelet *k = user;
    int64_t waited_ms = vk_mono_ms() - k->shutdown_mono_ms;
    size_t writes = settle(k);
    size_t events = waited_ms < SHUTDOWN_EVENTS_MS ? event_recorder_waiting(k->events) : 0;

    if (writes + events > 0 && waited_ms < SHUTDOWN_PATIENCE_MS) {
        vk_timer_arm(&k->shutdown_timer, SHUTDOWN_POLL_MS);
        return;
    }
    if (writes)
        log_warning("Ending before all writes were answered; the next start finds out what became "
                    "of them",
                    LI("writes", writes));
    node_lease_release(k->node_lease, on_lease_released, k);
}

void kubelet_shutdown(struct kubelet *k, void (*done)(void *user), void *user)
{
    k->shutdown_mono_ms = vk_mono_ms();
    k->shut_down = done;
    k->shut_down_user = user;
    vk_timer_disarm(&k->identity_timer);
    rest_cancel(vk_take(k->identity_call));
    log_info("Ending; container groups keep running", LI("writesInFlight", settle(k)));
    vk_timer_arm(&k->shutdown_timer, 0);
}

static void build_rooms(struct kubelet *k, struct http_client *http)
{
    struct pods_config pods = {
        .client = k->client,
        .http = http,
        .provider = k->provider,
        .node_name = k->config.node.name,
        .kubelet_version = k->config.node.kubelet_version,
        .node_ips = {.v = &k->config.node.internal_ip, .n = 1},
        .api_server = k->api_server,
        .finished_group_ttl_ms = k->config.finished_group_ttl_ms,
        .pod_deletion_cost = k->config.pod_deletion_cost,
    };
    struct node_status_config node = {
        .identity = k->config.node,
        .provider = k->provider,
        .registered = on_registered,
        .user = k,
    };

    k->events = event_recorder_new(k->loop, k->client, "aci-kubelet", k->config.node.name);
    pods.events = k->events;
    k->pods = pods_new(k->loop, &pods);
    k->upcalls = *pods_upcalls(k->pods);
    k->upcalls.capacity_changed = on_capacity_changed;
    k->upcalls.node = k;
    k->node_lease = node_lease_new(k->loop, k->client, k->config.node.name);
    node_lease_on_drained(k->node_lease, on_drained, k);
    node_lease_on_gone(k->node_lease, on_lease_gone, k);
    k->node_status = node_status_new(k->loop, k->client, k->events, &node);
    if (k->config.leader_lease)
        k->election = leader_election_new(k->loop, k->client,
                                          &(struct leader_election_config){
                                              .lease = *k->config.leader_lease,
                                              .leads = on_leads,
                                              .lost = on_leadership_lost,
                                              .user = k,
                                          });
}

static void on_certificate_pending(void *user, bool pending, const char *reason,
                                   const char *message)
{
    struct kubelet *k = user;

    node_status_set_condition(k->node_status, "ServingCertificatePending", pending, reason,
                              message);
}

static void on_client_certificate(void *user, const struct certificate_pair *pair)
{
    struct kubelet *k = user;
    struct cluster_config renewed = *k->config.cluster;

    renewed.cert_file = renewed.key_file = NULL;
    renewed.cert_pem = pair->cert_pem;
    renewed.key_pem = vk_secret_reveal(&pair->key).p;
    rest_client_renew(k->client, &renewed);
    log_info("The node has a new client certificate", LS("node", k->config.node.name));
}

/* The old one goes on while a new one is not approved. */
static void on_client_certificate_waiting(void *user, const char *request, const struct vk_err *err)
{
    char command[256];

    (void)user;
    if (err) {
        log_error("The client certificate of the node could not be renewed; trying again",
                  LERR(err));
        return;
    }
    snprintf(command, sizeof(command), "kubectl certificate approve %s", request);
    log_info("The renewal of the node's client certificate waits for approval",
             LS("request", request), LS("run", command));
}

static int keep_client_certificate(struct kubelet *k, struct vk_err *err)
{
    if (!k->config.rotate_client_certificate)
        return 0;
    return certificate_manager_new(k->loop,
                                   &(struct certificate_manager_config){
                                       .use = CERTIFICATE_CLIENT,
                                       .signer = CLIENT_SIGNER,
                                       .node_name = k->config.node.name,
                                       .names = bootstrap_names(k->config.node.name, k->arena),
                                       .cert_dir = k->config.cert_dir,
                                       .issued = on_client_certificate,
                                       .waiting = on_client_certificate_waiting,
                                       .user = k,
                                   },
                                   &k->client_certificate, err);
}

static int open_port(struct kubelet *k, struct vk_err *err)
{
    return kubelet_server_new(k->loop,
                              &(struct kubelet_server_config){
                                  .address = k->config.address,
                                  .port = k->config.node.kubelet_port,
                                  .certificate =
                                      {
                                          .cert_file = k->config.cert_file,
                                          .key_file = k->config.key_file,
                                          .request = k->config.request_serving_certificate,
                                          .cert_dir = k->config.cert_dir,
                                          .node_name = k->config.node.name,
                                          .node_ip = k->config.node.internal_ip,
                                          .pending = on_certificate_pending,
                                          .user = k,
                                      },
                                  .client_ca_file = k->config.client_ca_file,
                                  .access =
                                      {
                                          .client = k->client,
                                          .node_name = k->config.node.name,
                                          .review_tokens = k->config.review_tokens,
                                          .allow_anonymous = k->config.allow_anonymous,
                                          .token_ttl_ms = k->config.token_ttl_ms,
                                          .allow_ttl_ms = k->config.allow_ttl_ms,
                                          .deny_ttl_ms = k->config.deny_ttl_ms,
                                      },
                                  .pods = k->pods,
                                  .provider = k->provider,
                                  .events = k->events,
                                  .election = k->election,
                              },
                              &k->server, err);
}

static int read_api_server(struct kubelet *k, struct vk_err *err)
{
    const char *text = k->config.pod_api_server;

    if (vk_str_empty(text))
        return 0;
    return service_environment_address(text, k->arena, &k->api_server, err) < 0
               ? vk_err_wrap(err, "--pod-api-server")
               : 0;
}

int kubelet_new(struct vk_loop *loop, struct http_client *http, const struct kubelet_config *config,
                struct provider *provider, struct kubelet **ret, struct vk_err *err)
{
    struct kubelet *k = vk_calloc(1, sizeof(*k));

    k->loop = loop;
    k->arena = vk_arena_new();
    k->config = *config;
    k->provider = provider;
    k->identity_backoff = (struct backoff){.initial_ms = 500, .max_ms = 10000};
    vk_timer_init(&k->identity_timer, loop, "cluster identity", ask_identity, k);
    vk_timer_init(&k->shutdown_timer, loop, "shutdown", on_shutdown_timer, k);
    if (read_api_server(k, err) < 0 ||
        rest_client_new(http, config->cluster, config->user_agent, &k->client, err) < 0) {
        vk_arena_free(k->arena);
        vk_free(k);
        return -(int)err->code;
    }
    build_rooms(k, http);
    if (keep_client_certificate(k, err) < 0 || open_port(k, err) < 0) {
        kubelet_free(k);
        return -(int)err->code;
    }
    if (k->election)
        leader_election_start(k->election);
    else
        vk_timer_arm(&k->identity_timer, 0);
    *ret = k;
    return 0;
}

void kubelet_free(struct kubelet *k)
{
    if (!k)
        return;
    vk_timer_disarm(&k->identity_timer);
    vk_timer_disarm(&k->shutdown_timer);
    rest_cancel(k->identity_call);
    kubelet_server_free(k->server);
    node_status_free(k->node_status);
    node_lease_free(k->node_lease);
    leader_election_free(k->election);
    pods_stop(k->pods);
    if (k->started)
        k->provider->ops->stop(k->provider->p);
    pods_free(k->pods);
    event_recorder_free(k->events);
    certificate_manager_free(k->client_certificate);
    rest_client_free(k->client);
    vk_arena_free(k->arena);
    vk_free(k);
}
