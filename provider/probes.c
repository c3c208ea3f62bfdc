/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/probes.h"

#include "base/str.h"

/* Kubernetes' defaults, which the API server has filled in unless the pod never saw one. */
#define DEFAULT_TIMEOUT_SECONDS 1
#define DEFAULT_PERIOD_SECONDS 10
#define DEFAULT_SUCCESS_THRESHOLD 1
#define DEFAULT_FAILURE_THRESHOLD 3

bool probes_find_port(const struct container *c, const char *text, int64_t *ret)
{
    if (vk_str_int64(vk_str_of(text), 1, 65535, ret))
        return true;
    const struct container_port *ports = c->ports.v;
    for (size_t i = 0; i < c->ports.n; i++) {
        if (!vk_str_empty(text) && vk_streq(ports[i].name, text)) {
            *ret = ports[i].container_port;
            return true;
        }
    }
    return false;
}

static bool is_scheme_of_aci(const char *scheme)
{
    return vk_str_empty(scheme) || vk_streq(scheme, "HTTP") || vk_streq(scheme, "HTTPS");
}

static bool is_handler_of_aci(const struct container *c, const struct probe_handler *h)
{
    int64_t port;
    if (h->has_exec)
        return h->exec_command.n > 0;
    return h->has_http_get && vk_str_empty(h->http_host) && is_scheme_of_aci(h->http_scheme) &&
           probes_find_port(c, h->http_port, &port);
}

bool probes_run_by_aci(const struct pod *pod, const struct container *container,
                       enum probe_kind kind)
{
    const struct probe *p = container->liveness_probe;
    return kind == PROBE_LIVENESS && p && !container->startup_probe &&
           !p->has_termination_grace_period && !vk_streq(pod->spec.restart_policy, "Never") &&
           is_handler_of_aci(container, &p->handler);
}

bool probes_need_address(const struct pod *pod, const struct container *c, enum probe_kind kind)
{
    const struct probe *p = kind == PROBE_LIVENESS    ? c->liveness_probe
                            : kind == PROBE_READINESS ? c->readiness_probe
                                                      : c->startup_probe;
    const struct probe_handler *h = p ? &p->handler : NULL;
    if (!h || probes_run_by_aci(pod, c, kind))
        return false;
    return (h->has_http_get && vk_str_empty(h->http_host)) ||
           (h->has_tcp_socket && vk_str_empty(h->tcp_host)) || h->has_grpc;
}

/* What neither ACI nor the kubelet's prober speaks would never succeed. */
static int check_protocol(const struct group_member *m, const char *probe,
                          const struct probe_handler *h, struct vk_err *err)
{
    if (h->has_http_get && vk_streq(h->http_protocol, "HTTP2"))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.%s.httpGet.protocol: only HTTP1 is spoken here; use it, or grpc, "
                          "tcpSocket or exec",
                          m->where, probe);
    if (h->has_grpc && vk_streq(h->grpc_mode, "TLS"))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.%s.grpc.mode: only Plaintext is spoken here; use it, or httpGet "
                          "with scheme HTTPS, tcpSocket or exec",
                          m->where, probe);
    return 0;
}

int probes_check(const struct group_member *m, struct vk_err *err)
{
    const struct {
        const char *name;
        const struct probe *probe;
    } probes[] = {
        {"livenessProbe", m->spec->liveness_probe},
        {"readinessProbe", m->spec->readiness_probe},
        {"startupProbe", m->spec->startup_probe},
    };
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        const struct probe_handler *h = probes[i].probe ? &probes[i].probe->handler : NULL;
        int64_t port;
        if (h && check_protocol(m, probes[i].name, h, err) < 0)
            return -(int)err->code;
        if (!h || (!h->has_http_get && !h->has_tcp_socket))
            continue;
        const char *text = h->has_http_get ? h->http_port : h->tcp_port;
        if (!probes_find_port(m->spec, text, &port))
            return vk_err_set(err, VK_INVALID, "%s.%s: the container has no port \"%.32s\"",
                              m->where, probes[i].name, text ? text : "");
    }
    return 0;
}

static void write_headers(struct json_writer *w, const struct json_array *headers)
{
    const struct http_header_field *h = headers->v;
    if (headers->n == 0)
        return;
    json_begin_array(w, "httpHeaders");
    for (size_t i = 0; i < headers->n; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", h[i].name);
        json_put_string(w, "value", h[i].value ? h[i].value : "");
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_handler(struct json_writer *w, const struct container *c,
                          const struct probe_handler *h)
{
    if (h->has_exec) {
        json_begin_object(w, "exec");
        json_begin_array(w, "command");
        for (size_t i = 0; i < h->exec_command.n; i++)
            json_put_string(w, NULL, h->exec_command.v[i]);
        json_end_array(w);
        json_end_object(w);
        return;
    }
    int64_t port = 0;
    (void)probes_find_port(c, h->http_port, &port);
    json_begin_object(w, "httpGet");
    json_put_string(w, "path", vk_str_empty(h->http_path) ? "/" : h->http_path);
    json_put_int(w, "port", port);
    json_put_string(w, "scheme", vk_streq(h->http_scheme, "HTTPS") ? "https" : "http");
    write_headers(w, &h->http_headers);
    json_end_object(w);
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

void probes_write(struct json_writer *w, const struct pod *pod, const struct container *c)
{
    if (!probes_run_by_aci(pod, c, PROBE_LIVENESS))
        return;
    const struct probe *p = c->liveness_probe;
    json_begin_object(w, "livenessProbe");
    write_handler(w, c, &p->handler);
    if (p->initial_delay_seconds > 0)
        json_put_int(w, "initialDelaySeconds", p->initial_delay_seconds);
    json_put_int(w, "periodSeconds", or_default(p->period_seconds, DEFAULT_PERIOD_SECONDS));
    json_put_int(w, "failureThreshold",
                 or_default(p->failure_threshold, DEFAULT_FAILURE_THRESHOLD));
    json_put_int(w, "successThreshold",
                 or_default(p->success_threshold, DEFAULT_SUCCESS_THRESHOLD));
    json_put_int(w, "timeoutSeconds", or_default(p->timeout_seconds, DEFAULT_TIMEOUT_SECONDS));
    json_end_object(w);
}
