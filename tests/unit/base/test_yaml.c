/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json_writer.h"

#define MAX_BYTES ((size_t)1 << 20)

/* The tree as JSON text; "" for none. */
static const char *as_json(struct vk_arena *arena, const struct json *v)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    if (!v)
        return "";
    vk_buf_init(&out, MAX_BYTES);
    json_writer_init(&w, &out);
    json_put_value(&w, NULL, v);
    return vk_arena_str(arena, vk_buf_str(&out));
}

static void documents_become_trees(void **state)
{
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"", ""},
        {"# nothing\n", ""},
        {"---\n", ""},
        {"null", ""},
        {"a: 1", "{\"a\":1}"},
        {"a: 1\n---\nb: 2\n", "{\"a\":1}"},
        {"%YAML 1.1\n---\n- x\n...\n", "[\"x\"]"},
        {"[null, ~, Null, true, False, yes, off]", "[null,null,null,true,false,\"yes\",\"off\"]"},
        {"[0, -1, +2, 9223372036854775807, 9223372036854775808]",
         "[0,-1,2,9223372036854775807,\"9223372036854775808\"]"},
        {"[0644, 0o17, 0x1F, -0x10, 08, 0x, 1_0, 1.5, 1e3]",
         "[420,15,31,-16,\"08\",\"0x\",\"1_0\",\"1.5\",\"1e3\"]"},
        {"['1', \"true\", 'null', \"\"]", "[\"1\",\"true\",\"null\",\"\"]"},
        {"1: a\ntrue: b\nnull: c\n", "{\"1\":\"a\",\"true\":\"b\",\"null\":\"c\"}"},
        {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
        {"{\"j\": [1, \"\\u00e9\", {}]}", "{\"j\":[1,\"\xc3\xa9\",{}]}"},
        {"a: &x [1, {b: c}]\nd: *x\ne: [*x]\n",
         "{\"a\":[1,{\"b\":\"c\"}],\"d\":[1,{\"b\":\"c\"}],\"e\":[[1,{\"b\":\"c\"}]]}"},
        {"- &s text\n- *s\n- &s 2\n- *s\n", "[\"text\",\"text\",2,2]"},
        {"- &n\n- *n\n", "[null,null]"},
        {"a: &x [&x 1, *x]\nb: *x\n", "{\"a\":[1,1],\"b\":1}"},
        {"\"\\\"k\": \"\\\\\"", "{\"\\\"k\":\"\\\\\"}"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const struct json *v;
        struct vk_err err;

        if (yaml_parse(vk_str_of(cases[i].yaml), MAX_BYTES, arena, &v, &err) < 0)
            fail_msg("%s: %s", cases[i].yaml, err.msg);
        assert_string_equal(as_json(arena, v), cases[i].json);
    }
}

static void bad_documents_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *yaml, *msg;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "line 3, column 1: the key \"a\" is there twice"},
        {"x:\n  a: 1\n  'a': 3\n", "line 3, column 3: the key \"a\" is there twice"},
        {"a: !!str 1", "line 1, column 4: tags are not supported"},
        {"a: !x [1]", "line 1, column 4: tags are not supported"},
        {"a: *b", "line 1, column 4: an alias of an anchor that is not there (yet)"},
        {"a: &a [*a]", "line 1, column 8: an alias of an anchor that is not there (yet)"},
        {"a: &x {b: 1}\nc:\n  <<: *x\n", "line 3, column 3: merge keys (<<) are not supported"},
        {"? [a]\n: b\n", "line 1, column 3: only scalars can be keys"},
        {"a: \"\\0\"", "line 1, column 4: NUL characters are not supported"},
        {"a: [1", NULL},
        {"a: b: c", NULL},
        {"\ta: 1", NULL},
        {"a: \"\xff\"", NULL},
        {"- a\nb: 1", NULL},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const struct json *v;
        struct vk_err err;

        if (yaml_parse(vk_str_of(cases[i].yaml), MAX_BYTES, arena, &v, &err) >= 0)
            fail_msg("accepted: %s", cases[i].yaml);
        assert_int_equal(err.code, VK_INVALID);
        if (cases[i].msg)
            assert_string_equal(err.msg, cases[i].msg);
    }
}

/* Nine levels that each repeat the one before nine times: 9^9 nodes if they were all written. */
static void nested_aliases_run_into_the_budget(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf text VK_BUF_AUTO;
    const struct json *v;
    struct vk_err err;

    (void)state;
    vk_buf_init(&text, 10000);
    vk_buf_adds(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++) {
        vk_buf_printf(&text, "a%d: &a%d [", i, i);
        for (int j = 0; j < 9; j++)
            vk_buf_printf(&text, "*a%d,", i - 1);
        vk_buf_adds(&text, "]\n");
    }
    assert_int_equal(yaml_parse(vk_buf_str(&text), MAX_BYTES, arena, &v, &err), -VK_TOO_LARGE);
}

static void long_texts_repeated_run_into_the_budget(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf text VK_BUF_AUTO;
    const struct json *v;
    struct vk_err err;

    (void)state;
    vk_buf_init(&text, MAX_BYTES);
    vk_buf_adds(&text, "- &a ");
    for (int i = 0; i < 100000; i++)
        vk_buf_addc(&text, 'x');
    for (int i = 0; i < 100; i++)
        vk_buf_adds(&text, "\n- *a");
    assert_int_equal(yaml_parse(vk_buf_str(&text), MAX_BYTES, arena, &v, &err), -VK_TOO_LARGE);
}

static void size_and_nesting_have_limits(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf text VK_BUF_AUTO;
    const struct json *v;
    struct vk_err err;

    (void)state;
    assert_int_equal(yaml_parse(VK_STR("a: 1"), 3, arena, &v, &err), -VK_TOO_LARGE);
    vk_buf_init(&text, 10000);
    for (int i = 0; i < 65; i++)
        vk_buf_addc(&text, '[');
    for (int i = 0; i < 65; i++)
        vk_buf_addc(&text, ']');
    assert_int_equal(yaml_parse(vk_buf_str(&text), MAX_BYTES, arena, &v, &err), -VK_INVALID);
    vk_buf_consume(&text, 1);
    assert_int_equal(
        yaml_parse((struct vk_str){.p = vk_buf_peek(&text), .n = 128}, MAX_BYTES, arena, &v, &err),
        0);
}

static void texts_stay_as_they_are_written(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *v;
    struct vk_err err;

    (void)state;
    assert_int_equal(
        yaml_parse_texts(VK_STR("[0123, +5, true, 1.50, ~, 'x']"), MAX_BYTES, arena, &v, &err), 0);
    assert_string_equal(as_json(arena, v), "[\"0123\",\"+5\",\"true\",\"1.50\",null,\"x\"]");
}

struct stream {
    struct vk_arena *arena;
    char seen[100];
    int stop_at, result;
};

static int on_document(void *user, const struct json *doc, struct vk_err *err)
{
    struct stream *s = user;

    assert_true(strlen(s->seen) + strlen(as_json(s->arena, doc)) < sizeof(s->seen));
    memcpy(s->seen + strlen(s->seen), as_json(s->arena, doc), strlen(as_json(s->arena, doc)) + 1);
    if (--s->stop_at != 0)
        return 0;
    if (s->result < 0)
        vk_err_set(err, VK_CONFLICT, "no more");
    return s->result;
}

static void streams_hand_out_each_document(void **state)
{
    static const char text[] = "a: &x 1\n---\n---\n# only a comment\n---\n[2]\n---\nb: 3\n";
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct stream s = {.arena = arena};
    struct vk_err err;

    (void)state;
    assert_int_equal(yaml_parse_stream(VK_STR(text), MAX_BYTES, arena, on_document, &s, &err), 0);
    assert_string_equal(s.seen, "{\"a\":1}[2]{\"b\":3}");
    s = (struct stream){.arena = arena, .stop_at = 2, .result = -1};
    assert_true(yaml_parse_stream(VK_STR(text), MAX_BYTES, arena, on_document, &s, &err) < 0);
    assert_int_equal(err.code, VK_CONFLICT);
    assert_string_equal(s.seen, "{\"a\":1}[2]");
    s = (struct stream){.arena = arena, .stop_at = 1, .result = 1};
    assert_int_equal(yaml_parse_stream(VK_STR(text), MAX_BYTES, arena, on_document, &s, &err), 0);
    assert_string_equal(s.seen, "{\"a\":1}");
    /* Anchors end with their document. */
    s = (struct stream){.arena = arena};
    assert_int_equal(
        yaml_parse_stream(VK_STR("a: &x 1\n---\nb: *x\n"), MAX_BYTES, arena, on_document, &s, &err),
        -VK_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_become_trees),
        cmocka_unit_test(bad_documents_are_refused_with_their_place),
        cmocka_unit_test(nested_aliases_run_into_the_budget),
        cmocka_unit_test(long_texts_repeated_run_into_the_budget),
        cmocka_unit_test(size_and_nesting_have_limits),
        cmocka_unit_test(texts_stay_as_they_are_written),
        cmocka_unit_test(streams_hand_out_each_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
