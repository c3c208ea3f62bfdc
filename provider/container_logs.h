/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log operation of the provider: ACI's whole-text answers turned into a stream with back-
 * pressure. Following polls every 2 s and gives out what is new, until the container ended. What is
 * kept of a finished pod is served from there.
 */
#pragma once

#include "kubelet/provider.h"
#include "provider/finished_logs.h"
#include "provider/tracker.h"

struct container_logs;

/* Everything is borrowed. */
struct container_logs *container_logs_new(struct vk_loop *loop, struct container_groups *groups,
                                          struct tracker *tracker, struct finished_logs *finished);
/* Cancels all streams without a callback. NULL is fine. */
void container_logs_free(struct container_logs *l);

/* As get_container_logs, log_stream_resume and log_stream_cancel of struct provider_ops. */
struct log_stream *container_logs_start(struct container_logs *l, const struct pod_identity *id,
                                        const char *container,
                                        const struct container_log_options *options,
                                        const struct log_sink *sink, provider_done_fn done,
                                        void *user);
void log_stream_resume(struct log_stream *s);
void log_stream_cancel(struct log_stream *s);
