/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/cluster_check.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/url.h"
#include "kubelet/api_rights.h"
#include "kubelet/client/rest.h"

#define DEADLINE_MS 10000
#define ANSWER_LIMIT (1u << 20)
#define MIN_MINOR 31
#define MAX_MISSING 600

#define NAME_SERVER "API server"
#define NAME_IDENTITY "cluster identity"
#define NAME_NODE "node name"
#define NAME_RIGHTS "cluster rights"
#define NAME_CLOCK "cluster clock"

struct right_call {
    struct cluster_check *check;
    const struct api_right *right;
    struct rest_call *call;
};

struct cluster_check {
    struct cluster_check_config config;
    struct rest_client *client;
    struct vk_timer start;
    struct rest_call *version, *identity, *node;
    struct right_call *rights; /* api_right_count of them; those not asked have no call */
    size_t asked, missing_count;
    struct vk_buf missing; /* what is missing, as text */
    char user[256];
    bool is_node;
    struct vk_err failure; /* why the client could not be made */
    struct vk_err rights_error;
};

static void tell(struct cluster_check *c, enum finding_state state, const char *name,
                 const char *detail, const char *remedy)
{
    c->config.found(
        c->config.user,
        &(struct finding){.state = state, .name = name, .detail = detail, .remedy = remedy});
}

/* ---- the end ---- */

static void tell_clock(struct cluster_check *c)
{
    int64_t ahead_ms = 0;
    const bool is_known = c->client && rest_client_clock_ahead_ms(c->client, &ahead_ms);

    finding_of_clock(NAME_CLOCK, "the API server", is_known, ahead_ms, c->config.found,
                     c->config.user);
}

static void finish(struct cluster_check *c)
{
    tell_clock(c);
    c->config.done(c->config.user);
}

static void finish_rights(struct cluster_check *c)
{
    char *text VK_AUTOFREE = NULL;
    char *remedy VK_AUTOFREE = NULL;

    if (c->missing_count) {
        text = vk_asprintf("%s may not: %s", c->user, vk_buf_peek(&c->missing));
        remedy = vk_asprintf("kubectl apply -f deploy/manifests/%s.yaml, and bind it to %s",
                             c->is_node ? "node-identity" : "rbac", c->user);
        tell(c, FINDING_FAILED, NAME_RIGHTS, text, remedy);
    } else if (c->rights_error.code != VK_OK) {
        text = vk_asprintf("can't be told: %s", c->rights_error.msg);
        tell(c, FINDING_WARNING, NAME_RIGHTS, text,
             "let this user create selfsubjectaccessreviews (ClusterRole system:basic-user)");
    } else {
        text = vk_asprintf("all %zu rights are given", c->asked);
        tell(c, FINDING_OK, NAME_RIGHTS, text, "");
    }
    finish(c);
}

/* ---- rights ---- */

static const char *namespace_of(const struct cluster_check *c, const struct api_right *right)
{
    return right->need == RIGHT_LEADER_ELECTION ? c->config.leader_namespace : right->namespace_;
}

/* The names that roles may be bound to. No request to create has one. */
static const char *name_of(const struct cluster_check *c, const struct api_right *right)
{
    if (right->need == RIGHT_LEADER_ELECTION)
        return vk_streq(right->verb, "create") ? "" : c->config.leader_lease;
    return right->is_of_node ? c->config.node_name : right->name;
}

/* "patch pods/status", "create leases.coordination.k8s.io in kube-node-lease" */
static void describe_right(const struct cluster_check *c, const struct api_right *right,
                           struct vk_buf *out)
{
    const char *namespace_ = namespace_of(c, right);

    vk_buf_printf(out, "%s %s", right->verb, right->resource);
    if (*right->group)
        vk_buf_printf(out, ".%s", right->group);
    if (*right->subresource)
        vk_buf_printf(out, "/%s", right->subresource);
    if (*right->name)
        vk_buf_printf(out, " %s", right->name);
    if (*namespace_)
        vk_buf_printf(out, " in %s", namespace_);
}

static void note_missing(struct cluster_check *c, const struct api_right *right)
{
    struct vk_buf text VK_BUF_AUTO;

    vk_buf_init(&text, 256);
    describe_right(c, right, &text);
    if (vk_buf_len(&c->missing) + vk_buf_len(&text) + 16 > MAX_MISSING) {
        if (!vk_ends(vk_buf_peek(&c->missing), "..."))
            vk_buf_adds(&c->missing, " ...");
    } else {
        vk_buf_printf(&c->missing, "%s%s", c->missing_count ? ", " : "", vk_buf_peek(&text));
    }
    c->missing_count++;
}

static bool is_done(const struct cluster_check *c)
{
    for (size_t i = 0; i < api_right_count; i++)
        if (c->rights[i].call)
            return false;
    return true;
}

static void on_right(void *user, struct vk_str body, const struct vk_err *err)
{
    struct right_call *r = user;
    struct cluster_check *c = r->check;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *review;
    struct vk_err bad;

    r->call = NULL;
    if (!err && json_parse(body, ANSWER_LIMIT, arena, &review, &bad) < 0)
        err = &bad;
    if (err)
        c->rights_error = *err;
    else if (!json_bool_or(json_get(review, "status"), "allowed", false))
        note_missing(c, r->right);
    if (is_done(c))
        finish_rights(c);
}

static bool is_needed(const struct cluster_check *c, const struct api_right *right)
{
    if (c->is_node && right->is_by_graph)
        return false;
    switch (right->need) {
    case RIGHT_CLUSTER_ID:
        return c->config.needs_cluster_id;
    case RIGHT_REVIEWS:
        return c->config.reviews;
    case RIGHT_SERVING_CERTIFICATE:
        return c->config.serving_certificate;
    case RIGHT_LEADER_ELECTION:
        return c->config.leader_namespace != NULL;
    case RIGHT_ALWAYS:
        break;
    }
    return true;
}

/* The Node authorizer gives a node its own pods alone, and knows them by this selector. */
static void write_selector(struct json_writer *w, const char *node_name)
{
    json_begin_object(w, "fieldSelector");
    json_begin_array(w, "requirements");
    json_begin_object(w, NULL);
    json_put_string(w, "key", "spec.nodeName");
    json_put_string(w, "operator", "In");
    json_begin_array(w, "values");
    json_put_string(w, NULL, node_name);
    json_end_array(w);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

static void write_review(const struct cluster_check *c, const struct api_right *right,
                         struct vk_buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "apiVersion", "authorization.k8s.io/v1");
    json_put_string(&w, "kind", "SelfSubjectAccessReview");
    json_begin_object(&w, "spec");
    json_begin_object(&w, "resourceAttributes");
    json_put_string(&w, "group", right->group);
    json_put_string(&w, "version", "v1");
    json_put_string(&w, "resource", right->resource);
    json_put_string(&w, "verb", right->verb);
    json_put_string_if(&w, "subresource", right->subresource);
    json_put_string_if(&w, "namespace", namespace_of(c, right));
    json_put_string_if(&w, "name", name_of(c, right));
    if (vk_streq(right->resource, "pods") &&
        (vk_streq(right->verb, "list") || vk_streq(right->verb, "watch")))
        write_selector(&w, c->config.node_name);
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
}

static void ask_right(struct cluster_check *c, struct right_call *r)
{
    struct vk_buf body VK_BUF_AUTO;

    vk_buf_init(&body, 4096);
    write_review(c, r->right, &body);
    c->asked++;
    r->call =
        rest_start(c->client, &(struct rest_request){
                                  .method = "POST",
                                  .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                                  .body = vk_buf_str(&body),
                                  .changes_nothing = true,
                                  .deadline_ms = DEADLINE_MS,
                                  .what = "ask for a right",
                                  .on_done = on_right,
                                  .user = r,
                              });
}

static void ask_rights(struct cluster_check *c)
{
    for (size_t i = 0; i < api_right_count; i++) {
        c->rights[i] = (struct right_call){.check = c, .right = &api_rights[i]};
        if (is_needed(c, &api_rights[i]))
            ask_right(c, &c->rights[i]);
    }
}

/* ---- the node's name ---- */

static void tell_node(struct cluster_check *c, const struct json *node)
{
    const struct json *labels = json_get(json_get(node, "metadata"), "labels");
    const struct json *info = json_get(json_get(node, "status"), "nodeInfo");
    char *detail VK_AUTOFREE = NULL;

    if (vk_streq(json_string_or(labels, "type", ""), "virtual-kubelet")) {
        detail = vk_asprintf("%s is there, as a virtual node", c->config.node_name);
        tell(c, FINDING_OK, NAME_NODE, detail, "");
        return;
    }
    detail = vk_asprintf("%s is another node, with kubelet %s", c->config.node_name,
                         json_string_or(info, "kubeletVersion", "of no version"));
    tell(c, FINDING_FAILED, NAME_NODE, detail,
         "choose another --nodename: aci-kubelet would take this one over; or delete the Node, if "
         "its machine is gone");
}

static void on_node(void *user, struct vk_str body, const struct vk_err *err)
{
    struct cluster_check *c = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *node;
    struct vk_err bad;

    c->node = NULL;
    if (!err && json_parse(body, ANSWER_LIMIT, arena, &node, &bad) < 0)
        err = &bad;
    if (!err) {
        tell_node(c, node);
    } else if (err->code == VK_NOT_FOUND) {
        char *detail VK_AUTOFREE = vk_asprintf("%s is free", c->config.node_name);

        tell(c, FINDING_OK, NAME_NODE, detail, "");
    } else {
        tell(c, FINDING_SKIPPED, NAME_NODE, err->msg, "");
    }
    ask_rights(c);
}

static void ask_node(struct cluster_check *c)
{
    struct vk_buf path VK_BUF_AUTO;

    vk_buf_init(&path, 1024);
    vk_buf_adds(&path, "/api/v1/nodes/");
    url_encode(&path, vk_str_of(c->config.node_name));
    c->node = rest_start(c->client, &(struct rest_request){
                                        .method = "GET",
                                        .path = vk_buf_peek(&path),
                                        .deadline_ms = DEADLINE_MS,
                                        .what = "get the node",
                                        .on_done = on_node,
                                        .user = c,
                                    });
}

/* ---- who we are ---- */

static void tell_identity(struct cluster_check *c)
{
    char *own VK_AUTOFREE = vk_asprintf("system:node:%s", c->config.node_name);
    char *detail VK_AUTOFREE = NULL;

    if (c->is_node && !vk_streq(c->user, own)) {
        detail = vk_asprintf("the cluster knows us as %s, not as %s", c->user, own);
        tell(c, FINDING_FAILED, NAME_IDENTITY, detail,
             "give --nodename the name that the certificate has, or get a certificate for it: a "
             "node may change no other");
    } else if (vk_streq(c->user, "system:anonymous")) {
        tell(c, FINDING_FAILED, NAME_IDENTITY, "the cluster does not know us: system:anonymous",
             "give the kubeconfig a token or a client certificate");
    } else {
        tell(c, FINDING_OK, NAME_IDENTITY, c->user, "");
    }
}

static void on_identity(void *user, struct vk_str body, const struct vk_err *err)
{
    struct cluster_check *c = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *review;
    struct vk_err bad;

    c->identity = NULL;
    if (!err && json_parse(body, ANSWER_LIMIT, arena, &review, &bad) < 0)
        err = &bad;
    if (err && (err->code == VK_UNAUTHENTICATED || err->code == VK_TIMEOUT ||
                err->code == VK_UNAVAILABLE)) {
        tell(c, FINDING_FAILED, NAME_IDENTITY, err->msg,
             err->code == VK_UNAUTHENTICATED
                 ? "the token or certificate is wrong or expired: make a new kubeconfig; in a pod, "
                   "look at its service account"
                 : "see the check of the API server");
        tell(c, FINDING_SKIPPED, NAME_NODE, "the cluster does not know us", "");
        tell(c, FINDING_SKIPPED, NAME_RIGHTS, "the cluster does not know us", "");
        finish(c);
        return;
    }
    vk_strcpy_to(c->user, sizeof(c->user),
                 err ? "this user"
                     : json_string_or(json_get(json_get(review, "status"), "userInfo"), "username",
                                      "this user"));
    c->is_node = vk_starts(c->user, "system:node:");
    if (err)
        tell(c, FINDING_WARNING, NAME_IDENTITY, err->msg,
             "let this user create selfsubjectreviews (ClusterRole system:basic-user)");
    else
        tell_identity(c);
    if (c->config.is_bootstrap) {
        tell(c, FINDING_SKIPPED, NAME_RIGHTS,
             "the node has no certificate yet: check again after the first start", "");
        tell(c, FINDING_SKIPPED, NAME_NODE, "the node has no certificate yet", "");
        finish(c);
    } else {
        ask_node(c);
    }
}

/* ---- the server ---- */

static void tell_version(struct cluster_check *c, const struct json *version)
{
    const char *minor = json_string_or(version, "minor", "");
    const char *text = json_string_or(version, "gitVersion", "");
    char *detail VK_AUTOFREE = vk_asprintf("%s at %s", text, rest_client_server(c->client));

    if (!isdigit((unsigned char)*minor) || !vk_streq(json_string_or(version, "major", ""), "1"))
        tell(c, FINDING_WARNING, NAME_SERVER, detail, "its version can't be read");
    else if (strtol(minor, NULL, 10) < MIN_MINOR)
        tell(c, FINDING_FAILED, NAME_SERVER, detail,
             "upgrade the cluster: aci-kubelet is made for Kubernetes 1.31 and later");
    else
        tell(c, FINDING_OK, NAME_SERVER, detail, "");
}

static void ask_identity(struct cluster_check *c)
{
    c->identity =
        rest_start(c->client, &(struct rest_request){
                                  .method = "POST",
                                  .path = "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                                  .body = VK_STR("{\"apiVersion\":\"authentication.k8s.io/v1\","
                                                 "\"kind\":\"SelfSubjectReview\"}"),
                                  .changes_nothing = true,
                                  .deadline_ms = DEADLINE_MS,
                                  .what = "ask who we are",
                                  .on_done = on_identity,
                                  .user = c,
                              });
}

static void tell_no_server(struct cluster_check *c, const struct vk_err *err)
{
    const char *remedy =
        err->code == VK_UNAUTHENTICATED
            ? "the token or certificate is wrong or expired: make a new kubeconfig"
            : "look at the server's address and CA in the kubeconfig, and at the way there: route, "
              "firewall, proxy";

    tell(c, FINDING_FAILED, NAME_SERVER, err->msg, remedy);
    tell(c, FINDING_SKIPPED, NAME_IDENTITY, "the API server was not reached", "");
    tell(c, FINDING_SKIPPED, NAME_NODE, "the API server was not reached", "");
    tell(c, FINDING_SKIPPED, NAME_RIGHTS, "the API server was not reached", "");
    finish(c);
}

static void on_version(void *user, struct vk_str body, const struct vk_err *err)
{
    struct cluster_check *c = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *version;
    struct vk_err bad;

    c->version = NULL;
    if (!err && json_parse(body, ANSWER_LIMIT, arena, &version, &bad) < 0)
        err = &bad;
    if (err && err->code != VK_FORBIDDEN) {
        tell_no_server(c, err);
        return;
    }
    if (err)
        tell(c, FINDING_WARNING, NAME_SERVER, err->msg,
             "let this user get /version (ClusterRole system:public-info-viewer)");
    else
        tell_version(c, version);
    ask_identity(c);
}

static void on_start(void *user)
{
    struct cluster_check *c = user;

    if (!c->client) {
        tell_no_server(c, &c->failure);
        return;
    }
    c->version = rest_start(c->client, &(struct rest_request){
                                           .method = "GET",
                                           .path = "/version",
                                           .deadline_ms = DEADLINE_MS,
                                           .what = "get the API server's version",
                                           .on_done = on_version,
                                           .user = c,
                                       });
}

struct cluster_check *cluster_check_new(struct vk_loop *loop, struct http_client *http,
                                        const struct cluster_check_config *config)
{
    struct cluster_check *c = vk_calloc(1, sizeof(*c));

    c->config = *config;
    c->rights = vk_calloc(api_right_count, sizeof(*c->rights));
    vk_buf_init(&c->missing, 2 * MAX_MISSING);
    vk_timer_init(&c->start, loop, "cluster check", on_start, c);
    vk_timer_arm(&c->start, 0);
    if (rest_client_new(http, config->cluster, config->user_agent, &c->client, &c->failure) < 0)
        c->client = NULL;
    return c;
}

void cluster_check_free(struct cluster_check *c)
{
    if (!c)
        return;
    vk_timer_disarm(&c->start);
    rest_cancel(c->version);
    rest_cancel(c->identity);
    rest_cancel(c->node);
    for (size_t i = 0; i < api_right_count; i++)
        rest_cancel(c->rights[i].call);
    rest_client_free(c->client);
    vk_buf_release(&c->missing);
    vk_free(c->rights);
    vk_free(c);
}
