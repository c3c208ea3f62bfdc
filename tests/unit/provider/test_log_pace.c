/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "provider/log_pace.h"

#define NOW 1000000

struct row {
    const char *name;
    bool attached, wanted;
    unsigned misses, followers;
    int64_t wait_ms;
};

static const struct row rows[] = {
    {"without an attachment each 2 s", false, false, 0, 1, LOG_PACE_POLL_MS},
    {"also while many follow", false, false, 0, 50, LOG_PACE_POLL_MS},
    {"the end of an attachment at once", false, true, 0, 1, LOG_PACE_GAP_MS},
    {"a quiet attachment seldom", true, false, 0, 1, LOG_PACE_QUIET_MS},
    {"a line is read soon", true, true, 0, 1, LOG_PACE_GAP_MS},
    {"two share no pace", true, true, 0, 2, LOG_PACE_GAP_MS},
    {"many share eight reads a second", true, true, 0, 40, 40 * LOG_PACE_GAP_OF_ALL_MS},
    {"what was shown and not found", true, false, 1, 1, 500},
    {"and not found again", true, false, 3, 1, 2000},
};

static void the_next_read_is_due(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        struct log_pace p = {.attached = row->attached, .misses = row->misses, .last_mono_ms = NOW};

        if (row->wanted)
            log_pace_want(&p);
        if (log_pace_due_mono_ms(&p, row->followers) != NOW + row->wait_ms)
            fail_msg("%s: %lld ms", row->name,
                     (long long)log_pace_due_mono_ms(&p, row->followers) - NOW);
    }
}

static int64_t read_once(struct log_pace *p, int64_t now, bool found)
{
    log_pace_reads(p, now);
    log_pace_has_read(p, now, found);
    return log_pace_due_mono_ms(p, 1) - now;
}

static void a_log_behind_its_attachment_is_asked_again_for_a_while(void **state)
{
    struct log_pace p = {.attached = true};

    (void)state;
    log_pace_hint(&p);
    assert_int_equal(read_once(&p, NOW, false), 500);
    assert_int_equal(read_once(&p, NOW, false), 1000);
    assert_int_equal(read_once(&p, NOW, false), 2000);
    assert_int_equal(read_once(&p, NOW, false), 4000);
    assert_int_equal(read_once(&p, NOW, false), LOG_PACE_QUIET_MS);
    assert_int_equal(read_once(&p, NOW, false), LOG_PACE_QUIET_MS);
}

static void the_beginning_of_an_attachment_is_read_for_once(void **state)
{
    struct log_pace p = {.attached = true};

    (void)state;
    log_pace_want(&p);
    assert_int_equal(read_once(&p, NOW, false), LOG_PACE_QUIET_MS);
}

static void what_was_found_ends_the_search(void **state)
{
    struct log_pace p = {.attached = true};

    (void)state;
    log_pace_hint(&p);
    assert_int_equal(read_once(&p, NOW, false), 500);
    assert_int_equal(read_once(&p, NOW, true), LOG_PACE_QUIET_MS);
}

static void a_line_shown_during_a_read_counts_for_the_next(void **state)
{
    struct log_pace p = {.attached = true};

    (void)state;
    log_pace_reads(&p, NOW);
    log_pace_hint(&p);
    log_pace_has_read(&p, NOW + 40, true);
    assert_int_equal(log_pace_due_mono_ms(&p, 1), NOW + 40 + LOG_PACE_GAP_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_read_is_due),
        cmocka_unit_test(a_log_behind_its_attachment_is_asked_again_for_a_while),
        cmocka_unit_test(the_beginning_of_an_attachment_is_read_for_once),
        cmocka_unit_test(what_was_found_ends_the_search),
        cmocka_unit_test(a_line_shown_during_a_read_counts_for_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
