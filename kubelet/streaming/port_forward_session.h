/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet's end of port-forward, a byte engine without sockets and without a clock: many
 * connections to ports of one pod over one SPDY/3.1 session, each a pair of streams (data and
 * error) that a request id holds together. Also inside a websocket (SPDY/3.1+portforward.k8s.io).
 * Source: k8s v1.37.2 client-go tools/portforward, k8s v1.27.0
 * pkg/kubelet/cri/streaming/portforward.
 */
#pragma once

#include "base/str.h"
#include "base/vk_err.h"

#define PORT_FORWARD_MAX_STREAMS 512
/* A pair of which one stream is missing for longer is given up. */
#define PORT_FORWARD_PAIR_MS 30000

/*
 * Functions may send, end and fail pairs; they must not feed or free. A pair is known by its id;
 * `pair` is what `open` returned for it.
 */
struct port_forward_events {
    /* A pair is complete: connect to the port. Data follows at once. */
    void *(*open)(void *user, uint32_t id, uint16_t port);
    void (*data)(void *user, void *pair, struct vk_str bytes);
    /* The client sends no more; it may still read. */
    void (*eof)(void *user, void *pair);
    /* The client dropped the pair. Not after port_forward_fail, and not once both sides have ended.
     */
    void (*reset)(void *user, void *pair);
    /* The client left. Nothing follows. */
    void (*gone)(void *user);
    /* Bytes for the client. */
    void (*send)(void *user, struct vk_str bytes);
};

struct port_forward_session;

struct port_forward_session *
port_forward_session_new(bool is_tunnel, const struct port_forward_events *events, void *user);
void port_forward_session_free(struct port_forward_session *s);
/*
 * Any split; now_ms on a clock that never goes back. After VK_PROTOCOL the client was told: flush,
 * then close.
 */
VK_MUST_CHECK int port_forward_session_feed(struct port_forward_session *s, struct vk_str bytes,
                                            int64_t now_ms, struct vk_err *err);
/* Gives up what is incomplete for too long. Call it every few seconds. */
void port_forward_session_expire(struct port_forward_session *s, int64_t now_ms);

/* Each does nothing for a pair that is over. */
void port_forward_send(struct port_forward_session *s, uint32_t id, struct vk_str bytes);
/* The pod sends no more: ends both streams towards the client, whose data is still taken. */
void port_forward_end(struct port_forward_session *s, uint32_t id);
/* The connection failed or broke: `text` on the error stream, the data stream is reset. */
void port_forward_fail(struct port_forward_session *s, uint32_t id, const char *text);

/* The end of the session: flush, then close. */
void port_forward_session_close(struct port_forward_session *s);
/* While nothing is read: what keeps a websocket client from giving up. */
void port_forward_session_heartbeat(struct port_forward_session *s);
