/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Negotiation of what exec, attach and port-forward are spoken in: SPDY/3.1 by
 * X-Stream-Protocol-Version, websocket by Sec-WebSocket-Protocol. Source: k8s v1.37.2
 * k8s.io/streaming pkg/httpstream Handshake and pkg/httpstream/wsstream; RFC 6455 4.2.
 */
#pragma once

#include "base/http_server.h"

/* One protocol that the server speaks; name "" is a websocket without any. */
struct upgrade_protocol {
    const char *name;
    bool is_websocket;
    int value; /* of the caller */
};
struct upgrade {
    const struct upgrade_protocol *protocol;
    char accept_key[29]; /* websocket */
};

/*
 * Chooses the first protocol of the client's list that is among `offered`. Otherwise answers the
 * exchange (400, 403, 405) and returns false.
 */
bool upgrade_negotiate(struct http_exchange *x, const struct upgrade_protocol *offered, size_t n,
                       struct upgrade *ret);
/* Answers 101; the exchange is over. */
struct tls_conn *upgrade_accept(struct http_exchange *x, const struct upgrade *upgrade,
                                const struct tls_listener_events *events, void *conn_user);
