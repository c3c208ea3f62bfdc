/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/emulator/emulator_world.h"

#include "base/clock.h"

#define WEB WORLD_GROUP("web")
#define PLAIN GROUP("", CONTAINER("c", ""))

static int control(struct world *w, const char *method, const char *path, const char *body)
{
    char *text VK_AUTOFREE = body ? group_body(body) : NULL;

    return world_call(w, w->control, method, path, text, NULL, NULL, 0);
}

static void stats_count_requests_puts_and_what_lives(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(world_arm(&w, "PUT", WEB, PLAIN), 201);
    world_await(&w, WEB, "Running");
    assert_int_equal(world_arm(&w, "PUT", WEB, PLAIN), 200);
    assert_int_equal(world_arm(&w, "PUT", WORLD_GROUP("bad"), "{}"), 400);
    assert_int_equal(control(&w, "GET", "/stats", NULL), 200);
    assert_int_equal(
        json_int64_or(json_get(w.answer.body, "operations"), "ContainerGroups_CreateOrUpdate", -1),
        3);
    assert_int_equal(json_int64_or(json_get(w.answer.body, "groupPuts"), "web", -1), 2);
    assert_int_equal(json_int64_or(json_get(w.answer.body, "groupPuts"), "bad", -1), 1);
    assert_int_equal(json_int64_or(w.answer.body, "groups", -1), 1);
    world_await(&w, WEB, "Running");
    assert_int_equal(world_arm(&w, "DELETE", WEB, NULL), 200);
    assert_int_equal(control(&w, "GET", "/stats", NULL), 200);
    assert_int_equal(json_int64_or(w.answer.body, "groups", -1), 0);
    assert_int_equal(json_int64_or(w.answer.body, "sandboxes", -1), 0);
    assert_int_equal(json_int64_or(json_get(w.answer.body, "groupPuts"), "web", -1), 2);
    world_end(&w);
}

static int64_t start_time(struct world *w)
{
    const struct json *g;
    int64_t ns = 0;

    assert_int_equal(control(w, "GET", "/groups", NULL), 200);
    g = json_first(json_get(w->answer.body, "groups"));
    assert_string_equal(json_string_or(g, "name", ""), "web");
    assert_string_equal(json_string_or(json_get(g, "tags"), "a", ""), "b");
    assert_true(json_int64(json_get(json_first(json_get(g, "containers")), "startTime"), &ns));
    return ns;
}

static void groups_tell_exact_start_times(void **state)
{
    struct world w;
    int64_t first;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(world_arm(&w, "PUT", WEB, PLAIN), 201);
    world_await(&w, WEB, "Running");
    first = start_time(&w);
    assert_int_equal(start_time(&w), first);
    assert_int_equal(world_arm(&w, "PUT", WEB, PLAIN), 200);
    world_await(&w, WEB, "Running");
    assert_true(start_time(&w) > first);
    assert_null(strstr(w.answer.text, "secureValue"));
    world_end(&w);
}

static void a_fault_strikes_as_often_as_ordered_and_where(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(control(&w, "POST", "/faults",
                             "{'operation':'ContainerGroups_CreateOrUpdate','group':'we*','count':"
                             "2,'action':{'status':429,'code':'TooManyRequests','message':'slow "
                             "down','retryAfter':7}}"),
                     200);
    assert_int_equal(world_arm(&w, "PUT", WORLD_GROUP("other"), PLAIN), 201);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world_arm(&w, "PUT", WEB, PLAIN), 429);
        assert_string_equal(world_error(&w), "TooManyRequests");
        assert_int_equal(w.answer.retry_after_ms, 7000);
    }
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 404);
    assert_int_equal(world_arm(&w, "PUT", WEB, PLAIN), 201);
    assert_int_equal(control(&w, "GET", "/faults", NULL), 200);
    assert_int_equal(json_len(json_get(w.answer.body, "faults")), 0);
    world_end(&w);
}

static void a_lost_answer_was_carried_out(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(
        control(&w, "POST", "/faults",
                "{'operation':'ContainerGroups_CreateOrUpdate','action':{'lost':true}}"),
        200);
    assert_int_equal(world_arm(&w, "PUT", WEB, PLAIN), -1);
    world_await(&w, WEB, "Running");
    world_end(&w);
}

static void a_delayed_request_is_carried_out_later(void **state)
{
    struct world w;
    int64_t before = vk_mono_ms();

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(control(&w, "POST", "/faults",
                             "{'faults':[{'group':'web','action':{'delayMs':150}},"
                             "{'group':'web','action':{'delayMs':1,'status':503}}]}"),
                     200);
    assert_int_equal(world_arm(&w, "PUT", WEB, PLAIN), 201);
    assert_true(vk_mono_ms() - before >= 150);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 503);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 200);
    world_end(&w);
}

static void a_delayed_write_is_carried_out_without_its_client(void **state)
{
    char *body VK_AUTOFREE = group_body(PLAIN);
    static const bool never;
    struct answer ignored = {0};
    struct http_call *call;
    size_t left = 1;
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(control(&w, "POST", "/faults", "{'action':{'delayMs':3600000}}"), 200);
    call = http_call_start(w.arm, &(struct http_request){.method = "PUT",
                                                         .path = WEB,
                                                         .body = vk_str_of(body),
                                                         .bearer = w.token,
                                                         .deadline_ms = WORLD_PATIENCE_MS,
                                                         .on_done = world_answered,
                                                         .user = &ignored});
    for (int i = 0; i < 5000 && left; i++) {
        vk_loop_run_until(w.loop, &never, 1);
        assert_int_equal(control(&w, "GET", "/faults", NULL), 200);
        left = json_len(json_get(w.answer.body, "faults"));
    }
    assert_int_equal(left, 0);
    http_call_cancel(call);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 404);
    assert_int_equal(control(&w, "DELETE", "/faults", NULL), 200);
    for (int i = 0; i < 500 && world_arm(&w, "GET", WEB, NULL) == 404; i++)
        vk_loop_run_until(w.loop, &never, 10);
    world_await(&w, WEB, "Running");
    world_end(&w);
}

static void a_fault_without_end_lasts_until_it_is_removed(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(control(&w, "POST", "/faults", "{'count':0,'action':{'status':500}}"), 200);
    for (int i = 0; i < 5; i++)
        assert_int_equal(world_arm(&w, "GET", WEB, NULL), 500);
    assert_int_equal(control(&w, "DELETE", "/faults", NULL), 200);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 404);
    world_end(&w);
}

static void a_fault_with_a_typing_error_is_refused(void **state)
{
    static const char *const bodies[] = {"",
                                         "{'action':{'staus':500}}",
                                         "{'oparation':'x','action':{}}",
                                         "{'action':{'status':42}}",
                                         "{'action':{'status':200}}",
                                         "{'count':-1,'action':{}}"};
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    for (size_t i = 0; i < VK_COUNT(bodies); i++)
        assert_int_equal(control(&w, "POST", "/faults", bodies[i]), 400);
    assert_int_equal(control(&w, "GET", "/other", NULL), 404);
    assert_int_equal(control(&w, "GET", "/faults", NULL), 200);
    assert_int_equal(json_len(json_get(w.answer.body, "faults")), 0);
    world_end(&w);
}

#define PERMISSIONS "/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
#define BURST WORLD_SUB "/resourceGroups/burst"
#define A_SUBNET BURST "/providers/Microsoft.Network/virtualNetworks/v/subnets/pods"

static const char *first_text(struct world *w, const char *path, const char *list, const char *name)
{
    assert_int_equal(world_arm(w, "GET", path, NULL), 200);
    return json_string(json_first(json_get(json_first(json_get(w->answer.body, list)), name)));
}

static void what_stands_around_groups_is_as_ordered(void **state)
{
    struct world w;
    const struct json *delegations;

    (void)state;
    world_begin(&w, NULL);
    assert_string_equal(first_text(&w, BURST PERMISSIONS, "value", "actions"), "*");
    assert_string_equal(first_text(&w, A_SUBNET PERMISSIONS, "value", "actions"), "*");
    assert_int_equal(world_arm(&w, "GET", A_SUBNET "?api-version=2023-09-01", NULL), 200);
    assert_string_equal(json_string_or(w.answer.body, "name", ""), "pods");
    delegations = json_get(json_get(w.answer.body, "properties"), "delegations");
    assert_string_equal(
        json_string_or(json_get(json_first(delegations), "properties"), "serviceName", ""),
        "Microsoft.ContainerInstance/containerGroups");
    assert_int_equal(control(&w, "POST", "/surroundings",
                             "{'registrationState':'NotRegistered','delegation':'','actions':['*/"
                             "read'],'notActions':['a/b/*'],'clockSkewSeconds':-600}"),
                     200);
    assert_int_equal(world_arm(&w, "GET", WORLD_SUB WORLD_PROVIDER "?api-version=2021-04-01", NULL),
                     200);
    assert_string_equal(json_string_or(w.answer.body, "registrationState", ""), "NotRegistered");
    assert_string_equal(first_text(&w, BURST PERMISSIONS, "value", "actions"), "*/read");
    assert_string_equal(first_text(&w, BURST PERMISSIONS, "value", "notActions"), "a/b/*");
    assert_int_equal(world_arm(&w, "GET", A_SUBNET "?api-version=2023-09-01", NULL), 200);
    delegations = json_get(json_get(w.answer.body, "properties"), "delegations");
    assert_int_equal(json_len(delegations), 0);
    assert_int_equal(control(&w, "POST", "/surroundings", "{'actions':'*'}"), 400);
    assert_int_equal(control(&w, "POST", "/surroundings", "{'delegation':7}"), 400);
    world_end(&w);
}

static void actions_that_the_caller_lacks_are_refused(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(control(&w, "POST", "/surroundings",
                             "{'actions':['Microsoft.ContainerInstance/*/READ'],'notActions':['*/"
                             "logs/read']}"),
                     200);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 404);
    assert_int_equal(world_arm(&w, "PUT", WEB, PLAIN), 403);
    assert_string_equal(world_error(&w), "AuthorizationFailed");
    assert_non_null(strstr(w.answer.text, "'Microsoft.ContainerInstance/containerGroups/write'"));
    assert_int_equal(
        world_arm(&w, "GET", WORLD_RG "/containerGroups/web/containers/c/logs" WORLD_VERSION, NULL),
        403);
    assert_int_equal(control(&w, "GET", "/surroundings", NULL), 200);
    assert_int_equal(json_len(json_get(w.answer.body, "usedActions")), 3);
    world_end(&w);
}

static void arm_says_another_time_than_the_machine(void **state)
{
    struct world w;
    int64_t ahead_ms;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 404);
    assert_true(http_host_clock_ahead_ms(w.arm, &ahead_ms));
    assert_in_range(ahead_ms + 5000, 0, 10000);
    assert_int_equal(control(&w, "POST", "/surroundings", "{'clockSkewSeconds':600}"), 200);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 404);
    assert_true(http_host_clock_ahead_ms(w.arm, &ahead_ms));
    assert_in_range(ahead_ms, 595000, 605000);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stats_count_requests_puts_and_what_lives),
        cmocka_unit_test(groups_tell_exact_start_times),
        cmocka_unit_test(a_fault_strikes_as_often_as_ordered_and_where),
        cmocka_unit_test(a_lost_answer_was_carried_out),
        cmocka_unit_test(a_delayed_request_is_carried_out_later),
        cmocka_unit_test(a_delayed_write_is_carried_out_without_its_client),
        cmocka_unit_test(a_fault_without_end_lasts_until_it_is_removed),
        cmocka_unit_test(a_fault_with_a_typing_error_is_refused),
        cmocka_unit_test(what_stands_around_groups_is_as_ordered),
        cmocka_unit_test(actions_that_the_caller_lacks_are_refused),
        cmocka_unit_test(arm_says_another_time_than_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
