/* SPDX-License-Identifier: Apache-2.0 */
#include "base/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void urls_are_split_into_parts(void **state)
{
    static const struct {
        const char *text, *scheme, *host;
        int port;
        const char *path, *query;
    } cases[] = {
        {"https://10.0.0.1", "https", "10.0.0.1", 443, "/", ""},
        {"HTTP://Example.ORG/A/b?c=d", "http", "example.org", 80, "/A/b", "c=d"},
        {"https://h:6443/", "https", "h", 6443, "/", ""},
        {"https://h:/x", "https", "h", 443, "/x", ""},
        {"https://[2001:DB8::1]:8443/x?y#z", "https", "2001:db8::1", 8443, "/x", "y"},
        {"wss://h/a//b/%2F?x?y", "wss", "h", 443, "/a//b/%2F", "x?y"},
        {"ws://a-b_c.d:1?q", "ws", "a-b_c.d", 1, "/", "q"},
        {"https://h#/not?a=path", "https", "h", 443, "/", ""},
        {"tcp://h:99/", "tcp", "h", 99, "/", ""},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_err err;
        struct url url;

        if (url_parse(cases[i].text, arena, &url, &err) < 0)
            fail_msg("%s: %s", cases[i].text, err.msg);
        assert_string_equal(url.scheme, cases[i].scheme);
        assert_string_equal(url.host, cases[i].host);
        assert_int_equal(url.port, cases[i].port);
        assert_string_equal(url.path, cases[i].path);
        assert_string_equal(url.query, cases[i].query);
    }
}

static void bad_urls_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "/",
        "h",
        "h:80",
        "//h/",
        "https:",
        "https:/h",
        "https://",
        "https:///x",
        "://h",
        "1http://h",
        "ht tp://h",
        "https://:80",
        "https://h:0",
        "https://h:65536",
        "https://h:8a",
        "https://h:-1",
        "https://u@h/",
        "https://u:p@h/",
        "https://h h/",
        "https://h/ x",
        "https://h/\n",
        "https://h/\xc3\xa9",
        "https://h/<",
        "https://[::1",
        "https://[::1]x",
        "https://[g::]/",
        "https://[]/",
        "https://[1.2.3.4]/",
        "https://h%41/",
        "https://h\\/",
        "https://h:1:2/",
        "ftp://h/",
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct url url = {.port = 4711};
        struct vk_err err;

        if (url_parse(cases[i], arena, &url, &err) >= 0)
            fail_msg("accepted: %s", cases[i]);
        assert_int_equal(err.code, VK_INVALID);
        assert_int_equal(url.port, 4711);
    }
}

static void coding_goes_both_ways_for_every_byte(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf out VK_BUF_AUTO;
    const char *back;
    char all[255];

    (void)state;
    for (int i = 1; i <= 255; i++)
        all[i - 1] = (char)i;
    vk_buf_init(&out, 1000);
    url_encode(&out, (struct vk_str){.p = all, .n = sizeof(all)});
    assert_int_equal(strspn(vk_buf_peek(&out),
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%"),
                     vk_buf_len(&out));
    assert_true(url_decode(vk_buf_str(&out), true, arena, &back));
    assert_int_equal(strlen(back), sizeof(all));
    assert_memory_equal(back, all, sizeof(all));
    vk_buf_clear(&out);
    url_encode(&out, VK_STR("a b/c~\xff"));
    assert_string_equal(vk_buf_peek(&out), "a%20b%2Fc~%FF");
}

static void bad_escapes_are_refused(void **state)
{
    static const char *const cases[] = {"%", "%4", "%4g", "%g4", "a%", "%%41", "%00", "a%00b"};
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *back = NULL;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_false(url_decode(vk_str_of(cases[i]), false, arena, &back));
    assert_false(url_decode((struct vk_str){.p = "a\0b", .n = 3}, false, arena, &back));
    assert_null(back);
    assert_true(url_decode(VK_STR("a+%2b%41"), false, arena, &back));
    assert_string_equal(back, "a++A");
    assert_true(url_decode(VK_STR("a+b"), true, arena, &back));
    assert_string_equal(back, "a b");
}

static void query_parameters_are_found_by_name_and_index(void **state)
{
    static const char query[] =
        "command=sh&command=-c&command=a+b%26c&tty=&flag&%63md=x&bad=%zz&=y";
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();

    (void)state;
    assert_string_equal(url_query_get(query, "command", 0, arena), "sh");
    assert_string_equal(url_query_get(query, "command", 1, arena), "-c");
    assert_string_equal(url_query_get(query, "command", 2, arena), "a b&c");
    assert_null(url_query_get(query, "command", 3, arena));
    assert_string_equal(url_query_get(query, "tty", 0, arena), "");
    assert_string_equal(url_query_get(query, "flag", 0, arena), "");
    assert_string_equal(url_query_get(query, "cmd", 0, arena), "x");
    assert_null(url_query_get(query, "bad", 0, arena));
    assert_null(url_query_get(query, "comman", 0, arena));
    assert_null(url_query_get("", "a", 0, arena));
    assert_null(url_query_get(NULL, "a", 0, arena));
}

static void parameters_are_added_with_the_right_separator(void **state)
{
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&out, 1000);
    vk_buf_adds(&out, "/pods");
    url_query_add(&out, "fieldSelector", "spec.nodeName=a b");
    url_query_add(&out, "limit", "500");
    assert_string_equal(vk_buf_peek(&out), "/pods?fieldSelector=spec.nodeName%3Da%20b&limit=500");
    vk_buf_clear(&out);
    vk_buf_adds(&out, "/pods?");
    url_query_add(&out, "a", "");
    vk_buf_addc(&out, '&');
    url_query_add(&out, "b", NULL);
    assert_string_equal(vk_buf_peek(&out), "/pods?a=&b=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_split_into_parts),
        cmocka_unit_test(bad_urls_are_refused),
        cmocka_unit_test(coding_goes_both_ways_for_every_byte),
        cmocka_unit_test(bad_escapes_are_refused),
        cmocka_unit_test(query_parameters_are_found_by_name_and_index),
        cmocka_unit_test(parameters_are_added_with_the_right_separator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
