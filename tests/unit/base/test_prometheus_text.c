/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/prometheus.h"
#include "base/prometheus_text.h"

#define MAX_SAMPLES 8

struct seen {
    struct vk_arena *arena;
    const char *names[MAX_SAMPLES], *a[MAX_SAMPLES], *b[MAX_SAMPLES];
    double values[MAX_SAMPLES];
    size_t count;
};

static void on_sample(void *user, const struct prometheus_sample *s)
{
    struct seen *seen = user;
    size_t i = seen->count++;

    assert_true(i < MAX_SAMPLES);
    seen->names[i] = vk_arena_strdup(seen->arena, s->name);
    seen->a[i] = prometheus_label(s, "a", seen->arena);
    seen->b[i] = prometheus_label(s, "b", seen->arena);
    seen->values[i] = s->value;
}

static void samples_are_read_with_their_labels(void **state)
{
    static const char text[] =
        "# HELP x some words, {\"}\n"
        "# TYPE x gauge\n"
        "\n"
        "x 1\n"
        "  y:z_9 { a = \"1\" , b=\"}\\\\\\\"\\n,\" , } -2.5e3 1700000000000\n"
        "z{b=\"\"} +Inf\r\n"
        "n{ab=\"no\",a=\"yes\"} NaN";
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct seen seen = {.arena = arena};
    struct vk_err err;

    (void)state;
    assert_int_equal(prometheus_parse(VK_STR(text), on_sample, &seen, &err), 0);
    assert_int_equal(seen.count, 4);
    assert_string_equal(seen.names[0], "x");
    assert_string_equal(seen.a[0], "");
    assert_true(seen.values[0] > 0.9 && seen.values[0] < 1.1);
    assert_string_equal(seen.names[1], "y:z_9");
    assert_string_equal(seen.a[1], "1");
    assert_string_equal(seen.b[1], "}\\\"\n,");
    assert_true(seen.values[1] < -2499 && seen.values[1] > -2501);
    assert_true(isinf(seen.values[2]));
    assert_true(isnan(seen.values[3]));
    assert_string_equal(seen.a[3], "yes");
}

static void what_is_no_sample_is_refused_with_its_line(void **state)
{
    static const char *const lines[] = {
        "1x 1",     "x",           "x one",       "x 1 2 3x",    "x{a} 1",      "x{a=\"1} 1",
        "x{a=1} 1", "x{a=\"1\" 1", "x{a=\"\\\"}", "x{=\"1\"} 1", "{a=\"1\"} 1", "x 0x",
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(lines); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        char *text VK_AUTOFREE = vk_asprintf("ok 1\n%s\n", lines[i]);
        struct seen seen = {.arena = arena};
        struct vk_err err;

        /* What follows a value is a time stamp, and not looked at. */
        if (vk_streq(lines[i], "x 1 2 3x")) {
            assert_int_equal(prometheus_parse(vk_str_of(text), on_sample, &seen, &err), 0);
            continue;
        }
        if (prometheus_parse(vk_str_of(text), on_sample, &seen, &err) != -VK_INVALID)
            fail_msg("%s", lines[i]);
        assert_non_null(strstr(err.msg, "line 2"));
        assert_int_equal(seen.count, 1);
    }
}

static void what_we_write_is_read_again(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct seen seen = {.arena = arena};
    struct vk_buf out VK_BUF_AUTO;
    struct vk_err err;

    (void)state;
    vk_buf_init(&out, 4096);
    prometheus_family(&out, "m", PROMETHEUS_GAUGE, "Help.");
    prometheus_int(&out, "m", PROMETHEUS_LABELS({"a", "q\"\\\n}"}, {"b", "\xc3\xa4"}), -7);
    prometheus_uint_at(&out, "m", NULL, 8, 1700000000000);
    assert_int_equal(prometheus_parse(vk_buf_str(&out), on_sample, &seen, &err), 0);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.a[0], "q\"\\\n}");
    assert_string_equal(seen.b[0], "\xc3\xa4");
    assert_true(seen.values[0] < -6.9 && seen.values[1] > 7.9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_read_with_their_labels),
        cmocka_unit_test(what_is_no_sample_is_refused_with_its_line),
        cmocka_unit_test(what_we_write_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
