/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"

/* What a reader handed out: elements with '|' behind each, then the rest. */
struct taken {
    struct vk_buf text;
    unsigned items, fail_at;
};

static int take(void *user, struct vk_str raw, struct vk_err *err)
{
    struct taken *t = user;

    if (++t->items == t->fail_at)
        return vk_err_set(err, VK_CONFLICT, "item refused");
    vk_buf_addstr(&t->text, raw);
    vk_buf_addc(&t->text, '|');
    return 0;
}

/* Fed in pieces that end at a, b and the text's end, each in memory of exactly its size. */
static int run(const char *text, size_t a, size_t b, size_t max_item, struct taken *t,
               struct vk_err *err)
{
    const size_t ends[] = {a, b, strlen(text)};
    struct json_list_reader *reader = json_list_reader_new("items", max_item, take, t);
    struct vk_str rest;
    size_t from = 0;
    int result = 0;

    t->items = 0;
    vk_buf_clear(&t->text);
    for (size_t i = 0; i < VK_COUNT(ends) && result == 0; i++) {
        char *copy VK_AUTOFREE = vk_malloc(ends[i] - from);

        memcpy(copy, text + from, ends[i] - from);
        result =
            json_list_reader_feed(reader, (struct vk_str){.p = copy, .n = ends[i] - from}, err);
        from = ends[i];
    }
    if (result == 0)
        result = json_list_reader_end(reader, &rest, err);
    if (result == 0)
        vk_buf_addstr(&t->text, rest);
    json_list_reader_free(reader);
    return result;
}

static const struct {
    const char *text, *taken; /* taken NULL: refused */
} lists[] = {
    {"{\"items\":[]}", "{\"items\":[]}"},
    {"{\"items\":[ ]}", "{\"items\":[]}"},
    {" {\"kind\":\"PodList\",\"metadata\":{\"a\":[1,{}]},\"items\":[{\"a\":1},{\"b\":[2,\"]}\"]}],"
     "\"z\":null} ",
     "{\"a\":1}|{\"b\":[2,\"]}\"]}|{\"kind\":\"PodList\",\"metadata\":{\"a\":[1,{}]},\"items\":[],"
     "\"z\":null}"},
    {"{\"items\" : [ {\"a\":\"q\\\"]}\"} , [1] , \"s\\\\\", 12 ,true,null] }",
     "{\"a\":\"q\\\"]}\"}|[1]|\"s\\\\\"|12|true|null|{\"items\" : [] }"},
    {"{\"items\":[1]}", "1|{\"items\":[]}"},
    /* Only the root's own member counts. */
    {"{\"metadata\":{\"items\":[1,2]},\"items\":[3]}",
     "3|{\"metadata\":{\"items\":[1,2]},\"items\":[]}"},
    {"{\"a\":\"items\",\"b\":[1],\"items\":[]}", "{\"a\":\"items\",\"b\":[1],\"items\":[]}"},
    {"{\"a\":[\"items\",[1]],\"items\":[2]}", "2|{\"a\":[\"items\",[1]],\"items\":[]}"},
    {"{\"items\":null,\"a\":[1]}", "{\"items\":null,\"a\":[1]}"},
    {"{\"items\":{\"a\":[1]}}", "{\"items\":{\"a\":[1]}}"},
    {"{\"kind\":\"Status\"}", "{\"kind\":\"Status\"}"},
    {"{}", "{}"},
    {"", NULL},
    {"[]", NULL},
    {"null", NULL},
    {"{\"items\":[1,]}", NULL},
    {"{\"items\":[,1]}", NULL},
    {"{\"items\":[1 2]}", NULL},
    {"{\"items\":[{} {}]}", NULL},
    {"{\"items\":[}]}", NULL},
    {"{\"items\":[:]}", NULL},
    {"{\"items\":[1]", NULL},
    {"{\"items\":[1", NULL},
    {"{\"items\":[{\"a\":\"", NULL},
    {"{\"items\":[]}x", NULL},
    {"{\"items\":[]}{}", NULL},
    {"{\"items\":[],\"items\":[]}", NULL},
    {"{\"items\":[],\"a\":tru}", NULL},
    {"{\"items\":[],}", NULL},
    {"{\"a\":1]", NULL},
    {"x{}", NULL},
};

static void lists_are_read_alike_at_every_split(void **state)
{
    struct taken t = {0};
    struct vk_err err;

    (void)state;
    vk_buf_init(&t.text, 10000);
    for (size_t i = 0; i < VK_COUNT(lists); i++) {
        const char *text = lists[i].text;
        size_t n = strlen(text);

        for (size_t a = 0; a <= n; a++) {
            for (size_t b = a; b <= n; b++) {
                int result = run(text, a, b, 1000, &t, &err);

                if (!lists[i].taken) {
                    if (result == 0)
                        fail_msg("accepted: %s", text);
                    assert_int_equal(err.code, VK_INVALID);
                } else if (result < 0) {
                    fail_msg("%s cut at %zu, %zu: %s", text, a, b, err.msg);
                } else {
                    assert_string_equal(vk_buf_peek(&t.text), lists[i].taken);
                }
            }
        }
    }
    vk_buf_release(&t.text);
}

static void limits_bound_an_element_and_the_rest(void **state)
{
    static const char text[] = "{\"items\":[{\"a\":\"0123456789\"}]}";
    struct json_list_reader *reader;
    struct taken t = {0};
    struct vk_err err;
    int result = 0;

    (void)state;
    vk_buf_init(&t.text, 1000);
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        assert_int_equal(run(text, cut, cut, 18, &t, &err), 0);
        assert_int_equal(run(text, cut, cut, 17, &t, &err), -VK_TOO_LARGE);
        assert_int_equal(t.items, 0);
    }
    reader = json_list_reader_new("items", 100, take, &t);
    assert_int_equal(json_list_reader_feed(reader, VK_STR("{\"items\":[],\"a\":\""), &err), 0);
    for (int i = 0; i < 2000 && result == 0; i++) {
        char piece[1024];

        memset(piece, 'x', sizeof(piece));
        result =
            json_list_reader_feed(reader, (struct vk_str){.p = piece, .n = sizeof(piece)}, &err);
    }
    assert_int_equal(result, -VK_TOO_LARGE);
    json_list_reader_free(reader);
    vk_buf_release(&t.text);
}

static void error_of_the_element_function_ends_the_reading(void **state)
{
    struct taken t = {.fail_at = 2};
    struct json_list_reader *reader = json_list_reader_new("items", 100, take, &t);
    struct vk_err err;
    struct vk_str rest;

    (void)state;
    vk_buf_init(&t.text, 1000);
    assert_int_equal(json_list_reader_feed(reader, VK_STR("{\"items\":[1,2,3"), &err),
                     -VK_CONFLICT);
    assert_string_equal(err.msg, "item refused");
    err = (struct vk_err){0};
    assert_int_equal(json_list_reader_feed(reader, VK_STR("]}"), &err), -VK_CONFLICT);
    assert_string_equal(err.msg, "item refused");
    assert_int_equal(json_list_reader_end(reader, &rest, &err), -VK_CONFLICT);
    assert_int_equal(t.items, 2);
    json_list_reader_free(reader);
    json_list_reader_free(NULL);
    vk_buf_release(&t.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_alike_at_every_split),
        cmocka_unit_test(limits_bound_an_element_and_the_rest),
        cmocka_unit_test(error_of_the_element_function_ends_the_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
