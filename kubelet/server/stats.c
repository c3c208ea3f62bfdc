/* SPDX-License-Identifier: Apache-2.0 */
/* GET /stats/summary, /metrics/resource and /metrics/cadvisor */
#include "base/prometheus.h"
#include "base/url.h"
#include "kubelet/server/handlers.h"
#include "kubelet/server/long_answer.h"
#include "kubelet/stats/cadvisor_metrics.h"
#include "kubelet/stats/resource_metrics.h"
#include "kubelet/stats/summary.h"

/* 5,000 pods of 20 containers. */
#define ANSWER_LIMIT (128u << 20)

/* False: the exchange is answered. */
static bool read_stats(const struct handler_context *c, struct http_exchange *x,
                       struct provider_stats *ret)
{
    const struct provider_ops *ops = c->provider->ops;
    struct vk_err err;

    if (ops->get_stats) {
        ops->get_stats(c->provider->p, http_exchange_arena(x), ret);
        return true;
    }
    vk_err_set(&err, VK_UNSUPPORTED, "provider %s has no figures of what pods use", ops->name);
    handler_reply_error(x, &err, 501);
    return false;
}

static void send(struct http_exchange *x, const char *content_type, bool is_whole,
                 struct vk_buf *text)
{
    struct vk_err err;

    if (is_whole) {
        long_answer_send(x, content_type, text);
        return;
    }
    vk_buf_release(text);
    vk_err_set(&err, VK_TOO_LARGE, "the answer is larger than %u bytes", ANSWER_LIMIT);
    handler_reply_error(x, &err, 500);
}

void handle_stats_summary(const struct handler_context *c, struct http_exchange *x)
{
    const char *only = url_query_get(http_exchange_head(x)->query, "only_cpu_and_memory", 0,
                                     http_exchange_arena(x));
    struct provider_stats stats;
    struct json_writer w;
    struct vk_buf text;

    if (!read_stats(c, x, &stats))
        return;
    vk_buf_init(&text, ANSWER_LIMIT);
    json_writer_init(&w, &text);
    summary_write(&stats, c->node_name, vk_streq(only, "true"), &w);
    send(x, "application/json", json_writer_done(&w), &text);
}

void handle_resource_metrics(const struct handler_context *c, struct http_exchange *x)
{
    struct provider_stats stats;
    struct vk_buf text;

    if (!read_stats(c, x, &stats))
        return;
    vk_buf_init(&text, ANSWER_LIMIT);
    resource_metrics_write(&stats, &text);
    send(x, PROMETHEUS_CONTENT_TYPE, !text.failed, &text);
}

static const char *image_of(void *user, const struct pod_identity *id, const char *container)
{
    const struct handler_context *c = user;
    const struct container_status *status;
    struct pods_entry entry;

    if (!pods_find_by_uid(c->pods, id->uid, &entry))
        return NULL;
    status = pod_status_container(entry.status, container);
    return status ? status->image : NULL;
}

void handle_cadvisor_metrics(const struct handler_context *c, struct http_exchange *x)
{
    struct handler_context context = *c;
    struct provider_stats stats;
    struct vk_buf text;

    if (!read_stats(c, x, &stats))
        return;
    vk_buf_init(&text, ANSWER_LIMIT);
    cadvisor_metrics_write(&stats, image_of, &context, &text);
    send(x, PROMETHEUS_CONTENT_TYPE, !text.failed, &text);
}
