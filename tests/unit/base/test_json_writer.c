/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"

static void commas_keys_and_brackets_are_in_place(void **state)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    (void)state;
    vk_buf_init(&out, 10000);
    json_writer_init(&w, &out);
    assert_false(json_writer_done(&w));
    json_begin_object(&w, NULL);
    json_put_string(&w, "s", "x");
    json_put_string(&w, "n", NULL);
    json_put_string_if(&w, "omitted", "");
    json_put_string_if(&w, "omitted", NULL);
    json_put_string_if(&w, "kept", "y");
    json_begin_array(&w, "a");
    json_put_int(&w, NULL, INT64_MIN);
    json_put_int(&w, NULL, INT64_MAX);
    json_put_bool(&w, NULL, true);
    json_begin_object(&w, NULL);
    json_end_object(&w);
    json_begin_array(&w, NULL);
    json_end_array(&w);
    json_end_array(&w);
    json_put_bool(&w, "f", false);
    json_put_null(&w, "z");
    json_put_raw(&w, "r", VK_STR("{\"x\":1}"));
    json_put_str(&w, "k\"ey", VK_STR("v"));
    assert_false(json_writer_done(&w));
    json_end_object(&w);
    assert_true(json_writer_done(&w));
    assert_string_equal(vk_buf_peek(&out),
                        "{\"s\":\"x\",\"n\":null,\"kept\":\"y\",\"a\":[-9223372036854775808,"
                        "9223372036854775807,true,{},[]],\"f\":false,\"z\":null,\"r\":{\"x\":1},"
                        "\"k\\\"ey\":\"v\"}");
}

static void strings_are_escaped_and_repaired(void **state)
{
    static const struct {
        struct vk_str in;
        const char *out;
    } cases[] = {
        {{"", 0}, "\"\""},
        {{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
        {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {{"\x01\x1f\x7f", 3}, "\"\\u0001\\u001f\x7f\""},
        {{"\0", 1}, "\"\\u0000\""},
        {{"\xc3\xa9\xf0\x9f\x98\x80", 6}, "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {{"a\xff"
          "b",
          3},
         "\"a\xef\xbf\xbd"
         "b\""},
        {{"\xc3", 1}, "\"\xef\xbf\xbd\""},
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_buf out VK_BUF_AUTO;
        struct json_writer w;

        vk_buf_init(&out, 1000);
        json_writer_init(&w, &out);
        json_put_str(&w, NULL, cases[i].in);
        assert_string_equal(vk_buf_peek(&out), cases[i].out);
    }
}

static void fixed_numbers_have_no_exponent_and_no_idle_zeros(void **state)
{
    static const struct {
        int64_t value;
        unsigned decimals;
        const char *out;
    } cases[] = {
        {1500, 3, "1.5"},
        {1000, 3, "1"},
        {1, 3, "0.001"},
        {0, 3, "0"},
        {-1500, 3, "-1.5"},
        {-5, 1, "-0.5"},
        {42, 0, "42"},
        {100, 0, "100"},
        {1050, 3, "1.05"},
        {INT64_MIN, 18, "-9.223372036854775808"},
        {INT64_MAX, 0, "9223372036854775807"},
        {1000000000000000000, 18, "1"},
        {1, 18, "0.000000000000000001"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_buf out VK_BUF_AUTO;
        struct json_writer w;

        vk_buf_init(&out, 1000);
        json_writer_init(&w, &out);
        json_put_fixed(&w, NULL, cases[i].value, cases[i].decimals);
        assert_string_equal(vk_buf_peek(&out), cases[i].out);
    }
}

static void times_are_rfc_3339_and_never_round_up(void **state)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    (void)state;
    vk_buf_init(&out, 1000);
    json_writer_init(&w, &out);
    json_begin_array(&w, NULL);
    json_put_time_s(&w, NULL, 1795534913999999999);
    json_put_time_us(&w, NULL, 1795534913999999999);
    json_put_time_s(&w, NULL, -1);
    json_end_array(&w);
    assert_string_equal(vk_buf_peek(&out), "[\"2026-11-24T15:41:53Z\","
                                           "\"2026-11-24T15:41:53.999999Z\","
                                           "\"1969-12-31T23:59:59Z\"]");
}

static void parsed_values_are_written_as_they_were(void **state)
{
    static const char text[] = "{\"a\":[1,-0,1.50,1e3,9007199254740993,18446744073709551615,true,"
                               "false,null,\"\\n\xc3\xa9\"],\"o\":{\"x\":{}},\"e\":[]}";
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf out VK_BUF_AUTO;
    const struct json *v;
    struct json_writer w;
    struct vk_err err;

    (void)state;
    vk_buf_init(&out, 1000);
    assert_int_equal(json_parse(VK_STR(text), 1000, arena, &v, &err), 0);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_value(&w, "v", v);
    json_put_value(&w, "none", NULL);
    json_end_object(&w);
    vk_buf_consume(&out, 5);
    assert_memory_equal(vk_buf_peek(&out), text, sizeof(text) - 1);
    assert_string_equal(vk_buf_peek(&out) + sizeof(text) - 1, ",\"none\":null}");
}

static void overflow_of_the_buffer_is_not_done(void **state)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    (void)state;
    vk_buf_init(&out, 5);
    json_writer_init(&w, &out);
    json_put_string(&w, NULL, "too long");
    assert_false(json_writer_done(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_keys_and_brackets_are_in_place),
        cmocka_unit_test(strings_are_escaped_and_repaired),
        cmocka_unit_test(fixed_numbers_have_no_exponent_and_no_idle_zeros),
        cmocka_unit_test(times_are_rfc_3339_and_never_round_up),
        cmocka_unit_test(parsed_values_are_written_as_they_were),
        cmocka_unit_test(overflow_of_the_buffer_is_not_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
