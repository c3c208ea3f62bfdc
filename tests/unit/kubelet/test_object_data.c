/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kubelet/pods/object_data.h"

static void config_map_holds_text_and_binary(void **state)
{
    struct object_data *o;
    struct vk_err err;

    (void)state;
    assert_int_equal(object_data_parse(OBJECT_CONFIG_MAP,
                                       VK_STR("{\"metadata\":{\"name\":\"cm\"},\"data\":{\"a\":\"b "
                                              "c\",\"e\":\"\"},\"binaryData\":{\"x\":\"AAEC\"}}"),
                                       &o, &err),
                     0);
    assert_string_equal(o->name, "cm");
    assert_int_equal(o->n, 3);
    assert_int_equal(o->bytes, 6);
    assert_true(vk_str_is(object_data_get(o, "a")->value, "b c"));
    assert_true(vk_str_is(object_data_get(o, "e")->value, ""));
    assert_false(object_data_get(o, "a")->is_binary);
    assert_true(object_data_get(o, "x")->is_binary);
    assert_memory_equal(object_data_get(o, "x")->value.p, "\0\1\2", 3);
    assert_null(object_data_get(o, "none"));
    object_data_unref(object_data_ref(o));
    object_data_unref(o);
}

static void secret_is_decoded(void **state)
{
    struct object_data *o;
    struct vk_err err;

    (void)state;
    assert_int_equal(object_data_parse(OBJECT_SECRET,
                                       VK_STR("{\"metadata\":{\"name\":\"s\"},\"type\":\"Opaque\","
                                              "\"data\":{\"pw\":\"cGFzcw==\",\"none\":\"\"}}"),
                                       &o, &err),
                     0);
    assert_string_equal(o->type, "Opaque");
    assert_true(vk_str_is(object_data_get(o, "pw")->value, "pass"));
    assert_true(vk_str_is(object_data_get(o, "none")->value, ""));
    object_data_unref(o);
}

static void bad_object_is_named_but_not_quoted(void **state)
{
    static const char *const bad[] = {
        "{\"metadata\":{\"name\":\"s\"},\"data\":{\"pw\":\"hunter2!\"}}",
        "{\"metadata\":{\"name\":\"s\"},\"data\":{\"pw\":17}}",
        "{\"metadata\":{\"name\":\"s\"},\"data\":{\"pw\":\"hunter2\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct object_data *o = NULL;
        struct vk_err err = {0};

        assert_true(object_data_parse(OBJECT_SECRET, vk_str_of(bad[i]), &o, &err) < 0);
        assert_null(o);
        assert_int_equal(err.code, VK_INVALID);
        assert_null(strstr(err.msg, "hunter2"));
        assert_non_null(strstr(err.msg, "Secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_map_holds_text_and_binary),
        cmocka_unit_test(secret_is_decoded),
        cmocka_unit_test(bad_object_is_named_but_not_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
