/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls_address.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/base/certificates.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void addresses_are_told_from_names(void **state)
{
    static const struct {
        const char *host;
        bool is_address;
    } table[] = {
        {"10.0.0.1", true},
        {"0.0.0.0", true},
        {"::", true},
        {"2001:db8::1", true},
        {"::ffff:1.2.3.4", true},
        {"", false},
        {"10.0.0", false},
        {"10.0.0.256", false},
        {"10.0.0.1.", false},
        {"010.0.0.1", false},
        {"[2001:db8::1]", false},
        {"fe80::1%eth0", false},
        {"management.azure.com", false},
        {"1", false},
        {"0x7f.0.0.1", false},
        {"10.0.0.1:443", false},
        {" 10.0.0.1", false},
        {"dead:beef", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        print_message("%s\n", table[i].host);
        assert_int_equal(tls_is_address(table[i].host), table[i].is_address);
    }
}

/* A client's side of a handshake with a server that shows `server`; the two in one thread. */
struct handshake {
    SSL_CTX *client_ctx, *server_ctx;
    SSL *client, *server;
};

static void shake_hands(struct handshake *h, const struct certificate *server)
{
    BIO *near, *far;
    int done = 0;

    h->client_ctx = SSL_CTX_new(TLS_client_method());
    h->server_ctx = SSL_CTX_new(TLS_server_method());
    if (server) {
        assert_int_equal(SSL_CTX_use_certificate(h->server_ctx, server->x509), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(h->server_ctx, server->key), 1);
    }
    h->client = SSL_new(h->client_ctx);
    h->server = SSL_new(h->server_ctx);
    assert_int_equal(BIO_new_bio_pair(&near, 0, &far, 0), 1);
    SSL_set_bio(h->client, near, near);
    SSL_set_bio(h->server, far, far);
    for (int i = 0; server && i < 100 && done != 2; i++)
        done = (SSL_connect(h->client) == 1) + (SSL_accept(h->server) == 1);
    assert_int_equal(done, server ? 2 : 0);
}

static void release(struct handshake *h)
{
    SSL_free(h->client);
    SSL_free(h->server);
    SSL_CTX_free(h->client_ctx);
    SSL_CTX_free(h->server_ctx);
}

static void the_certificate_must_hold_the_address_itself(void **state)
{
    static const struct {
        const char *san, *address;
        bool has;
    } table[] = {
        {"IP:10.0.0.1", "10.0.0.1", true},
        {"DNS:a,IP:10.0.0.2,IP:10.0.0.1", "10.0.0.1", true},
        {"IP:2001:db8::1", "2001:db8:0::1", true},
        {"IP:10.0.0.1", "10.0.0.2", false},
        {"IP:10.0.0.1", "2001:db8::1", false},
        {"IP:::ffff:10.0.0.1", "10.0.0.1", false},
        /* A name that looks like an address is none, and neither is the common name. */
        {"DNS:10.0.0.1", "10.0.0.1", false},
        {"DNS:*.0.0.1", "10.0.0.1", false},
        {NULL, "10.0.0.1", false},
        {"IP:10.0.0.1", "no address", false},
        {"IP:10.0.0.1", "", false},
    };
    static const struct certificate_name name = {"CN", "10.0.0.1", -1};
    struct certificate ca = certificate_authority("ca");

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct certificate server = certificate_make(&(struct certificate_spec){
            .issuer = &ca, .names = &name, .name_count = 1, .san = table[i].san});
        struct handshake h;

        print_message("%s: %s\n", table[i].san ? table[i].san : "no SAN", table[i].address);
        shake_hands(&h, &server);
        assert_int_equal(tls_peer_has_address(h.client, table[i].address), table[i].has);
        release(&h);
        certificate_release(&server);
    }
    certificate_release(&ca);
}

static void without_a_certificate_there_is_no_address(void **state)
{
    struct handshake h;

    (void)state;
    shake_hands(&h, NULL);
    assert_false(tls_peer_has_address(h.client, "10.0.0.1"));
    release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_told_from_names),
        cmocka_unit_test(the_certificate_must_hold_the_address_itself),
        cmocka_unit_test(without_a_certificate_there_is_no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
