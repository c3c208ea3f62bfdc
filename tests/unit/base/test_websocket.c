/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/websocket.h"

/* What happened, as text: pieces of one message are joined, so that every split of the input must
 * give the same. */
struct record {
    struct vk_buf events, sent;
};

static void on_message(void *user, enum websocket_opcode opcode, struct vk_str piece, bool first,
                       bool last)
{
    struct record *r = user;

    if (first)
        vk_buf_adds(&r->events, opcode == WEBSOCKET_TEXT ? "text(" : "binary(");
    vk_buf_addstr(&r->events, piece);
    if (last)
        vk_buf_adds(&r->events, ")");
}

static void on_closed(void *user, unsigned code)
{
    struct record *r = user;

    vk_buf_printf(&r->events, "closed(%u)", code);
}

static void on_send(void *user, struct vk_str bytes)
{
    struct record *r = user;

    vk_buf_addstr(&r->sent, bytes);
}

static const struct websocket_events events = {on_message, on_closed, on_send};

static void record_init(struct record *r)
{
    vk_buf_init(&r->events, 1 << 20);
    vk_buf_init(&r->sent, 1 << 20);
}

static void record_release(struct record *r)
{
    vk_buf_release(&r->events);
    vk_buf_release(&r->sent);
}

/* A client's frame with mask 1 2 3 4. */
static void add_frame(struct vk_buf *out, unsigned first_byte, const char *payload, size_t n)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};

    vk_buf_addc(out, (char)first_byte);
    if (n < 126) {
        vk_buf_addc(out, (char)(0x80 | n));
    } else {
        vk_buf_addc(out, (char)(0x80 | 126));
        vk_buf_addc(out, (char)(n >> 8));
        vk_buf_addc(out, (char)n);
    }
    vk_buf_add(out, mask, 4);
    for (size_t i = 0; i < n; i++)
        vk_buf_addc(out, (char)(payload[i] ^ mask[i & 3]));
}

/* Feeds in two parts (or byte by byte for split 0) and returns the result of the last feed. */
static int feed_split(struct websocket *ws, struct vk_str in, size_t split)
{
    char *copy = vk_malloc(in.n);
    struct vk_err err;
    int rc = 0;

    memcpy(copy, in.p, in.n);
    if (split == 0) {
        for (size_t i = 0; i < in.n && rc == 0; i++)
            rc = websocket_feed(ws, copy + i, 1, &err);
    } else {
        rc = websocket_feed(ws, copy, split, &err);
        if (rc == 0)
            rc = websocket_feed(ws, copy + split, in.n - split, &err);
    }
    vk_free(copy);
    return rc;
}

static void messages_survive_every_split(void **state)
{
    struct vk_buf in VK_BUF_AUTO;
    char big[300];

    (void)state;
    memset(big, 'x', sizeof(big));
    vk_buf_init(&in, 1 << 16);
    add_frame(&in, 0x81, "hello", 5);
    add_frame(&in, 0x82, "", 0);
    add_frame(&in, 0x02, "frag", 4);
    add_frame(&in, 0x89, "ping", 4);
    add_frame(&in, 0x00, "", 0);
    add_frame(&in, 0x80, "ment", 4);
    add_frame(&in, 0x82, big, sizeof(big));
    add_frame(&in, 0x88, "\x03\xe8", 2);
    for (size_t split = 0; split < vk_buf_len(&in); split++) {
        struct record r;
        struct websocket ws;
        char want[400];

        record_init(&r);
        websocket_init(&ws, &events, &r);
        assert_int_equal(feed_split(&ws, vk_buf_str(&in), split), 0);
        snprintf(want, sizeof(want),
                 "text(hello)binary()binary(fragment)binary(%.300s)closed(1000)", big);
        assert_string_equal(vk_buf_peek(&r.events), want);
        assert_int_equal(vk_buf_len(&r.sent), 2 + 4 + 4);
        assert_memory_equal(vk_buf_peek(&r.sent), "\x8a\x04ping\x88\x02\x03\xe8", 10);
        record_release(&r);
    }
}

static void broken_frames_end_with_code_1002(void **state)
{
    static const struct {
        const char *name;
        struct vk_str bytes;
    } table[] = {
        {"unmasked", VK_STR_INIT("\x81\x01x")},
        {"reserved bit", VK_STR_INIT("\xc1\x81\1\2\3\4x")},
        {"unknown data opcode", VK_STR_INIT("\x83\x80\1\2\3\4")},
        {"unknown control opcode", VK_STR_INIT("\x8b\x80\1\2\3\4")},
        {"fragmented ping", VK_STR_INIT("\x09\x80\1\2\3\4")},
        {"long ping", VK_STR_INIT("\x89\xfe\x00\x7e\1\2\3\4")},
        {"continuation of nothing", VK_STR_INIT("\x80\x80\1\2\3\4")},
        {"new message inside one", VK_STR_INIT("\x01\x80\1\2\3\4\x81\x80\1\2\3\4")},
        {"close of one byte", VK_STR_INIT("\x88\x81\1\2\3\4x")},
        {"length with high bit", VK_STR_INIT("\x82\xff\x80\0\0\0\0\0\0\0\1\2\3\4")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        for (size_t split = 0; split < table[i].bytes.n; split++) {
            struct record r;
            struct websocket ws;
            const char *sent;

            record_init(&r);
            websocket_init(&ws, &events, &r);
            if (feed_split(&ws, table[i].bytes, split) != -VK_PROTOCOL)
                fail_msg("%s, split %zu: accepted", table[i].name, split);
            sent = vk_buf_peek(&r.sent);
            assert_int_equal((uint8_t)sent[0], 0x88);
            assert_int_equal((uint8_t)sent[2] << 8 | (uint8_t)sent[3], WEBSOCKET_CLOSE_PROTOCOL);
            record_release(&r);
        }
}

static void sent_frames_use_the_shortest_length(void **state)
{
    static const struct {
        size_t n, head;
    } table[] = {{0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}};
    char *payload = vk_calloc(1, 65536);

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct record r;
        struct websocket ws;

        record_init(&r);
        websocket_init(&ws, &events, &r);
        websocket_send(&ws, WEBSOCKET_BINARY, (struct vk_str){payload, table[i].n});
        assert_int_equal(vk_buf_len(&r.sent), table[i].head + table[i].n);
        assert_int_equal((uint8_t)vk_buf_peek(&r.sent)[0], 0x82);
        record_release(&r);
    }
    vk_free(payload);
}

static void nothing_is_sent_after_close(void **state)
{
    struct record r;
    struct websocket ws;
    size_t n;

    (void)state;
    record_init(&r);
    websocket_init(&ws, &events, &r);
    websocket_close(&ws, WEBSOCKET_CLOSE_NORMAL, "done");
    n = vk_buf_len(&r.sent);
    assert_memory_equal(vk_buf_peek(&r.sent),
                        "\x88\x06\x03\xe8"
                        "done",
                        n);
    websocket_close(&ws, WEBSOCKET_CLOSE_INTERNAL, NULL);
    websocket_send(&ws, WEBSOCKET_TEXT, VK_STR("x"));
    websocket_ping(&ws);
    assert_int_equal(vk_buf_len(&r.sent), n);
    record_release(&r);
}

static void accept_key_is_the_rfc_s_example(void **state)
{
    char out[29];

    (void)state;
    assert_true(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==", out));
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_false(websocket_accept_key("dGhlIHNhbXBsZQ==", out));
    assert_false(websocket_accept_key("", out));
    assert_false(websocket_accept_key(NULL, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_survive_every_split),
        cmocka_unit_test(broken_frames_end_with_code_1002),
        cmocka_unit_test(sent_frames_use_the_shortest_length),
        cmocka_unit_test(nothing_is_sent_after_close),
        cmocka_unit_test(accept_key_is_the_rfc_s_example),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
