/* SPDX-License-Identifier: Apache-2.0 */
/* base/tls_listener: who the peer is, bad peers, configuration. */
#include "tests/unit/base/listener_world.h"

#include <sys/resource.h>

#define UID "1.3.6.1.4.1.57683.2"

/* ---- who the peer is ---- */

static struct certificate client_certificate(const struct certificate *ca,
                                             const struct certificate_name *names, size_t n)
{
    return certificate_make(&(struct certificate_spec){
        .issuer = ca, .names = names, .name_count = n, .usage = "clientAuth"});
}

static void names_of_a_verified_client_are_read(void **state)
{
    static const struct certificate_name names[] = {{"O", "system:masters", -1},
                                                    {"CN", "kube-apiserver-kubelet-client", -1},
                                                    {"O", "b", -1},
                                                    {UID, "f00-ba7", -1}};
    struct world *w = *state;
    struct certificate certificate = client_certificate(&w->ca, names, VK_COUNT(names));
    struct client c = {.certificate = &certificate, .script = say_hello};

    world_listen(w, false);
    run_client(w, &c);
    assert_true(c.intact);
    assert_true(w->peer.verified);
    assert_string_equal(w->peer.common_name, "kube-apiserver-kubelet-client");
    assert_int_equal(w->peer.organization_count, 2);
    assert_string_equal(w->peer.organizations[0], "system:masters");
    assert_string_equal(w->peer.organizations[1], "b");
    assert_string_equal(w->peer.uid, "f00-ba7");
    assert_string_equal(w->peer.address, "127.0.0.1");
    certificate_release(&certificate);
}

/* The connection works, but proves nothing. */
static void check_unverified(struct world *w, const struct certificate *certificate)
{
    struct client c = {.certificate = certificate, .script = say_hello};

    run_client(w, &c);
    assert_true(c.intact);
    assert_false(w->peer.verified);
    assert_string_equal(w->peer.common_name, "");
    assert_string_equal(w->peer.uid, "");
    assert_int_equal(w->peer.organization_count, 0);
}

static void an_authority_in_the_middle_may_be_the_one_to_trust(void **state)
{
    static const struct certificate_name ca_name = {"CN", "middle", -1}, name = {"CN", "a", -1};
    struct world *w = *state;
    struct certificate middle = certificate_make(&(struct certificate_spec){
        .issuer = &w->ca, .names = &ca_name, .name_count = 1, .is_authority = true});
    struct certificate good = client_certificate(&middle, &name, 1);
    /* Who is not of the middle is foreign, though the root signed both. */
    struct certificate beside = client_certificate(&w->ca, &name, 1);
    /* A certificate of the middle is no authority. */
    struct certificate below = client_certificate(&good, &name, 1);
    struct client c = {.certificate = &good, .script = say_hello};
    char *file = certificate_file(middle.cert_pem);
    struct tls_listener_config config = world_config(w, false);

    config.client_ca_file = file;
    world_listen_config(w, &config);
    run_client(w, &c);
    assert_true(w->peer.verified);
    check_unverified(w, &beside);
    check_unverified(w, &below);
    unlink(file);
    vk_free(file);
    certificate_release(&middle);
    certificate_release(&good);
    certificate_release(&beside);
    certificate_release(&below);
}

static void certificates_that_prove_nothing_are_unverified(void **state)
{
    static const struct certificate_name cn = {"CN", "admin", -1};
    static const struct certificate_name with_nul[] = {{"CN", "admin\0.evil", 11}};
    static const struct certificate_name with_nul_in_o[] = {{"CN", "a", -1},
                                                            {"O", "system:masters\0x", 16}};
    static const struct certificate_name two_uids[] = {
        {"CN", "a", -1}, {UID, "u1", -1}, {UID, "u1", -1}};
    static const struct certificate_name with_nul_in_uid[] = {{"CN", "a", -1}, {UID, "u\0x", 3}};
    struct world *w = *state;
    struct certificate_name many[10] = {{"CN", "a", -1}};
    const struct certificate_spec specs[] = {
        {.issuer = &w->foreign_ca, .names = &cn, .name_count = 1, .usage = "clientAuth"},
        {.issuer = NULL, .names = &cn, .name_count = 1},
        {.issuer = &w->ca, .names = &cn, .name_count = 1, .from_s = -7200, .to_s = -3600},
        {.issuer = &w->ca, .names = &cn, .name_count = 1, .from_s = 3600, .to_s = 7200},
        {.issuer = &w->ca, .names = &cn, .name_count = 1, .usage = "serverAuth"},
        {.issuer = &w->ca, .names = with_nul, .name_count = 1},
        {.issuer = &w->ca, .names = with_nul_in_o, .name_count = 2},
        {.issuer = &w->ca, .names = many, .name_count = 10},
        {.issuer = &w->ca, .names = two_uids, .name_count = 3},
        {.issuer = &w->ca, .names = with_nul_in_uid, .name_count = 2},
    };

    for (size_t i = 1; i < 10; i++)
        many[i] = (struct certificate_name){"O", "group", -1};
    world_listen(w, false);
    check_unverified(w, NULL);
    for (size_t i = 0; i < VK_COUNT(specs); i++) {
        struct certificate certificate = certificate_make(&specs[i]);

        check_unverified(w, &certificate);
        certificate_release(&certificate);
    }
}

static void without_a_client_ca_nobody_is_verified(void **state)
{
    static const struct certificate_name cn = {"CN", "admin", -1};
    struct world *w = *state;
    struct certificate certificate = client_certificate(&w->ca, &cn, 1);
    struct tls_listener_config config = world_config(w, false);

    config.client_ca_file = NULL;
    world_listen_config(w, &config);
    check_unverified(w, &certificate);
    certificate_release(&certificate);
}

/* ---- the TLS protocol ---- */

static void old_versions_are_refused_and_12_is_served(void **state)
{
    struct world *w = *state;
    struct client old = {.max_version = TLS1_1_VERSION, .script = say_hello};
    struct client fine = {.max_version = TLS1_2_VERSION, .script = say_hello};

    world_listen(w, false);
    run_client(w, &old);
    assert_false(old.connected);
    assert_int_equal(w->opened, 0);
    run_client(w, &fine);
    assert_true(fine.intact);
}

static void alpn_offers_http11_only(void **state)
{
    static const char both[] = "\x02h2\x08http/1.1", h2[] = "\x02h2";
    struct world *w = *state;
    struct client c = {.alpn = both, .alpn_n = sizeof(both) - 1, .script = say_hello};
    struct client d = {.alpn = h2, .alpn_n = sizeof(h2) - 1, .script = say_hello};

    world_listen(w, false);
    run_client(w, &c);
    assert_string_equal(c.alpn_chosen, "http/1.1");
    run_client(w, &d);
    assert_string_equal(d.alpn_chosen, "");
    assert_true(d.intact);
}

/* ---- hostile and unlucky peers ---- */

static void handshakes_cut_anywhere_leave_nothing_behind(void **state)
{
    struct world *w = *state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    bool never = false;
    char *hello = NULL;
    long n;

    SSL_set_bio(ssl, in, out);
    SSL_connect(ssl);
    n = BIO_get_mem_data(out, &hello);
    assert_true(n > 100);
    world_listen(w, false);
    for (long cut = 0; cut <= n; cut += cut < 12 || cut > n - 4 ? 1 : 17) {
        int fd = connect_plainly(w);

        assert_int_equal(send(fd, hello, (size_t)cut, 0), cut);
        close(fd);
        assert_false(vk_loop_run_until(w->loop, &never, 2));
    }
    wait_for_nobody(w);
    assert_int_equal(w->opened, 0);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    ERR_clear_error();
}

static void garbage_instead_of_a_handshake_is_dropped(void **state)
{
    struct world *w = *state;
    bool never = false;
    char buf[64];
    ssize_t n;
    int fd;

    world_listen(w, false);
    fd = connect_plainly(w);
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    /* An alert may come first. */
    do
        (void)vk_loop_run_until(w->loop, &never, 1);
    while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0 || (n < 0 && errno == EAGAIN));
    wait_for_nobody(w);
    close(fd);
}

static void connections_over_the_limit_are_closed_at_once(void **state)
{
    struct world *w = *state;
    struct tls_listener_config config = world_config(w, true);
    bool never = false;
    int fds[5];

    config.max_connections = 3;
    world_listen_config(w, &config);
    for (int i = 0; i < 5; i++)
        fds[i] = connect_plainly(w);
    assert_false(vk_loop_run_until(w->loop, &never, 50));
    assert_int_equal(w->opened, 3);
    assert_eof_or_reset(fds[3]);
    assert_eof_or_reset(fds[4]);
    close(fds[0]);
    assert_true(vk_loop_run_until(w->loop, &w->has_closed, PATIENCE_MS));
    w->has_opened = false;
    fds[0] = connect_plainly(w);
    assert_true(vk_loop_run_until(w->loop, &w->has_opened, PATIENCE_MS));
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    assert_false(vk_loop_run_until(w->loop, &never, 20));
}

static void listener_recovers_from_running_out_of_descriptors(void **state)
{
    struct world *w = *state;
    struct rlimit limit, low;
    bool never = false;
    struct rusage before, after;
    int fd;

    world_listen(w, true);
    fd = connect_plainly(w);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    getrusage(RUSAGE_SELF, &before);
    (void)vk_loop_run_until(w->loop, &never, 350);
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(w->opened, 0);
    assert_true(after.ru_nvcsw - before.ru_nvcsw < 30); /* it waits instead of spinning */
    assert_true(vk_loop_run_until(w->loop, &w->has_opened, PATIENCE_MS));
    close(fd);
    wait_for_close(w);
}

/* ---- configuration ---- */

static void reload_serves_the_new_certificate_and_keeps_old_connections(void **state)
{
    struct world *w = *state;
    struct certificate renewed = certificate_server(&w->ca, "IP:127.0.0.1");
    struct tls_listener_config config = world_config(w, false), bad = config;
    struct client first = {.script = say_hello}, kept = {.script = say_hello};
    struct client second = {.script = say_hello};
    struct vk_err err = {0};

    world_listen(w, false);
    run_client(w, &first);
    bad.key_pem = renewed.key_pem;
    assert_true(tls_listener_reload(w->listener, &bad, &err) < 0);
    assert_int_equal(err.code, VK_INVALID);
    run_client(w, &kept);
    assert_string_equal(first.server_serial, kept.server_serial);
    config.cert_pem = renewed.cert_pem;
    config.key_pem = renewed.key_pem;
    assert_int_equal(tls_listener_reload(w->listener, &config, &err), 0);
    run_client(w, &second);
    assert_true(second.intact);
    assert_string_not_equal(first.server_serial, second.server_serial);
    certificate_release(&renewed);
}

static void bad_configurations_say_what_is_wrong(void **state)
{
    struct world *w = *state;
    const struct tls_listener_config good = world_config(w, false);
    struct tls_listener_config configs[7];
    static const char *const words[] = {"no-such-cert.pem", "given as text", "key",
                                        "no-such-ca.pem",   "not.numeric",   "70000",
                                        "cannot listen"};
    bool any = false;

    world_listen(w, true);
    for (size_t i = 0; i < 7; i++)
        configs[i] = good;
    configs[0].cert_pem = NULL;
    configs[0].cert_file = "/tmp/no-such-cert.pem";
    configs[1].cert_pem = "not PEM";
    configs[2].key_pem = w->ca.key_pem;
    configs[3].client_ca_file = "/tmp/no-such-ca.pem";
    configs[4].address = "not.numeric";
    configs[5].port = 70000;
    configs[6].port = tls_listener_port(w->listener);
    for (size_t i = 0; i < 7; i++) {
        struct tls_listener *l = NULL;
        struct vk_err err = {0};

        assert_true(tls_listener_new(w->loop, &configs[i], &world_events, w, &l, &err) < 0);
        assert_null(l);
        any = strstr(err.msg, words[i]) != NULL;
        if (!any)
            fail_msg("\"%s\" does not name \"%s\"", err.msg, words[i]);
    }
}

static void empty_address_serves_both_families(void **state)
{
    struct world *w = *state;
    struct tls_listener_config config = world_config(w, true);
    struct client c = {.plain = true, .script = say_hello};

    config.address = "";
    world_listen_config(w, &config);
    run_client(w, &c);
    assert_true(c.intact);
    assert_string_equal(w->peer.address, "127.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(names_of_a_verified_client_are_read),
        TEST(an_authority_in_the_middle_may_be_the_one_to_trust),
        TEST(certificates_that_prove_nothing_are_unverified),
        TEST(without_a_client_ca_nobody_is_verified),
        TEST(old_versions_are_refused_and_12_is_served),
        TEST(alpn_offers_http11_only),
        TEST(handshakes_cut_anywhere_leave_nothing_behind),
        TEST(garbage_instead_of_a_handshake_is_dropped),
        TEST(connections_over_the_limit_are_closed_at_once),
        TEST(listener_recovers_from_running_out_of_descriptors),
        TEST(reload_serves_the_new_certificate_and_keeps_old_connections),
        TEST(bad_configurations_say_what_is_wrong),
        TEST(empty_address_serves_both_families),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
