/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/server.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/url.h"
#include "kubelet/server/authentication.h"
#include "kubelet/server/handlers.h"

#define MAX_REQUEST_BODY (1 << 20)

struct kubelet_server {
    struct http_server *http;
    struct handler_context context;
    const struct json_strs *allowed_clients;
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

enum route {
    ROUTE_HEALTHZ,
    ROUTE_PODS,
    ROUTE_RUNNING_PODS,
    ROUTE_LOGS,
    ROUTE_EXEC,
    ROUTE_ATTACH,
    ROUTE_PORT_FORWARD,
    ROUTE_UNSUPPORTED,
    ROUTE_NONE
};
static const struct {
    const char *name;
    size_t params; /* path segments behind the name */
    enum route route;
    bool takes_uid; /* also with the pod's UID among them */
} routes[] = {
    {"healthz", 0, ROUTE_HEALTHZ, false},
    {"pods", 0, ROUTE_PODS, false},
    {"runningpods", 0, ROUTE_RUNNING_PODS, false},
    {"containerLogs", 3, ROUTE_LOGS, false},
    {"exec", 3, ROUTE_EXEC, true},
    {"attach", 3, ROUTE_ATTACH, true},
    {"portForward", 2, ROUTE_PORT_FORWARD, true},
    {"checkpoint", 3, ROUTE_UNSUPPORTED, false},
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
        if (!vk_streq(routes[i].name, name))
            continue;
        if (params->n == routes[i].params ||
            (routes[i].takes_uid && params->n == routes[i].params + 1))
            return routes[i].route;
    }
    return ROUTE_NONE;
}

static bool is_streaming(enum route route)
{
    return route == ROUTE_EXEC || route == ROUTE_ATTACH || route == ROUTE_PORT_FORWARD;
}

static void dispatch(struct kubelet_server *s, struct http_exchange *x, enum route route,
                     const char *name, const struct route_params *params)
{
    const char *method = http_exchange_head(x)->method;
    bool streams = is_streaming(route);

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
    case ROUTE_UNSUPPORTED:
    case ROUTE_NONE:
        break;
    }
    reply_line(x, 404, "404 page not found\n");
}

static void on_request(void *user, struct http_exchange *x)
{
    struct kubelet_server *s = user;
    const struct http1_head *head = http_exchange_head(x);
    const struct tls_peer *peer = http_exchange_peer(x);
    struct route_params params;
    const char *name;
    enum route route;
    struct vk_err err;

    log_v(2, "Request on the kubelet port", LS("method", head->method), LS("path", head->path),
          LS("user", peer->common_name), LS("peer", peer->address));
    if (!split_path(head->path, http_exchange_arena(x), &name, &params)) {
        reply_line(x, 400, "bad request path\n");
        return;
    }
    route = find_route(name, &params);
    /* Authenticated before 404, so that strangers learn nothing about the paths. */
    if (route != ROUTE_HEALTHZ && authenticate(peer, s->allowed_clients, &err) < 0) {
        log_warning("Refused a request on the kubelet port", LS("path", head->path),
                    LS("user", peer->common_name), LS("peer", peer->address), LERR(&err));
        handler_reply_error(x, &err, 401);
        return;
    }
    dispatch(s, x, route, name, &params);
}

int kubelet_server_new(struct vk_loop *loop, const struct kubelet_server_config *config,
                       struct kubelet_server **ret, struct vk_err *err)
{
    struct kubelet_server *s;
    struct http_server_config http = {
        .listener =
            {
                .address = config->address,
                .port = config->port,
                .cert_file = config->cert_file,
                .key_file = config->key_file,
                .client_ca_file = config->client_ca_file,
            },
        .max_body = MAX_REQUEST_BODY,
    };
    int rc;

    if (authentication_check_list(config->allowed_clients, err) < 0)
        return -(int)err->code;
    s = vk_calloc(1, sizeof(*s));
    s->context =
        (struct handler_context){.loop = loop, .pods = config->pods, .provider = config->provider};
    s->allowed_clients = config->allowed_clients;
    rc = http_server_new(loop, &http, on_request, s, &s->http, err);
    if (rc < 0) {
        vk_free(s);
        return vk_err_wrap(err, "kubelet port %s:%d", config->address, config->port);
    }
    *ret = s;
    return 0;
}

void kubelet_server_free(struct kubelet_server *s)
{
    if (!s)
        return;
    http_server_free(s->http);
    vk_free(s);
}

int kubelet_server_port(const struct kubelet_server *s)
{
    return http_server_port(s->http);
}
