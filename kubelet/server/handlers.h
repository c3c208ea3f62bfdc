/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of the kubelet port; each answers its exchange exactly once. */
#pragma once

#include "kubelet/server/server.h"

/* Requests that were let in, by path. */
struct request_counts {
    const char *const *paths;
    const uint64_t *requests;
    size_t count;
};

/* What handlers work with. Borrowed from the server. */
struct handler_context {
    struct vk_loop *loop;
    struct pods *pods;
    struct provider *provider;
    const struct event_recorder *events;    /* NULL: none is told of */
    const struct leader_election *election; /* NULL: there is none */
    const char *node_name;
    int port;
    int64_t began_wall_ns;
    const struct request_counts *requests;   /* NULL: nobody counts */
    size_t *remote_commands, *port_forwards; /* open sessions; NULL: nobody counts */
};

/* path: decoded segments behind the route's name ({ns}, {pod}, {container}). */
struct route_params {
    const char *v[4];
    size_t n;
};

/* GET /pods: every pod of the node as a v1 PodList, with the status as this kubelet knows it. */
void handle_pods(const struct handler_context *c, struct http_exchange *x);
/* GET /runningpods/: those with a running container. */
void handle_running_pods(const struct handler_context *c, struct http_exchange *x);
/* GET /containerLogs/{ns}/{pod}/{container} */
void handle_container_logs(const struct handler_context *c, struct http_exchange *x,
                           const struct route_params *params);

/* /exec and /attach: {ns} {pod} [{uid}] {container}; answered by an upgrade. */
void handle_exec(const struct handler_context *c, struct http_exchange *x,
                 const struct route_params *params);
void handle_attach(const struct handler_context *c, struct http_exchange *x,
                   const struct route_params *params);
/* /portForward/{ns}/{pod}[/{uid}]: TCP connections from this process to the pod's address. */
void handle_port_forward(const struct handler_context *c, struct http_exchange *x,
                         const struct route_params *params);

/* GET /stats/summary[?only_cpu_and_memory=true], /metrics/resource and /metrics/cadvisor */
void handle_stats_summary(const struct handler_context *c, struct http_exchange *x);
void handle_resource_metrics(const struct handler_context *c, struct http_exchange *x);
void handle_cadvisor_metrics(const struct handler_context *c, struct http_exchange *x);

/* GET /metrics/probes */
void handle_probe_metrics(const struct handler_context *c, struct http_exchange *x);

/* GET /metrics, for Prometheus */
void handle_metrics(const struct handler_context *c, struct http_exchange *x);

/* Of the process itself; the first two are for probes: nobody has to prove who they are. */
void handle_livez(const struct handler_context *c, struct http_exchange *x);
void handle_readyz(const struct handler_context *c, struct http_exchange *x);
void handle_statusz(const struct handler_context *c, struct http_exchange *x);
void handle_configz(const struct handler_context *c, struct http_exchange *x);

/* One line of text with the status that the code stands for (`fallback` where the code says
 * nothing). */
void handler_reply_error(struct http_exchange *x, const struct vk_err *err, int fallback);
