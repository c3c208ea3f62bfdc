/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls_address.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

bool tls_is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

bool tls_peer_has_address(struct ssl_st *ssl, const char *address)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    const bool has = certificate && X509_check_ip_asc(certificate, address, 0) == 1;

    X509_free(certificate);
    return has;
}
