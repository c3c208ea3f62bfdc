/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams accepted on a TCP port, with or without TLS (OpenSSL; TLS 1.2 and up, ALPN http/1.1
 * only). Deadlines: TLS handshake 10 s, lingering close 3 s. Client certificates are asked for,
 * never required; who the peer is, is decided by tls_conn_peer. libwebsockets can't host this port:
 * it answers 403 to every Upgrade but websocket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/str.h"
#include "base/vk_err.h"

struct tls_listener;
struct tls_conn;

struct tls_listener_config {
    const char *address; /* numeric; "" for all of both families, "0.0.0.0" for all of IPv4 */
    int port;            /* 0: any; see tls_listener_port */
    bool plain;          /* no TLS */
    const char *cert_file, *key_file;
    const char *cert_pem, *key_pem; /* instead of files */
    const char *client_ca_file;     /* NULL: client certificates are not asked for */
    /* 0: 2,000. One more costs the oldest stranger its connection (see tls_conn_set_busy); where
     * there is none it is closed at once. */
    unsigned max_connections;
};
/*
 * What the peer proved by its certificate; verified is false for none, an expired or a foreign one.
 */
struct tls_peer {
    bool has_certificate; /* one was shown, whether it holds or not */
    bool verified;
    char common_name[256];
    char uid[256]; /* subject attribute 1.3.6.1.4.1.57683.2; "": it has none */
    char organizations[8][256];
    size_t organization_count;
    char fingerprint[65]; /* lower-case hex of the certificate's SHA-256 */
    int64_t not_after_s;  /* wall clock: the chain holds until then */
    char address[64];     /* numeric */
};
struct tls_listener_events {
    /* After the handshake. Returns the connection's user pointer. */
    void *(*opened)(void *user, struct tls_conn *conn);
    /* Bytes arrived; all are consumed by the callee. */
    void (*data)(void *conn_user, struct vk_str bytes);
    /* The send queue fell to the low-water mark (64 KiB) after it was above the high one (256 KiB).
     */
    void (*drained)(void *conn_user);
    /* The peer sent FIN; sending is still possible. */
    void (*eof)(void *conn_user);
    /* Gone; conn is invalid afterwards. Called exactly once per opened connection. */
    void (*closed)(void *conn_user);
};
VK_MUST_CHECK int tls_listener_new(struct vk_loop *loop, const struct tls_listener_config *config,
                                   const struct tls_listener_events *events, void *user,
                                   struct tls_listener **ret, struct vk_err *err);
/* Closes the port and all connections at once, with their `closed`. Not from inside a callback. */
void tls_listener_free(struct tls_listener *l);
int tls_listener_port(const struct tls_listener *l);
/* New certificates for new connections; existing ones go on. On error the old ones stay. */
VK_MUST_CHECK int tls_listener_reload(struct tls_listener *l,
                                      const struct tls_listener_config *config, struct vk_err *err);

/* As of now: a chain that expired, or whose CA a reload took away, proves nothing any more. */
const struct tls_peer *tls_conn_peer(struct tls_conn *conn);
/* Queues a copy. Above 8 MiB queued the connection is aborted: respect tls_conn_is_full. */
void tls_conn_write(struct tls_conn *conn, struct vk_str bytes);
/* From now on each write is a TLS record of its own, or several: see record_cuts.h. */
void tls_conn_set_records(struct tls_conn *conn);
bool tls_conn_is_full(const struct tls_conn *conn); /* above the high-water mark */
size_t tls_conn_queued(const struct tls_conn *conn);
/*
 * A connection whose peer proved nothing by a certificate is a stranger's unless it is busy:
 * strangers have to make room where too many come, so that they can't keep out the others.
 */
void tls_conn_set_busy(struct tls_conn *conn, bool busy);
/* Stop and go on reading: back-pressure towards the peer. */
void tls_conn_pause(struct tls_conn *conn, bool paused);
/* The peer's FIN or reset has arrived, though it may stand behind bytes that nobody reads. */
bool tls_conn_has_peer_closed(const struct tls_conn *conn);
/* Flush, TLS close, FIN, read until the peer's FIN or 3 s; `closed` comes later. Idempotent. */
void tls_conn_close(struct tls_conn *conn);
/* Reset; `closed` comes on the next turn. */
void tls_conn_abort(struct tls_conn *conn);
