/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a server's certificate where the server is named by its address, which client
 * libraries that only compare names leave to us. */
#pragma once

#include <stdbool.h>

struct ssl_st;

/* "10.0.0.1" or "2001:db8::1", without brackets. */
bool tls_is_address(const char *host);
/* After the handshake of a client: the peer's certificate holds this address among its names. */
bool tls_peer_has_address(struct ssl_st *ssl, const char *address);
