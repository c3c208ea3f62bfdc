/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "provider/tracked_pod.h"

static void an_event_is_news_once_and_again_when_it_was_counted_further(void **state)
{
    (void)state;
    struct tracked_pod *pod =
        tracked_pod_new(&(struct pod_identity){.namespace_ = "n", .name = "p", .uid = "u"});
    struct group_event e = {.name = "Pulling", .message = "m", .count = 1, .first_ns = 5};
    assert_true(tracked_pod_note_event(pod, &e, "c"));
    assert_false(tracked_pod_note_event(pod, &e, "c"));
    assert_true(tracked_pod_note_event(pod, &e, "d"));
    e.count = 3;
    assert_true(tracked_pod_note_event(pod, &e, "c"));
    e.count = 2;
    assert_false(tracked_pod_note_event(pod, &e, "c"));
    e.first_ns = 6;
    assert_true(tracked_pod_note_event(pod, &e, "c"));
    for (int64_t i = 0; i < 100000; i++) {
        e.first_ns = 1000 + i;
        (void)tracked_pod_note_event(pod, &e, "c");
    }
    assert_true(pod->event_count <= 128);
    tracked_pod_free(pod);
}

static void an_unchanged_status_is_no_news(void **state)
{
    (void)state;
    struct tracked_pod *pod =
        tracked_pod_new(&(struct pod_identity){.namespace_ = "n", .name = "p", .uid = "u"});
    struct pod_status s = {.phase = "Pending"};
    assert_true(tracked_pod_set_status(pod, &s));
    assert_false(tracked_pod_set_status(pod, &s));
    s.phase = "Running";
    assert_true(tracked_pod_set_status(pod, &s));
    assert_string_equal(pod->status.phase, "Running");
    tracked_pod_free(pod);
}

static void a_report_says_what_is_paid_for(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct group_container two[] = {{.cpu_milli = 1000, .memory_bytes = 1500000000},
                                    {.cpu_milli = 250, .memory_bytes = 500000000}};
    const struct container_group group = {.containers = {.v = two, .n = 2}};
    struct tracked_pod *pod =
        tracked_pod_new(&(struct pod_identity){.namespace_ = "n", .name = "p", .uid = "u"});
    assert_null(tracked_pod_report(pod, true, arena).size);
    tracked_pod_note_group(pod, &group);
    const struct provider_pod_status report = tracked_pod_report(pod, true, arena);
    assert_string_equal(report.size, "1.25 CPU and 2 GB");
    assert_string_equal(report.id.uid, "u");
    assert_true(report.group_exists);
    tracked_pod_free(pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_news_once_and_again_when_it_was_counted_further),
        cmocka_unit_test(an_unchanged_status_is_no_news),
        cmocka_unit_test(a_report_says_what_is_paid_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
