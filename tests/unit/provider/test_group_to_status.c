/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_to_status.h"

#include "base/alloc.h"
#include "tests/unit/provider/golden.h"

static struct vk_str status_text(struct vk_str group_text, struct vk_arena *arena)
{
    struct container_group group;
    struct pod_status status;
    struct vk_err err;
    if (container_group_parse(group_text, arena, &group, &err) < 0)
        fail_msg("%s", err.msg);
    group_to_status(&group, arena, &status);
    struct vk_buf out;
    struct json_writer w;
    vk_buf_init(&out, GOLDEN_MAX_BYTES);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    pod_status_write(&w, &status);
    json_end_object(&w);
    assert_true(json_writer_done(&w));
    const char *text = vk_arena_str(arena, vk_buf_str(&out));
    vk_buf_release(&out);
    return vk_str_of(text);
}

static void check_case(const char *name, const struct json *doc, struct vk_arena *arena)
{
    const struct vk_str text = status_text(golden_text(arena, json_get(doc, "group")), arena);
    const struct json *status = golden_parse(arena, text);
    const char *diff = golden_difference(arena, json_get(doc, "status"), status, "status");
    if (diff) {
        (void)fprintf(stderr, "%s: %s\n", name, text.p);
        fail_msg("%s: differs at %s", name, diff);
    }
}

static void groups_become_the_statuses_of_the_golden_files(void **state)
{
    (void)state;
    golden_each("groups", check_case);
}

/* Cuts a member out of every object in turn: whatever ACI leaves out, a status comes of it. */
static void check_without_members(const char *name, const struct json *doc, struct vk_arena *arena)
{
    (void)name;
    struct vk_str text = golden_text(arena, json_get(doc, "group"));
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '"' || i + 1 >= text.n)
            continue;
        char *mangled = vk_strndup(text.p, text.n);
        mangled[i + 1] = mangled[i + 1] == '"' ? '"' : '~';
        struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
        struct container_group group;
        struct vk_err err;
        if (container_group_parse(vk_str_of(mangled), scratch, &group, &err) == 0) {
            struct pod_status status;
            group_to_status(&group, scratch, &status);
            assert_non_null(status.phase);
            assert_int_equal(status.conditions.n, 4);
            assert_int_equal(status.container_statuses.n, group.containers.n);
        }
        vk_free(mangled);
    }
}

static void a_mangled_group_still_gives_a_status(void **state)
{
    (void)state;
    golden_each("groups", check_without_members);
}

static const char *phase_of(const char *policy, const char *states, struct vk_arena *arena)
{
    const char *text = vk_arena_printf(
        arena, "{\"name\":\"g\",\"properties\":{\"restartPolicy\":\"%s\",\"containers\":[%s]}}",
        policy, states);
    struct container_group group;
    struct pod_status status;
    struct vk_err err;
    if (container_group_parse(vk_str_of(text), arena, &group, &err) < 0)
        fail_msg("%s in %s", err.msg, text);
    group_to_status(&group, arena, &status);
    return status.phase;
}

#define STATE(name, state)                                                                         \
    "{\"name\":\"" name "\",\"properties\":{\"instanceView\":{\"currentState\":" state "}}}"
#define RUNNING STATE("r", "{\"state\":\"Running\"}")
#define WAITING STATE("w", "{\"state\":\"Waiting\"}")
#define ENDED_WELL STATE("e", "{\"state\":\"Terminated\",\"exitCode\":0}")
#define ENDED_BADLY STATE("b", "{\"state\":\"Terminated\",\"exitCode\":3}")

static void phases_follow_the_restart_policy(void **state)
{
    (void)state;
    static const struct {
        const char *states, *always, *on_failure, *never;
    } rows[] = {
        {RUNNING, "Running", "Running", "Running"},
        {WAITING, "Pending", "Pending", "Pending"},
        {WAITING "," RUNNING, "Pending", "Pending", "Pending"},
        {ENDED_WELL, "Running", "Succeeded", "Succeeded"},
        {ENDED_BADLY, "Running", "Running", "Failed"},
        {ENDED_WELL "," RUNNING, "Running", "Running", "Running"},
        {ENDED_WELL "," ENDED_BADLY, "Running", "Running", "Failed"},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        assert_string_equal(phase_of("Always", rows[i].states, arena), rows[i].always);
        assert_string_equal(phase_of("OnFailure", rows[i].states, arena), rows[i].on_failure);
        assert_string_equal(phase_of("Never", rows[i].states, arena), rows[i].never);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_become_the_statuses_of_the_golden_files),
        cmocka_unit_test(a_mangled_group_still_gives_a_status),
        cmocka_unit_test(phases_follow_the_restart_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
