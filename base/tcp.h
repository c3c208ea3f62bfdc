/* SPDX-License-Identifier: Apache-2.0 */
/* Listening TCP sockets and what is common to the accepted ones. Descriptors are non-blocking. */
#pragma once

#include <stdbool.h>

#include "base/vk_err.h"

struct sockaddr_storage;

/*
 * address: numeric IPv4 or IPv6; NULL or "" for all addresses, of both families where the machine
 * has IPv6. port 0: any free one. The descriptor is the caller's.
 */
VK_MUST_CHECK int tcp_listen(const char *address, int port, int *ret_fd, int *ret_port,
                             struct vk_err *err);
/*
 * Sends at once. A silent peer is probed, and one whose machine vanished noticed after 20 s; for
 * bytes that nobody acknowledges see tcp_silence.h.
 */
void tcp_set_options(int fd);
/* close() will reset the connection. */
void tcp_reset_at_close(int fd);
/* The peer's FIN or reset has arrived, whether it was read or not. */
bool tcp_has_peer_closed(int fd);
/* Numeric text; an IPv4 peer of an IPv6 socket is written as IPv4. */
void tcp_describe(const struct sockaddr_storage *address, char out[static 64]);
