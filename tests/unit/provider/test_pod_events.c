/* SPDX-License-Identifier: Apache-2.0 */
/* Which of ACI's events the kubelet is told. */
#include "provider/pod_events.h"

#include "base/alloc.h"
#include "provider/restart_events.h"
#include "tests/unit/provider/golden.h"

#define NS 1000000000ll
/* 2024-05-01T00:01:00Z */
#define ENDED_NS (1714521660 * NS)

static const char *const group_text =
    "{\"name\":\"g\",\"properties\":{\"restartPolicy\":\"Always\",\"containers\":[{\"name\":"
    "\"web\","
    "\"properties\":{\"instanceView\":{\"currentState\":{\"state\":\"Running\"},\"previousState\":{"
    "\"state\":\"Terminated\",\"exitCode\":7147,\"finishTime\":\"2024-05-01T00:01:00Z\"},"
    "\"events\":"
    "[{\"name\":\"Started\",\"type\":\"Normal\",\"message\":\"Started container\",\"count\":1,"
    "\"firstTimestamp\":\"2024-05-01T00:00:00Z\",\"lastTimestamp\":\"2024-05-01T00:00:00Z\"}]}}}]}"
    "}";

static void on_event(void *user, const struct pod_identity *id, const char *container,
                     const char *type, const char *reason, const char *message, int64_t count,
                     int64_t first_ns, int64_t last_ns)
{
    struct vk_buf *told = user;

    (void)id, (void)type, (void)message, (void)count, (void)first_ns, (void)last_ns;
    vk_buf_printf(told, "%s %s; ", container, reason);
}

static void report(struct tracked_pod *pod, struct vk_buf *told)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct provider_upcalls upcalls = {.k = told, .event = on_event};
    struct container_group group;
    struct vk_err err;

    if (container_group_parse(vk_str_of(group_text), arena, &group, &err) < 0)
        fail_msg("%s", err.msg);
    pod_events_report(pod, &group, &upcalls, arena);
}

static void an_end_that_we_asked_for_is_not_the_platforms(void **state)
{
    static const struct {
        int64_t asked_ns; /* 0: never */
        bool is_told;
    } rows[] = {
        {0, true},
        {ENDED_NS, false},
        {ENDED_NS - 600 * NS, false}, /* it waited for its turn */
        {ENDED_NS + 10 * NS, false},  /* Azure's clock is behind ours */
        {ENDED_NS + 600 * NS, true},
        {ENDED_NS - 3600 * NS, true},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct tracked_pod *pod =
            tracked_pod_new(&(struct pod_identity){.namespace_ = "n", .name = "p", .uid = "u"});
        struct vk_buf told VK_BUF_AUTO;

        vk_buf_init(&told, 1024);
        if (rows[i].asked_ns)
            tracked_pod_note_restart(pod, rows[i].asked_ns);
        report(pod, &told);
        if ((strstr(vk_buf_peek(&told), CONTAINER_TERMINATED_BY_PLATFORM) != NULL) !=
            rows[i].is_told)
            fail_msg("row %zu: %s", i, vk_buf_peek(&told));
        assert_non_null(strstr(vk_buf_peek(&told), "web Started; "));
        /* Also not later, when another restart was asked for. */
        tracked_pod_note_restart(pod, ENDED_NS + 7200 * NS);
        vk_buf_clear(&told);
        report(pod, &told);
        assert_string_equal(vk_buf_peek(&told), "");
        tracked_pod_free(pod);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_that_we_asked_for_is_not_the_platforms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
