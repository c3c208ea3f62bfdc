/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LF "\r\n"
#define HOST "Host: a" LF

/* ---- one harness: what a byte stream means, written as text, however it is cut ---- */

struct trace {
    struct vk_buf out;
    struct http1_parser *parser;
    bool ended;
};

static void trace_head(struct trace *t)
{
    const struct http1_head *h = http1_parser_head(t->parser);

    vk_buf_printf(&t->out, "HEAD %s|%s|%s|1.%d|%lld%s%s%s", h->method, h->path, h->query, h->minor,
                  (long long)h->content_length, h->chunked ? "|chunked" : "",
                  h->keep_alive ? "|keep" : "", h->expect_continue ? "|expect" : "");
    for (size_t i = 0; i < h->header_count; i++)
        vk_buf_printf(&t->out, "|%s=%s", h->headers[i].name, h->headers[i].value);
    vk_buf_adds(&t->out, "\nBODY ");
}

static void trace_feed(struct trace *t, struct vk_str in)
{
    while (!t->ended) {
        struct vk_str piece = {0};
        size_t before = in.n;

        switch (http1_parser_feed(t->parser, &in, &piece)) {
        case HTTP1_NEED_MORE:
            assert_int_equal(in.n, 0);
            return;
        case HTTP1_HEAD:
            trace_head(t);
            break;
        case HTTP1_BODY:
            assert_true(piece.n > 0 && piece.n <= before);
            vk_buf_addstr(&t->out, piece);
            break;
        case HTTP1_MESSAGE_END:
            vk_buf_adds(&t->out, "\nEND\n");
            if (in.n == 0)
                return;
            break;
        case HTTP1_ERROR:
            vk_buf_printf(&t->out, "ERROR %d\n", http1_parser_status(t->parser));
            t->ended = true;
            break;
        }
    }
}

static void trace_init(struct trace *t)
{
    *t = (struct trace){.parser = http1_parser_new()};
    vk_buf_init(&t->out, 1 << 20);
}

static void trace_release(struct trace *t)
{
    vk_buf_release(&t->out);
    http1_parser_free(t->parser);
}

static void check_trace(struct vk_str in, size_t first, size_t step, const char *expected)
{
    struct trace t;

    trace_init(&t);
    trace_feed(&t, (struct vk_str){in.p, first});
    for (size_t at = first; at < in.n; at += step) {
        size_t n = in.n - at < step ? in.n - at : step;

        trace_feed(&t, (struct vk_str){in.p + at, n});
    }
    assert_string_equal(vk_buf_peek(&t.out), expected);
    trace_release(&t);
}

/* Whole, cut in two at every place, and byte by byte: always the same. */
static void check_at_every_split(const char *text, const char *expected)
{
    struct vk_str in = vk_str_of(text);

    for (size_t cut = 0; cut <= in.n; cut++)
        check_trace(in, cut, in.n ? in.n : 1, expected);
    check_trace(in, 0, 1, expected);
}

/* ---- what is understood ---- */

static const struct {
    const char *in, *trace;
} good[] = {
    {"GET / HTTP/1.1" LF HOST LF, "HEAD GET|/||1.1|-1|keep|Host=a\nBODY \nEND\n"},
    {LF LF "GET /x?y=1&z HTTP/1.1" LF HOST LF,
     "HEAD GET|/x|y=1&z|1.1|-1|keep|Host=a\nBODY \nEND\n"},
    {"GET /a%20b? HTTP/1.0" LF LF, "HEAD GET|/a%20b||1.0|-1\nBODY \nEND\n"},
    {"GET http://h:1/p/q?r HTTP/1.1" LF HOST LF,
     "HEAD GET|/p/q|r|1.1|-1|keep|Host=a\nBODY \nEND\n"},
    {"OPTIONS HTTPS://h HTTP/1.1" LF HOST LF, "HEAD OPTIONS|/||1.1|-1|keep|Host=a\nBODY \nEND\n"},
    {"GET http://h?q HTTP/1.1" LF HOST LF, "HEAD GET|/|q|1.1|-1|keep|Host=a\nBODY \nEND\n"},
    {"GET / HTTP/1.0" LF "Connection: x, Keep-Alive" LF LF,
     "HEAD GET|/||1.0|-1|keep|Connection=x, Keep-Alive\nBODY \nEND\n"},
    {"GET / HTTP/1.1" LF HOST "connection:\t Upgrade , CLOSE\t " LF LF,
     "HEAD GET|/||1.1|-1|Host=a|connection=Upgrade , CLOSE\nBODY \nEND\n"},
    {"GET / HTTP/1.1" LF HOST "Empty:" LF "A: \x80\xff" LF LF,
     "HEAD GET|/||1.1|-1|keep|Host=a|Empty=|A=\x80\xff\nBODY \nEND\n"},
    {"POST / HTTP/1.1" LF HOST "Content-Length: 3" LF "Expect: 100-Continue" LF LF "abc",
     "HEAD POST|/||1.1|3|keep|expect|Host=a|Content-Length=3|Expect=100-Continue\nBODY abc\nEND\n"},
    {"POST / HTTP/1.1" LF HOST "Content-Length: 0" LF LF,
     "HEAD POST|/||1.1|0|keep|Host=a|Content-Length=0\nBODY \nEND\n"},
    {"PUT / HTTP/1.1" LF HOST "Transfer-Encoding: Chunked" LF LF "3;x=\"y\"" LF "abc" LF "00A" LF
     "0123456789" LF "0" LF LF,
     "HEAD PUT|/||1.1|-1|chunked|keep|Host=a|Transfer-Encoding=Chunked\nBODY abc0123456789\nEND\n"},
    {"PUT / HTTP/1.1" LF HOST "Transfer-Encoding: chunked" LF LF "0" LF "Trailer: x" LF "B:y" LF LF,
     "HEAD PUT|/||1.1|-1|chunked|keep|Host=a|Transfer-Encoding=chunked\nBODY \nEND\n"},
    {"POST /1 HTTP/1.1" LF HOST "Content-Length: 2" LF LF "ab"
     "GET /2 HTTP/1.1" LF HOST LF LF "GET /3 HTTP/1.1" LF HOST LF,
     "HEAD POST|/1||1.1|2|keep|Host=a|Content-Length=2\nBODY ab\nEND\n"
     "HEAD GET|/2||1.1|-1|keep|Host=a\nBODY \nEND\n"
     "HEAD GET|/3||1.1|-1|keep|Host=a\nBODY \nEND\n"},
    {"GET / HTTP/1.1" LF "Ho", ""},
    {"", ""},
};

static void good_messages_are_read_the_same_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        check_at_every_split(good[i].in, good[i].trace);
}

/* ---- what is refused, and with which status ---- */

#define POST_HEAD "POST / HTTP/1.1" LF HOST
#define CHUNKED POST_HEAD "Transfer-Encoding: chunked" LF LF

static const struct {
    const char *what, *in;
    int status;
} bad[] = {
    {"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
    {"bare CR in a value", "GET / HTTP/1.1" LF "A: b\rc" LF LF, 400},
    {"bare CR before the end", "GET / HTTP/1.1\r\r\n", 400},
    {"many empty lines", LF LF LF LF LF "GET / HTTP/1.1" LF HOST LF, 400},
    {"no target", "GET HTTP/1.1" LF HOST LF, 400},
    {"two blanks", "GET  / HTTP/1.1" LF HOST LF, 400},
    {"blank in target", "GET /a b HTTP/1.1" LF HOST LF, 400},
    {"leading blank", " GET / HTTP/1.1" LF HOST LF, 400},
    {"no version", "GET /" LF HOST LF, 400},
    {"bad method", "GE(T / HTTP/1.1" LF HOST LF, 400},
    {"asterisk form", "OPTIONS * HTTP/1.1" LF HOST LF, 400},
    {"authority form", "CONNECT a:1 HTTP/1.1" LF HOST LF, 400},
    {"other scheme", "GET ftp://a/ HTTP/1.1" LF HOST LF, 400},
    {"absolute form without host", "GET http:///p HTTP/1.1" LF HOST LF, 400},
    {"fragment", "GET /#x HTTP/1.1" LF HOST LF, 400},
    {"non-ASCII target", "GET /\xc3\xa4 HTTP/1.1" LF HOST LF, 400},
    {"tab in target", "GET /\t HTTP/1.1" LF HOST LF, 400},
    {"HTTP/2", "GET / HTTP/2.0" LF HOST LF, 505},
    {"HTTP/0.9 by number", "GET / HTTP/0.9" LF HOST LF, 505},
    {"two digits", "GET / HTTP/1.10" LF HOST LF, 400},
    {"lower case version", "GET / http/1.1" LF HOST LF, 400},
    {"blank behind the version", "GET / HTTP/1.1 " LF HOST LF, 400},
    {"obsolete folding", "GET / HTTP/1.1" LF HOST " b" LF LF, 400},
    {"blank before colon", "GET / HTTP/1.1" LF "Host : a" LF LF, 400},
    {"no colon", "GET / HTTP/1.1" LF HOST "abc" LF LF, 400},
    {"no name", "GET / HTTP/1.1" LF HOST ": x" LF LF, 400},
    {"control character", "GET / HTTP/1.1" LF HOST "A: \x01" LF LF, 400},
    {"DEL", "GET / HTTP/1.1" LF HOST "A: \x7f" LF LF, 400},
    {"no host", "GET / HTTP/1.1" LF LF, 400},
    {"two hosts", "GET / HTTP/1.1" LF HOST HOST LF, 400},
    {"two hosts in 1.0", "GET / HTTP/1.0" LF HOST HOST LF, 400},
    {"two lengths", POST_HEAD "Content-Length: 1" LF "Content-Length: 1" LF LF, 400},
    {"list of lengths", POST_HEAD "Content-Length: 1, 1" LF LF, 400},
    {"signed length", POST_HEAD "Content-Length: +1" LF LF, 400},
    {"negative length", POST_HEAD "Content-Length: -1" LF LF, 400},
    {"hexadecimal length", POST_HEAD "Content-Length: 0x1" LF LF, 400},
    {"empty length", POST_HEAD "Content-Length:" LF LF, 400},
    {"huge length", POST_HEAD "Content-Length: 9223372036854775808" LF LF, 413},
    {"length and coding", POST_HEAD "Content-Length: 1" LF "Transfer-Encoding: chunked" LF LF, 400},
    {"coding in 1.0", "POST / HTTP/1.0" LF "Transfer-Encoding: chunked" LF LF, 400},
    {"two codings", POST_HEAD "Transfer-Encoding: chunked" LF "Transfer-Encoding: chunked" LF LF,
     400},
    {"other coding", POST_HEAD "Transfer-Encoding: gzip, chunked" LF LF, 501},
    {"identity", POST_HEAD "Transfer-Encoding: identity" LF LF, 501},
    {"empty coding", POST_HEAD "Transfer-Encoding:" LF LF, 501},
};

static void malformed_heads_give_their_status_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char expected[32];

        snprintf(expected, sizeof(expected), "ERROR %d\n", bad[i].status);
        print_message("%s\n", bad[i].what);
        check_at_every_split(bad[i].in, expected);
    }
}

static const struct {
    const char *body;
    const char *trace; /* behind the head's */
} bad_chunks[] = {
    {"x", "ERROR 400\n"},
    {LF, "ERROR 400\n"},
    {" 1" LF "a", "ERROR 400\n"},
    {"1 ;x" LF "a", "ERROR 400\n"},
    {"-1" LF, "ERROR 400\n"},
    {"0x1" LF, "ERROR 400\n"},
    {"1\n", "ERROR 400\n"},
    {"1;\x01" LF, "ERROR 400\n"},
    {"1\r\r", "ERROR 400\n"},
    {"1" LF "ab", "aERROR 400\n"},
    {"1" LF "a\rb", "aERROR 400\n"},
    {"1" LF "a\n", "aERROR 400\n"},
    {"1000000000000000" LF, "ERROR 413\n"},
    {"0" LF "\n", "ERROR 400\n"},
    {"0" LF " folded" LF, "ERROR 400\n"},
    {"0" LF "A:\x01" LF, "ERROR 400\n"},
    {"0" LF "A:b\rc", "ERROR 400\n"},
};

static void malformed_chunks_give_their_status_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_chunks) / sizeof(bad_chunks[0]); i++) {
        char in[256], expected[256];

        snprintf(in, sizeof(in), "%s%s", CHUNKED, bad_chunks[i].body);
        snprintf(expected, sizeof(expected),
                 "HEAD POST|/||1.1|-1|chunked|keep|Host=a|Transfer-Encoding=chunked\nBODY %s",
                 bad_chunks[i].trace);
        check_at_every_split(in, expected);
    }
}

static void nul_is_refused_anywhere_in_the_head(void **state)
{
    static const char text[] = "GET / HTTP/1.1" LF "A: b" LF;

    (void)state;
    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        char in[sizeof(text)];

        memcpy(in, text, sizeof(text));
        in[at] = '\0';
        check_trace((struct vk_str){in, sizeof(in) - 1}, 0, sizeof(in), "ERROR 400\n");
        check_trace((struct vk_str){in, sizeof(in) - 1}, 0, 1, "ERROR 400\n");
    }
}

/* ---- limits ---- */

static int status_of(struct vk_str in, size_t step)
{
    struct http1_parser *p = http1_parser_new();
    struct vk_str piece;
    int status = 0;

    for (size_t at = 0; at < in.n && !status; at += step) {
        struct vk_str part = {in.p + at, in.n - at < step ? in.n - at : step};
        enum http1_event event;

        while ((event = http1_parser_feed(p, &part, &piece)) != HTTP1_NEED_MORE) {
            if (event == HTTP1_ERROR)
                status = http1_parser_status(p);
            if (event == HTTP1_ERROR || event == HTTP1_MESSAGE_END)
                break;
        }
    }
    http1_parser_free(p);
    return status;
}

static void check_limit(const struct vk_buf *text, int status)
{
    assert_false(text->failed);
    assert_int_equal(status_of(vk_buf_str(text), 1 << 20), status);
    assert_int_equal(status_of(vk_buf_str(text), 1), status);
    assert_int_equal(status_of(vk_buf_str(text), 1000), status);
}

static void add_filled(struct vk_buf *out, char c, size_t n)
{
    while (n--)
        vk_buf_addc(out, c);
}

static void head_size_is_limited_to_the_byte(void **state)
{
    static const char before[] = "GET / HTTP/1.1" LF HOST "A: ";
    static const char after[] = LF LF;
    const size_t room = HTTP1_MAX_HEAD - (sizeof(before) - 1) - (sizeof(after) - 1);

    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        struct vk_buf text VK_BUF_AUTO;

        vk_buf_init(&text, 1 << 20);
        vk_buf_adds(&text, before);
        add_filled(&text, 'x', room + extra);
        vk_buf_adds(&text, after);
        check_limit(&text, extra ? 431 : 0);
    }
}

static void overlong_target_is_414(void **state)
{
    struct vk_buf text VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&text, 1 << 20);
    vk_buf_adds(&text, "GET /");
    add_filled(&text, 'x', HTTP1_MAX_HEAD);
    check_limit(&text, 414);
}

static void header_count_is_limited(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        struct vk_buf text VK_BUF_AUTO;

        vk_buf_init(&text, 1 << 20);
        vk_buf_adds(&text, "GET / HTTP/1.1" LF HOST);
        for (int i = 1; i < HTTP1_MAX_HEADERS + extra; i++)
            vk_buf_printf(&text, "H%d: v" LF, i);
        vk_buf_adds(&text, LF);
        check_limit(&text, extra ? 431 : 0);
    }
}

static void chunk_extensions_and_trailers_are_limited(void **state)
{
    struct vk_buf line VK_BUF_AUTO, many VK_BUF_AUTO, trailers VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&line, 1 << 20);
    vk_buf_adds(&line, CHUNKED "1;");
    add_filled(&line, 'x', 300);
    check_limit(&line, 400);
    vk_buf_init(&many, 1 << 20);
    vk_buf_adds(&many, CHUNKED);
    for (int i = 0; i < 200; i++) {
        vk_buf_adds(&many, "1;");
        add_filled(&many, 'x', 200);
        vk_buf_adds(&many, LF "a" LF);
    }
    check_limit(&many, 400);
    vk_buf_init(&trailers, 1 << 20);
    vk_buf_adds(&trailers, CHUNKED "0" LF);
    for (int i = 0; i < 1000; i++)
        vk_buf_adds(&trailers, "Abcdefghijk: x" LF);
    check_limit(&trailers, 431);
}

static void error_is_sticky(void **state)
{
    struct http1_parser *p = http1_parser_new();
    struct vk_str in = VK_STR("\n"), piece;

    (void)state;
    assert_int_equal(http1_parser_feed(p, &in, &piece), HTTP1_ERROR);
    in = VK_STR("GET / HTTP/1.1" LF HOST LF);
    assert_int_equal(http1_parser_feed(p, &in, &piece), HTTP1_ERROR);
    assert_int_equal(http1_parser_status(p), 400);
    http1_parser_free(p);
}

/* ---- headers ---- */

static void header_lookup_ignores_case_and_counts_repeats(void **state)
{
    struct http1_parser *p = http1_parser_new();
    struct vk_str in = VK_STR("GET / HTTP/1.1" LF HOST "X-V: v5, v4" LF "x-v: v3,,\tv2 " LF LF);
    struct vk_str piece;
    const struct http1_head *head;

    (void)state;
    assert_int_equal(http1_parser_feed(p, &in, &piece), HTTP1_HEAD);
    head = http1_parser_head(p);
    assert_string_equal(http1_header(head, "X-v"), "v5, v4");
    assert_string_equal(http1_header_nth(head, "X-V", 1), "v3,,\tv2");
    assert_null(http1_header_nth(head, "X-V", 2));
    assert_null(http1_header(head, "X"));
    assert_true(http1_header_has(head, "x-v", "V4"));
    assert_true(http1_header_has(head, "x-v", "v2"));
    assert_false(http1_header_has(head, "x-v", "v"));
    assert_false(http1_header_has(head, "y", "v2"));
    http1_parser_free(p);
}

static void bytes_behind_the_message_stay_in_the_input(void **state)
{
    struct http1_parser *p = http1_parser_new();
    struct vk_str in = VK_STR("GET / HTTP/1.1" LF HOST LF "\x80\x03 frames"), piece;

    (void)state;
    assert_int_equal(http1_parser_feed(p, &in, &piece), HTTP1_HEAD);
    assert_int_equal(http1_parser_feed(p, &in, &piece), HTTP1_MESSAGE_END);
    assert_true(vk_str_is(in, "\x80\x03 frames"));
    assert_string_equal(http1_parser_head(p)->path, "/");
    http1_parser_free(p);
}

static void every_status_has_a_reason(void **state)
{
    (void)state;
    assert_string_equal(http1_reason(404), "Not Found");
    for (int status = 100; status < 600; status++)
        assert_true(*http1_reason(status) != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_messages_are_read_the_same_at_every_split),
        cmocka_unit_test(malformed_heads_give_their_status_at_every_split),
        cmocka_unit_test(malformed_chunks_give_their_status_at_every_split),
        cmocka_unit_test(nul_is_refused_anywhere_in_the_head),
        cmocka_unit_test(head_size_is_limited_to_the_byte),
        cmocka_unit_test(overlong_target_is_414),
        cmocka_unit_test(header_count_is_limited),
        cmocka_unit_test(chunk_extensions_and_trailers_are_limited),
        cmocka_unit_test(error_is_sticky),
        cmocka_unit_test(header_lookup_ignores_case_and_counts_repeats),
        cmocka_unit_test(bytes_behind_the_message_stay_in_the_input),
        cmocka_unit_test(every_status_has_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
