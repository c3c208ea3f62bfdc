/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong without a request of the owner, and lies about groups. */
#include "tests/unit/emulator/emulator_world.h"

#define WEB WORLD_GROUP("web")
#define LIST WORLD_RG "/containerGroups" WORLD_VERSION
#define PLAIN GROUP("", CONTAINER("c", ""))
#define NEVER(command) GROUP("'restartPolicy':'Never',", CONTAINER("c", "'command':[" command "],"))

static const bool never;

static int control(struct world *w, const char *method, const char *path, const char *body)
{
    char *text VK_AUTOFREE = body ? group_body(body) : NULL;

    return world_call(w, w->control, method, path, text, NULL, NULL, 0);
}

static const struct json *view(const struct world *w)
{
    const struct json *properties = json_get(w->answer.body, "properties");
    const struct json *c = json_first(json_get(properties, "containers"));

    return json_get(json_get(c, "properties"), "instanceView");
}

static const struct json *event(const struct world *w, const char *name)
{
    const struct json *e = json_first(json_get(view(w), "events"));

    while (e && !vk_streq(json_string_or(e, "name", ""), name))
        e = json_next(e);
    return e;
}

static int64_t exit_code(const struct world *w, const char *state)
{
    return json_int64_or(json_get(view(w), state), "exitCode", -1);
}

/* GETs the group until its container has run so many times more. */
static void await_restarts(struct world *w, int64_t count)
{
    for (int i = 0; i < 500; i++) {
        assert_int_equal(world_arm(w, "GET", WEB, NULL), 200);
        if (json_int64_or(view(w), "restartCount", 0) == count && event(w, "Started"))
            return;
        vk_loop_run_until(w->loop, &never, 10);
    }
    fail_msg("no %d restarts: %s", (int)count, w->answer.text);
}

static void begin(struct world *w, const char *group, const char *state)
{
    world_begin(w, NULL);
    assert_int_equal(world_arm(w, "PUT", WEB, group), 201);
    world_await(w, WEB, state);
}

static void the_platform_restarts_a_group_whatever_its_policy(void **state)
{
    static const struct {
        const char *order;
        int64_t exit_code;
    } rows[] = {{"{'incident':'restart','group':'we*'}", 7147},
                {"{'incident':'restart','group':'web','exitCode':7148}", 7148},
                {"{'incident':'restart','group':'WEB','exitCode':137}", 137}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct world w;

        begin(&w, NEVER("'serve'"), "Running");
        assert_int_equal(control(&w, "POST", "/incidents", rows[i].order), 200);
        assert_int_equal(json_len(json_get(w.answer.body, "groups")), 1);
        await_restarts(&w, 1);
        world_await(&w, WEB, "Running");
        assert_int_equal(exit_code(&w, "previousState"), rows[i].exit_code);
        assert_string_equal(json_string_or(event(&w, "Killing"), "message", ""),
                            "Killing container c (platform initiated).");
        world_end(&w);
    }
}

static void a_container_that_failed_runs_again_in_spite_of_never(void **state)
{
    struct world w;

    (void)state;
    begin(&w, NEVER("'exit','3'"), "Failed");
    assert_int_equal(control(&w, "POST", "/incidents", "{'incident':'rerun','group':'web'}"), 200);
    await_restarts(&w, 1);
    world_await(&w, WEB, "Failed");
    assert_int_equal(exit_code(&w, "previousState"), 3);
    assert_int_equal(exit_code(&w, "currentState"), 3);
    world_end(&w);
}

static void an_incident_that_can_not_strike_is_refused(void **state)
{
    static const struct {
        const char *order;
        int status;
    } rows[] = {
        {"{'incident':'delete','group':'other'}", 404},
        {"{'incident':'restart','group':'web'}", 404}, /* has ended */
        {"{'incident':'rerun','group':'web'}", 404},   /* with 0 */
        {"{'incident':'explode','group':'web'}", 400},
        {"{'incident':'delete'}", 400},
        {"{'incident':'restart','group':'web','exitcode':1}", 400},
        {"[]", 400},
    };
    struct world w;

    (void)state;
    begin(&w, NEVER("'exit','0'"), "Succeeded");
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        if (control(&w, "POST", "/incidents", rows[i].order) != rows[i].status)
            fail_msg("%s: %d %s", rows[i].order, w.answer.status, w.answer.text);
        assert_non_null(json_string(json_get(w.answer.body, "error")));
    }
    assert_int_equal(control(&w, "GET", "/incidents", NULL), 405);
    world_end(&w);
}

static void a_group_that_somebody_else_deletes_is_gone_with_its_sandbox(void **state)
{
    struct world w;

    (void)state;
    begin(&w, PLAIN, "Running");
    assert_int_equal(control(&w, "POST", "/incidents", "{'incident':'delete','group':'web'}"), 200);
    for (int i = 0; i < 500 && world_arm(&w, "GET", WEB, NULL) != 404; i++)
        vk_loop_run_until(w.loop, &never, 10);
    assert_string_equal(world_error(&w), "ResourceNotFound");
    assert_int_equal(control(&w, "GET", "/stats", NULL), 200);
    assert_int_equal(json_int64_or(w.answer.body, "sandboxes", -1), 0);
    assert_null(json_get(json_get(w.answer.body, "operations"), "ContainerGroups_Delete"));
    world_end(&w);
}

static size_t listed(struct world *w)
{
    assert_int_equal(world_arm(w, "GET", LIST, NULL), 200);
    return json_len(json_get(w->answer.body, "value"));
}

static void a_hidden_group_is_there_all_the_same(void **state)
{
    struct world w;

    (void)state;
    begin(&w, PLAIN, "Running");
    assert_int_equal(world_arm(&w, "PUT", WORLD_GROUP("other"), PLAIN), 201);
    assert_int_equal(control(&w, "POST", "/faults",
                             "{'faults':[{'operation':'ContainerGroups_ListByResourceGroup',"
                             "'group':'we*','action':{'hide':true}},{'operation':"
                             "'ContainerGroups_Get','group':'web','action':{'hide':true}}]}"),
                     200);
    assert_int_equal(listed(&w), 1);
    assert_string_equal(json_string_or(json_first(json_get(w.answer.body, "value")), "name", ""),
                        "other");
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 404);
    assert_string_equal(world_error(&w), "ResourceNotFound");
    assert_int_equal(listed(&w), 2);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 200);
    world_end(&w);
}

static void a_fault_of_one_group_does_not_strike_lists(void **state)
{
    struct world w;

    (void)state;
    begin(&w, PLAIN, "Running");
    assert_int_equal(control(&w, "POST", "/faults", "{'group':'web','action':{'status':500}}"),
                     200);
    assert_int_equal(listed(&w), 1);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 500);
    world_end(&w);
}

static void a_ghost_stays_until_it_is_deleted_again(void **state)
{
    struct world w;

    (void)state;
    begin(&w, PLAIN, "Running");
    assert_int_equal(control(&w, "POST", "/faults",
                             "{'operation':'ContainerGroups_Delete','action':{'ghost':true}}"),
                     200);
    assert_int_equal(world_arm(&w, "DELETE", WEB, NULL), 200);
    assert_string_equal(json_string_or(w.answer.body, "name", ""), "web");
    assert_int_equal(listed(&w), 1);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 200);
    assert_string_equal(world_first_state(&w), "Running");
    assert_int_equal(world_arm(&w, "DELETE", WEB, NULL), 200);
    assert_int_equal(listed(&w), 0);
    world_end(&w);
}

static void expired_tokens_are_refused_and_new_ones_are_good(void **state)
{
    struct world w;

    (void)state;
    begin(&w, PLAIN, "Running");
    assert_int_equal(control(&w, "DELETE", "/tokens", NULL), 200);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 401);
    assert_string_equal(world_error(&w), "ExpiredAuthenticationToken");
    assert_non_null(w.answer.authenticate);
    world_end(&w);
}

static void what_a_kill_for_memory_says_is_a_setting(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(control(&w, "GET", "/out-of-memory", NULL), 200);
    assert_string_equal(json_string_or(w.answer.body, "detailStatus", ""), "Error");
    assert_int_equal(control(&w, "POST", "/out-of-memory", "{'detail':'x'}"), 400);
    assert_int_equal(control(&w, "POST", "/out-of-memory", "{'detailStatus':'OOMKilled'}"), 200);
    assert_string_equal(lifecycle_oom_detail(w.emulator->lifecycle), "OOMKilled");
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_platform_restarts_a_group_whatever_its_policy),
        cmocka_unit_test(a_container_that_failed_runs_again_in_spite_of_never),
        cmocka_unit_test(an_incident_that_can_not_strike_is_refused),
        cmocka_unit_test(a_group_that_somebody_else_deletes_is_gone_with_its_sandbox),
        cmocka_unit_test(a_hidden_group_is_there_all_the_same),
        cmocka_unit_test(a_fault_of_one_group_does_not_strike_lists),
        cmocka_unit_test(a_ghost_stays_until_it_is_deleted_again),
        cmocka_unit_test(expired_tokens_are_refused_and_new_ones_are_good),
        cmocka_unit_test(what_a_kill_for_memory_says_is_a_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
