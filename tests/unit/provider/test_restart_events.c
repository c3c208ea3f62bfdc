/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/restart_events.h"

#include "base/alloc.h"
#include "tests/unit/provider/golden.h"

/* The events of the group's one container as "name: message; ...". */
static const char *events_of(const char *policy, const char *view, struct vk_arena *arena)
{
    const char *text = vk_arena_printf(
        arena,
        "{\"name\":\"g\",\"properties\":{\"restartPolicy\":\"%s\",\"containers\":[{\"name\":"
        "\"web\",\"properties\":{%s}}]}}",
        policy, view);
    struct container_group group;
    struct vk_err err;
    if (container_group_parse(vk_str_of(text), arena, &group, &err) < 0)
        fail_msg("%s in %s", err.msg, text);
    const struct json_array found = restart_events(&group, group.containers.v, arena);
    const struct group_event *e = found.v;
    const char *out = "";
    for (size_t i = 0; i < found.n; i++) {
        assert_string_equal(e[i].type, "Warning");
        assert_int_equal(e[i].count, 1);
        out = vk_arena_printf(arena, "%s%s@%lld; ", out, e[i].name,
                              (long long)(e[i].first_ns / 1000000000));
    }
    return out;
}

#define VIEW(members) "\"instanceView\":{" members "}"
#define ENDED(which, code, time)                                                                   \
    "\"" which "State\":{\"state\":\"Terminated\",\"exitCode\":" #code ",\"finishTime\":\"" time   \
    "\"}"
#define LOOPS                                                                                      \
    "\"currentState\":{\"state\":\"Waiting\",\"detailStatus\":\"CrashLoopBackOff: Back-off "       \
    "restarting failed\"}"
#define RUNS "\"currentState\":{\"state\":\"Running\"}"

static void what_the_platform_did_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *view, *expected;
    } rows[] = {
        {"Never", "", ""},
        {"Never", VIEW(""), ""},
        {"Never", VIEW(RUNS), ""},
        {"Never", VIEW(ENDED("current", 3, "2024-05-01T00:01:00Z")), ""},
        {"Never", VIEW(RUNS "," ENDED("previous", 3, "2024-05-01T00:01:00Z")),
         "ContainerRestartedByPlatform@0; "},
        {"never", VIEW(RUNS ",\"restartCount\":1"), "ContainerRestartedByPlatform@0; "},
        {"Always", VIEW(RUNS ",\"restartCount\":1," ENDED("previous", 3, "2024-05-01T00:01:00Z")),
         ""},
        {"OnFailure", VIEW(RUNS "," ENDED("previous", 3, "2024-05-01T00:01:00Z")), ""},
        {"Always", VIEW(RUNS "," ENDED("previous", 7147, "2024-05-01T00:01:00Z")),
         "ContainerTerminatedByPlatform@1714521660; "},
        {"Always",
         VIEW(ENDED("current", 7148, "2024-05-01T00:02:00Z") "," ENDED("previous", 7147,
                                                                       "2024-05-01T00:01:00Z")),
         "ContainerTerminatedByPlatform@1714521660; ContainerTerminatedByPlatform@1714521720; "},
        {"Always", VIEW(LOOPS), "BackOff@0; "},
        {"Always", VIEW(LOOPS ",\"restartCount\":1"), "BackOff@0; "},
        {"Always",
         VIEW(LOOPS ",\"restartCount\":1,\"events\":[{\"name\":\"BackOff\",\"type\":\"Warning\"}]"),
         ""},
        {"Always", VIEW("\"currentState\":{\"state\":\"Waiting\",\"detailStatus\":\"Waiting\"}"),
         ""},
        /* A stopped group: the container that ran before is no restart. */
        {"Never",
         VIEW("\"currentState\":{\"state\":\"Terminated\"},\"previousState\":{\"state\":"
              "\"Running\"}"),
         ""},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        assert_string_equal(events_of(rows[i].policy, rows[i].view, arena), rows[i].expected);
    }
}

static void a_crash_loop_is_counted_by_its_restarts(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct group_container_state loops = {.state = "Waiting", .detail_status = "CrashLoopBackOff"};
    struct group_container_view view = {.current = &loops, .restart_count = 7};
    const struct group_container c = {.name = "web", .view = &view};
    const struct container_group group = {.restart_policy = "Always"};
    const struct json_array found = restart_events(&group, &c, arena);
    const struct group_event *e = found.v;

    (void)state;
    assert_int_equal(found.n, 1);
    assert_int_equal(e->count, 7);
    assert_string_equal(e->message, "Back-off restarting failed container web");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_platform_did_is_told),
        cmocka_unit_test(a_crash_loop_is_counted_by_its_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
