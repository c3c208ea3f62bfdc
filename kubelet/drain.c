/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/drain.h"

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/url.h"
#include "kubelet/drain_pods.h"
#include "kubelet/node/node_lease.h"

#define LOOK_AGAIN_MS 2000
#define POLL_LEASE_MS 1000
/* A kubelet that runs renews its Lease every 10 s. */
#define LEASE_IDLE_MS 45000
#define ANSWER_LIMIT (16u << 20)
#define DEADLINE_MS 10000

enum step {
    STEP_MAY, /* nobody's node is given up by who may not delete it afterwards */
    STEP_IDENTITY,
    STEP_CORDON,
    STEP_OTHERS,    /* all pods but those of DaemonSets, and their groups */
    STEP_HAND_OVER, /* the kubelet gives the node up */
    STEP_DELETE_NODE,
    STEP_DAEMONS, /* no DaemonSet puts new pods on a node that is gone */
    STEP_DELETE_LEASE,
};

struct drain {
    struct vk_loop *loop;
    struct drain_config config;
    struct rest_client *client;
    struct drain_pods *pods;
    char *node_path, *lease_path, *cluster_id;
    enum step step;
    struct rest_call *call;
    struct vk_timer timer, deadline;
    struct backoff backoff;
    bool has_force_checked, is_over, waits_for_groups;
    size_t groups, daemon_groups; /* as last listed */
    char told[160];               /* the last count that was told */
    struct vk_err last_err;       /* what is being tried again */
    char renewed[64];             /* the Lease's renewTime, and since when it is that */
    int64_t renewed_mono_ms;
};

static void proceed(void *user);

static void finish(struct drain *d, const struct vk_err *err)
{
    if (d->is_over)
        return;
    d->is_over = true;
    vk_timer_disarm(&d->timer);
    vk_timer_disarm(&d->deadline);
    d->config.done(d->config.user, err);
}

static void tell(struct drain *d, const char *text)
{
    if (!d->is_over)
        d->config.progress(d->config.user, text);
}

static void go_to(struct drain *d, enum step step)
{
    d->step = step;
    backoff_reset(&d->backoff);
    vk_timer_arm(&d->timer, 0);
}

/* Tries the step again, or ends. */
static void step_failed(struct drain *d, const struct vk_err *err)
{
    if (!vk_err_is_transient(err) || err->code == VK_UNAUTHENTICATED) {
        finish(d, err);
        return;
    }
    if (!vk_streq(d->last_err.msg, err->msg)) {
        char *text VK_AUTOFREE = vk_asprintf("trying again: %s", err->msg);

        tell(d, text);
    }
    d->last_err = *err;
    vk_timer_arm(&d->timer,
                 err->retry_after_ms > 0 ? err->retry_after_ms : backoff_next_ms(&d->backoff));
}

static void ask(struct drain *d, const char *method, const char *path, const char *what,
                const char *body, rest_done_fn done)
{
    d->call = rest_start(d->client,
                         &(struct rest_request){
                             .method = method,
                             .path = path,
                             .body = vk_str_of(body),
                             .patch = vk_streq(method, "PATCH") ? REST_MERGE_PATCH : REST_NO_PATCH,
                             .deadline_ms = DEADLINE_MS,
                             .what = what,
                             .on_done = done,
                             .user = d,
                         });
}

static void ask_right(struct drain *d, rest_done_fn done)
{
    char *body VK_AUTOFREE =
        vk_asprintf("{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":"
                    "\"SelfSubjectAccessReview\",\"spec\":{\"resourceAttributes\":{\"verb\":"
                    "\"delete\",\"version\":\"v1\",\"resource\":\"nodes\",\"name\":\"%s\"}}}",
                    d->config.node_name);

    ask(d, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "ask for the right to delete the node", body, done);
}

/* Who may not even ask is told later. */
static void on_right(void *user, struct vk_str body, const struct vk_err *err)
{
    struct drain *d = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *review;
    struct vk_err bad;

    d->call = NULL;
    if (err && err->code != VK_FORBIDDEN && err->code != VK_NOT_FOUND) {
        step_failed(d, err);
        return;
    }
    if (!err && json_parse(body, ANSWER_LIMIT, arena, &review, &bad) == 0 &&
        !json_bool_or(json_get(review, "status"), "allowed", true)) {
        vk_err_set(&bad, VK_FORBIDDEN,
                   "this user may not delete node %s, and nothing was begun: see "
                   "deploy/manifests/drain.yaml",
                   d->config.node_name);
        finish(d, &bad);
        return;
    }
    go_to(d, STEP_IDENTITY);
}

static void on_identity(void *user, struct vk_str body, const struct vk_err *err)
{
    struct drain *d = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *namespace_;
    const char *uid;
    struct vk_err bad;

    d->call = NULL;
    if (err) {
        step_failed(d, err);
        return;
    }
    if (json_parse(body, ANSWER_LIMIT, arena, &namespace_, &bad) < 0) {
        finish(d, &bad);
        return;
    }
    uid = json_string_or(json_get(namespace_, "metadata"), "uid", "");
    if (vk_str_empty(uid)) {
        vk_err_set(&bad, VK_PROTOCOL, "namespace kube-system has no UID in the answer");
        finish(d, &bad);
        return;
    }
    d->cluster_id = vk_strdup(uid);
    go_to(d, STEP_CORDON);
}

static void on_cordoned(void *user, struct vk_str body, const struct vk_err *err)
{
    struct drain *d = user;
    char *text VK_AUTOFREE =
        vk_asprintf("node %s %s", d->config.node_name,
                    err ? "is gone already, or never was: look at --nodename" : "cordoned");

    (void)body;
    d->call = NULL;
    if (err && err->code != VK_NOT_FOUND) {
        step_failed(d, err);
        return;
    }
    tell(d, text);
    go_to(d, STEP_OTHERS);
}

static void tell_what_is_left(struct drain *d)
{
    const bool daemons = d->step == STEP_DAEMONS;
    const size_t pods = drain_pods_count(d->pods, daemons);
    const size_t groups = daemons ? d->groups + d->daemon_groups : d->groups;
    char text[sizeof(d->told)];

    snprintf(text, sizeof(text), "%zu %spods and %zu container groups left", pods,
             daemons ? "DaemonSet " : "", groups);
    if (vk_streq(text, d->told))
        return;
    vk_strcpy_to(d->told, sizeof(d->told), text);
    tell(d, text);
}

static void on_groups(void *user, const struct json_strs *uids, const struct vk_err *err)
{
    struct drain *d = user;
    bool is_clear;

    d->waits_for_groups = false;
    if (d->is_over)
        return;
    if (err) {
        step_failed(d, err);
        return;
    }
    d->groups = d->daemon_groups = 0;
    for (size_t i = 0; i < uids->n; i++) {
        if (drain_pods_is_daemon(d->pods, uids->v[i]))
            d->daemon_groups++;
        else
            d->groups++;
    }
    tell_what_is_left(d);
    is_clear = d->groups == 0 && drain_pods_count(d->pods, false) == 0;
    if (d->step == STEP_DAEMONS)
        is_clear = is_clear && d->daemon_groups == 0 && drain_pods_count(d->pods, true) == 0;
    if (is_clear)
        go_to(d, d->step == STEP_OTHERS ? STEP_HAND_OVER : STEP_DELETE_LEASE);
    else
        vk_timer_arm(&d->timer, LOOK_AGAIN_MS);
}

/* Whoever deletes such a pod has lost it: only by --force. Before anything is removed. */
static bool needs_force(struct drain *d)
{
    char names[300];
    struct vk_err err;

    if (d->has_force_checked)
        return false;
    d->has_force_checked = true;
    drain_pods_unmanaged(d->pods, names, sizeof(names));
    if (d->config.force || vk_str_empty(names))
        return false;
    vk_err_set(&err, VK_INVALID,
               "no controller would make these pods anew: %s; --force deletes them", names);
    vk_err_reason(&err, DRAIN_NEEDS_FORCE);
    finish(d, &err);
    return true;
}

static void on_listed(void *user, const struct vk_err *err)
{
    struct drain *d = user;

    if (d->is_over)
        return;
    if (err) {
        step_failed(d, err);
        return;
    }
    if (needs_force(d))
        return;
    drain_pods_remove(d->pods, d->step == STEP_DAEMONS);
    d->waits_for_groups = true;
    d->config.list_groups(d->config.user, d->cluster_id, on_groups, d);
}

static void on_pod_progress(void *user, const char *text)
{
    tell(user, text);
}

static void on_pods_failed(void *user, const struct vk_err *err)
{
    finish(user, err);
}

/* The node's kubelet runs as long as the time in the Lease moves on. */
static bool is_given_up(struct drain *d, const struct json *lease)
{
    const struct json *spec = json_get(lease, "spec");
    const char *renewed = json_string_or(spec, "renewTime", "");

    if (vk_str_empty(json_string_or(spec, "holderIdentity", "")))
        return true;
    if (!vk_streq(renewed, d->renewed)) {
        vk_strcpy_to(d->renewed, sizeof(d->renewed), renewed);
        d->renewed_mono_ms = vk_mono_ms();
    }
    return vk_mono_ms() - d->renewed_mono_ms >= LEASE_IDLE_MS;
}

static void on_lease(void *user, struct vk_str body, const struct vk_err *err)
{
    struct drain *d = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *lease;
    struct vk_err bad;

    d->call = NULL;
    if (err && err->code == VK_NOT_FOUND) {
        go_to(d, STEP_DELETE_NODE);
    } else if (err) {
        step_failed(d, err);
    } else if (json_parse(body, ANSWER_LIMIT, arena, &lease, &bad) < 0) {
        finish(d, &bad);
    } else if (is_given_up(d, lease)) {
        go_to(d, STEP_DELETE_NODE);
    } else {
        vk_timer_arm(&d->timer, POLL_LEASE_MS);
    }
}

static void on_node_deleted(void *user, struct vk_str body, const struct vk_err *err)
{
    struct drain *d = user;
    char *text VK_AUTOFREE = vk_asprintf("node %s deleted", d->config.node_name);

    (void)body;
    d->call = NULL;
    if (err && err->code != VK_NOT_FOUND) {
        step_failed(d, err);
        return;
    }
    if (!err)
        tell(d, text);
    go_to(d, STEP_DAEMONS);
}

static void on_lease_deleted(void *user, struct vk_str body, const struct vk_err *err)
{
    struct drain *d = user;

    (void)body;
    d->call = NULL;
    if (err && err->code != VK_NOT_FOUND)
        step_failed(d, err);
    else
        finish(d, NULL);
}

static void proceed(void *user)
{
    struct drain *d = user;

    if (d->is_over || d->call || d->waits_for_groups)
        return;
    switch (d->step) {
    case STEP_MAY:
        ask_right(d, on_right);
        break;
    case STEP_IDENTITY:
        if (d->cluster_id)
            go_to(d, STEP_CORDON);
        else
            ask(d, "GET", "/api/v1/namespaces/kube-system", "get namespace kube-system", "",
                on_identity);
        break;
    case STEP_CORDON:
        ask(d, "PATCH", d->node_path, "cordon the node", "{\"spec\":{\"unschedulable\":true}}",
            on_cordoned);
        break;
    case STEP_OTHERS:
    case STEP_DAEMONS:
        drain_pods_list(d->pods);
        break;
    case STEP_HAND_OVER:
        ask(d, "PATCH", d->lease_path, "ask the kubelet to give the node up",
            "{\"metadata\":{\"annotations\":{\"" NODE_LEASE_DRAINED "\":\"true\"}}}", on_lease);
        break;
    case STEP_DELETE_NODE:
        ask(d, "DELETE", d->node_path, "delete the node", "", on_node_deleted);
        break;
    case STEP_DELETE_LEASE:
        ask(d, "DELETE", d->lease_path, "delete the node's lease", "", on_lease_deleted);
        break;
    }
}

static void on_deadline(void *user)
{
    struct drain *d = user;
    struct vk_err err;

    vk_err_set(&err, VK_TIMEOUT,
               "not drained within %lld s: %s%s%s; the node stays cordoned. It is the running "
               "aci-kubelet that ends pods: see its log",
               (long long)(d->config.timeout_ms / 1000), *d->told ? d->told : "nothing was counted",
               *d->last_err.msg ? "; last trouble: " : "", d->last_err.msg);
    vk_err_reason(&err, DRAIN_TIMED_OUT);
    finish(d, &err);
}

static char *path_of(const char *prefix, const char *name)
{
    struct vk_buf path;

    vk_buf_init(&path, 4096);
    vk_buf_adds(&path, prefix);
    url_encode(&path, vk_str_of(name));
    return vk_buf_take(&path);
}

int drain_new(struct vk_loop *loop, struct http_client *http, const struct drain_config *config,
              struct drain **ret, struct vk_err *err)
{
    struct drain *d = vk_calloc(1, sizeof(*d));

    if (rest_client_new(http, config->cluster, config->user_agent, &d->client, err) < 0) {
        vk_free(d);
        return -(int)err->code;
    }
    d->loop = loop;
    d->config = *config;
    d->node_path = path_of("/api/v1/nodes/", config->node_name);
    d->lease_path = path_of(NODE_LEASES_PATH "/", config->node_name);
    d->cluster_id = vk_str_empty(config->cluster_id) ? NULL : vk_strdup(config->cluster_id);
    d->backoff = (struct backoff){.initial_ms = 500, .max_ms = 10000};
    d->pods = drain_pods_new(&(struct drain_pods_config){.client = d->client,
                                                         .node_name = config->node_name,
                                                         .progress = on_pod_progress,
                                                         .listed = on_listed,
                                                         .failed = on_pods_failed,
                                                         .user = d});
    vk_timer_init(&d->timer, loop, "drain", proceed, d);
    vk_timer_init(&d->deadline, loop, "drain deadline", on_deadline, d);
    vk_timer_arm(&d->timer, 0);
    vk_timer_arm(&d->deadline, config->timeout_ms);
    *ret = d;
    return 0;
}

void drain_free(struct drain *d)
{
    if (!d)
        return;
    vk_timer_disarm(&d->timer);
    vk_timer_disarm(&d->deadline);
    rest_cancel(d->call);
    drain_pods_free(d->pods);
    rest_client_free(d->client);
    vk_free(d->node_path);
    vk_free(d->lease_path);
    vk_free(d->cluster_id);
    vk_free(d);
}
