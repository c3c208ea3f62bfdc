/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "provider/put_outcome.h"

static const struct {
    enum vk_code code;
    int http_status, sys_errno;
    enum put_outcome outcome;
} rows[] = {
    {VK_UNAVAILABLE, 0, ECONNREFUSED, PUT_NOT_DONE},
    {VK_UNAVAILABLE, 0, ECONNRESET, PUT_MAY_COME},
    {VK_UNAVAILABLE, 0, 0, PUT_MAY_COME},
    {VK_TIMEOUT, 0, 0, PUT_MAY_COME},
    /* An answer came and could not be read: something was done. */
    {VK_TOO_LARGE, 0, 0, PUT_MAY_COME},
    {VK_PROTOCOL, 0, 0, PUT_MAY_COME},
    {VK_CANCELLED, 0, 0, PUT_MAY_COME},
    /* The token was refused, before anything was sent. */
    {VK_UNAUTHENTICATED, 0, 0, PUT_NOT_DONE},
    {VK_INVALID, 400, 0, PUT_NOT_DONE},
    {VK_FORBIDDEN, 403, 0, PUT_NOT_DONE},
    {VK_NOT_FOUND, 404, 0, PUT_NOT_DONE},
    {VK_TIMEOUT, 408, 0, PUT_MAY_COME},
    {VK_UNAVAILABLE, 408, 0, PUT_MAY_COME},
    {VK_CONFLICT, 409, 0, PUT_NOT_DONE},
    {VK_THROTTLED, 429, 0, PUT_NOT_DONE},
    {VK_UNAVAILABLE, 500, 0, PUT_IS_UNKNOWN},
    {VK_UNAVAILABLE, 502, 0, PUT_MAY_COME},
    {VK_UNAVAILABLE, 503, 0, PUT_IS_UNKNOWN},
    {VK_UNAVAILABLE, 504, 0, PUT_MAY_COME},
};

static void each_error_says_how_much_was_done(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct vk_err err = {.code = rows[i].code,
                                   .http_status = rows[i].http_status,
                                   .sys_errno = rows[i].sys_errno};
        if (put_outcome(&err) != rows[i].outcome)
            fail_msg("row %zu: %d", i, (int)put_outcome(&err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_error_says_how_much_was_done)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
