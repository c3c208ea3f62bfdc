/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/stream_peer.h"

#include "base/alloc.h"
#include "kubelet/streaming/port_forward_channels.h"

/* What a session reported; pieces of data are joined, so that each split gives the same. */
struct record {
    struct port_forward_channels *s;
    struct vk_buf events, sent;
    uint32_t in_data, ids[PORT_FORWARD_CHANNEL_PORTS];
    bool echo, fail_at_open;
};

static void *on_open(void *user, uint32_t id, uint16_t port)
{
    struct record *r = user;

    vk_buf_printf(&r->events, " open%u/%u", id, port);
    r->ids[id - 1] = id;
    if (r->fail_at_open)
        port_forward_channels_fail(r->s, id, "not now");
    return &r->ids[id - 1];
}

static void on_data(void *user, void *pair, struct vk_str bytes)
{
    struct record *r = user;
    const uint32_t id = *(uint32_t *)pair;

    if (r->in_data != id)
        vk_buf_printf(&r->events, " data%u:", id);
    r->in_data = id;
    vk_buf_addstr(&r->events, bytes);
    if (r->echo)
        port_forward_channels_send(r->s, id, bytes);
}

static void on_eof(void *user, void *pair)
{
    vk_buf_printf(&((struct record *)user)->events, " eof%u", *(uint32_t *)pair);
}

static void on_reset(void *user, void *pair)
{
    (void)user, (void)pair;
    fail_msg("nobody resets a channel");
}

static void on_gone(void *user)
{
    vk_buf_adds(&((struct record *)user)->events, " gone");
}

static void on_send(void *user, struct vk_str bytes)
{
    vk_buf_addstr(&((struct record *)user)->sent, bytes);
}

static const struct port_forward_events events = {on_open,  on_data, on_eof,
                                                  on_reset, on_gone, on_send};

static void record_init(struct record *r, bool is_base64, const char *query)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct port_forward_ports ports;
    struct vk_err err;

    *r = (struct record){0};
    vk_buf_init(&r->events, PEER_LIMIT);
    vk_buf_init(&r->sent, PEER_LIMIT);
    assert_int_equal(port_forward_ports_read(query, arena, &ports, &err), 0);
    r->s = port_forward_channels_new(is_base64, &ports, &events, r);
}

static void record_release(struct record *r)
{
    port_forward_channels_free(r->s);
    vk_buf_release(&r->events);
    vk_buf_release(&r->sent);
}

static void said(struct record *r, const char *wanted)
{
    assert_string_equal(vk_buf_peek(&r->events), wanted);
    vk_buf_clear(&r->events);
}

/* Each message that was sent since, behind its opcode; bytes that are no text as hex. */
static void sent(struct record *r, const char *wanted)
{
    struct vk_str in = vk_buf_str(&r->sent);
    struct vk_buf text VK_BUF_AUTO;
    struct ws_message m;

    vk_buf_init(&text, PEER_LIMIT);
    while (ws_take(&in, &m)) {
        vk_buf_printf(&text, " %u.", m.opcode);
        for (size_t i = 0; i < m.payload.n; i++) {
            const unsigned char c = (unsigned char)m.payload.p[i];

            if (c > ' ' && c < 127)
                vk_buf_addc(&text, (char)c);
            else
                vk_buf_printf(&text, "<%02x>", c);
        }
    }
    assert_int_equal(in.n, 0);
    assert_string_equal(vk_buf_peek(&text), wanted);
    vk_buf_clear(&r->sent);
}

static void feed(struct record *r, struct vk_str bytes, size_t step)
{
    struct vk_err err;

    for (size_t at = 0; at < bytes.n; at += step) {
        const size_t n = bytes.n - at < step ? bytes.n - at : step;

        if (port_forward_channels_feed(r->s, (struct vk_str){bytes.p + at, n}, &err) < 0)
            fail_msg("%s", err.msg);
    }
}

static void session_is_the_same_at_every_split(void **state)
{
    (void)state;
    for (int is_base64 = 0; is_base64 < 2; is_base64++) {
        struct vk_buf frames VK_BUF_AUTO;

        vk_buf_init(&frames, PEER_LIMIT);
        ws_frame(&frames, is_base64 ? 1 : 2, is_base64 ? VK_STR("0YWJj") : VK_STR("\0abc"));
        ws_frame(&frames, is_base64 ? 1 : 2, is_base64 ? VK_STR("2eHl6") : VK_STR("\2xyz"));
        ws_frame(&frames, 8, VK_STR("\3\xe8"));
        for (size_t step = 1; step <= vk_buf_len(&frames); step++) {
            struct record r;

            record_init(&r, is_base64, "port=80&x=y&port=8443");
            port_forward_channels_open(r.s);
            sent(&r, is_base64 ? " 1.0UAA= 1.1UAA= 1.2+yA= 1.3+yA="
                               : " 2.<00>P<00> 2.<01>P<00> 2.<02><fb><20> 2.<03><fb><20>");
            r.echo = true;
            feed(&r, vk_buf_str(&frames), step);
            said(&r, " open1/80 open2/8443 data1:abc data2:xyz gone");
            record_release(&r);
        }
    }
}

static void the_last_end_closes_the_session(void **state)
{
    struct record r;

    (void)state;
    record_init(&r, false, "port=1,2");
    port_forward_channels_open(r.s);
    said(&r, " open1/1 open2/2");
    vk_buf_clear(&r.sent);
    port_forward_channels_send(r.s, 1, VK_STR("bye"));
    port_forward_channels_end(r.s, 1);
    port_forward_channels_send(r.s, 1, VK_STR("too late"));
    port_forward_channels_end(r.s, 1);
    said(&r, " eof1");
    sent(&r, " 2.<00>bye");
    port_forward_channels_fail(r.s, 2, "why");
    said(&r, " gone");
    sent(&r, " 2.<03>why 8.<03><e8>");
    port_forward_channels_fail(r.s, 2, "again");
    port_forward_channels_close(r.s);
    said(&r, "");
    record_release(&r);
}

static void what_goes_to_no_open_connection_is_dropped(void **state)
{
    struct vk_buf frames VK_BUF_AUTO;
    struct record r;

    (void)state;
    record_init(&r, false, "port=1,2");
    port_forward_channels_open(r.s);
    port_forward_channels_end(r.s, 1);
    vk_buf_clear(&r.events);
    vk_buf_init(&frames, PEER_LIMIT);
    ws_frame(&frames, 2, VK_STR("\0over"));
    ws_frame(&frames, 2, VK_STR("\1errors are ours"));
    ws_frame(&frames, 2, VK_STR("\4none"));
    ws_frame(&frames, 2, VK_STR("\xff\2"));
    ws_frame(&frames, 2, VK_STR("\2"));
    ws_frame(&frames, 2, VK_STR(""));
    ws_frame(&frames, 2, VK_STR("\2yes"));
    feed(&r, vk_buf_str(&frames), 1000);
    said(&r, " data2:yes");
    record_release(&r);
}

static void a_connection_may_fail_at_once(void **state)
{
    struct record r;

    (void)state;
    record_init(&r, false, "port=1,2");
    r.fail_at_open = true;
    port_forward_channels_open(r.s);
    said(&r, " open1/1 open2/2 gone");
    record_release(&r);
}

static void ports_stand_in_the_query(void **state)
{
    static const struct {
        const char *query, *said; /* the ports, or the error */
    } rows[] = {
        {"port=80", "80"},
        {"port=80,443&port=1", "80 443 1"},
        {"a=b&port=65535", "65535"},
        {"", "query parameter \"port\" is required"},
        {"ports=80", "query parameter \"port\" is required"},
        {"port=", "unable to parse \"\" as a port"},
        {"port=80,", "unable to parse \"\" as a port"},
        {"port=80,,81", "unable to parse \"\" as a port"},
        {"port=0", "unable to parse \"0\" as a port"},
        {"port=65536", "unable to parse \"65536\" as a port"},
        {"port=http", "unable to parse \"http\" as a port"},
        {"port=1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
         "more than 32 ports in one session"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct port_forward_ports ports;
        struct vk_buf text VK_BUF_AUTO;
        struct vk_err err;

        vk_buf_init(&text, 1000);
        if (port_forward_ports_read(rows[i].query, arena, &ports, &err) < 0)
            vk_buf_adds(&text, err.msg);
        else
            for (size_t k = 0; k < ports.n; k++)
                vk_buf_printf(&text, "%s%u", k ? " " : "", ports.v[k]);
        assert_string_equal(vk_buf_peek(&text), rows[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_is_the_same_at_every_split),
        cmocka_unit_test(the_last_end_closes_the_session),
        cmocka_unit_test(what_goes_to_no_open_connection_is_dropped),
        cmocka_unit_test(a_connection_may_fail_at_once),
        cmocka_unit_test(ports_stand_in_the_query),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
