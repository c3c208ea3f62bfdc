/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGTERM for the main process of a container. ACI has no such operation, and does not say what its
 * DELETE does to processes: a shell that its exec starts is told to send the signal, and left open,
 * since it goes when the container does: that end costs no read. One POST and one websocket for a
 * container; so many at a time, the others wait. Where others wait, one that was told is watched no
 * longer.
 */
#pragma once

#include "aci/exec_stream.h"
#include "kubelet/provider.h"

/* Watched at a time; with the shells of probes that leaves some streams for people. */
#define CONTAINER_STOPS_MAX 100

struct container_stops;

/* Both are borrowed. is_possible false: all is refused, with VK_OK. */
struct container_stops *container_stops_new(struct vk_loop *loop, struct container_groups *groups,
                                            struct exec_streams *streams, bool is_possible);
/* Ends all without a callback. NULL is fine. */
void container_stops_free(struct container_stops *stops);

/* As stop_container and stop_container_cancel of struct provider_ops. */
struct container_stop *container_stop_start(struct container_stops *stops,
                                            const struct pod_identity *id, const char *container,
                                            provider_stop_fn done, void *user);
void container_stop_cancel(struct container_stop *s);
