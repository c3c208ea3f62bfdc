/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upgraded connection of a streaming session and what all sessions do with it: back-pressure,
 * heartbeats while nothing is read, the notice that the client is gone even then, the idle limit of
 * 4 h, and an end that waits as long as the client takes what is queued. Source of the limits: k8s
 * v1.37.2 pkg/kubelet/kubelet.go (StreamingConnectionIdleTimeout).
 */
#pragma once

#include "base/http_server.h"

struct client_link_events {
    void (*data)(void *user, struct vk_str bytes);
    void (*drained)(void *user);
    /* Called every 2 s. May be NULL. */
    void (*tick)(void *user);
    /* Nothing is read for some seconds: a websocket client needs a sign of life. */
    void (*heartbeat)(void *user);
    /* The client's end of the connection; `closed` follows, later where something is queued. Not
     * after client_link_end. */
    void (*gone)(void *user);
    /* Once, last. */
    void (*closed)(void *user);
};

struct client_link {
    const struct client_link_events *events;
    void *user;
    struct tls_conn *conn;
    struct vk_timer tick, end;
    int64_t active_ms, paused_ms;
    int64_t end_delay_ms;
    bool is_paused, is_ending;
    size_t *open_count; /* how many of its kind are open; NULL: nobody counts */
};
extern const struct tls_listener_events client_link_conn_events;

/* The connection is set by client_link_open; conn_user of the upgrade is the link. open_count, or
 * NULL, is one more until `closed`. */
void client_link_init(struct client_link *l, struct vk_loop *loop,
                      const struct client_link_events *events, void *user);
void client_link_open(struct client_link *l, struct tls_conn *conn, size_t *open_count);
void client_link_send(struct client_link *l, struct vk_str bytes);
bool client_link_is_full(const struct client_link *l);
/* Stop and go on reading. */
void client_link_pause(struct client_link *l, bool paused);
/* Nothing more will be sent: closes when the client has taken all of it. Input is dropped. */
void client_link_end(struct client_link *l);
