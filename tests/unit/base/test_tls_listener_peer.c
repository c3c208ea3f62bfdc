/* SPDX-License-Identifier: Apache-2.0 */
/* base/tls_listener: what a peer's certificate proves while its connection lives. */
#include "tests/unit/base/listener_world.h"

static const struct certificate_name names[] = {{"CN", "admin", -1}, {"O", "masters", -1}};

/* A client that stays until the server closes. */
static void open_connection(struct world *w, struct client *c)
{
    client_start(w, c);
    assert_true(vk_loop_run_until(w->loop, &w->has_opened, PATIENCE_MS));
}

static void close_connection(struct world *w, struct client *c)
{
    tls_conn_close(w->last);
    client_wait(c);
    wait_for_close(w);
}

static void reload(struct world *w, const char *ca_file)
{
    struct tls_listener_config config = world_config(w, false);
    struct vk_err err;

    config.client_ca_file = ca_file;
    if (tls_listener_reload(w->listener, &config, &err) < 0)
        fail_msg("%s", err.msg);
}

static void an_open_connection_proves_what_the_client_ca_of_now_says(void **state)
{
    struct world *w = *state;
    struct certificate certificate = certificate_make(&(struct certificate_spec){
        .issuer = &w->ca, .names = names, .name_count = 2, .usage = "clientAuth"});
    struct client c = {.certificate = &certificate, .script = client_read_to_end};
    char *foreign_file = certificate_file(w->foreign_ca.cert_pem);
    const struct tls_peer *peer;

    world_listen(w, false);
    open_connection(w, &c);
    peer = tls_conn_peer(w->last);
    assert_true(peer->verified && peer->has_certificate);
    assert_int_equal(strlen(peer->fingerprint), 64);

    reload(w, foreign_file);
    peer = tls_conn_peer(w->last);
    assert_true(peer->has_certificate);
    assert_false(peer->verified);
    assert_string_equal(peer->common_name, "");
    reload(w, NULL);
    assert_false(tls_conn_peer(w->last)->verified);
    reload(w, w->ca_file);
    peer = tls_conn_peer(w->last);
    assert_true(peer->verified);
    assert_string_equal(peer->common_name, "admin");
    assert_string_equal(peer->organizations[0], "masters");
    assert_string_equal(peer->address, "127.0.0.1");

    close_connection(w, &c);
    unlink(foreign_file);
    vk_free(foreign_file);
    certificate_release(&certificate);
}

static void a_certificate_that_expires_proves_nothing_from_then_on(void **state)
{
    struct world *w = *state;
    struct certificate certificate =
        certificate_make(&(struct certificate_spec){.issuer = &w->ca,
                                                    .names = names,
                                                    .name_count = 2,
                                                    .usage = "clientAuth",
                                                    .from_s = -60,
                                                    .to_s = 2});
    struct client c = {.certificate = &certificate, .script = client_read_to_end};
    bool never = false;

    world_listen(w, false);
    open_connection(w, &c);
    /* On a slow machine it may have expired before the handshake; the end is the same. */
    for (int i = 0; i < 1000 && tls_conn_peer(w->last)->verified; i++)
        (void)vk_loop_run_until(w->loop, &never, 10);
    assert_false(tls_conn_peer(w->last)->verified);
    assert_true(tls_conn_peer(w->last)->has_certificate);
    close_connection(w, &c);
    certificate_release(&certificate);
}

static void a_peer_without_a_certificate_shows_none(void **state)
{
    struct world *w = *state;
    struct client c = {.script = client_read_to_end};

    world_listen(w, false);
    open_connection(w, &c);
    assert_false(tls_conn_peer(w->last)->has_certificate);
    reload(w, w->ca_file);
    assert_false(tls_conn_peer(w->last)->has_certificate);
    assert_false(tls_conn_peer(w->last)->verified);
    close_connection(w, &c);
}

/* Opens one more connection; it is w->last then. */
static void open_another(struct world *w, struct client *c)
{
    w->has_opened = false;
    open_connection(w, c);
}

static void strangers_make_room_and_others_stay(void **state)
{
    struct world *w = *state;
    struct certificate certificate = certificate_make(&(struct certificate_spec){
        .issuer = &w->ca, .names = names, .name_count = 2, .usage = "clientAuth"});
    struct client known[2], stranger[3];
    struct tls_listener_config config = world_config(w, false);
    struct tls_conn *busy;
    int fd;

    config.max_connections = 3;
    world_listen_config(w, &config);
    for (size_t i = 0; i < 3; i++)
        stranger[i] = (struct client){.script = client_read_to_end};
    for (size_t i = 0; i < 2; i++)
        known[i] = (struct client){.certificate = &certificate, .script = client_read_to_end};
    open_another(w, &known[0]);
    open_another(w, &stranger[0]);
    busy = w->last;
    tls_conn_set_busy(busy, true);
    /* One that has not shaken hands is a stranger, too. */
    fd = connect_plainly(w);
    while (w->listener->count < 3)
        (void)vk_loop_run_until(w->loop, &w->has_closed, 1);

    open_another(w, &stranger[1]);
    assert_eof_or_reset(fd);
    open_another(w, &known[1]);
    client_wait(&stranger[1]);
    assert_int_equal(w->listener->count, 3);
    /* Now nobody has to go. */
    fd = connect_plainly(w);
    w->has_closed = false;
    assert_false(vk_loop_run_until(w->loop, &w->has_closed, 50));
    assert_eof_or_reset(fd);
    tls_conn_set_busy(busy, false);
    open_another(w, &stranger[2]);
    client_wait(&stranger[0]);
    assert_false(known[0].done || known[1].done || stranger[2].done);

    tls_listener_free(vk_take(w->listener));
    client_wait(&known[0]);
    client_wait(&known[1]);
    client_wait(&stranger[2]);
    certificate_release(&certificate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(an_open_connection_proves_what_the_client_ca_of_now_says),
        TEST(a_certificate_that_expires_proves_nothing_from_then_on),
        TEST(a_peer_without_a_certificate_shows_none),
        TEST(strangers_make_room_and_others_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
