/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "kubelet/streaming/spdy.h"
#include "kubelet/streaming/spdy_dictionary.h"

/* What a session reported, as text; pieces of data are joined, so that each split of the input must
 * give the same. */
struct record {
    struct spdy *session;
    struct vk_buf events, sent;
    uint32_t last_data;
    const char *refuse; /* value of streamtype to refuse */
    bool echo;
};

static void note(struct record *r, const char *text, uint32_t id)
{
    r->last_data = 0;
    vk_buf_printf(&r->events, " %s%u", text, id);
}

static bool on_stream(void *user, uint32_t id, const struct spdy_header *headers, size_t n)
{
    struct record *r = user;

    note(r, "stream", id);
    for (size_t i = 0; i < n; i++) {
        vk_buf_printf(&r->events, ",%s=%s", headers[i].name, headers[i].value);
        if (r->refuse && vk_streq(headers[i].value, r->refuse))
            return false;
    }
    return true;
}

static void on_opened(void *user, uint32_t id)
{
    note(user, "opened", id);
}

static void on_data(void *user, uint32_t id, struct vk_str piece)
{
    struct record *r = user;

    if (r->last_data != id)
        note(r, "data", id);
    if (r->last_data != id)
        vk_buf_addc(&r->events, ':');
    r->last_data = id;
    vk_buf_addstr(&r->events, piece);
    if (r->echo)
        spdy_send(r->session, id, piece);
}

static void on_eof(void *user, uint32_t id)
{
    note(user, "eof", id);
}

static void on_reset(void *user, uint32_t id, uint32_t status)
{
    note(user, "reset", id);
    vk_buf_printf(&((struct record *)user)->events, "/%u", status);
}

static void on_goaway(void *user)
{
    note(user, "goaway", 0);
}

static void on_send(void *user, struct vk_str bytes)
{
    vk_buf_addstr(&((struct record *)user)->sent, bytes);
}

static const struct spdy_events events = {on_stream, on_opened, on_data, on_eof,
                                          on_reset,  on_goaway, on_send};

static void record_init(struct record *r, unsigned max_streams)
{
    *r = (struct record){0};
    vk_buf_init(&r->events, 1 << 20);
    vk_buf_init(&r->sent, 64 << 20);
    r->session = spdy_new(&events, r, max_streams);
}

static void record_release(struct record *r)
{
    spdy_free(r->session);
    vk_buf_release(&r->events);
    vk_buf_release(&r->sent);
}

/* --- a client: frames with one deflate stream for all header blocks --- */

struct client {
    struct vk_buf out;
    z_stream zlib;
};

static void client_init(struct client *c)
{
    memset(&c->zlib, 0, sizeof(c->zlib));
    vk_buf_init(&c->out, 1 << 20);
    assert_int_equal(deflateInit(&c->zlib, Z_DEFAULT_COMPRESSION), Z_OK);
    assert_int_equal(deflateSetDictionary(&c->zlib, spdy_dictionary(), SPDY_DICTIONARY_SIZE), Z_OK);
}

static void client_release(struct client *c)
{
    deflateEnd(&c->zlib);
    vk_buf_release(&c->out);
}

static void add32(struct vk_buf *b, uint32_t v)
{
    const char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};

    vk_buf_add(b, bytes, 4);
}

static void control(struct client *c, unsigned type, unsigned flags, struct vk_str payload)
{
    add32(&c->out, 0x80030000u | type);
    add32(&c->out, (uint32_t)flags << 24 | (uint32_t)payload.n);
    vk_buf_addstr(&c->out, payload);
}

static void add_text(struct vk_buf *b, const char *text)
{
    add32(b, (uint32_t)strlen(text));
    vk_buf_adds(b, text);
}

/* pairs: name, value, ..., NULL */
static void syn_stream(struct client *c, uint32_t id, unsigned flags, const char *const *pairs)
{
    struct vk_buf plain VK_BUF_AUTO;
    struct vk_buf payload VK_BUF_AUTO;
    char packed[4096];
    uint32_t count = 0;

    vk_buf_init(&plain, 65536);
    vk_buf_init(&payload, 8192);
    while (pairs[2 * count])
        count++;
    add32(&plain, count);
    for (uint32_t i = 0; i < 2 * count; i++)
        add_text(&plain, pairs[i]);
    c->zlib.next_in = (unsigned char *)vk_buf_peek(&plain);
    c->zlib.avail_in = (unsigned)vk_buf_len(&plain);
    c->zlib.next_out = (unsigned char *)packed;
    c->zlib.avail_out = sizeof(packed);
    assert_int_equal(deflate(&c->zlib, Z_SYNC_FLUSH), Z_OK);
    add32(&payload, id);
    add32(&payload, 0);
    vk_buf_add(&payload, "\0\0", 2);
    vk_buf_add(&payload, packed, sizeof(packed) - c->zlib.avail_out);
    control(c, 1, flags, vk_buf_str(&payload));
}

static void data(struct client *c, uint32_t id, unsigned flags, const char *text)
{
    add32(&c->out, id);
    add32(&c->out, (uint32_t)flags << 24 | (uint32_t)strlen(text));
    vk_buf_adds(&c->out, text);
}

static int feed_split(struct record *r, struct vk_str in, size_t split)
{
    struct vk_err err;
    int rc = 0;

    if (!split) {
        for (size_t i = 0; i < in.n && rc == 0; i++)
            rc = spdy_feed(r->session, (struct vk_str){in.p + i, 1}, &err);
        return rc;
    }
    rc = spdy_feed(r->session, (struct vk_str){in.p, split}, &err);
    if (rc == 0)
        rc = spdy_feed(r->session, (struct vk_str){in.p + split, in.n - split}, &err);
    return rc;
}

static const char *const error_pairs[] = {"streamtype", "error", NULL};
static const char *const stdin_pairs[] = {"streamtype", "stdin", "x-extra", "", NULL};

static void a_session_is_the_same_at_every_split(void **state)
{
    struct client c;

    (void)state;
    client_init(&c);
    syn_stream(&c, 1, 0, error_pairs);
    syn_stream(&c, 3, 0, stdin_pairs);
    data(&c, 3, 0, "hello ");
    control(&c, 6, 0, (struct vk_str){"\0\0\0\7", 4});
    data(&c, 3, 1, "world");
    data(&c, 3, 0, "late");
    data(&c, 99, 0, "unknown");
    control(&c, 4, 0, (struct vk_str){"\0\0\0\0", 4});
    control(&c, 3, 0, (struct vk_str){"\0\0\0\1\0\0\0\5", 8});
    control(&c, 7, 0, (struct vk_str){"\0\0\0\0\0\0\0\0", 8});
    for (size_t split = 0; split < vk_buf_len(&c.out); split++) {
        struct record r;

        record_init(&r, 8);
        assert_int_equal(feed_split(&r, vk_buf_str(&c.out), split), 0);
        assert_string_equal(vk_buf_peek(&r.events), " stream1,streamtype=error opened1"
                                                    " stream3,streamtype=stdin,x-extra= opened3"
                                                    " data3:hello world eof3 reset1/5 goaway0");
        record_release(&r);
    }
    client_release(&c);
}

/* The replies must inflate as one zlib stream with the dictionary, each to a count of 0. */
static void replies_are_a_valid_zlib_stream(void **state)
{
    struct client c;
    struct record r;
    z_stream z = {0};
    const unsigned char *p;
    size_t n, replies = 0;

    (void)state;
    client_init(&c);
    record_init(&r, 8);
    for (uint32_t id = 1; id <= 7; id += 2)
        syn_stream(&c, id, 0, error_pairs);
    assert_int_equal(feed_split(&r, vk_buf_str(&c.out), 1), 0);
    assert_int_equal(inflateInit(&z), Z_OK);
    p = (const unsigned char *)vk_buf_peek(&r.sent);
    n = vk_buf_len(&r.sent);
    while (n >= 12) {
        size_t len = (size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7];
        unsigned char plain[16];

        assert_memory_equal(p, "\x80\3\0\2", 4);
        z.next_in = (unsigned char *)(uintptr_t)(p + 12);
        z.avail_in = (unsigned)(len - 4);
        z.next_out = plain;
        z.avail_out = sizeof(plain);
        if (!replies) {
            assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_NEED_DICT);
            assert_int_equal(z.adler, SPDY_DICTIONARY_ADLER32);
            assert_int_equal(inflateSetDictionary(&z, spdy_dictionary(), SPDY_DICTIONARY_SIZE),
                             Z_OK);
        }
        assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
        assert_int_equal(sizeof(plain) - z.avail_out, 4);
        assert_memory_equal(plain, "\0\0\0\0", 4);
        replies++;
        p += 8 + len;
        n -= 8 + len;
    }
    assert_int_equal(replies, 4);
    inflateEnd(&z);
    record_release(&r);
    client_release(&c);
}

static void refused_streams_keep_the_next_header_block_readable(void **state)
{
    struct client c;
    struct record r;

    (void)state;
    client_init(&c);
    record_init(&r, 1);
    r.refuse = "error";
    syn_stream(&c, 1, 0, error_pairs);
    syn_stream(&c, 3, 1, stdin_pairs);
    syn_stream(&c, 5, 0, stdin_pairs);
    syn_stream(&c, 5, 0, stdin_pairs);
    assert_int_equal(feed_split(&r, vk_buf_str(&c.out), 1), 0);
    assert_string_equal(vk_buf_peek(&r.events), " stream1,streamtype=error"
                                                " stream3,streamtype=stdin,x-extra= opened3 eof3");
    assert_memory_equal(vk_buf_peek(&r.sent), "\x80\3\0\3\0\0\0\x08\0\0\0\1\0\0\0\5", 16);
    assert_true(vk_str_starts(
        (struct vk_str){vk_buf_peek(&r.sent) + vk_buf_len(&r.sent) - 32, 32},
        (struct vk_str){"\x80\3\0\3\0\0\0\x08\0\0\0\5\0\0\0\3\x80\3\0\3\0\0\0\x08\0\0\0\5\0\0\0\1",
                        32}));
    record_release(&r);
    client_release(&c);
}

/* The owner counts by streams that are open: one that ends as it begins would not be counted. */
static void streams_without_a_way_back_are_refused(void **state)
{
    struct client c;
    struct record r;

    (void)state;
    client_init(&c);
    record_init(&r, 1);
    syn_stream(&c, 1, 2, stdin_pairs);
    syn_stream(&c, 3, 3, stdin_pairs);
    syn_stream(&c, 5, 0, stdin_pairs);
    assert_int_equal(feed_split(&r, vk_buf_str(&c.out), 1), 0);
    assert_string_equal(vk_buf_peek(&r.events), " stream5,streamtype=stdin,x-extra= opened5");
    assert_memory_equal(vk_buf_peek(&r.sent),
                        "\x80\3\0\3\0\0\0\x08\0\0\0\1\0\0\0\3"
                        "\x80\3\0\3\0\0\0\x08\0\0\0\3\0\0\0\3",
                        32);
    record_release(&r);
    client_release(&c);
}

/* 20 bytes of frame may inflate to megabytes. */
static void header_blocks_are_limited_to_the_byte(void **state)
{
    /* Inflated: the count, and a length before name and value. */
    static const size_t overhead = 4 + 4 + 1 + 4, limit = 16 * 1024;
    char *text = vk_malloc(limit);

    (void)state;
    for (size_t n = limit - overhead - 2; n <= limit - overhead + 1; n++) {
        const char *pairs[] = {"n", text, NULL};
        struct client c;
        struct record r;

        memset(text, 'a', n);
        text[n] = '\0';
        client_init(&c);
        record_init(&r, 1);
        syn_stream(&c, 1, 0, pairs);
        assert_true(vk_buf_len(&c.out) < 1000);
        /* A full buffer counts as too much. */
        assert_int_equal(feed_split(&r, vk_buf_str(&c.out), 1),
                         n + overhead < limit ? 0 : -VK_PROTOCOL);
        record_release(&r);
        client_release(&c);
    }
    vk_free(text);
}

static void header_blocks_that_lie_end_the_session(void **state)
{
    const char *many[2 * (SPDY_MAX_HEADERS + 1) + 1] = {0};
    struct client c;
    struct record r;

    (void)state;
    for (size_t i = 0; i < 2 * (SPDY_MAX_HEADERS + 1); i++)
        many[i] = "x";
    client_init(&c);
    record_init(&r, 1);
    syn_stream(&c, 1, 0, many);
    assert_int_equal(feed_split(&r, vk_buf_str(&c.out), 1), -VK_PROTOCOL);
    assert_string_equal(vk_buf_peek(&r.events), "");
    record_release(&r);
    client_release(&c);
}

static void broken_input_ends_with_goaway(void **state)
{
    static const struct {
        const char *name;
        struct vk_str bytes;
    } table[] = {
        {"version 2", VK_STR_INIT("\x80\2\0\1\0\0\0\0")},
        {"high version byte", VK_STR_INIT("\x81\3\0\1\0\0\0\0")},
        {"data on stream 0", VK_STR_INIT("\0\0\0\0\0\0\0\1x")},
        {"short SYN_STREAM", VK_STR_INIT("\x80\3\0\1\0\0\0\4\0\0\0\1")},
        {"garbage header block", VK_STR_INIT("\x80\3\0\1\0\0\0\x0e\0\0\0\1\0\0\0\0\0\0zzzz")},
        {"long control frame", VK_STR_INIT("\x80\3\0\1\0\xff\xff\xff")},
        {"SYN_REPLY", VK_STR_INIT("\x80\3\0\2\0\0\0\0")},
        {"short RST_STREAM", VK_STR_INIT("\x80\3\0\3\0\0\0\4\0\0\0\1")},
        {"short PING", VK_STR_INIT("\x80\3\0\6\0\0\0\2\0\1")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        for (size_t split = 0; split < table[i].bytes.n; split++) {
            struct record r;

            record_init(&r, 4);
            if (feed_split(&r, table[i].bytes, split) != -VK_PROTOCOL)
                fail_msg("%s, split %zu: accepted", table[i].name, split);
            assert_memory_equal(vk_buf_peek(&r.sent), "\x80\3\0\7\0\0\0\x08", 8);
            record_release(&r);
        }
}

static void data_larger_than_a_frame_is_cut(void **state)
{
    struct client c;
    struct record r;
    size_t n = (size_t)0xffffff + 10, before;
    char *big = vk_calloc(1, n);

    (void)state;
    client_init(&c);
    record_init(&r, 4);
    syn_stream(&c, 1, 0, error_pairs);
    assert_int_equal(feed_split(&r, vk_buf_str(&c.out), 1), 0);
    before = vk_buf_len(&r.sent);
    assert_true(spdy_send(r.session, 1, (struct vk_str){big, n}));
    assert_int_equal(vk_buf_len(&r.sent) - before, n + 16);
    assert_true(spdy_fin(r.session, 1));
    assert_false(spdy_send(r.session, 1, VK_STR("x")));
    assert_false(spdy_fin(r.session, 1));
    assert_false(spdy_send(r.session, 3, VK_STR("x")));
    spdy_goaway(r.session);
    assert_false(spdy_reset(r.session, 1, SPDY_CANCEL));
    vk_free(big);
    record_release(&r);
    client_release(&c);
}

static void no_stream_may_follow_the_last_one(void **state)
{
    struct client c;
    struct record r;

    (void)state;
    client_init(&c);
    record_init(&r, 4);
    r.echo = true;
    syn_stream(&c, 1, 0, stdin_pairs);
    assert_int_equal(feed_split(&r, vk_buf_str(&c.out), 1), 0);
    spdy_no_more_streams(r.session);
    vk_buf_clear(&c.out);
    data(&c, 1, 0, "still open");
    assert_int_equal(feed_split(&r, vk_buf_str(&c.out), 1), 0);
    assert_non_null(strstr(vk_buf_peek(&r.events), "data1:still open"));
    syn_stream(&c, 3, 0, stdin_pairs);
    assert_int_equal(feed_split(&r, vk_buf_str(&c.out), 1), -VK_PROTOCOL);
    record_release(&r);
    client_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_the_same_at_every_split),
        cmocka_unit_test(replies_are_a_valid_zlib_stream),
        cmocka_unit_test(refused_streams_keep_the_next_header_block_readable),
        cmocka_unit_test(streams_without_a_way_back_are_refused),
        cmocka_unit_test(header_blocks_are_limited_to_the_byte),
        cmocka_unit_test(header_blocks_that_lie_end_the_session),
        cmocka_unit_test(broken_input_ends_with_goaway),
        cmocka_unit_test(data_larger_than_a_frame_is_cut),
        cmocka_unit_test(no_stream_may_follow_the_last_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
