/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/container_log.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)
/* 2026-11-24T15:41:53.000000001Z */
#define WALL (INT64_C(1795534913) * SECOND + 1)
#define STAMP "2026-11-24T15:41:53.000000001Z "

static char path[64];

static struct container_log *new_log(void)
{
    struct container_log *log = NULL;
    struct vk_err err = {0};
    (void)snprintf(path, sizeof(path), "/tmp/container-log-%d", (int)getpid());
    if (container_log_new(path, &log, &err) < 0)
        fail_msg("%s", err.msg);
    return log;
}

static void append(struct container_log *log, const char *text)
{
    container_log_append(log, vk_str_of(text), WALL);
}

static char *text_of(const struct container_log *log, int64_t tail, bool timestamps)
{
    struct vk_buf out;
    vk_buf_init(&out, 64 << 20);
    container_log_read(log, tail, timestamps, &out);
    assert_false(out.failed);
    return vk_buf_take(&out);
}

static void assert_text(const struct container_log *log, int64_t tail, bool timestamps,
                        const char *expected)
{
    char *text VK_AUTOFREE = text_of(log, tail, timestamps);
    assert_string_equal(text, expected);
}

static void lines_are_the_same_at_every_split(void **state)
{
    (void)state;
    static const char text[] = "one\n\nthree\r\nlast";
    for (size_t split = 0; split < sizeof(text); split++) {
        struct container_log *log = new_log();
        container_log_append(log, (struct vk_str){.p = text, .n = split}, WALL);
        container_log_append(log, vk_str_of(text + split), WALL);
        for (int ended = 0; ended < 2; ended++) {
            assert_text(log, -1, false, text);
            assert_text(log, -1, true, STAMP "one\n" STAMP "\n" STAMP "three\r\n" STAMP "last");
            assert_text(log, 0, false, "");
            assert_text(log, 1, false, "last");
            assert_text(log, 2, true, STAMP "three\r\n" STAMP "last");
            assert_text(log, 3, false, "\nthree\r\nlast");
            assert_text(log, 99, false, text);
            container_log_end(log);
        }
        container_log_free(log);
    }
}

static void empty_log_is_empty_text(void **state)
{
    (void)state;
    struct container_log *log = new_log();
    assert_text(log, -1, true, "");
    assert_text(log, 5, true, "");
    container_log_end(log);
    assert_text(log, -1, true, "");
    append(log, "after the end\n");
    assert_text(log, -1, true, "");
    container_log_free(log);
}

static void stamp_is_of_the_first_byte_of_a_line(void **state)
{
    (void)state;
    struct container_log *log = new_log();
    append(log, "begin");
    container_log_append(log, VK_STR(" end\nnext\n"), WALL + SECOND);
    assert_text(log, -1, true, STAMP "begin end\n2026-11-24T15:41:54.000000001Z next\n");
    container_log_free(log);
}

static void long_lines_are_split_at_64_kib(void **state)
{
    (void)state;
    static const size_t lengths[] = {LINE_MAX_BYTES - 1, LINE_MAX_BYTES, LINE_MAX_BYTES + 1,
                                     3 * LINE_MAX_BYTES};
    for (size_t i = 0; i < VK_COUNT(lengths); i++) {
        struct container_log *log = new_log();
        char *line VK_AUTOFREE = vk_malloc(lengths[i] + 2);
        memset(line, 'x', lengths[i]);
        line[lengths[i]] = '\n';
        line[lengths[i] + 1] = '\0';
        append(log, line);
        char *text VK_AUTOFREE = text_of(log, -1, false);
        size_t bytes = 0;
        for (const char *p = text; *p;) {
            size_t n = strcspn(p, "\n");
            assert_true(n <= LINE_MAX_BYTES);
            bytes += n;
            p += n + (p[n] == '\n');
        }
        assert_int_equal(bytes, lengths[i]);
        container_log_free(log);
    }
}

/* Numbered lines of 100 bytes with their stamps. */
static void fill(struct container_log *log, unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "%09u %058u\n", n, 0U);
        append(log, line);
    }
}

static void running_log_keeps_the_newest_4_mib_in_a_bounded_file(void **state)
{
    (void)state;
    struct container_log *log = new_log();
    for (unsigned n = 0; n < 200000; n += 20000) {
        fill(log, n, n + 20000);
        assert_true(log->size <= FILE_MAX);
        char *text VK_AUTOFREE = text_of(log, -1, true);
        size_t length = strlen(text);
        assert_true(length <= KEPT_RUNNING);
        /* All of it while it fits, then all but the part of a line. */
        assert_true(length == (size_t)(n + 20000) * 100 || length > KEPT_RUNNING - 100);
        assert_int_equal(length % 100, 0);
        char last[16];
        (void)snprintf(last, sizeof(last), "%09u", n + 19999);
        assert_memory_equal(text + length - 100 + STAMP_LEN, last, 9);
        assert_memory_equal(text, STAMP, STAMP_LEN);
    }
    assert_text(log, 1, false,
                "000199999 0000000000000000000000000000000000000000000000000000000000\n");
    char *tail VK_AUTOFREE = text_of(log, 5000, true);
    assert_int_equal(strlen(tail), 5000 * 100);
    container_log_free(log);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void ended_log_keeps_1000_lines_or_16_kib(void **state)
{
    (void)state;
    struct container_log *log = new_log();
    for (int i = 0; i < 3000; i++)
        append(log, "x\n");
    container_log_end(log);
    char *lines VK_AUTOFREE = text_of(log, -1, false);
    assert_int_equal(strlen(lines), 2000);
    assert_int_not_equal(access(path, F_OK), 0);
    container_log_free(log);

    log = new_log();
    fill(log, 0, 1000);
    container_log_end(log);
    char *bytes VK_AUTOFREE = text_of(log, -1, false);
    assert_int_equal(strlen(bytes), 16384 / 69 * 69);
    assert_memory_equal(bytes + strlen(bytes) - 69, "000000999", 9);
    container_log_free(log);
}

static void ended_log_keeps_the_end_of_one_long_line(void **state)
{
    (void)state;
    struct container_log *log = new_log();
    char *line VK_AUTOFREE = vk_malloc(40001);
    memset(line, 'y', 40000);
    line[39999] = 'z';
    line[40000] = '\0';
    append(log, line);
    container_log_end(log);
    char *text VK_AUTOFREE = text_of(log, -1, false);
    assert_int_equal(strlen(text), 16384);
    assert_int_equal(text[16383], 'z');
    char *stamped VK_AUTOFREE = text_of(log, 1, true);
    assert_memory_equal(stamped, STAMP "yyy", STAMP_LEN + 3);
    container_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_same_at_every_split),
        cmocka_unit_test(empty_log_is_empty_text),
        cmocka_unit_test(stamp_is_of_the_first_byte_of_a_line),
        cmocka_unit_test(long_lines_are_split_at_64_kib),
        cmocka_unit_test(running_log_keeps_the_newest_4_mib_in_a_bounded_file),
        cmocka_unit_test(ended_log_keeps_1000_lines_or_16_kib),
        cmocka_unit_test(ended_log_keeps_the_end_of_one_long_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
