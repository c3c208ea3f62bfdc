/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/kubernetes_data.h"

#include "base/alloc.h"
#include "kubelet/api/json_span.h"
#include "kubelet/api/managed_fields.h"

static void members_are_found_by_name_at_the_top_alone(void **state)
{
    static const struct {
        const char *object, *name, *value; /* NULL: not found */
    } cases[] = {
        {"{\"a\":1}", "a", "1"},
        {" { \"a\" : 1 , \"b\" : [ 2 , {\"c\":3} ] } ", "b", "[ 2 , {\"c\":3} ]"},
        {"{\"x\":{\"a\":1},\"a\":{\"b\":\"}\"}}", "a", "{\"b\":\"}\"}"},
        {"{\"x\":\"\\\"a\\\":5,\",\"a\":true}", "a", "true"},
        {"{\"x\":\"\\\\\",\"a\":null}", "a", "null"},
        {"{\"aa\":1,\"a\":\"s\"}", "a", "\"s\""},
        {"{\"a\":1}", "b", NULL},
        {"{}", "a", NULL},
        {"[]", "a", NULL},
        {"", "a", NULL},
        {"{\"a\":", "a", NULL},
        {"{\"a\":1", "a", NULL},
        {"{\"a", "a", NULL},
        {"{\"a\\", "a", NULL},
        {"{\"a\" 1}", "a", NULL},
        {"{\"b\":\"unclosed, \"a\":1}", "a", NULL},
        {"{\"b\":[1,\"a\":1}", "a", NULL},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        /* Exactly as long as the text, so that a sanitizer sees a step too far. */
        size_t n = strlen(cases[i].object);
        char *copy VK_AUTOFREE = vk_malloc(n ? n : 1);
        struct vk_str value;
        bool found;

        memcpy(copy, cases[i].object, n);
        found = json_span_member((struct vk_str){.p = copy, .n = n}, cases[i].name, &value);
        if (found != (cases[i].value != NULL))
            fail_msg("%s", cases[i].object);
        if (found && !vk_str_is(value, cases[i].value))
            fail_msg("%s: %.*s", cases[i].object, (int)value.n, value.p);
    }
}

static void cut_text_never_reads_past_its_end(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text = kubernetes_data("pod-web.json", arena);

    (void)state;
    for (size_t n = 0; n < text.n; n++) {
        char *copy VK_AUTOFREE = vk_malloc(n ? n : 1);
        struct vk_str value;

        memcpy(copy, text.p, n);
        assert_false(json_span_member((struct vk_str){.p = copy, .n = n}, "none", &value));
    }
}

static void plain_strings_are_unquoted_and_others_refused(void **state)
{
    struct vk_str text;

    (void)state;
    assert_true(json_span_plain_string(VK_STR("\"abc\""), &text));
    assert_true(vk_str_is(text, "abc"));
    assert_true(json_span_plain_string(VK_STR("\"\""), &text));
    assert_false(json_span_plain_string(VK_STR("\"a\\n\""), &text));
    assert_false(json_span_plain_string(VK_STR("\""), &text));
    assert_false(json_span_plain_string(VK_STR("12"), &text));
}

static void managed_fields_are_cut_with_one_comma(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"{\"metadata\":{\"managedFields\":[{\"a\":1}]}}", "{\"metadata\":{}}"},
        {"{\"metadata\":{\"managedFields\":[],\"name\":\"a\"}}", "{\"metadata\":{\"name\":\"a\"}}"},
        {"{\"metadata\":{\"name\":\"a\",\"managedFields\":[]}}", "{\"metadata\":{\"name\":\"a\"}}"},
        {"{\"metadata\":{\"name\":\"a\", \"managedFields\" : [ ] , \"uid\":1},\"spec\":{}}",
         "{\"metadata\":{\"name\":\"a\",  \"uid\":1},\"spec\":{}}"},
        {"{\"metadata\": {\n \"name\": \"a\",\n \"managedFields\": [\n ]\n }\n}",
         "{\"metadata\": {\n \"name\": \"a\"}\n}"},
        {"{\"spec\":{\"managedFields\":1},\"metadata\":{}}",
         "{\"spec\":{\"managedFields\":1},\"metadata\":{}}"},
        {"{\"metadata\":{\"managedFields\":[", "{\"metadata\":{\"managedFields\":["},
        {"nonsense", "nonsense"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_str out = without_managed_fields(vk_str_of(cases[i].in), arena);

        assert_string_equal(out.p, cases[i].out);
        assert_int_equal(out.n, strlen(cases[i].out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_name_at_the_top_alone),
        cmocka_unit_test(cut_text_never_reads_past_its_end),
        cmocka_unit_test(plain_strings_are_unquoted_and_others_refused),
        cmocka_unit_test(managed_fields_are_cut_with_one_comma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
