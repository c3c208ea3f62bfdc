/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port-forward as websocket clients without SPDY speak it, among them the Python client: a byte
 * engine without sockets. The ports stand in the query; of the n-th, channel 2n is its one
 * connection and 2n + 1 its errors, and both begin with the port, two bytes, the low one first.
 * There is no end of one direction: a connection that the pod ends is over, and with the last one
 * the session. Source: k8s v1.37.2 k8s.io/cri-streaming pkg/streaming/portforward/websocket.go.
 */
#pragma once

#include "base/arena.h"
#include "kubelet/streaming/port_forward_session.h"

#define PORT_FORWARD_CHANNEL_PORTS 32

struct port_forward_ports {
    uint16_t v[PORT_FORWARD_CHANNEL_PORTS];
    size_t n;
};
/* The parameters `port` of a query: each one or several, parted by commas. Errors: VK_INVALID. */
VK_MUST_CHECK int port_forward_ports_read(const char *query, struct vk_arena *arena,
                                          struct port_forward_ports *ret, struct vk_err *err);

struct port_forward_channels;

/* Pairs have the ids 1 to ports->n. `gone` also comes when all pairs are over, after the last word
 * to the client. */
struct port_forward_channels *port_forward_channels_new(bool is_base64,
                                                        const struct port_forward_ports *ports,
                                                        const struct port_forward_events *events,
                                                        void *user);
void port_forward_channels_free(struct port_forward_channels *s);
/* Once, before all others: greets the client and opens all pairs. */
void port_forward_channels_open(struct port_forward_channels *s);
VK_MUST_CHECK int port_forward_channels_feed(struct port_forward_channels *s, struct vk_str bytes,
                                             struct vk_err *err);
/* As of port_forward_session.h. */
void port_forward_channels_send(struct port_forward_channels *s, uint32_t id, struct vk_str bytes);
void port_forward_channels_end(struct port_forward_channels *s, uint32_t id);
void port_forward_channels_fail(struct port_forward_channels *s, uint32_t id, const char *text);
void port_forward_channels_close(struct port_forward_channels *s);
void port_forward_channels_heartbeat(struct port_forward_channels *s);
