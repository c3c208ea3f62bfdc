/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log operation of the provider: ACI's whole-text answers turned into a stream with back-
 * pressure. What is kept of a finished pod is served from there.
 *
 * Following reads the log again and gives out what is new, until the run of the container that was
 * followed ended. The log alone says which lines there are, and when they were written. The
 * container's attachment, where it can be had, says when a read is worth it, within 250 ms of each
 * line; without it the log is read each 2 s. Whether it begins with what was written before does
 * not matter. Its text is used for one thing alone: the last lines of a container that ended, of
 * which ACI's log keeps 16 KB.
 */
#pragma once

#include "aci/exec_stream.h"
#include "kubelet/provider.h"
#include "provider/finished_logs.h"
#include "provider/tracker.h"

struct container_logs;

/* Everything is borrowed. */
struct container_logs_config {
    struct container_groups *groups;
    struct exec_streams *streams;
    struct tracker *tracker;
    struct finished_logs *finished;
};
struct container_logs *container_logs_new(struct vk_loop *loop,
                                          const struct container_logs_config *config);
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
