/* SPDX-License-Identifier: Apache-2.0 */
/* GET /livez, /readyz, /statusz and /configz. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "kubelet/server/handlers.h"

#define ANSWER_LIMIT (64u << 10)
#define TEXT "text/plain; charset=utf-8"

void handle_livez(const struct handler_context *c, struct http_exchange *x)
{
    (void)c;
    http_exchange_reply(x, 200, TEXT, VK_STR("ok"));
}

/* Who can take the lead at once is ready: a rollout and a disruption budget wait for it. */
static void reply_stands_by(const struct handler_context *c, struct http_exchange *x)
{
    const bool is_good = leader_election_works(c->election);
    const char *holder = leader_election_holder(c->election);
    char *text = vk_arena_printf(
        http_exchange_arena(x),
        "[%c]leader-election %s: standing by, leader: %s\nreadyz check %s\n", is_good ? '+' : '-',
        is_good ? "ok" : "failed", *holder ? holder : "none", is_good ? "passed" : "failed");

    http_exchange_reply(x, is_good ? 200 : 503, TEXT, vk_str_of(text));
}

void handle_readyz(const struct handler_context *c, struct http_exchange *x)
{
    const struct provider_ops *ops = c->provider->ops;
    const struct {
        const char *name;
        bool is_good;
    } checks[] = {
        {"pods-synced", pods_has_synced(c->pods)},
        {"pod-watch", pods_watch_error(c->pods) == NULL},
        {"provider-synced", !ops->is_synced || ops->is_synced(c->provider->p)},
    };
    struct vk_buf out VK_BUF_AUTO;
    bool is_good = true;

    if (c->election && !leader_election_leads(c->election)) {
        reply_stands_by(c, x);
        return;
    }
    vk_buf_init(&out, ANSWER_LIMIT);
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
        is_good &= checks[i].is_good;
        vk_buf_printf(&out, "[%c]%s %s\n", checks[i].is_good ? '+' : '-', checks[i].name,
                      checks[i].is_good ? "ok" : "failed");
    }
    vk_buf_adds(&out, is_good ? "readyz check passed\n" : "readyz check failed\n");
    http_exchange_reply(x, is_good ? 200 : 503, TEXT, vk_buf_str(&out));
}

void handle_statusz(const struct handler_context *c, struct http_exchange *x)
{
    const int64_t up_s = (vk_wall_ns() - c->began_wall_ns) / 1000000000;
    size_t counts[POD_WORKER_STATES];
    char began[VK_TIME_MAX];
    struct vk_buf out VK_BUF_AUTO;

    vk_buf_init(&out, ANSWER_LIMIT);
    vk_time_format_s(c->began_wall_ns / 1000000, began);
    vk_buf_printf(&out,
                  "aci-kubelet statusz\nWarning: this text is for people and may change.\n\n"
                  "Node: %s\nProvider: %s\nVersion: %s\nStarted: %s\nUp: %" PRId64 "h %02" PRId64
                  "m %02" PRId64 "s\n\n",
                  c->node_name, c->provider->ops->name, VK_VERSION, began, up_s / 3600,
                  up_s / 60 % 60, up_s % 60);
    pods_count(c->pods, counts);
    for (size_t i = 0; i < POD_WORKER_STATES; i++)
        vk_buf_printf(&out, "Pods %s: %zu\n", pod_worker_state_name((enum pod_worker_state)i),
                      counts[i]);
    vk_buf_adds(&out, "\nPaths: /healthz /livez /readyz /metrics /metrics/resource /stats/summary "
                      "/metrics/cadvisor /metrics/probes /pods /configz\n");
    http_exchange_reply(x, 200, TEXT, vk_buf_str(&out));
}

/* What others read of a kubelet's configuration: its limits and its port. */
void handle_configz(const struct handler_context *c, struct http_exchange *x)
{
    struct node_capacity capacity = {0};
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    if (c->provider->ops->get_capacity)
        c->provider->ops->get_capacity(c->provider->p, &capacity);
    vk_buf_init(&out, ANSWER_LIMIT);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "kubeletconfig");
    json_put_string(&w, "kind", "KubeletConfiguration");
    json_put_string(&w, "apiVersion", "kubelet.config.k8s.io/v1beta1");
    json_put_bool(&w, "enableServer", true);
    json_put_int(&w, "port", c->port);
    json_put_int(&w, "readOnlyPort", 0);
    json_put_int(&w, "maxPods", capacity.pods);
    json_put_bool(&w, "enableDebuggingHandlers", true);
    json_end_object(&w);
    json_end_object(&w);
    http_exchange_reply(x, 200, "application/json", vk_buf_str(&out));
}
