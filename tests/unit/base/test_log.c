/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

static struct vk_buf lines;
static unsigned line_count;

static void capture(void *user, const char *line, size_t n)
{
    (void)user;
    vk_buf_add(&lines, line, n);
    line_count++;
}

static int set_up(void **state)
{
    (void)state;
    vk_buf_init(&lines, 1 << 20);
    line_count = 0;
    vk_clock_freeze(1000000, 1795534913000);
    log_init(LOG_TEXT, 0);
    log_set_sink(capture, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vk_buf_release(&lines);
    vk_clock_thaw();
    log_set_sink(NULL, NULL);
    return 0;
}

static const char *expect(char letter, const char *rest, char out[300])
{
    snprintf(out, 300, "%c1124 15:41:53.000000 %7d %s\n", letter, (int)getpid(), rest);
    return out;
}

static void text_lines_have_the_shape_of_klog(void **state)
{
    char expected[300];

    (void)state;
    log_write(LOG_INFO, 0, "kubelet/pods/pod_workers.c", 88, "Created container group",
              (const struct log_kv[]){LS("pod", "default/web"), LI("ms", -33), LB("ok", true),
                                      LS("none", NULL)},
              4);
    assert_string_equal(vk_buf_peek(&lines), expect('I',
                                                    "pod_workers.c:88] \"Created container group\" "
                                                    "pod=\"default/web\" ms=-33 ok=true none=<nil>",
                                                    expected));
    vk_buf_clear(&lines);
    log_write(LOG_WARNING, 0, "a.c", 1, "x", NULL, 0);
    assert_string_equal(vk_buf_peek(&lines), expect('W', "a.c:1] \"x\"", expected));
    vk_buf_clear(&lines);
    log_write(LOG_ERROR, 0, "a.c", 2, "x", NULL, 0);
    assert_string_equal(vk_buf_peek(&lines), expect('E', "a.c:2] \"x\"", expected));
}

static void values_cannot_break_out_of_their_quotes(void **state)
{
    (void)state;
    log_info("m", LS("k", "a\"b\\c\nE1124 forged\t\r\x1b[31m\x7f\xff\xc3\xa9"));
    assert_non_null(strstr(vk_buf_peek(&lines), " k=\"a\\\"b\\\\c\\nE1124 forged\\t\\x0d\\x1b[31m"
                                                "\\x7f\\xff\xc3\xa9\"\n"));
    assert_ptr_equal(strchr(vk_buf_peek(&lines), '\n'),
                     vk_buf_peek(&lines) + vk_buf_len(&lines) - 1);
}

static void json_lines_are_json(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *v;
    struct vk_err err;

    (void)state;
    log_init(LOG_JSON, 2);
    log_write(
        LOG_INFO, 2, "base/a.c", 7, "m",
        (const struct log_kv[]){LS("s", "a\"\n\xff"), LI("n", 3), LB("b", false), LS("none", NULL)},
        4);
    assert_string_equal(vk_buf_peek(&lines),
                        "{\"ts\":1795534913000,\"caller\":\"a.c:7\",\"msg\":\"m\",\"v\":2,"
                        "\"s\":\"a\\\"\\n\xef\xbf\xbd\",\"n\":3,\"b\":false,\"none\":null}\n");
    assert_int_equal(json_parse(vk_str_trim(vk_buf_str(&lines)), 1000, arena, &v, &err), 0);
    vk_buf_clear(&lines);
    log_error("m", LS("err", "boom"));
    assert_non_null(strstr(vk_buf_peek(&lines), "\"msg\":\"m\",\"severity\":\"error\","
                                                "\"err\":\"boom\"}\n"));
}

static void verbosity_decides_what_is_written(void **state)
{
    (void)state;
    log_v(2, "hidden", LI("n", 1));
    assert_int_equal(line_count, 0);
    log_set_verbosity(2);
    assert_int_equal(log_verbosity(), 2);
    log_v(2, "shown", LI("n", 1));
    log_v(3, "hidden", LI("n", 1));
    assert_int_equal(line_count, 1);
}

static void repeats_are_dropped_counted_and_reported(void **state)
{
    (void)state;
    for (int i = 0; i < 70; i++)
        log_write(LOG_INFO, 0, "a.c", 1, "m", (const struct log_kv[]){LS("pod", "x")}, 1);
    assert_int_equal(line_count, 20);
    /* Another first value or another line of code is another line. */
    log_write(LOG_INFO, 0, "a.c", 1, "m", (const struct log_kv[]){LS("pod", "y")}, 1);
    log_write(LOG_INFO, 0, "a.c", 2, "m", (const struct log_kv[]){LS("pod", "x")}, 1);
    assert_int_equal(line_count, 22);
    vk_clock_advance(9999);
    log_flush_repeats();
    assert_int_equal(line_count, 22);
    vk_clock_advance(1);
    vk_buf_clear(&lines);
    log_flush_repeats();
    assert_int_equal(line_count, 23);
    assert_non_null(strstr(vk_buf_peek(&lines), "a.c:1] \"Dropped repeated log lines\" "
                                                "repeated=\"m\" first=\"x\" count=50\n"));
    log_write(LOG_INFO, 0, "a.c", 1, "m", (const struct log_kv[]){LS("pod", "x")}, 1);
    assert_int_equal(line_count, 24);
}

static void a_new_window_reports_the_old_one_first(void **state)
{
    const char *dropped, *next;

    (void)state;
    for (int i = 0; i < 21; i++)
        log_write(LOG_INFO, 0, "a.c", 1, "m", (const struct log_kv[]){LI("n", 5)}, 1);
    vk_clock_advance(10000);
    vk_buf_clear(&lines);
    log_write(LOG_INFO, 0, "b.c", 1, "next", NULL, 0);
    dropped = strstr(vk_buf_peek(&lines), "first=\"5\" count=1\n");
    next = strstr(vk_buf_peek(&lines), "\"next\"");
    assert_true(dropped && next && dropped < next);
}

static void huge_values_are_cut(void **state)
{
    char *huge VK_AUTOFREE = vk_calloc(1, 200001);

    (void)state;
    memset(huge, 0x01, 200000);
    log_info("m", LS("a", huge), LS("b", huge));
    assert_int_equal(line_count, 1);
    assert_true(vk_buf_len(&lines) > 2 * 4096 * 4);
    assert_true(vk_buf_len(&lines) < 2 * 4096 * 4 + 200);
    assert_true(vk_ends(vk_buf_peek(&lines), "\"\n"));
}

/* Nothing else can be done about it, but the process goes on. */
static void a_full_disk_costs_the_lines_alone(void **state)
{
    int stderr_fd = dup(STDERR_FILENO), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ssize_t refused;

    (void)state;
    assert_true(stderr_fd >= 0 && full >= 0);
    log_set_sink(NULL, NULL);
    dup2(full, STDERR_FILENO);
    refused = write(STDERR_FILENO, "x", 1);
    for (int i = 0; i < 1000; i++)
        log_info("m", LI("i", i));
    dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
    close(full);
    assert_int_equal(refused, -1);
    log_set_sink(capture, NULL);
    log_info("there is room again", LI("lines", 1));
    assert_int_equal(line_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_lines_have_the_shape_of_klog, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_cannot_break_out_of_their_quotes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_lines_are_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(verbosity_decides_what_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_are_dropped_counted_and_reported, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_new_window_reports_the_old_one_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(huge_values_are_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_costs_the_lines_alone, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
