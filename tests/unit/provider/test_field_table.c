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

/* "PodSpec.affinity\t`affinity`": every field of the API has a row, and most rows have fields. */
static void each_field_of_the_api_has_a_row(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    bool *has_fields = vk_arena_array(arena, field_table_count, sizeof(*has_fields));
    const size_t max_without = 3; /* native sidecars, podIP in env, later versions */
    struct vk_str text, line, rest;
    struct vk_err err;
    size_t lines = 0;
    size_t without = 0;
    assert_return_code(
        file_read(VK_TEST_DATA "/kubernetes/pod-fields.txt", 1u << 20, arena, &text, &err), 0);
    for (rest = text; rest.n > 0; lines++) {
        struct vk_str row;
        line = vk_str_cut(rest, '\n', &rest);
        (void)vk_str_cut(line, '\t', &row);
        size_t i = 0;
        while (i < field_table_count && !vk_str_is(row, field_table[i].field))
            i++;
        if (i == field_table_count)
            fail_msg("no row for %.*s", (int)line.n, line.p);
        has_fields[i] = true;
    }
    assert_true(lines > 400);
    for (size_t i = 0; i < field_table_count; i++)
        without += !has_fields[i];
    assert_true(without <= max_without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_says_something_and_shows_it),
        cmocka_unit_test(the_cases_that_rows_name_exist_and_bear_them_out),
        cmocka_unit_test(each_field_has_one_row),
        cmocka_unit_test(each_field_of_the_api_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
