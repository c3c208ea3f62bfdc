/* SPDX-License-Identifier: Apache-2.0 */
/* The table of fields is true: each row that ACI or a refusal decides has golden translations. */
#include "provider/field_table.h"

#include "base/alloc.h"
#include "tests/unit/provider/golden.h"

static void each_row_says_something_and_shows_it(void **state)
{
    (void)state;
    assert_true(field_table_count > 40);
    for (size_t i = 0; i < field_table_count; i++) {
        const struct field_row *r = &field_table[i];
        if (!r->aci && !r->kubelet && !r->refused)
            fail_msg("%s says nothing", r->field);
        if ((r->aci || r->refused) && !r->golden[0])
            fail_msg("%s shows nothing", r->field);
    }
}

static bool is_refused(const char *name)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *path = vk_arena_printf(arena, "%s/translate/%s.json", VK_TEST_DATA, name);
    return json_get(golden_load(arena, path), "error") != NULL;
}

static void the_cases_that_rows_name_exist_and_bear_them_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < field_table_count; i++) {
        const struct field_row *r = &field_table[i];
        bool any_refused = false;
        bool any_translated = false;
        for (size_t k = 0; k < VK_COUNT(r->golden) && r->golden[k]; k++) {
            const bool refused = is_refused(r->golden[k]);
            any_refused |= refused;
            any_translated |= !refused;
        }
        if (r->aci && !any_translated)
            fail_msg("%s is done by ACI, and no case is translated", r->field);
        if (any_refused && !r->refused)
            fail_msg("%s is not refused, and a case is", r->field);
    }
}

static void each_field_has_one_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < field_table_count; i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(field_table[i].field, field_table[k].field);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_says_something_and_shows_it),
        cmocka_unit_test(the_cases_that_rows_name_exist_and_bear_them_out),
        cmocka_unit_test(each_field_has_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
