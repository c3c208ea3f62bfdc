/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void growth_keeps_content_and_is_geometric(void **state)
{
    int *v = NULL;
    size_t cap = 0, moves = 0;

    (void)state;
    for (size_t i = 0; i < 100000; i++) {
        size_t before = cap;

        v = vk_grow(v, &cap, i + 1, sizeof(v[0]));
        assert_true(cap > i);
        moves += cap != before;
        v[i] = (int)i;
    }
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(v[i], i);
    assert_true(moves < 20);
    vk_free(v);
}

static void nothing_is_ever_null(void **state)
{
    char *empty VK_AUTOFREE = vk_malloc(0);
    char *zero VK_AUTOFREE = vk_calloc(0, 8);
    char *again VK_AUTOFREE = vk_realloc(NULL, 0);

    (void)state;
    assert_non_null(empty);
    assert_non_null(zero);
    assert_non_null(again);
    vk_free(NULL);
}

static void copies_stop_at_the_given_length(void **state)
{
    const char unterminated[] = {'a', 'b', 'c'};
    char *part VK_AUTOFREE = vk_strndup(unterminated, 3);
    char *shorter VK_AUTOFREE = vk_strndup("ab", 100);
    char *text VK_AUTOFREE = vk_asprintf("%s-%d", "x", 7);

    (void)state;
    assert_string_equal(part, "abc");
    assert_string_equal(shorter, "ab");
    assert_string_equal(text, "x-7");
}

static void take_leaves_null_behind(void **state)
{
    char *owner VK_AUTOFREE = vk_strdup("x");
    char *moved VK_AUTOFREE = vk_take(owner);

    (void)state;
    assert_null(owner);
    assert_string_equal(moved, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_keeps_content_and_is_geometric),
        cmocka_unit_test(nothing_is_ever_null),
        cmocka_unit_test(copies_stop_at_the_given_length),
        cmocka_unit_test(take_leaves_null_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
