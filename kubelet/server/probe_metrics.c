/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics/probes: how the tries of probes ended, of those that this process makes. Source: k8s
 * v1.37.2 pkg/kubelet/prober/prober_manager.go.
 */
#include "base/prometheus.h"
#include "kubelet/server/handlers.h"
#include "kubelet/server/long_answer.h"

/* 5,000 pods of 20 containers with three probes: a line is shorter than 500 bytes as a rule. */
#define ANSWER_LIMIT (128u << 20)

static void write_one(void *user, const struct probe_counts *counts)
{
    static const char *const kinds[] = {[PROBE_LIVENESS] = "Liveness",
                                        [PROBE_READINESS] = "Readiness",
                                        [PROBE_STARTUP] = "Startup"};
    static const char *const results[PROBE_TRIES] = {[PROBE_TRY_SUCCESSFUL] = "successful",
                                                     [PROBE_TRY_FAILED] = "failed",
                                                     [PROBE_TRY_UNKNOWN] = "unknown"};
    const struct object_meta *m = &counts->pod->meta;

    for (size_t i = 0; i < PROBE_TRIES; i++)
        if (counts->tries[i] > 0)
            prometheus_uint(user, "prober_probe_total",
                            PROMETHEUS_LABELS({"probe_type", kinds[counts->kind]},
                                              {"result", results[i]},
                                              {"container", counts->container}, {"pod", m->name},
                                              {"namespace", m->namespace_}, {"pod_uid", m->uid}),
                            counts->tries[i]);
}

void handle_probe_metrics(const struct handler_context *c, struct http_exchange *x)
{
    struct vk_buf text;
    struct vk_err err;

    vk_buf_init(&text, ANSWER_LIMIT);
    prometheus_family(&text, "prober_probe_total", PROMETHEUS_COUNTER,
                      "Tries of probes, by how they ended.");
    pods_count_probes(c->pods, write_one, &text);
    if (!text.failed) {
        long_answer_send(x, PROMETHEUS_CONTENT_TYPE, &text);
        return;
    }
    vk_buf_release(&text);
    vk_err_set(&err, VK_TOO_LARGE, "the answer is larger than %u bytes", ANSWER_LIMIT);
    handler_reply_error(x, &err, 500);
}
