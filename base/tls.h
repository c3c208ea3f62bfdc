/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server side's OpenSSL contexts and what a peer's certificate proves. OpenSSL's types are
 * named only by their struct tags, so that including this header does not include OpenSSL.
 */
#pragma once

#include "base/tls_listener.h"
#include "base/vk_err.h"

struct ssl_ctx_st;
struct ssl_st;

/*
 * TLS 1.2 and up, ALPN http/1.1, no resumption, no renegotiation. Client certificates are asked for
 * when there is a client CA; a bad one does not fail the handshake. Errors: VK_INVALID or the
 * file's own, naming the file.
 */
VK_MUST_CHECK int tls_server_context(const struct tls_listener_config *config,
                                     struct ssl_ctx_st **ret, struct vk_err *err);
void tls_context_free(struct ssl_ctx_st *ctx);

/* Before the handshake: *flag becomes true when some check of the peer's chain fails. */
void tls_watch_verification(struct ssl_st *ssl, bool *flag);
/*
 * After the handshake: fills names and `verified`. A certificate whose names contain NUL or do not
 * fit into struct tls_peer proves nothing, nor does one whose UID is empty or there twice (k8s
 * v1.37.2 apiserver pkg/authentication/request/x509).
 */
void tls_peer_read(struct ssl_st *ssl, bool verification_failed, struct tls_peer *peer);
/* The same against the client CAs of ctx as they are now. */
void tls_peer_read_again(struct ssl_st *ssl, struct ssl_ctx_st *ctx, struct tls_peer *peer);
/* The first error of the thread's queue as text, for messages; empties the queue. */
const char *tls_error_text(char buf[static 256]);
