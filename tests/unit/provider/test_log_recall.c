/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "provider/log_recall.h"

#define T1 "2024-05-01T00:00:01Z "
#define T2 "2024-05-01T00:00:02Z "
#define T3 "2024-05-01T00:00:03Z "
#define T4 "2024-05-01T00:00:04Z "
#define T1_OF_OURS "2024-05-01T00:00:01.000000000Z "

struct row {
    const char *name;
    const char *shown_before; /* the last read began */
    const char *shown_during; /* it was on its way */
    const char *read;         /* its answer */
    const char *shown_after;
    const char *left;     /* in the log at the end */
    const char *expected; /* NULL: the place is not known */
    const char *stamped;  /* expected with times; NULL: not looked at */
};

static const struct row rows[] = {
    {"the log holds the end, the attachment what is missing", "a\n", "b\n", T1 "a\n" T1 "b\n",
     "c\nd\ne\n", T4 "e\n", "c\nd\ne\n", T1_OF_OURS "c\n" T1_OF_OURS "d\n" T4 "e\n"},
    {"an attachment that repeats everything", "a\nb\n", "", T1 "a\n" T1 "b\n", "c\nd\n", T4 "d\n",
     "c\nd\n", NULL},
    {"an attachment that began later", "b\n", "", T1 "a\n" T1 "b\n", "c\nd\n", T4 "d\n", "c\nd\n",
     NULL},
    {"one that had shown nothing yet", "", "", T1 "a\n" T1 "b\n", "c\nd\n", T4 "d\n", "c\nd\n",
     NULL},
    {"it comes later than the log", "", "", T1 "a\n" T1 "b\n", "b\nc\nd\n", T4 "d\n", "c\nd\n",
     NULL},
    {"an empty line is no end of another one", "", "", T1 "a\n" T1 "b\n", "\nc\n", T4 "c\n",
     "\nc\n", NULL},
    {"nothing is missing", "a\n", "", T1 "a\n", "b\n", T2 "b\n", "b\n", T2 "b\n"},
    {"the log holds read lines of the same time", "a\nb\n", "", T1 "a\n" T1 "b\n", "c\nd\n",
     T1 "b\n" T1 "c\n" T2 "d\n", "c\nd\n", T1 "c\n" T2 "d\n"},
    {"the end has no newline", "a\n", "", T1 "a\n", "b\nhalf", T4 "half", "b\nhalf",
     T1_OF_OURS "b\n" T4 "half"},
    {"no line is whole", "a\n", "", T1 "a\n", "half", "", "half", T1_OF_OURS "half"},
    {"the log is another run's", "a\n", "", T1 "a\n", "b\nc\n", T4 "started\n", "b\nc\n", NULL},
    {"the log is gone", "a\n", "", T1 "a\n", "b\n", "", "b\n", NULL},
    {"the log was ahead by a line", "a\n", "", T1 "a\n" T1 "b\n" T1 "c\n", "b\nc\nd\n", "", "d\n",
     NULL},
    {"lines that repeat themselves: the place is where it was shown", "tick\ntick\n", "tick\n",
     T1 "tick\n" T1 "tick\n" T1 "tick\n", "tick\ntick\n", T3 "tick\n", "tick\ntick\n", NULL},
    {"text that was never read", "x\ny\n", "", T1 "a\n", "z\n", "", NULL, NULL},
};

static void read_log(struct log_recall *r, struct log_cursor *cursor, const struct row *row)
{
    struct vk_buf out VK_BUF_AUTO;

    vk_buf_init(&out, 1u << 16);
    log_recall_reads(r);
    log_recall_show(r, vk_str_of(row->shown_during));
    log_recall_has_read(r, vk_str_of(row->read));
    log_lines_cut(vk_str_of(row->read), false, 0, false, cursor, &out);
}

static void check(const struct row *row, bool timestamps, const char *expected)
{
    struct log_recall r;
    struct log_cursor cursor = {0};
    struct vk_buf out VK_BUF_AUTO;
    bool found;

    vk_buf_init(&out, 1u << 16);
    log_recall_init(&r);
    log_recall_begin(&r);
    log_recall_show(&r, vk_str_of(row->shown_before));
    read_log(&r, &cursor, row);
    log_recall_show(&r, vk_str_of(row->shown_after));
    found = log_recall_rest(&r, vk_str_of(row->left), timestamps, 0, &cursor, &out);
    if (found != (expected != NULL))
        fail_msg("%s: found: %d", row->name, found);
    if (strcmp(vk_buf_peek(&out), expected ? expected : "") != 0)
        fail_msg("%s:\n%s", row->name, vk_buf_peek(&out));
    log_recall_release(&r);
}

static void the_rest_is_what_was_shown_and_not_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        check(&rows[i], false, rows[i].expected);
        if (rows[i].stamped)
            check(&rows[i], true, rows[i].stamped);
    }
}

static void without_a_read_since_it_began_nothing_is_known(void **state)
{
    static const struct row row = {.shown_during = "", .read = T1 "a\n"};
    struct log_recall r;
    struct log_cursor cursor = {0};
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&out, 1024);
    log_recall_init(&r);
    read_log(&r, &cursor, &row);
    assert_false(log_recall_rest(&r, VK_STR(""), false, 0, &cursor, &out));
    /* A read that began before. */
    log_recall_reads(&r);
    log_recall_begin(&r);
    log_recall_has_read(&r, VK_STR(T1 "a\n"));
    log_recall_show(&r, VK_STR("b\n"));
    assert_false(log_recall_rest(&r, VK_STR(""), false, 0, &cursor, &out));
    log_recall_release(&r);
}

/* A thousand lines after each of 500 reads, then more than the log keeps. */
static void much_is_kept_within_its_limit(void **state)
{
    struct log_recall r;
    struct log_cursor cursor = {0};
    struct vk_buf read VK_BUF_AUTO, out VK_BUF_AUTO, expected VK_BUF_AUTO;
    unsigned n = 0;

    (void)state;
    vk_buf_init(&read, 1u << 20);
    vk_buf_init(&out, 1u << 22);
    vk_buf_init(&expected, 1u << 22);
    log_recall_init(&r);
    log_recall_begin(&r);
    for (int i = 0; i < 500; i++) {
        vk_buf_clear(&read);
        vk_buf_clear(&out);
        for (int line = 0; line < 1000; line++) {
            char text[64];

            (void)snprintf(text, sizeof(text), "line %u\n", n++);
            log_recall_show(&r, vk_str_of(text));
            vk_buf_printf(&read, "2024-05-01T00:%02d:%02dZ %s", i / 60, i % 60, text);
        }
        log_recall_reads(&r);
        log_recall_has_read(&r, vk_buf_str(&read));
        log_lines_cut(vk_buf_str(&read), false, 0, false, &cursor, &out);
        assert_true(vk_buf_len(&r.shown) <= LOG_RECALL_MAX);
    }
    vk_buf_clear(&out);
    while (vk_buf_len(&expected) < 900000)
        vk_buf_printf(&expected, "line %u\n", n++);
    log_recall_show(&r, vk_buf_str(&expected));
    assert_true(log_recall_rest(&r, VK_STR(""), false, 0, &cursor, &out));
    assert_int_equal(vk_buf_len(&out), vk_buf_len(&expected));
    assert_memory_equal(vk_buf_peek(&out), vk_buf_peek(&expected), vk_buf_len(&out));
    /* Beyond the limit the place is lost, and that is known. */
    vk_buf_clear(&out);
    log_recall_show(&r, vk_buf_str(&expected));
    assert_false(log_recall_rest(&r, VK_STR(""), false, 0, &cursor, &out));
    log_recall_release(&r);
}

/* CPU time to look for the place 20 times in as many of these lines as are kept. */
static clock_t cost_of(const char *line)
{
    struct vk_buf read VK_BUF_AUTO, shown VK_BUF_AUTO, out VK_BUF_AUTO;
    struct log_cursor cursor = {0};
    struct log_recall r;
    clock_t began;

    vk_buf_init(&read, 1u << 20);
    vk_buf_init(&shown, LOG_RECALL_MAX);
    vk_buf_init(&out, LOG_RECALL_MAX);
    for (size_t i = 1; i < LOG_RECALL_SAID_MAX / 2; i++)
        vk_buf_adds(&read, T1 "a\n");
    vk_buf_adds(&read, T1 "b\n");
    while (vk_buf_len(&shown) + strlen(line) <= LOG_RECALL_MAX)
        vk_buf_adds(&shown, line);
    log_recall_init(&r);
    log_recall_begin(&r);
    log_recall_show(&r, VK_STR("z\n"));
    log_recall_reads(&r);
    log_recall_has_read(&r, vk_buf_str(&read));
    log_lines_cut(vk_buf_str(&read), false, 0, false, &cursor, &out);
    log_recall_show(&r, vk_buf_str(&shown));
    began = clock();
    for (int i = 0; i < 20; i++)
        assert_false(log_recall_rest(&r, VK_STR(""), false, 0, &cursor, &out));
    log_recall_release(&r);
    return clock() - began;
}

/* A pod chooses its lines, and the loop waits meanwhile. */
static void lines_like_those_that_were_read_cost_no_more(void **state)
{
    (void)state;
    assert_true(cost_of("a\n") < 3 * cost_of("c\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_like_those_that_were_read_cost_no_more),
        cmocka_unit_test(the_rest_is_what_was_shown_and_not_read),
        cmocka_unit_test(without_a_read_since_it_began_nothing_is_known),
        cmocka_unit_test(much_is_kept_within_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
