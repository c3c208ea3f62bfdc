/* SPDX-License-Identifier: Apache-2.0 */
/* base/tls_listener: bytes, back-pressure, closing. */
#include "tests/unit/base/listener_world.h"

/* ---- bytes ---- */

#define BIG (8 * 1024 * 1024)

static void *send_big(void *user)
{
    struct client *c = user;
    char buf[16384];

    for (size_t at = 0; at < BIG; at += sizeof(buf)) {
        for (size_t i = 0; i < sizeof(buf); i++)
            buf[i] = (char)((at + i) * 31 >> 3);
        if (!client_send(c, buf, sizeof(buf)))
            return NULL;
    }
    shutdown(c->fd, SHUT_WR);
    return NULL;
}

static void receive_big(struct client *c)
{
    char buf[16384];
    ssize_t n;

    c->intact = true;
    while (c->received < BIG && (n = client_read(c, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            c->intact = c->intact && buf[i] == (char)((c->received + (size_t)i) * 31 >> 3);
        c->received += (size_t)n;
    }
}

static void echo_big_plain(struct client *c)
{
    pthread_t sender;

    pthread_create(&sender, NULL, send_big, c);
    receive_big(c);
    pthread_join(sender, NULL);
    client_read_to_end(c);
}

static void big_echo_is_intact_and_bounded(void **state)
{
    struct world *w = *state;
    struct client c = {.plain = true, .script = echo_big_plain};

    world_listen(w, true);
    run_client(w, &c);
    assert_int_equal(c.received, BIG);
    assert_true(c.intact);
    assert_true(c.saw_eof);
    assert_int_equal(w->eofs, 1);
    assert_true(w->most_queued <= HIGH_WATER + RECORD);
}

/* A TLS connection must not be used by two threads: rounds of less than the socket buffers. */
static void echo_rounds(struct client *c)
{
    static const char piece[16000] = {'y'};
    char back[16000];

    c->intact = true;
    for (int i = 0; i < 200 && c->intact; i++) {
        c->intact = client_send(c, piece, sizeof(piece));
        for (size_t n = 0; c->intact && n < sizeof(back);) {
            ssize_t got = client_read(c, back + n, sizeof(back) - n);

            c->intact = got > 0;
            n += got > 0 ? (size_t)got : 0;
        }
        c->intact = c->intact && !memcmp(piece, back, sizeof(back));
    }
}

static void tls_echo_is_intact(void **state)
{
    struct world *w = *state;
    struct client c = {.script = echo_rounds};

    world_listen(w, false);
    run_client(w, &c);
    assert_true(c.intact);
    assert_int_equal(w->eofs, 1);
}

/* A read gives the bytes of one TLS record. */
static void read_records(struct client *c)
{
    static const char *const records[] = {"before them", "a", "bb", "ccc"};
    char buf[100];

    c->intact = true;
    for (size_t i = 0; i < VK_COUNT(records) && c->intact; i++) {
        const ssize_t n = client_read(c, buf, sizeof(buf));

        c->intact = n >= 0 && vk_str_is((struct vk_str){buf, (size_t)n}, records[i]);
    }
    client_read_to_end(c);
}

static void writes_may_be_records_of_their_own(void **state)
{
    struct world *w = *state;
    struct client c = {.script = read_records};

    w->behaviour = SAY_RECORDS;
    world_listen(w, false);
    run_client(w, &c);
    assert_true(c.intact);
    assert_true(c.saw_eof);
}

static void read_some(struct client *c)
{
    char buf[16384];
    ssize_t n;

    while (c->received < c->limit && (n = client_read(c, buf, sizeof(buf))) > 0)
        c->received += (size_t)n;
}

static void flood_is_paced_by_the_reader(void **state)
{
    struct world *w = *state;

    w->behaviour = FLOOD;
    for (int plain = 0; plain < 2; plain++) {
        struct client c = {.plain = plain, .limit = 40 * 1024 * 1024, .script = read_some};

        world_listen(w, plain);
        run_client(w, &c);
        assert_true(c.received >= c.limit);
        assert_true(w->drained > 10);
        assert_true(w->most_queued <= HIGH_WATER + 10000);
        tls_listener_free(w->listener);
        w->listener = NULL;
    }
}

static long resident_kb(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long total = 0, resident = 0;

    assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void clients_that_never_read_cost_bounded_memory(void **state)
{
    struct world *w = *state;
    bool never = false;
    long before;
    int fds[20];

    w->behaviour = FLOOD;
    world_listen(w, true);
    before = resident_kb();
    for (int i = 0; i < 20; i++)
        fds[i] = connect_plainly(w);
    for (int i = 0; i < PATIENCE_MS && w->opened < 20; i++)
        assert_false(vk_loop_run_until(w->loop, &never, 1));
    assert_false(vk_loop_run_until(w->loop, &never, 300));
    assert_int_equal(w->opened, 20);
    assert_true(w->most_queued <= HIGH_WATER + 10000);
    /* 20 queues of 256 KiB in buffers that grow by doubling. */
    assert_true(resident_kb() - before < 40 * 1024);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    wait_for_close(w);
}

static void writer_that_ignores_the_high_water_mark_is_aborted(void **state)
{
    struct world *w = *state;
    int fd;

    w->behaviour = FLOOD_BLINDLY;
    world_listen(w, true);
    fd = connect_plainly(w);
    assert_true(vk_loop_run_until(w->loop, &w->has_closed, PATIENCE_MS));
    assert_true(w->most_queued <= MAX_QUEUED);
    close(fd);
}

/* ---- closing ---- */

static void talk_and_read_to_end(struct client *c)
{
    static const char piece[16384];

    for (int i = 0; i < 20; i++)
        client_send(c, piece, sizeof(piece));
    client_read_to_end(c);
}

static void close_delivers_the_last_bytes_to_a_client_that_still_talks(void **state)
{
    struct world *w = *state;

    w->behaviour = CLOSE_AFTER_GREETING;
    for (int plain = 0; plain < 2; plain++) {
        struct client c = {.plain = plain, .script = talk_and_read_to_end};

        world_listen(w, plain);
        run_client(w, &c);
        assert_int_equal(c.received, sizeof(greeting) - 1);
        assert_true(c.saw_eof);
        tls_listener_free(w->listener);
        w->listener = NULL;
    }
}

static struct tls_conn *only_conn(const struct world *w)
{
    assert_false(vk_list_is_empty(&w->listener->conns));
    return VK_LIST_ENTRY(w->listener->conns.next, struct tls_conn, link);
}

static int64_t armed_for_ms(const struct tls_conn *c)
{
    struct timespec t;

    assert_true(vk_timer_is_armed(&c->deadline));
    clock_gettime(CLOCK_MONOTONIC, &t);
    return c->deadline.due_us_ / 1000 - (t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static void silent_client_is_dropped_at_the_handshake_deadline(void **state)
{
    struct world *w = *state;
    bool never = false;
    int fd;

    world_listen(w, false);
    fd = connect_plainly(w);
    for (int i = 0; i < PATIENCE_MS && vk_list_is_empty(&w->listener->conns); i++)
        assert_false(vk_loop_run_until(w->loop, &never, 1));
    assert_true(armed_for_ms(only_conn(w)) <= 10000);
    vk_timer_arm(&only_conn(w)->deadline, 0);
    for (int i = 0; i < PATIENCE_MS && !vk_list_is_empty(&w->listener->conns); i++)
        assert_false(vk_loop_run_until(w->loop, &never, 1));
    assert_true(vk_list_is_empty(&w->listener->conns));
    assert_int_equal(w->opened, 0);
    assert_eof_or_reset(fd);
}

static void client_that_never_closes_is_dropped_at_the_linger_deadline(void **state)
{
    struct world *w = *state;
    int fd;

    w->behaviour = CLOSE_AFTER_GREETING;
    world_listen(w, true);
    fd = connect_plainly(w);
    assert_true(vk_loop_run_until(w->loop, &w->has_opened, PATIENCE_MS));
    while (only_conn(w)->state != CONN_LINGERING)
        (void)vk_loop_run_until(w->loop, &w->has_closed, 1);
    assert_true(armed_for_ms(only_conn(w)) <= 3000);
    vk_timer_arm(&only_conn(w)->deadline, 0);
    assert_true(vk_loop_run_until(w->loop, &w->has_closed, PATIENCE_MS));
    close(fd);
}

static void abort_inside_a_callback_closes_on_a_later_turn(void **state)
{
    struct world *w = *state;
    int fd;

    w->behaviour = STAY_SILENT;
    world_listen(w, true);
    fd = connect_plainly(w);
    assert_true(vk_loop_run_until(w->loop, &w->has_opened, PATIENCE_MS));
    tls_conn_abort(w->last);
    assert_int_equal(w->closed, 0);
    tls_conn_abort(w->last);
    tls_conn_write(w->last, VK_STR("nothing happens"));
    tls_conn_close(w->last);
    tls_conn_pause(w->last, true);
    assert_true(vk_loop_run_until(w->loop, &w->has_closed, PATIENCE_MS));
    assert_eof_or_reset(fd);
}

static void reset_of_a_paused_connection_is_noticed(void **state)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct world *w = *state;
    int fd;

    w->behaviour = STAY_SILENT;
    world_listen(w, true);
    fd = connect_plainly(w);
    assert_true(vk_loop_run_until(w->loop, &w->has_opened, PATIENCE_MS));
    tls_conn_pause(w->last, true);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    assert_true(vk_loop_run_until(w->loop, &w->has_closed, PATIENCE_MS));
}

static void free_closes_live_connections(void **state)
{
    struct world *w = *state;
    int fd;

    w->behaviour = STAY_SILENT;
    world_listen(w, true);
    fd = connect_plainly(w);
    assert_true(vk_loop_run_until(w->loop, &w->has_opened, PATIENCE_MS));
    tls_listener_free(w->listener);
    w->listener = NULL;
    assert_int_equal(w->closed, 1);
    assert_eof_or_reset(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(big_echo_is_intact_and_bounded),
        TEST(tls_echo_is_intact),
        TEST(writes_may_be_records_of_their_own),
        TEST(flood_is_paced_by_the_reader),
        TEST(clients_that_never_read_cost_bounded_memory),
        TEST(writer_that_ignores_the_high_water_mark_is_aborted),
        TEST(close_delivers_the_last_bytes_to_a_client_that_still_talks),
        TEST(silent_client_is_dropped_at_the_handshake_deadline),
        TEST(client_that_never_closes_is_dropped_at_the_linger_deadline),
        TEST(abort_inside_a_callback_closes_on_a_later_turn),
        TEST(reset_of_a_paused_connection_is_noticed),
        TEST(free_closes_live_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
