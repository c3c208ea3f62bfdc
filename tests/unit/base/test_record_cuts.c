/* SPDX-License-Identifier: Apache-2.0 */
#include "base/record_cuts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void each_write_leaves_by_itself(void **state)
{
    struct record_cuts r;

    (void)state;
    record_cuts_init(&r);
    assert_int_equal(record_cuts_next(&r, 7), 7);
    /* Seven bytes were there before, uncut. */
    record_cuts_add(&r, 7, 3);
    record_cuts_add(&r, 10, 0);
    record_cuts_add(&r, 10, 5);
    assert_int_equal(record_cuts_next(&r, 15), 7);
    record_cuts_take(&r, 4);
    assert_int_equal(record_cuts_next(&r, 11), 3);
    record_cuts_take(&r, 3);
    assert_int_equal(record_cuts_next(&r, 8), 3);
    record_cuts_take(&r, 3);
    assert_int_equal(record_cuts_next(&r, 5), 5);
    record_cuts_add(&r, 5, 2);
    assert_int_equal(record_cuts_next(&r, 7), 5);
    record_cuts_take(&r, 5);
    record_cuts_take(&r, 2);
    assert_int_equal(r.covered, 0);
    assert_int_equal(record_cuts_next(&r, 0), 0);
    assert_int_equal(record_cuts_next(&r, 9), 9);
    record_cuts_release(&r);
}

/* Whoever takes nothing for long: the memory is bounded, and no byte is lost. */
static void too_many_are_joined(void **state)
{
    struct record_cuts r;
    size_t queued = 0, taken = 0;

    (void)state;
    record_cuts_init(&r);
    for (int i = 0; i < 1000000; i++)
        record_cuts_add(&r, queued++, 1);
    assert_true(vk_buf_len(&r.lengths) <= (2ul << 20));
    while (taken < queued) {
        const size_t n = record_cuts_next(&r, queued - taken);

        assert_true(n > 0 && n <= queued - taken);
        record_cuts_take(&r, n);
        taken += n;
    }
    assert_int_equal(record_cuts_next(&r, 4), 4);
    record_cuts_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_write_leaves_by_itself),
        cmocka_unit_test(too_many_are_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
