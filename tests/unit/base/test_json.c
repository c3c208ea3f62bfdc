/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"

#define MAX_BYTES ((size_t)16 << 20)

static const struct json *parse(struct vk_arena *arena, const char *text)
{
    const struct json *v = NULL;
    struct vk_err err;

    if (json_parse(vk_str_of(text), MAX_BYTES, arena, &v, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
    return v;
}

static void values_are_found_by_type_and_exact_name(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *v =
        parse(arena, " {\"s\":\"a\\n\\u00e9\\ud83d\\ude00\",\"n\":-7,\"t\":true,"
                     "\"f\":false,\"z\":null,\"a\":[1,[2],{}],\"o\":{\"k\":1}}\n");
    double number;

    (void)state;
    assert_int_equal(json_type_of(v), JSON_OBJECT);
    assert_int_equal(json_len(v), 7);
    assert_string_equal(json_string(json_get(v, "s")), "a\n\xc3\xa9\xf0\x9f\x98\x80");
    assert_null(json_get(v, "S"));
    assert_int_equal(json_int64_or(v, "n", 0), -7);
    assert_int_equal(json_int64_or(v, "s", 5), 5);
    assert_true(json_bool_or(v, "t", false));
    assert_false(json_bool_or(v, "f", true));
    assert_true(json_bool_or(v, "n", true));
    assert_int_equal(json_type_of(json_get(v, "z")), JSON_NULL);
    assert_int_equal(json_len(json_get(v, "a")), 3);
    assert_int_equal(json_int64_or(json_get(v, "o"), "k", 0), 1);
    assert_string_equal(json_string_or(v, "s2", "none"), "none");
    assert_true(json_double(json_get(v, "n"), &number) && number == -7.0);
    assert_string_equal(json_key(json_first(v)), "s");
    assert_string_equal(json_key(json_next(json_first(v))), "n");
    assert_null(json_get(json_get(json_get(v, "x"), "y"), "z"));
    assert_null(json_first(NULL));
    assert_null(json_next(NULL));
    assert_null(json_string(NULL));
    assert_int_equal(json_len(NULL), 0);
    assert_int_equal(json_type_of(NULL), JSON_NULL);
}

static void integers_are_exact_in_64_bits(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"9007199254740992", true, 9007199254740992},
        {"9007199254740993", true, 9007199254740993},
        {"-9007199254740993", true, -9007199254740993},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"1.0", true, 1},
        {"1e3", true, 1000},
        {"1.5", false, 0},
        {"1e16", false, 0}, /* a double that far up stands for several integers */
        {"1e999", false, 0},
        {"\"1\"", false, 0},
        {"true", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        int64_t value = 4711;

        if (json_int64(parse(arena, cases[i].text), &value) != cases[i].ok)
            fail_msg("%s", cases[i].text);
        assert_int_equal(value, cases[i].ok ? cases[i].value : 4711);
    }
}

/* Exact numbers are matched to their nodes by order: one shift would spoil all that follow. */
static void exact_numbers_stay_with_their_own_members(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *v = parse(arena, "{\"a\":1,\"b\":[9007199254740993,2,{\"c\":1.5}],\"9\":"
                                        "\"9007199254740995\",\"d\":9007199254740997,\"e\":3}");
    const struct json *b = json_first(json_get(v, "b"));
    char scratch[32];
    int64_t value;

    (void)state;
    assert_int_equal(json_int64_or(v, "a", 0), 1);
    assert_true(json_int64(b, &value) && value == 9007199254740993);
    assert_true(json_int64(json_next(b), &value) && value == 2);
    assert_string_equal(
        json_number_text(json_get(json_next(json_next(b)), "c"), scratch, sizeof(scratch)), "1.5");
    assert_int_equal(json_int64_or(v, "d", 0), 9007199254740997);
    assert_int_equal(json_int64_or(v, "e", 0), 3);
    assert_string_equal(json_number_text(json_get(v, "e"), scratch, sizeof(scratch)), "3");
    assert_false(json_int64(json_get(v, "9"), &value));
}

static void infinite_doubles_are_refused(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    double number;

    (void)state;
    assert_false(json_double(parse(arena, "1e999"), &number));
    assert_true(json_double(parse(arena, "2.5e-1"), &number) && number == 0.25);
}

static const char *const malformed[] = {
    "",
    " ",
    "{",
    "[",
    "]",
    "}",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{a:1}",
    "{1:1}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "[1 2]",
    "[1}",
    "{\"a\":1]",
    "1 2",
    "{} x",
    "nul",
    "nulll",
    "True",
    "NaN",
    "Infinity",
    "-",
    "-a",
    "+1",
    "01",
    "-01",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x10",
    "1_000",
    "\"",
    "\"a",
    "\"\\",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "'a'",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\\u0000\"",
    "\"a\\u0000b\"",
    "{\"\\u0000\":1}",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\\ud800x\"",
    "\"\\ud83d\\ud83d\"",
    "\"\xff\"",
    "\"\xc0\xaf\"",
    "\"\xed\xa0\x80\"",
    "\"\xc3\"",
    "\xef\xbb\xbf{}",
    "/**/{}",
    "[1]/**/",
    "{\"a\":1,\"a\":2}",
    "{\"x\":{\"a\":1,\"b\":2,\"a\":3}}",
    "{\"a\":1,\"\\u0061\":2}",
    "[{\"\":1,\"\":2}]",
    "1111111111111111111111111111111111111111111111111111111111111111",
};

static void malformed_text_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(malformed); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const struct json *untouched = (const struct json *)(uintptr_t)&malformed;
        const struct json *v = untouched;
        struct vk_err err;

        if (json_parse(vk_str_of(malformed[i]), MAX_BYTES, arena, &v, &err) >= 0)
            fail_msg("accepted: %s", malformed[i]);
        assert_int_equal(err.code, VK_INVALID);
        assert_ptr_equal(v, untouched);
    }
}

static void nul_bytes_are_refused_everywhere(void **state)
{
    static const char *const cases[] = {"{}\0", "\0{}", "\"a\0b\"", "[1,\0]", "\"\\\0\""};
    static const size_t lengths[] = {3, 3, 5, 5, 4};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_str text = {.p = cases[i], .n = lengths[i]};
        const struct json *v;
        struct vk_err err;

        assert_true(json_parse(text, MAX_BYTES, arena, &v, &err) < 0);
    }
}

/* In memory of exactly the text's size, so that a read beyond it is seen by the sanitizer. */
static void every_prefix_of_a_text_is_refused(void **state)
{
    static const char text[] =
        "{\"k\":[-1.5e+3,\"\\u00e9\\ud83d\\ude00\xc3\xa9\",true,null,{}],\"l\":9007199254740993}";

    (void)state;
    for (size_t n = 0; n < sizeof(text); n++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        char *copy VK_AUTOFREE = vk_malloc(n);
        const struct json *v;
        struct vk_err err;
        int result;

        memcpy(copy, text, n);
        result = json_parse((struct vk_str){.p = copy, .n = n}, MAX_BYTES, arena, &v, &err);
        if ((result == 0) != (n == sizeof(text) - 1))
            fail_msg("prefix of %zu bytes", n);
    }
}

static void errors_name_the_position(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *v;
    struct vk_err err;

    (void)state;
    assert_true(json_parse(VK_STR("{\"a\": tru}"), MAX_BYTES, arena, &v, &err) < 0);
    assert_string_equal(err.msg, "at byte 6: expected a value");
    assert_true(json_parse(VK_STR("{\"a\":1,\"a\":1}"), MAX_BYTES, arena, &v, &err) < 0);
    assert_string_equal(err.msg, "the key \"a\" is there twice");
}

static void size_and_nesting_have_limits(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf text VK_BUF_AUTO;
    const struct json *v;
    struct vk_err err;

    (void)state;
    assert_int_equal(json_parse(VK_STR("[1]"), 2, arena, &v, &err), -VK_TOO_LARGE);
    vk_buf_init(&text, MAX_BYTES);
    for (int depth = 64; depth <= 65; depth++) {
        vk_buf_clear(&text);
        for (int i = 0; i < depth; i++)
            vk_buf_addc(&text, '[');
        for (int i = 0; i < depth; i++)
            vk_buf_addc(&text, ']');
        assert_int_equal(json_parse(vk_buf_str(&text), MAX_BYTES, arena, &v, &err),
                         depth == 64 ? 0 : -VK_INVALID);
    }
    vk_buf_clear(&text);
    vk_buf_addc(&text, '[');
    for (int i = 0; i < 600000; i++)
        vk_buf_adds(&text, "1,");
    vk_buf_adds(&text, "1]");
    assert_int_equal(json_parse(vk_buf_str(&text), MAX_BYTES, arena, &v, &err), -VK_TOO_LARGE);
}

static void large_objects_are_searched_for_duplicates_too(void **state)
{
    (void)state;
    for (int duplicate = 0; duplicate <= 1; duplicate++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_buf text VK_BUF_AUTO;
        const struct json *v;
        struct vk_err err;

        vk_buf_init(&text, MAX_BYTES);
        vk_buf_addc(&text, '{');
        for (int i = 0; i < 100000; i++)
            vk_buf_printf(&text, "\"key%d\":%d,", i, i);
        vk_buf_adds(&text, duplicate ? "\"key77\":1}" : "\"key\":1}");
        assert_int_equal(json_parse(vk_buf_str(&text), MAX_BYTES, arena, &v, &err),
                         duplicate ? -VK_INVALID : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_by_type_and_exact_name),
        cmocka_unit_test(integers_are_exact_in_64_bits),
        cmocka_unit_test(exact_numbers_stay_with_their_own_members),
        cmocka_unit_test(infinite_doubles_are_refused),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(nul_bytes_are_refused_everywhere),
        cmocka_unit_test(every_prefix_of_a_text_is_refused),
        cmocka_unit_test(errors_name_the_position),
        cmocka_unit_test(size_and_nesting_have_limits),
        cmocka_unit_test(large_objects_are_searched_for_duplicates_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
