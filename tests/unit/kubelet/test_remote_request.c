/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "kubelet/server/remote_request.h"

static const struct {
    const char *query;
    bool with_command;
    enum vk_code code;
    const char *streams; /* i o e t */
    const char *command; /* words with '|' behind each */
} cases[] = {
    {"command=a&command=b&error=1&input=1&output=1", true, VK_OK, "ioe-", "a|b|"},
    {"command=ls&output=true", true, VK_OK, "-o--", "ls|"},
    {"command=sh&input=1&output=1&error=1&tty=1", true, VK_OK, "io-t", "sh|"},
    {"command=&output=1&command=a%20b+c", true, VK_OK, "-o--", "|a b c|"},
    {"xcommand=x&command=y&commands=z&output=1", true, VK_OK, "-o--", "y|"},
    {"command=a&output=1", false, VK_OK, "-o--", ""},
    {"error=1", false, VK_OK, "--e-", ""},
    {"error=1&tty=1", false, VK_INVALID, NULL, NULL},
    {"output=0&input=no", false, VK_INVALID, NULL, NULL},
    {"", false, VK_INVALID, NULL, NULL},
    {"output=1", true, VK_INVALID, NULL, NULL},
    {"output=1&command=%", true, VK_INVALID, NULL, NULL},
    {"output=1&command=a%00b", true, VK_INVALID, NULL, NULL},
};

static void queries_are_parsed(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_buf text VK_BUF_AUTO;
        struct remote_request r;
        struct vk_err err;
        int rc = remote_request_parse(cases[i].query, cases[i].with_command, arena, &r, &err);

        vk_buf_init(&text, 1000);
        assert_int_equal(rc, -(int)cases[i].code);
        if (rc < 0)
            continue;
        vk_buf_printf(&text, "%c%c%c%c", r.streams.has_input ? 'i' : '-',
                      r.streams.has_output ? 'o' : '-', r.streams.has_error ? 'e' : '-',
                      r.streams.tty ? 't' : '-');
        assert_string_equal(vk_buf_peek(&text), cases[i].streams);
        vk_buf_clear(&text);
        for (size_t w = 0; w < r.command.n; w++)
            vk_buf_printf(&text, "%s|", r.command.v[w]);
        assert_string_equal(vk_buf_peek(&text), cases[i].command);
    }
}

static void words_are_limited(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf query VK_BUF_AUTO;
    struct remote_request r;
    struct vk_err err;

    (void)state;
    vk_buf_init(&query, 100000);
    vk_buf_adds(&query, "output=1");
    for (int i = 0; i < 1000; i++)
        vk_buf_adds(&query, "&command=x");
    assert_int_equal(remote_request_parse(vk_buf_peek(&query), true, arena, &r, &err), 0);
    assert_int_equal(r.command.n, 1000);
    vk_buf_adds(&query, "&command=x");
    assert_int_equal(remote_request_parse(vk_buf_peek(&query), true, arena, &r, &err),
                     -VK_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_parsed),
        cmocka_unit_test(words_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
