/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/probe_action.h"

#include "base/alloc.h"
#include "base/resolver.h"
#include "base/str.h"
#include "kubelet/pods/probe_grpc.h"
#include "kubelet/pods/probe_http.h"
#include "kubelet/pods/probe_target.h"
#include "kubelet/pods/probe_tcp.h"

struct probe_action {
    /* One of them. */
    struct probe_http *http;
    struct probe_tcp *tcp;
    struct probe_grpc *grpc;
    struct probe_exec *exec;
    struct vk_timer failure;
    char *why; /* it could not be tried */
    probe_outcome_fn done;
    void *user;
};

static void free_action(struct probe_action *a)
{
    vk_timer_disarm(&a->failure);
    vk_free(a->why);
    vk_free(a);
}

static void on_outcome(void *user, const struct probe_outcome *outcome)
{
    struct probe_action *a = user;

    a->done(a->user, outcome);
    free_action(a);
}

static void on_failure(void *user)
{
    const struct probe_action *a = user;

    on_outcome(user, &(struct probe_outcome){.kind = PROBE_ERRORED, .output = a->why});
}

static void fail_later(struct probe_action *a, char *why)
{
    a->why = why;
    vk_timer_arm(&a->failure, 0);
}

static const char *host_of(const struct probe_action_request *r, const char *own)
{
    return vk_str_empty(own) ? r->pod_ip : own;
}

/* Where it goes; false: nowhere. */
static bool find_target(struct probe_action *a, const struct probe_action_request *r,
                        const char *own_host, const char *port_text, int64_t *port)
{
    if (!probe_target_port(r->container, port_text, port)) {
        fail_later(a, vk_asprintf("the container has no port \"%s\"", port_text ? port_text : ""));
        return false;
    }
    if (vk_str_empty(host_of(r, own_host))) {
        fail_later(a, vk_strdup("the pod has no address"));
        return false;
    }
    return true;
}

static void start_http(struct probe_action *a, const struct probe_tools *tools,
                       const struct probe_action_request *r)
{
    const struct probe_handler *h = r->handler;
    struct probe_http_request request = {.scheme = h->http_scheme,
                                         .host = host_of(r, h->http_host),
                                         .path = h->http_path,
                                         .headers = &h->http_headers,
                                         .user_agent = tools->user_agent,
                                         .timeout_ms = r->timeout_ms};

    if (find_target(a, r, h->http_host, h->http_port, &request.port))
        a->http = probe_http_start(tools->http, &request, on_outcome, a);
}

static void start_tcp(struct probe_action *a, struct probe_tools *tools,
                      const struct probe_action_request *r)
{
    const struct probe_handler *h = r->handler;
    struct probe_tcp_request request = {.host = host_of(r, h->tcp_host),
                                        .timeout_ms = r->timeout_ms};

    if (!find_target(a, r, h->tcp_host, h->tcp_port, &request.port))
        return;
    if (!vk_str_empty(h->tcp_host) && !tools->resolver)
        tools->resolver = resolver_new(tools->loop);
    a->tcp = probe_tcp_start(tools->loop, tools->resolver, &request, on_outcome, a);
}

static void start_grpc(struct probe_action *a, const struct probe_tools *tools,
                       const struct probe_action_request *r)
{
    const struct probe_grpc_request request = {.host = r->pod_ip,
                                               .port = r->handler->grpc_port,
                                               .service = r->handler->grpc_service,
                                               .user_agent = tools->user_agent,
                                               .timeout_ms = r->timeout_ms};

    if (vk_str_empty(r->pod_ip))
        fail_later(a, vk_strdup("the pod has no address"));
    else
        a->grpc = probe_grpc_start(tools->http, &request, on_outcome, a);
}

struct probe_action *probe_action_start(struct probe_tools *tools,
                                        const struct probe_action_request *request,
                                        probe_outcome_fn done, void *user)
{
    struct probe_action *a = vk_calloc(1, sizeof(*a));
    const struct probe_handler *h = request->handler;

    a->done = done;
    a->user = user;
    vk_timer_init(&a->failure, tools->loop, "probe failure", on_failure, a);
    if (h->has_exec && request->shell)
        a->exec =
            probe_exec_start(request->shell, &h->exec_command, request->timeout_ms, on_outcome, a);
    else if (h->has_http_get && tools->http)
        start_http(a, tools, request);
    else if (h->has_tcp_socket)
        start_tcp(a, tools, request);
    else if (h->has_grpc && tools->http)
        start_grpc(a, tools, request);
    else
        fail_later(a, vk_strdup("missing probe handler"));
    return a;
}

void probe_action_cancel(struct probe_action *a)
{
    if (!a)
        return;
    probe_http_cancel(a->http);
    probe_tcp_cancel(a->tcp);
    probe_grpc_cancel(a->grpc);
    probe_exec_cancel(a->exec);
    free_action(a);
}
