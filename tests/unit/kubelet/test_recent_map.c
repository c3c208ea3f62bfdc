/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kubelet/client/recent_map.h"

static void the_least_recently_touched_entry_is_forgotten(void **state)
{
    struct recent_map *m = recent_map_new(2, sizeof(int));

    (void)state;
    *(int *)recent_map_touch(m, "a") = 1;
    *(int *)recent_map_touch(m, "b") = 2;
    assert_int_equal(*(int *)recent_map_touch(m, "a"), 1);
    assert_int_equal(*(int *)recent_map_touch(m, "c"), 0);
    assert_int_equal(recent_map_len(m), 2);
    assert_null(recent_map_peek(m, "b"));
    assert_int_equal(*(int *)recent_map_peek(m, "a"), 1);
    recent_map_remove(m, "a");
    recent_map_remove(m, "a");
    assert_null(recent_map_peek(m, "a"));
    assert_int_equal(recent_map_len(m), 1);
    recent_map_free(m);
    recent_map_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_touched_entry_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
