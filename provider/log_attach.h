/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps ACI's attachment to a container open while its log is followed: what it shows tells that
 * there is something to read. Where it can't be had, or is lost, it is tried again after 30 s, then
 * more and more seldom; each attempt costs one of ARM's writes.
 */
#pragma once

#include "aci/exec_stream.h"

struct log_attach;

/* None is called from inside an operation. */
struct log_attach_events {
    void (*opened)(void *user);
    void (*shown)(void *user, struct vk_str bytes);
    /* It was open. is_whole: the peer ended it, as it does when the container ends. */
    void (*ended)(void *user, bool is_whole);
};

/* groups and streams are borrowed, the target's text is copied. */
struct log_attach *log_attach_new(struct vk_loop *loop, struct container_groups *groups,
                                  struct exec_streams *streams, const struct exec_target *target,
                                  const struct log_attach_events *events, void *user);
/* No event afterwards. NULL is fine. */
void log_attach_free(struct log_attach *a);
bool log_attach_is_open(const struct log_attach *a);
/* While paused nothing is read, and the peer comes to wait. */
void log_attach_pause(struct log_attach *a, bool paused);
