/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prometheus.h"

static void text_is(struct vk_buf *out, const char *expected)
{
    assert_string_equal(vk_buf_peek(out), expected);
    assert_false(out->failed);
    vk_buf_clear(out);
}

static void families_and_labels_are_escaped(void **state)
{
    struct vk_buf out;

    (void)state;
    vk_buf_init(&out, 1 << 16);
    prometheus_family(&out, "a", PROMETHEUS_COUNTER, "back\\slash and\nline");
    text_is(&out, "# HELP a back\\\\slash and\\nline\n# TYPE a counter\n");
    prometheus_int(&out, "a", PROMETHEUS_LABELS({"x", "q\"u\\o\nte"}), -5);
    text_is(&out, "a{x=\"q\\\"u\\\\o\\nte\"} -5\n");
    prometheus_int(&out, "a", PROMETHEUS_LABELS({"x", NULL}, {"y", ""}), 1);
    text_is(&out, "a{y=\"\"} 1\n");
    prometheus_int(&out, "a", PROMETHEUS_LABELS({"x", NULL}), 1);
    text_is(&out, "a 1\n");
    prometheus_int(&out, "a", PROMETHEUS_LABELS({"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}), 1);
    text_is(&out, "a{a=\"1\",b=\"2\",c=\"3\",d=\"4\"} 1\n");
    vk_buf_release(&out);
}

static void numbers_lose_nothing(void **state)
{
    struct vk_buf out;

    (void)state;
    vk_buf_init(&out, 1 << 16);
    prometheus_uint(&out, "a", NULL, UINT64_MAX);
    text_is(&out, "a 18446744073709551615\n");
    prometheus_seconds(&out, "a", NULL, UINT64_MAX);
    text_is(&out, "a 18446744073.709551615\n");
    prometheus_seconds_at(&out, "a", NULL, (1ull << 53) + 1, 1700000000123);
    text_is(&out, "a 9007199.254740993 1700000000123\n");
    prometheus_uint_at(&out, "a", NULL, 7, 1);
    text_is(&out, "a 7 1\n");
    prometheus_double(&out, "a", NULL, 0.000001);
    prometheus_double(&out, "a", NULL, NAN);
    prometheus_double(&out, "a", NULL, INFINITY);
    prometheus_double(&out, "a", NULL, -INFINITY);
    text_is(&out, "a 1e-06\na NaN\na +Inf\na -Inf\n");
    vk_buf_release(&out);
}

static void a_histogram_cumulates_its_buckets(void **state)
{
    static const struct prometheus_bounds bounds = {{0.5, 1, 10}, 3};
    struct prometheus_histogram h = {0};
    struct vk_buf out;

    (void)state;
    vk_buf_init(&out, 1 << 16);
    prometheus_observe(&h, &bounds, 0.25);
    prometheus_observe(&h, &bounds, 0.5);
    prometheus_observe(&h, &bounds, 2);
    prometheus_observe(&h, &bounds, 20);
    prometheus_histogram(&out, "h", PROMETHEUS_LABELS({"p", "x"}), &bounds, &h);
    text_is(&out, "h_bucket{p=\"x\",le=\"0.5\"} 2\nh_bucket{p=\"x\",le=\"1\"} 2\n"
                  "h_bucket{p=\"x\",le=\"10\"} 3\nh_bucket{p=\"x\",le=\"+Inf\"} 4\n"
                  "h_sum{p=\"x\"} 22.75\nh_count{p=\"x\"} 4\n");
    vk_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_and_labels_are_escaped),
        cmocka_unit_test(numbers_lose_nothing),
        cmocka_unit_test(a_histogram_cumulates_its_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
