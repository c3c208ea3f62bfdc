/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/node_status.h"

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"

#define NODE_LIMIT (1 << 20)
#define REPORT_EVERY_MS (5 * 60 * 1000)
#define PING_EVERY_MS 10000
/* One slow answer is no outage: the condition turns after this many pings in a row failed. */
#define PINGS_UNTIL_UNREACHABLE 3

enum step { STEP_GET, STEP_CREATE, STEP_ADOPT, STEP_TAINT, STEP_STATUS };
/* Whether the provider is reachable is not known before the first answer. */
enum taint_wish { TAINT_AS_IT_IS, TAINT_ON, TAINT_OFF };

struct node_status {
    struct rest_client *client;
    struct event_recorder *events;
    struct node_status_config config;
    struct node_conditions conditions;
    struct vk_timer timer, ping_timer;
    struct rest_call *call;
    struct backoff backoff;
    enum step step;
    bool role_refused; /* NodeRestriction: leave kubernetes.io/role out */
    bool adoption_refused;
    bool failing; /* the timer holds a pause that news must not cut short */
    bool dirty;   /* something changed while a call was under way */
    enum taint_wish taint;
    bool taint_due;     /* the object may differ from the wish */
    bool taint_refused; /* NodeRestriction: the condition alone has to do */
    bool ping_under_way, stopped, given_up;
    bool has_told_unreachable; /* by an Event */
    unsigned failed_pings;
    char uid[64];
    char *path;
};

static void proceed(struct node_status *n);
static void on_answer(void *user, struct vk_str body, const struct vk_err *err);

static const char *node_name(const struct node_status *n)
{
    return n->config.identity.name;
}

static void send(struct node_status *n, const char *method, const char *path, const char *verb,
                 struct vk_str body, enum rest_patch_type patch)
{
    char *what VK_AUTOFREE = vk_asprintf("%s node %s", verb, node_name(n));

    n->call = rest_start(n->client, &(struct rest_request){
                                        .method = method,
                                        .path = path,
                                        .body = body,
                                        .patch = patch,
                                        .deadline_ms = 10000,
                                        .what = what,
                                        .on_done = on_answer,
                                        .user = n,
                                    });
}

static void send_create(struct node_status *n)
{
    struct vk_buf body VK_BUF_AUTO;
    struct node_capacity capacity = {0};

    vk_buf_init(&body, NODE_LIMIT);
    n->config.provider->ops->get_capacity(n->config.provider->p, &capacity);
    node_object_write(&body, &n->config.identity, &capacity, &n->conditions, !n->role_refused,
                      vk_wall_ns());
    vk_crash_point("before-node-create");
    send(n, "POST", "/api/v1/nodes", "create", vk_buf_str(&body), REST_NO_PATCH);
}

static void send_status(struct node_status *n)
{
    struct vk_buf body VK_BUF_AUTO;
    struct node_capacity capacity = {0};
    char *path VK_AUTOFREE = vk_asprintf("%s/status", n->path);

    vk_buf_init(&body, NODE_LIMIT);
    n->dirty = false;
    n->config.provider->ops->get_capacity(n->config.provider->p, &capacity);
    node_status_patch_write(&body, &n->config.identity, &capacity, &n->conditions, vk_wall_ns());
    vk_crash_point("before-node-status");
    send(n, "PATCH", path, "patch status of", vk_buf_str(&body), REST_STRATEGIC_MERGE_PATCH);
}

static void proceed(struct node_status *n)
{
    if (n->step == STEP_STATUS && n->taint_due)
        n->step = STEP_GET;
    switch (n->step) {
    case STEP_GET:
    case STEP_ADOPT:
    case STEP_TAINT:
        n->step = STEP_GET;
        send(n, "GET", n->path, "get", VK_STR(""), REST_NO_PATCH);
        break;
    case STEP_CREATE:
        send_create(n);
        break;
    case STEP_STATUS:
        send_status(n);
        break;
    }
}

/* True when the taint of an unreachable provider is being put on the node or taken off it. */
static bool send_taint(struct node_status *n, const struct json *node)
{
    struct vk_buf body VK_BUF_AUTO;

    n->taint_due = false;
    if (n->taint == TAINT_AS_IT_IS || n->taint_refused)
        return false;
    vk_buf_init(&body, NODE_LIMIT);
    if (!node_taint_patch_write(&body, &node_taint_unreachable, n->taint == TAINT_ON, node))
        return false;
    n->step = STEP_TAINT;
    send(n, "PATCH", n->path, n->taint == TAINT_ON ? "taint" : "untaint", vk_buf_str(&body),
         REST_MERGE_PATCH);
    return true;
}

/* The object exists: takes it over, or goes on to its status when nothing has to change. */
static void adopt(struct node_status *n, const struct json *node)
{
    struct vk_buf body VK_BUF_AUTO;
    struct node_capacity capacity = {0};
    const char *uid = json_string_or(json_get(node, "metadata"), "uid", "");

    if (!vk_streq(uid, n->uid)) {
        vk_strcpy_to(n->uid, sizeof(n->uid), uid);
        n->config.registered(n->config.user, n->uid);
    }
    vk_buf_init(&body, NODE_LIMIT);
    n->config.provider->ops->get_capacity(n->config.provider->p, &capacity);
    if (!n->adoption_refused &&
        node_adopt_patch_write(&body, &n->config.identity, &capacity, node, !n->role_refused)) {
        n->step = STEP_ADOPT;
        vk_crash_point("before-node-adopt");
        send(n, "PATCH", n->path, "adopt", vk_buf_str(&body), REST_MERGE_PATCH);
        return;
    }
    if (send_taint(n, node))
        return;
    n->step = STEP_STATUS;
    send_status(n);
}

/* True when the step was the taint's, which the node can do without. */
static bool fail_taint(struct node_status *n, const struct vk_err *err)
{
    if (n->step != STEP_TAINT)
        return false;
    if (err->code == VK_FORBIDDEN || err->code == VK_INVALID) {
        log_info("The API server does not let this identity taint its node while the provider is "
                 "unreachable; the condition ProviderUnreachable alone says so",
                 LS("node", node_name(n)), LERR(err));
        n->taint_refused = true;
        n->step = STEP_STATUS;
        vk_timer_arm(&n->timer, 0);
        return true;
    }
    n->taint_due = true;
    return false;
}

static void fail(struct node_status *n, const struct vk_err *err)
{
    if (err->code == VK_NOT_FOUND) {
        /* Somebody deleted the node: it comes back, as with the kubelet. */
        if (n->step != STEP_GET)
            log_warning("The node object is gone, creating it again", LS("node", node_name(n)));
        n->step = STEP_CREATE;
        vk_timer_arm(&n->timer, 0);
        return;
    }
    if (fail_taint(n, err))
        return;
    if (err->code == VK_ALREADY_EXISTS || (err->code == VK_CONFLICT && n->step == STEP_CREATE)) {
        n->step = STEP_GET;
        vk_timer_arm(&n->timer, 0);
        return;
    }
    if (err->code == VK_FORBIDDEN && !n->role_refused &&
        (n->step == STEP_CREATE || n->step == STEP_ADOPT)) {
        log_info("The API server refuses the label kubernetes.io/role to this identity; left out",
                 LS("node", node_name(n)), LERR(err));
        n->role_refused = true;
        vk_timer_arm(&n->timer, 0);
        return;
    }
    if (err->code == VK_FORBIDDEN && n->step == STEP_ADOPT) {
        log_error("May not complete labels and taint of the node object; add them by kubectl",
                  LS("node", node_name(n)), LERR(err));
        n->adoption_refused = true;
        n->step = STEP_GET;
        vk_timer_arm(&n->timer, 0);
        return;
    }
    n->failing = true;
    log_error("Failed to update the node object, retrying", LS("node", node_name(n)), LERR(err));
    vk_timer_arm(&n->timer,
                 err->retry_after_ms > 0 ? err->retry_after_ms : backoff_next_ms(&n->backoff));
}

static void on_answer(void *user, struct vk_str body, const struct vk_err *err)
{
    struct node_status *n = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *node = NULL;
    struct vk_err parse_err;

    switch (n->step) {
    case STEP_GET:
        break;
    case STEP_CREATE:
        vk_crash_point("after-node-create");
        break;
    case STEP_ADOPT:
        vk_crash_point("after-node-adopt");
        break;
    case STEP_TAINT:
        break;
    case STEP_STATUS:
        vk_crash_point("after-node-status");
        break;
    }
    n->call = NULL;
    n->failing = false;
    if (err) {
        fail(n, err);
        return;
    }
    backoff_reset(&n->backoff);
    if (n->step == STEP_STATUS) {
        vk_timer_arm(&n->timer, n->dirty ? 0 : REPORT_EVERY_MS);
        return;
    }
    if (json_parse(body, NODE_LIMIT, arena, &node, &parse_err) < 0) {
        fail(n, &parse_err);
        return;
    }
    if (n->step == STEP_CREATE)
        log_info("Registered node", LS("node", node_name(n)));
    adopt(n, node);
}

static void on_timer(void *user)
{
    struct node_status *n = user;

    if (!n->call)
        proceed(n);
}

static void report_soon(struct node_status *n)
{
    n->dirty = true;
    if (!n->call && !n->failing && !n->given_up && n->step == STEP_STATUS)
        vk_timer_arm(&n->timer, 0);
}

static void wish_taint(struct node_status *n, enum taint_wish wish)
{
    if (n->taint == wish)
        return;
    n->taint = wish;
    n->taint_due = !n->taint_refused;
    if (n->taint_due)
        report_soon(n);
}

static void emit(struct node_status *n, const char *type, const char *reason, const char *message)
{
    if (n->events)
        event_recorder_emit(
            n->events,
            &(struct object_reference){
                .kind = "Node", .name = node_name(n), .uid = node_name(n), .api_version = "v1"},
            type, reason, message);
}

/* Pods wait for the provider without a word of their own. */
static void tell_reachability(struct node_status *n, const struct vk_err *err)
{
    char *message VK_AUTOFREE =
        err ? vk_asprintf("Running pods go on; none is started or removed while the provider does "
                          "not answer: %s",
                          err->msg)
            : NULL;

    if (err)
        emit(n, "Warning", "ProviderUnreachable", message);
    else if (n->has_told_unreachable)
        emit(n, "Normal", "ProviderReachable", "The provider answers again.");
    n->has_told_unreachable = err != NULL;
}

static void on_pinged(void *user, const struct vk_err *err)
{
    struct node_status *n = user;
    bool unreachable;

    n->ping_under_way = false;
    if (n->stopped) {
        vk_free(n);
        return;
    }
    n->failed_pings = err ? n->failed_pings + 1 : 0;
    if (err && vk_streq(err->reason, PROVIDER_REASON_AWAY))
        n->failed_pings = PINGS_UNTIL_UNREACHABLE;
    unreachable = n->failed_pings >= PINGS_UNTIL_UNREACHABLE;
    if (err && !unreachable)
        log_warning("The provider does not answer", LS("node", node_name(n)), LERR(err));
    else if (err)
        log_error("The provider does not answer", LS("node", node_name(n)), LERR(err));
    /* One failure or two say nothing yet, also of what an earlier process wrote. */
    if (!err || unreachable) {
        if (node_conditions_set(&n->conditions, "ProviderUnreachable", unreachable,
                                unreachable ? "PingFailed" : "ProviderReachable",
                                unreachable ? err->msg : "the provider answers", vk_wall_ns())) {
            tell_reachability(n, err);
            report_soon(n);
        }
        wish_taint(n, unreachable ? TAINT_ON : TAINT_OFF);
    }
    vk_timer_arm(&n->ping_timer, PING_EVERY_MS);
}

static void on_ping_timer(void *user)
{
    struct node_status *n = user;

    n->ping_under_way = true;
    n->config.provider->ops->ping(n->config.provider->p, on_pinged, n);
}

struct node_status *node_status_new(struct vk_loop *loop, struct rest_client *client,
                                    struct event_recorder *events,
                                    const struct node_status_config *config)
{
    struct node_status *n = vk_calloc(1, sizeof(*n));

    n->client = client;
    n->events = events;
    n->config = *config;
    n->backoff = (struct backoff){.initial_ms = 250, .max_ms = 10000};
    n->path = vk_asprintf("/api/v1/nodes/%s", config->identity.name);
    node_conditions_init(&n->conditions, vk_wall_ns());
    vk_timer_init(&n->timer, loop, "node status", on_timer, n);
    vk_timer_init(&n->ping_timer, loop, "provider ping", on_ping_timer, n);
    return n;
}

void node_status_free(struct node_status *n)
{
    if (!n)
        return;
    vk_timer_disarm(&n->timer);
    vk_timer_disarm(&n->ping_timer);
    rest_cancel(n->call);
    n->call = NULL;
    vk_free(vk_take(n->path));
    n->stopped = true;
    /* A ping can't be cancelled; its completion frees the rest. */
    if (!n->ping_under_way)
        vk_free(n);
}

void node_status_start(struct node_status *n)
{
    emit(n, "Normal", "Starting", "Starting aci-kubelet.");
    vk_timer_arm(&n->timer, 0);
    if (n->config.provider->ops->ping)
        vk_timer_arm(&n->ping_timer, 0);
}

void node_status_set_condition(struct node_status *n, const char *type, bool status,
                               const char *reason, const char *message)
{
    bool says_else = true;

    for (size_t i = 0; i < NODE_CONDITION_COUNT; i++) {
        const struct node_condition *c = &n->conditions.v[i];

        if (vk_streq(c->type, type))
            says_else = !vk_streq(c->reason, reason) || !vk_streq(c->message, message);
    }
    if (node_conditions_set(&n->conditions, type, status, reason, message, vk_wall_ns()) ||
        says_else)
        report_soon(n);
}

void node_status_give_up(struct node_status *n)
{
    n->given_up = true;
    vk_timer_disarm(&n->timer);
    rest_cancel(vk_take(n->call));
}

void node_status_look(struct node_status *n)
{
    report_soon(n);
}

void node_status_capacity_changed(struct node_status *n)
{
    report_soon(n);
}
