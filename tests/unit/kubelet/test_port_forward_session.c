/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/stream_peer.h"

#include "kubelet/streaming/port_forward_session.h"

#define MAX_OPEN 600

/* What a session reported; pieces of data are joined, so that each split gives the same. */
struct record;
struct opened {
    struct record *r;
    uint32_t id;
};
struct record {
    struct port_forward_session *s;
    struct vk_buf events, sent;
    uint32_t in_data;
    struct opened opened[MAX_OPEN];
    size_t open_count;
    bool echo, fail_at_open, fail_at_once, end_at_eof;
};

static void note(struct record *r, const char *text, uint32_t id)
{
    r->in_data = 0;
    vk_buf_printf(&r->events, " %s%u", text, id);
}

static void *on_open(void *user, uint32_t id, uint16_t port)
{
    struct record *r = user;
    struct opened *o = &r->opened[r->open_count++];

    *o = (struct opened){r, id};
    note(r, "open", id);
    vk_buf_printf(&r->events, "/%u", port);
    if (r->fail_at_open)
        port_forward_fail(r->s, id, "not now");
    return o;
}

static void on_data(void *user, void *pair, struct vk_str bytes)
{
    struct record *r = user;
    const struct opened *o = pair;

    if (r->in_data != o->id) {
        note(r, "data", o->id);
        vk_buf_addc(&r->events, ':');
        r->in_data = o->id;
    }
    vk_buf_addstr(&r->events, bytes);
    if (r->echo)
        port_forward_send(r->s, o->id, bytes);
    if (r->fail_at_once)
        port_forward_fail(r->s, o->id, "no such port");
}

static void on_eof(void *user, void *pair)
{
    struct record *r = user;
    const struct opened *o = pair;

    note(r, "eof", o->id);
    if (r->end_at_eof)
        port_forward_end(r->s, o->id);
}

static void on_reset(void *user, void *pair)
{
    note(user, "reset", ((struct opened *)pair)->id);
}

static void on_gone(void *user)
{
    note(user, "gone", 0);
}

static void on_send(void *user, struct vk_str bytes)
{
    vk_buf_addstr(&((struct record *)user)->sent, bytes);
}

static const struct port_forward_events events = {on_open,  on_data, on_eof,
                                                  on_reset, on_gone, on_send};

static void record_init(struct record *r, bool is_tunnel)
{
    *r = (struct record){0};
    vk_buf_init(&r->events, 4 << 20);
    vk_buf_init(&r->sent, PEER_LIMIT);
    r->s = port_forward_session_new(is_tunnel, &events, r);
}

static void record_release(struct record *r)
{
    port_forward_session_free(r->s);
    vk_buf_release(&r->events);
    vk_buf_release(&r->sent);
}

/* split 0: one byte at a time. */
static int feed_split(struct record *r, struct vk_str in, size_t split)
{
    struct vk_err err;
    size_t step = split ? split : 1;
    int rc = 0;

    for (size_t at = 0; at < in.n && rc == 0;) {
        size_t n = in.n - at < step ? in.n - at : step;

        rc = port_forward_session_feed(r->s, (struct vk_str){in.p + at, n}, 1000, &err);
        at += n;
        if (split)
            step = in.n;
    }
    return rc;
}

/* Sends what the peer has to say, reads the answer. */
static void talk(struct record *r, struct spdy_peer *p)
{
    assert_int_equal(feed_split(r, vk_buf_str(&p->out), vk_buf_len(&p->out)), 0);
    vk_buf_clear(&p->out);
    spdy_peer_feed(p, vk_buf_str(&r->sent));
    vk_buf_clear(&r->sent);
}

static void open_stream(struct spdy_peer *p, uint32_t id, const char *type, const char *port,
                        const char *request_id)
{
    peer_open(
        p, id,
        (const char *const[]){"streamtype", type, "port", port, "requestid", request_id, NULL});
}

/* As kubectl does it: the error stream first, and ended at once. */
static void open_pair(struct spdy_peer *p, uint32_t id, const char *port, const char *request_id)
{
    open_stream(p, id, "error", port, request_id);
    peer_data(p, id, VK_STR(""), true);
    open_stream(p, id + 2, "data", port, request_id);
}

static void script(struct spdy_peer *p)
{
    open_pair(p, 1, "8080", "0");
    open_pair(p, 5, "53", "1");
    peer_data(p, 3, VK_STR("hello "), false);
    peer_data(p, 3, VK_STR("world"), false);
    peer_data(p, 7, VK_STR("x"), false);
    peer_ping(p);
    peer_data(p, 3, VK_STR("!"), true);
    peer_reset(p, 7);
    peer_goaway(p);
}

#define SCRIPT_EVENTS " open3/8080 open7/53 data3:hello world data7:x data3:! eof3 reset7 gone0"

static void session_is_the_same_at_every_split(void **state)
{
    struct spdy_peer p;

    (void)state;
    spdy_peer_init(&p);
    script(&p);
    for (size_t split = 0; split < vk_buf_len(&p.out); split++) {
        struct record r;

        record_init(&r, false);
        assert_int_equal(feed_split(&r, vk_buf_str(&p.out), split), 0);
        assert_string_equal(vk_buf_peek(&r.events), SCRIPT_EVENTS);
        record_release(&r);
    }
    spdy_peer_release(&p);
}

/* Messages of a tunnel have nothing to do with frames of SPDY. */
static void tunnel_carries_the_same_bytes_whatever_the_messages(void **state)
{
    static const size_t sizes[] = {1, 7, 100, 100000};
    struct spdy_peer p;

    (void)state;
    spdy_peer_init(&p);
    script(&p);
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        struct vk_buf frames VK_BUF_AUTO;
        struct vk_buf spdy VK_BUF_AUTO;
        struct vk_str all = vk_buf_str(&p.out), sent;
        struct ws_message m;
        struct record r;

        vk_buf_init(&frames, 1 << 20);
        vk_buf_init(&spdy, 1 << 20);
        for (size_t at = 0; at < all.n; at += sizes[i])
            ws_frame(&frames, 2,
                     (struct vk_str){all.p + at, all.n - at < sizes[i] ? all.n - at : sizes[i]});
        record_init(&r, true);
        r.echo = true;
        assert_int_equal(feed_split(&r, vk_buf_str(&frames), 0), 0);
        assert_string_equal(vk_buf_peek(&r.events), SCRIPT_EVENTS);
        sent = vk_buf_str(&r.sent);
        while (ws_take(&sent, &m)) {
            assert_int_equal(m.opcode, 2);
            vk_buf_addstr(&spdy, m.payload);
        }
        assert_int_equal(sent.n, 0);
        {
            struct spdy_peer back;

            spdy_peer_init(&back);
            spdy_peer_feed(&back, vk_buf_str(&spdy));
            assert_string_equal(peer_text(&back, 3), "hello world!");
            assert_int_equal(back.pings, 1);
            spdy_peer_release(&back);
        }
        record_release(&r);
    }
    spdy_peer_release(&p);
}

static void tunnel_ends_by_a_close_frame(void **state)
{
    struct vk_buf out VK_BUF_AUTO;
    struct vk_err err;
    struct record r;

    (void)state;
    vk_buf_init(&out, 100);
    record_init(&r, true);
    ws_frame(&out, 8, VK_STR("\3\xe8"));
    assert_int_equal(feed_split(&r, vk_buf_str(&out), 0), 0);
    assert_string_equal(vk_buf_peek(&r.events), " gone0");
    assert_true(vk_str_eq(vk_buf_str(&r.sent), VK_STR("\x88\2\3\xe8")));
    record_release(&r);

    record_init(&r, true);
    vk_buf_clear(&out);
    ws_frame(&out, 2, VK_STR("\x80\x07garbage"));
    assert_int_equal(port_forward_session_feed(r.s, vk_buf_str(&out), 0, &err), -VK_PROTOCOL);
    record_release(&r);
}

static void streams_with_bad_headers_are_refused(void **state)
{
    static const char *const cases[][3] = {
        {"data", "0", "1"},  {"data", "65536", "1"},
        {"data", "", "1"},   {"data", "8x", "1"},
        {"data", "-1", "1"}, {"stdin", "80", "1"},
        {"", "80", "1"},     {"data", "80", "1234567890123456789012345678901234"},
    };
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, false);
    for (uint32_t i = 0; i < VK_COUNT(cases); i++) {
        open_stream(&p, 2 * i + 1, cases[i][0], cases[i][1], cases[i][2]);
        talk(&r, &p);
        assert_true(peer_stream(&p, 2 * i + 1)->reset);
        assert_false(peer_stream(&p, 2 * i + 1)->replied);
    }
    peer_open(&p, 101, (const char *const[]){"streamtype", "data", NULL});
    peer_open(&p, 103, (const char *const[]){"port", "80", NULL});
    talk(&r, &p);
    assert_true(peer_stream(&p, 101)->reset && peer_stream(&p, 103)->reset);
    assert_string_equal(vk_buf_peek(&r.events), "");
    record_release(&r);
    spdy_peer_release(&p);
}

static void second_stream_of_a_kind_is_refused_within_a_pair(void **state)
{
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, false);
    open_stream(&p, 1, "error", "80", "9");
    open_stream(&p, 3, "error", "80", "9");
    open_stream(&p, 5, "data", "80", "9");
    /* The id is free again: another pair. */
    open_stream(&p, 7, "data", "81", "9");
    open_stream(&p, 9, "error", "81", "9");
    talk(&r, &p);
    assert_true(peer_stream(&p, 3)->reset);
    assert_string_equal(vk_buf_peek(&r.events), " open5/80 open7/81");
    record_release(&r);
    spdy_peer_release(&p);
}

static void pairs_of_clients_that_name_no_request_are_neighbours(void **state)
{
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, false);
    peer_open(&p, 1, (const char *const[]){"streamtype", "error", "port", "80", NULL});
    peer_open(&p, 3, (const char *const[]){"streamtype", "data", "port", "80", NULL});
    peer_open(&p, 5, (const char *const[]){"streamtype", "error", "port", "80", NULL});
    peer_open(&p, 7, (const char *const[]){"streamtype", "data", "port", "80", NULL});
    talk(&r, &p);
    assert_string_equal(vk_buf_peek(&r.events), " open3/80 open7/80");
    record_release(&r);
    spdy_peer_release(&p);
}

/* Each direction ends by itself, in both orders. */
static void half_close_passes_through(void **state)
{
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, false);
    open_pair(&p, 1, "80", "0");
    peer_data(&p, 3, VK_STR("question"), true);
    talk(&r, &p);
    port_forward_send(r.s, 3, VK_STR("ans"));
    port_forward_send(r.s, 3, VK_STR("wer"));
    port_forward_end(r.s, 3);
    port_forward_send(r.s, 3, VK_STR("late"));
    talk(&r, &p);
    assert_string_equal(peer_text(&p, 3), "answer");
    assert_true(peer_stream(&p, 3)->fin && peer_stream(&p, 1)->fin);
    assert_string_equal(peer_text(&p, 1), "");

    open_pair(&p, 5, "80", "1");
    talk(&r, &p);
    port_forward_end(r.s, 7);
    talk(&r, &p);
    assert_true(peer_stream(&p, 7)->fin && peer_stream(&p, 5)->fin);
    peer_data(&p, 7, VK_STR("still taken"), true);
    talk(&r, &p);
    assert_string_equal(vk_buf_peek(&r.events),
                        " open3/80 data3:question eof3 open7/80 data7:still taken eof7");
    record_release(&r);
    spdy_peer_release(&p);
}

static void failure_is_a_text_on_the_error_stream(void **state)
{
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, false);
    open_pair(&p, 1, "1", "0");
    talk(&r, &p);
    port_forward_fail(r.s, 3, "connection refused");
    port_forward_fail(r.s, 3, "again");
    port_forward_send(r.s, 3, VK_STR("late"));
    talk(&r, &p);
    assert_string_equal(peer_text(&p, 1), "connection refused");
    assert_true(peer_stream(&p, 1)->fin && peer_stream(&p, 3)->reset);
    peer_data(&p, 3, VK_STR("late"), true);
    peer_reset(&p, 3);
    talk(&r, &p);
    assert_string_equal(vk_buf_peek(&r.events), " open3/1");

    r.fail_at_once = true;
    open_pair(&p, 5, "1", "1");
    peer_data(&p, 7, VK_STR("a"), false);
    peer_data(&p, 7, VK_STR("b"), true);
    talk(&r, &p);
    assert_string_equal(vk_buf_peek(&r.events), " open3/1 open7/1 data7:a");

    r.fail_at_open = true;
    open_pair(&p, 9, "1", "2");
    peer_data(&p, 11, VK_STR("a"), true);
    talk(&r, &p);
    assert_string_equal(vk_buf_peek(&r.events), " open3/1 open7/1 data7:a open11/1");
    assert_string_equal(peer_text(&p, 9), "not now");
    record_release(&r);
    spdy_peer_release(&p);
}

static void incomplete_pair_is_given_up_in_time(void **state)
{
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, false);
    open_stream(&p, 1, "error", "80", "77");
    open_pair(&p, 3, "80", "78");
    open_stream(&p, 7, "data", "80", "79");
    talk(&r, &p);
    port_forward_session_expire(r.s, 1000 + PORT_FORWARD_PAIR_MS - 1);
    talk(&r, &p);
    assert_false(peer_stream(&p, 1)->fin);
    port_forward_session_expire(r.s, 1000 + PORT_FORWARD_PAIR_MS);
    talk(&r, &p);
    assert_string_equal(peer_text(&p, 1), "request 77: timed out waiting for streams");
    assert_true(peer_stream(&p, 1)->fin && peer_stream(&p, 7)->reset);
    assert_false(peer_stream(&p, 5)->reset || peer_stream(&p, 5)->fin);
    record_release(&r);
    spdy_peer_release(&p);
}

static void data_of_an_incomplete_pair_ends_it(void **state)
{
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, false);
    open_stream(&p, 1, "data", "80", "1");
    peer_data(&p, 1, VK_STR("early"), false);
    talk(&r, &p);
    assert_true(peer_stream(&p, 1)->reset);
    /* An end alone is kept for the pair. */
    r.end_at_eof = true;
    open_stream(&p, 3, "data", "80", "2");
    peer_data(&p, 3, VK_STR(""), true);
    open_stream(&p, 5, "error", "80", "2");
    talk(&r, &p);
    assert_string_equal(vk_buf_peek(&r.events), " open3/80 eof3");
    assert_true(peer_stream(&p, 3)->fin && peer_stream(&p, 5)->fin);
    record_release(&r);
    spdy_peer_release(&p);
}

static void streams_are_limited_and_come_free_again(void **state)
{
    struct spdy_peer p;
    struct record r;
    char id[16];

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, false);
    for (uint32_t i = 0; i < PORT_FORWARD_MAX_STREAMS / 2; i++) {
        snprintf(id, sizeof(id), "%u", i);
        open_pair(&p, 4 * i + 1, "80", id);
    }
    open_stream(&p, 1101, "error", "80", "more");
    talk(&r, &p);
    assert_int_equal(r.open_count, PORT_FORWARD_MAX_STREAMS / 2);
    assert_true(peer_stream(&p, 1101)->reset);
    peer_data(&p, 3, VK_STR(""), true);
    talk(&r, &p);
    port_forward_end(r.s, 3);
    open_pair(&p, 1103, "80", "later");
    talk(&r, &p);
    assert_int_equal(r.open_count, PORT_FORWARD_MAX_STREAMS / 2 + 1);
    record_release(&r);
    spdy_peer_release(&p);
}

static void end_of_the_session_is_told(void **state)
{
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, false);
    open_pair(&p, 1, "80", "0");
    talk(&r, &p);
    port_forward_session_close(r.s);
    port_forward_send(r.s, 3, VK_STR("late"));
    talk(&r, &p);
    assert_true(p.goaway);
    assert_string_equal(peer_text(&p, 3), "");
    record_release(&r);
    spdy_peer_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_is_the_same_at_every_split),
        cmocka_unit_test(tunnel_carries_the_same_bytes_whatever_the_messages),
        cmocka_unit_test(tunnel_ends_by_a_close_frame),
        cmocka_unit_test(streams_with_bad_headers_are_refused),
        cmocka_unit_test(second_stream_of_a_kind_is_refused_within_a_pair),
        cmocka_unit_test(pairs_of_clients_that_name_no_request_are_neighbours),
        cmocka_unit_test(half_close_passes_through),
        cmocka_unit_test(failure_is_a_text_on_the_error_stream),
        cmocka_unit_test(incomplete_pair_is_given_up_in_time),
        cmocka_unit_test(data_of_an_incomplete_pair_ends_it),
        cmocka_unit_test(streams_are_limited_and_come_free_again),
        cmocka_unit_test(end_of_the_session_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
