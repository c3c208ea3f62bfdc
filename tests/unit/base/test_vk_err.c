/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vk_err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"

static void set_replaces_everything(void **state)
{
    struct vk_err err = {.http_status = 500, .retry_after_ms = 9, .reason = "Old"};

    (void)state;
    assert_int_equal(vk_err_set(&err, VK_NOT_FOUND, "pod %s", "web"), -VK_NOT_FOUND);
    assert_int_equal(err.code, VK_NOT_FOUND);
    assert_string_equal(err.msg, "pod web");
    assert_string_equal(err.reason, "");
    assert_int_equal(err.http_status, 0);
    assert_int_equal(err.retry_after_ms, 0);
}

static void set_may_quote_the_old_message(void **state)
{
    struct vk_err err;

    (void)state;
    vk_err_set(&err, VK_INVALID, "inner");
    vk_err_set(&err, VK_INTERNAL, "outer: %s", err.msg);
    assert_string_equal(err.msg, "outer: inner");
}

static void wrap_prefixes_and_keeps_the_rest(void **state)
{
    struct vk_err err;

    (void)state;
    vk_err_set(&err, VK_THROTTLED, "too many requests");
    err.retry_after_ms = 5000;
    err.http_status = 429;
    assert_int_equal(vk_err_reason(&err, "TooManyRequests"), -VK_THROTTLED);
    assert_int_equal(vk_err_wrap(&err, "PUT %s", "group-1"), -VK_THROTTLED);
    assert_string_equal(err.msg, "PUT group-1: too many requests");
    assert_string_equal(err.reason, "TooManyRequests");
    assert_int_equal(err.retry_after_ms, 5000);
    assert_int_equal(err.http_status, 429);
}

static void messages_are_cut_and_stay_one_line(void **state)
{
    struct vk_err err;
    char longer[1000];

    (void)state;
    vk_err_set(&err, VK_INVALID, "two\nlines\tand more");
    assert_string_equal(err.msg, "two lines and more");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    vk_err_set(&err, VK_INVALID, "%s", longer);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    vk_err_wrap(&err, "prefix");
    assert_true(vk_starts(err.msg, "prefix: xxx"));
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    vk_err_reason(&err, longer);
    assert_int_equal(strlen(err.reason), sizeof(err.reason) - 1);
    vk_err_reason(&err, NULL);
    assert_string_equal(err.reason, "");
    vk_err_errno(&err, ENOENT, "%s", longer);
    assert_true(vk_ends(err.msg, ": No such file or directory"));
}

static void errno_values_have_codes(void **state)
{
    static const struct {
        int number;
        enum vk_code code;
    } cases[] = {{ENOENT, VK_NOT_FOUND},    {EACCES, VK_FORBIDDEN},
                 {ETIMEDOUT, VK_TIMEOUT},   {ECONNREFUSED, VK_UNAVAILABLE},
                 {EADDRINUSE, VK_CONFLICT}, {EEXIST, VK_ALREADY_EXISTS},
                 {EDOM, VK_INTERNAL},       {99999, VK_INTERNAL}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_err err;

        assert_int_equal(vk_err_errno(&err, cases[i].number, "open"), -(int)cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(err.sys_errno, cases[i].number);
        assert_true(vk_starts(err.msg, "open: "));
    }
}

static void http_statuses_have_codes(void **state)
{
    static const struct {
        int status;
        enum vk_code code;
    } cases[] = {{200, VK_OK},
                 {204, VK_OK},
                 {301, VK_PROTOCOL},
                 {400, VK_INVALID},
                 {401, VK_UNAUTHENTICATED},
                 {403, VK_FORBIDDEN},
                 {404, VK_NOT_FOUND},
                 {409, VK_CONFLICT},
                 {410, VK_CONFLICT},
                 {413, VK_TOO_LARGE},
                 {422, VK_INVALID},
                 {429, VK_THROTTLED},
                 {500, VK_UNAVAILABLE},
                 {501, VK_UNSUPPORTED},
                 {503, VK_UNAVAILABLE},
                 {504, VK_TIMEOUT},
                 {0, VK_PROTOCOL},
                 {700, VK_PROTOCOL}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        if (vk_code_of_http(cases[i].status) != cases[i].code)
            fail_msg("status %d", cases[i].status);
    }
}

static void every_code_has_a_name_and_transience_follows_it(void **state)
{
    struct vk_err err = {0};

    (void)state;
    for (int code = VK_OK; code <= VK_INTERNAL; code++) {
        bool transient = code == VK_CONFLICT || code == VK_UNAUTHENTICATED ||
                         code == VK_THROTTLED || code == VK_TIMEOUT || code == VK_UNAVAILABLE;

        err.code = (enum vk_code)code;
        assert_true(strlen(vk_code_name(err.code)) > 0);
        assert_int_equal(vk_err_is_transient(&err), transient);
    }
    assert_string_equal(vk_code_name(VK_NOT_FOUND), "NotFound");
    assert_string_equal(vk_code_name((enum vk_code)77), "Internal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_replaces_everything),
        cmocka_unit_test(set_may_quote_the_old_message),
        cmocka_unit_test(wrap_prefixes_and_keeps_the_rest),
        cmocka_unit_test(messages_are_cut_and_stay_one_line),
        cmocka_unit_test(errno_values_have_codes),
        cmocka_unit_test(http_statuses_have_codes),
        cmocka_unit_test(every_code_has_a_name_and_transience_follows_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
