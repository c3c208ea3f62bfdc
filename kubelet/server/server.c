/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/server.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file_watch.h"
#include "base/log.h"
#include "base/url.h"
#include "kubelet/server/handlers.h"

/* No request of the kubelet port has a body; strangers' are held until it is known who asks. */
#define MAX_REQUEST_BODY (16 << 10)
#define LOOK_AT_FILES_MS 2000

enum route {
    ROUTE_HEALTHZ,
    ROUTE_PODS,
    ROUTE_RUNNING_PODS,
    ROUTE_LOGS,
    ROUTE_EXEC,
    ROUTE_ATTACH,
    ROUTE_PORT_FORWARD,
    ROUTE_STATS_SUMMARY,
    ROUTE_RESOURCE_METRICS,
    ROUTE_CADVISOR_METRICS,
    ROUTE_PROBE_METRICS,
    ROUTE_METRICS,
    ROUTE_LIVEZ,
    ROUTE_READYZ,
    ROUTE_STATUSZ,
    ROUTE_CONFIGZ,
    ROUTE_UNSUPPORTED,
    ROUTE_NONE
};
#define ROUTES (ROUTE_NONE + 1)
static const char *const route_paths[ROUTES] = {
    [ROUTE_HEALTHZ] = "/healthz",
    [ROUTE_PODS] = "/pods",
    [ROUTE_RUNNING_PODS] = "/runningpods",
    [ROUTE_LOGS] = "/containerLogs",
    [ROUTE_EXEC] = "/exec",
    [ROUTE_ATTACH] = "/attach",
    [ROUTE_PORT_FORWARD] = "/portForward",
    [ROUTE_STATS_SUMMARY] = "/stats/summary",
    [ROUTE_RESOURCE_METRICS] = "/metrics/resource",
    [ROUTE_CADVISOR_METRICS] = "/metrics/cadvisor",
    [ROUTE_PROBE_METRICS] = "/metrics/probes",
    [ROUTE_METRICS] = "/metrics",
    [ROUTE_LIVEZ] = "/livez",
    [ROUTE_READYZ] = "/readyz",
    [ROUTE_STATUSZ] = "/statusz",
    [ROUTE_CONFIGZ] = "/configz",
    [ROUTE_UNSUPPORTED] = "unsupported",
    [ROUTE_NONE] = "other",
};
struct kubelet_server {
    struct http_server *http;
    struct handler_context context;
    uint64_t requests[ROUTES];
    struct request_counts request_counts;
    size_t remote_commands, port_forwards; /* open */
    struct access *access;
    struct rest_client *client;
    struct serving_certificate *certificate;
    void (*pending)(void *user, bool pending, const char *reason, const char *message);
    void *pending_user;
    struct tls_listener_config listener; /* strings are the configuration's */
    struct file_watch *files;
};

static int status_of(const struct vk_err *err, int fallback)
{
    switch (err->code) {
    case VK_NOT_FOUND:
        return 404;
    case VK_UNAUTHENTICATED:
        return 401;
    case VK_FORBIDDEN:
        return 403;
    case VK_UNSUPPORTED:
        return 501;
    case VK_THROTTLED:
        return 429;
    case VK_TIMEOUT:
        return 504;
    case VK_UNAVAILABLE:
        return 503;
    case VK_OK:
    case VK_ALREADY_EXISTS:
    case VK_CONFLICT:
    case VK_INVALID:
    case VK_CANCELLED:
    case VK_TOO_LARGE:
    case VK_PROTOCOL:
    case VK_INTERNAL:
        break;
    }
    return fallback;
}

void handler_reply_error(struct http_exchange *x, const struct vk_err *err, int fallback)
{
    char *line = vk_arena_printf(http_exchange_arena(x), "%s\n", err->msg);

    http_exchange_reply(x, status_of(err, fallback), "text/plain; charset=utf-8", vk_str_of(line));
}

static void reply_line(struct http_exchange *x, int status, const char *line)
{
    http_exchange_reply(x, status, "text/plain; charset=utf-8", vk_str_of(line));
}

static const struct {
    const char *name;
    size_t params; /* path segments behind the name */
    enum route route;
    bool takes_uid;    /* also with the pod's UID among them */
    const char *below; /* what the one segment must be */
} routes[] = {
    {"healthz", 0, ROUTE_HEALTHZ, false, NULL},
    {"pods", 0, ROUTE_PODS, false, NULL},
    {"runningpods", 0, ROUTE_RUNNING_PODS, false, NULL},
    {"containerLogs", 3, ROUTE_LOGS, false, NULL},
    {"exec", 3, ROUTE_EXEC, true, NULL},
    {"attach", 3, ROUTE_ATTACH, true, NULL},
    {"portForward", 2, ROUTE_PORT_FORWARD, true, NULL},
    {"checkpoint", 3, ROUTE_UNSUPPORTED, false, NULL},
    {"stats", 1, ROUTE_STATS_SUMMARY, false, "summary"},
    {"metrics", 1, ROUTE_RESOURCE_METRICS, false, "resource"},
    {"metrics", 1, ROUTE_CADVISOR_METRICS, false, "cadvisor"},
    {"metrics", 1, ROUTE_PROBE_METRICS, false, "probes"},
    {"metrics", 0, ROUTE_METRICS, false, NULL},
    {"livez", 0, ROUTE_LIVEZ, false, NULL},
    {"readyz", 0, ROUTE_READYZ, false, NULL},
    {"statusz", 0, ROUTE_STATUSZ, false, NULL},
    {"configz", 0, ROUTE_CONFIGZ, false, NULL},
};

/* Splits the path into decoded segments. False: a bad escape or more segments than any route has.
 */
static bool split_path(const char *path, struct vk_arena *arena, const char **ret_name,
                       struct route_params *params)
{
    struct vk_str rest = vk_str_of(path + (*path == '/'));
    bool first = true;

    *ret_name = "";
    params->n = 0;
    while (rest.n) {
        struct vk_str segment = vk_str_cut(rest, '/', &rest);
        const char *text;

        if (!url_decode(segment, false, arena, &text))
            return false;
        if (first)
            *ret_name = text;
        else if (params->n == VK_COUNT(params->v))
            return false;
        else
            params->v[params->n++] = text;
        first = false;
    }
    return true;
}

static enum route find_route(const char *name, const struct route_params *params)
{
    for (size_t i = 0; i < VK_COUNT(routes); i++) {
        if (!vk_streq(routes[i].name, name) ||
            (routes[i].below && (params->n != 1 || !vk_streq(params->v[0], routes[i].below))))
            continue;
        if (params->n == routes[i].params ||
            (routes[i].takes_uid && params->n == routes[i].params + 1))
            return routes[i].route;
    }
    return ROUTE_NONE;
}

/* Probes of whoever runs this process have no certificate. */
static bool is_for_everybody(enum route route)
{
    return route == ROUTE_HEALTHZ || route == ROUTE_LIVEZ || route == ROUTE_READYZ;
}

static bool is_streaming(enum route route)
{
    return route == ROUTE_EXEC || route == ROUTE_ATTACH || route == ROUTE_PORT_FORWARD;
}

/* What is told about node and process; false: another route. */
static bool dispatch_observation(const struct kubelet_server *s, struct http_exchange *x,
                                 enum route route)
{
    static void (*const handlers[ROUTES])(const struct handler_context *c,
                                          struct http_exchange *x) = {
        [ROUTE_STATS_SUMMARY] = handle_stats_summary,
        [ROUTE_RESOURCE_METRICS] = handle_resource_metrics,
        [ROUTE_CADVISOR_METRICS] = handle_cadvisor_metrics,
        [ROUTE_PROBE_METRICS] = handle_probe_metrics,
        [ROUTE_METRICS] = handle_metrics,
        [ROUTE_LIVEZ] = handle_livez,
        [ROUTE_READYZ] = handle_readyz,
        [ROUTE_STATUSZ] = handle_statusz,
        [ROUTE_CONFIGZ] = handle_configz,
    };

    if (!handlers[route])
        return false;
    handlers[route](&s->context, x);
    return true;
}

static void dispatch(struct kubelet_server *s, struct http_exchange *x, enum route route,
                     const char *name, const struct route_params *params)
{
    const char *method = http_exchange_head(x)->method;
    bool streams = is_streaming(route);

    s->requests[route]++;
    if (route == ROUTE_UNSUPPORTED) {
        reply_line(x, 501,
                   vk_arena_printf(http_exchange_arena(x),
                                   "%s is not supported by this version of aci-kubelet\n", name));
        return;
    }
    if (route != ROUTE_NONE && !vk_streq(method, "GET") &&
        !vk_streq(method, streams ? "POST" : "HEAD")) {
        http_exchange_header(x, "Allow", streams ? "GET, POST" : "GET, HEAD");
        reply_line(x, 405, "method not allowed\n");
        return;
    }
    if (dispatch_observation(s, x, route))
        return;
    switch (route) {
    case ROUTE_PODS:
        handle_pods(&s->context, x);
        return;
    case ROUTE_RUNNING_PODS:
        handle_running_pods(&s->context, x);
        return;
    case ROUTE_LOGS:
        handle_container_logs(&s->context, x, params);
        return;
    case ROUTE_EXEC:
        handle_exec(&s->context, x, params);
        return;
    case ROUTE_ATTACH:
        handle_attach(&s->context, x, params);
        return;
    case ROUTE_PORT_FORWARD:
        handle_port_forward(&s->context, x, params);
        return;
    case ROUTE_HEALTHZ:
        reply_line(x, 200, "ok");
        return;
    case ROUTE_STATS_SUMMARY:
    case ROUTE_RESOURCE_METRICS:
    case ROUTE_CADVISOR_METRICS:
    case ROUTE_PROBE_METRICS:
    case ROUTE_METRICS:
    case ROUTE_LIVEZ:
    case ROUTE_READYZ:
    case ROUTE_STATUSZ:
    case ROUTE_CONFIGZ:
    case ROUTE_UNSUPPORTED:
    case ROUTE_NONE:
        break;
    }
    reply_line(x, 404, "404 page not found\n");
}

/* A request that waits at the gate, in its exchange's arena. */
struct arrival {
    struct kubelet_server *server;
    enum route route;
    const char *name;
    struct route_params params;
};

static void on_passed(void *user, struct http_exchange *x)
{
    struct arrival *a = user;

    dispatch(a->server, x, a->route, a->name, &a->params);
}

static void on_request(void *user, struct http_exchange *x)
{
    struct kubelet_server *s = user;
    struct arrival *a = vk_arena_alloc(http_exchange_arena(x), sizeof(*a));

    a->server = s;
    if (!split_path(http_exchange_head(x)->path, http_exchange_arena(x), &a->name, &a->params)) {
        reply_line(x, 400, "bad request path\n");
        return;
    }
    a->route = find_route(a->name, &a->params);
    /* Before 404, so that strangers learn nothing about the paths. */
    if (is_for_everybody(a->route))
        on_passed(a, x);
    else if (s->context.election && !leader_election_leads(s->context.election))
        reply_line(x, 503, "this process stands by, another one serves the node\n");
    else
        access_check(s->access, x, a->name, on_passed, a);
}

static void on_certificates_changed(void *user)
{
    struct kubelet_server *s = user;
    struct vk_err err;

    serving_certificate_fill(s->certificate, &s->listener);
    if (tls_listener_reload(http_server_listener(s->http), &s->listener, &err) < 0)
        log_error("Can't use the certificates of the kubelet port that changed; the old ones stay",
                  LERR(&err));
    else
        log_info("Took the new certificates of the kubelet port",
                 LI("port", kubelet_server_port(s)));
}

static void on_pending(void *user, bool pending, const char *reason, const char *message)
{
    struct kubelet_server *s = user;

    if (s->pending)
        s->pending(s->pending_user, pending, reason, message);
}

static int make_certificate(struct kubelet_server *s, struct vk_loop *loop,
                            const struct serving_certificate_config *given, struct vk_err *err)
{
    struct serving_certificate_config config = *given;

    s->pending = given->pending;
    s->pending_user = given->user;
    config.changed = on_certificates_changed;
    config.pending = on_pending;
    config.user = s;
    return serving_certificate_new(loop, &config, &s->certificate, err);
}

static int open_port(struct kubelet_server *s, struct vk_loop *loop,
                     const struct kubelet_server_config *config, struct vk_err *err)
{
    s->listener = (struct tls_listener_config){
        .address = config->address,
        .port = config->port,
        .client_ca_file = config->client_ca_file,
    };
    serving_certificate_fill(s->certificate, &s->listener);
    return http_server_new(
        loop, &(struct http_server_config){.listener = s->listener, .max_body = MAX_REQUEST_BODY},
        on_request, s, &s->http, err);
}

int kubelet_server_new(struct vk_loop *loop, const struct kubelet_server_config *config,
                       struct kubelet_server **ret, struct vk_err *err)
{
    struct kubelet_server *s = vk_calloc(1, sizeof(*s));
    const char *const files[] = {config->certificate.cert_file, config->certificate.key_file,
                                 config->client_ca_file};

    s->client = config->access.client;
    s->request_counts =
        (struct request_counts){.paths = route_paths, .requests = s->requests, .count = ROUTES};
    s->context = (struct handler_context){
        .loop = loop,
        .pods = config->pods,
        .provider = config->provider,
        .events = config->events,
        .election = config->election,
        .node_name = config->access.node_name,
        .port = config->port,
        .began_wall_ns = vk_wall_ns(),
        .requests = &s->request_counts,
        .remote_commands = &s->remote_commands,
        .port_forwards = &s->port_forwards,
    };
    s->access = access_new(loop, &config->access);
    if (make_certificate(s, loop, &config->certificate, err) < 0 ||
        open_port(s, loop, config, err) < 0) {
        kubelet_server_free(s);
        return vk_err_wrap(err, "kubelet port %s:%d", config->address, config->port);
    }
    s->files =
        file_watch_new(loop, files, VK_COUNT(files), LOOK_AT_FILES_MS, on_certificates_changed, s);
    *ret = s;
    return 0;
}

void kubelet_server_start(struct kubelet_server *s)
{
    serving_certificate_start(s->certificate, s->client);
}

void kubelet_server_free(struct kubelet_server *s)
{
    if (!s)
        return;
    file_watch_free(s->files);
    http_server_free(s->http);
    serving_certificate_free(s->certificate);
    access_free(s->access);
    vk_free(s);
}

int kubelet_server_port(const struct kubelet_server *s)
{
    return http_server_port(s->http);
}
