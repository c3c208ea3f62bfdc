/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/emulator/emulator_world.h"

#define WEB WORLD_GROUP("web")
#define ACTION(name, action) WORLD_RG "/containerGroups/" name "/" action WORLD_VERSION
#define LOGS(name, more) WORLD_RG "/containerGroups/web/containers/" name "/logs" WORLD_VERSION more
#define PLAIN GROUP("", CONTAINER("c", ""))

static void put(struct world *w, const char *path, const char *body, int status)
{
    int got = world_arm(w, "PUT", path, body);

    if (got != status)
        fail_msg("%s: %d %s", path, got, w->answer.text);
}

static void a_new_group_is_pending_then_runs(void **state)
{
    char *operation VK_AUTOFREE = NULL;
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    put(&w, WEB, PLAIN, 201);
    assert_string_equal(world_text(&w, "properties", "provisioningState"), "Pending");
    assert_null(w.answer.location);
    assert_int_equal(w.answer.retry_after_ms, 0);
    operation = vk_strdup(w.answer.async_operation);
    assert_non_null(strstr(operation, WORLD_LOCATION "/operations/"));
    assert_non_null(strstr(operation, strchr(w.answer.request_id, ':') + 1));
    world_await(&w, WEB, "Running");
    assert_string_equal(world_text(&w, "properties", "provisioningState"), "Succeeded");
    assert_string_equal(world_first_state(&w), "Running");
    assert_int_equal(world_arm(&w, "GET", operation, NULL), 200);
    assert_string_equal(json_string_or(w.answer.body, "status", ""), "Succeeded");
    assert_string_equal(json_string_or(w.answer.body, "id", ""), WORLD_RG "/containerGroups/web");
    assert_int_equal(w.answer.retry_after_ms, 1000);
    world_end(&w);
}

/* Of what a case has to be quicker than. Where the machine held it up the case is tried again with
 * more. */
static int64_t latency_ms;
#define WITH_ENOUGH_LATENCY(first_ms, attempt)                                                     \
    do {                                                                                           \
        for (latency_ms = (first_ms); !attempt(); latency_ms *= 4)                                 \
            assert_true(latency_ms < 60000);                                                       \
    } while (0)

static void location_style(struct emulator_options *o)
{
    o->lro_style = "location";
    o->start_latency_ms = latency_ms;
    o->delete_latency_ms = latency_ms;
}

static void follow(struct world *w, const char *url, int last)
{
    static const bool never;
    int status = 202;

    for (int i = 0; i < 200 + latency_ms / 10 && status == 202; i++) {
        status = world_arm(w, "GET", url, NULL);
        vk_loop_run_until(w->loop, &never, 20);
    }
    assert_int_equal(status, last);
}

static bool try_location_urls(void)
{
    char *url VK_AUTOFREE = NULL, *gone VK_AUTOFREE = NULL;
    struct world w;
    int made, deleted;

    world_begin(&w, location_style);
    put(&w, WEB, PLAIN, 201);
    assert_null(w.answer.async_operation);
    assert_int_equal(w.answer.retry_after_ms, 1000);
    url = vk_strdup(w.answer.location);
    made = world_arm(&w, "GET", url, NULL);
    follow(&w, url, 200);
    assert_string_equal(json_string_or(w.answer.body, "name", ""), "web");
    assert_int_equal(world_arm(&w, "DELETE", WEB, NULL), 202);
    gone = vk_strdup(w.answer.location);
    deleted = world_arm(&w, "GET", gone, NULL);
    follow(&w, gone, 204);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 404);
    world_end(&w);
    return made == 202 && deleted == 202;
}

static void location_urls_lead_to_the_result(void **state)
{
    (void)state;
    WITH_ENOUGH_LATENCY(300, try_location_urls);
}

static void a_put_on_a_group_restarts_it(void **state)
{
    static const char path[] = WORLD_GROUP("web");
    const struct json *view;
    struct world w;
    struct group *g;
    int64_t start;

    (void)state;
    world_begin(&w, NULL);
    put(&w, path, PLAIN, 201);
    world_await(&w, path, "Running");
    g = groups_find(w.emulator->groups, "burst", "web");
    start = g->containers[0].current.start_ns;
    put(&w, path, GROUP("", CONTAINER("c", "'command':['sh'],")), 200);
    assert_string_equal(world_text(&w, "properties", "provisioningState"), "Updating");
    world_await(&w, path, "Running");
    view =
        json_get(json_get(json_first(json_get(json_get(w.answer.body, "properties"), "containers")),
                          "properties"),
                 "instanceView");
    assert_int_equal(json_int64_or(view, "restartCount", -1), 1);
    assert_ptr_equal(groups_find(w.emulator->groups, "burst", "web"), g);
    assert_true(g->containers[0].current.start_ns > start);
    put(&w, path, GROUP("'restartPolicy':'Never',", CONTAINER("c", "")), 400);
    assert_string_equal(world_error(&w), "InvalidContainerGroupUpdate");
    put(&w, path,
        "{'location':'northeurope','properties':{'osType':'Linux','containers':[" CONTAINER(
            "c", "") "]}}",
        409);
    assert_string_equal(world_error(&w), "InvalidResourceLocation");
    world_await(&w, path, "Running");
    world_end(&w);
}

static void slow_start(struct emulator_options *o)
{
    o->start_latency_ms = 60000;
}

static void a_group_in_transition_refuses_all_but_get_and_delete(void **state)
{
    static const char *const actions[] = {ACTION("web", "start"), ACTION("web", "stop"),
                                          ACTION("web", "restart")};
    struct world w;

    (void)state;
    world_begin(&w, slow_start);
    put(&w, WEB, PLAIN, 201);
    put(&w, WEB, PLAIN, 409);
    assert_string_equal(world_error(&w), "ContainerGroupTransitioning");
    for (size_t i = 0; i < VK_COUNT(actions); i++) {
        assert_int_equal(world_arm(&w, "POST", actions[i], NULL), 409);
        assert_string_equal(world_error(&w), "ContainerGroupTransitioning");
    }
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 200);
    assert_int_equal(world_arm(&w, "DELETE", WEB, NULL), 200);
    assert_int_equal(groups_len(w.emulator->groups), 0);
    world_end(&w);
}

static void images_are_looked_for_before_a_group_is_accepted(void **state)
{
    static const struct {
        const char *image, *more;
        int status;
        const char *code, *message_has;
    } cases[] = {
        {"r.io/missing:1", "", 400, "InaccessibleImage", "'r.io/missing:1'"},
        {"r.io/private", "", 400, "InaccessibleImage", "credential"},
        {"r.io/private",
         "'imageRegistryCredentials':[{'server':'r.io','username':'u','password':'p'}],", 201, "",
         ""},
        {"r.io:5000/unreachable", "", 409, "RegistryErrorResponse", "'r.io:5000'"},
        {"library/unreachable", "", 409, "RegistryErrorResponse", "'index.docker.io'"},
    };
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char *path VK_AUTOFREE = vk_asprintf(WORLD_RG "/containerGroups/g%zu" WORLD_VERSION, i);
        char *body VK_AUTOFREE =
            vk_asprintf(GROUP("%s", "{'name':'c','properties':{'image':'%s'," SIZED "}}"),
                        cases[i].more, cases[i].image);

        put(&w, path, body, cases[i].status);
        assert_string_equal(world_error(&w), cases[i].code);
        assert_non_null(strstr(world_text(&w, "error", "message"), cases[i].message_has));
        assert_int_equal(world_arm(&w, "GET", path, NULL), cases[i].status == 201 ? 200 : 404);
    }
    world_end(&w);
}

static void slow_pull(struct emulator_options *o)
{
    o->pull_latency_ms = latency_ms;
}

static bool try_while_a_put_is_pending(void)
{
    static const bool never;
    struct answer first = {0};
    char *body VK_AUTOFREE = group_body(PLAIN);
    struct world w;
    int put_again, got, deleted;
    bool is_transitioning, was_pending;

    world_begin(&w, slow_pull);
    world_begin_call(&w, w.arm, "PUT", WEB, body, w.token, NULL, 0, &first);
    for (int i = 0; i < 1000 && !groups_find(w.emulator->groups, "burst", "web"); i++)
        vk_loop_run_until(w.loop, &never, 1);
    put_again = world_arm(&w, "PUT", WEB, PLAIN);
    is_transitioning = vk_streq(world_error(&w), "ContainerGroupTransitioning");
    got = world_arm(&w, "GET", WEB, NULL);
    deleted = world_arm(&w, "DELETE", WEB, NULL);
    was_pending = !first.done;
    if (was_pending) {
        assert_int_equal(put_again, 409);
        assert_true(is_transitioning);
        assert_int_equal(got, 404);
        assert_int_equal(deleted, 409);
        vk_loop_run_until(w.loop, &first.done, WORLD_PATIENCE_MS);
        assert_int_equal(first.status, 201);
        assert_int_equal(world_arm(&w, "GET", WEB, NULL), 200);
    }
    vk_arena_free(first.arena);
    world_end(&w);
    return was_pending;
}

static void a_group_is_invisible_until_its_put_is_answered(void **state)
{
    (void)state;
    WITH_ENOUGH_LATENCY(200, try_while_a_put_is_pending);
}

static void work_goes_on_when_the_client_went_away(void **state)
{
    char *body VK_AUTOFREE = group_body(PLAIN);
    static const bool never;
    struct answer ignored = {0};
    struct http_call *call;
    struct world w;

    (void)state;
    latency_ms = 200;
    world_begin(&w, slow_pull);
    call = http_call_start(w.arm, &(struct http_request){.method = "PUT",
                                                         .path = WEB,
                                                         .body = vk_str_of(body),
                                                         .bearer = w.token,
                                                         .deadline_ms = WORLD_PATIENCE_MS,
                                                         .on_done = world_answered,
                                                         .user = &ignored});
    for (int i = 0; i < 100 && !groups_find(w.emulator->groups, "burst", "web"); i++)
        vk_loop_run_until(w.loop, &never, 5);
    http_call_cancel(call);
    for (int i = 0; i < 100 && world_arm(&w, "GET", WEB, NULL) != 200; i++)
        vk_loop_run_until(w.loop, &never, 10);
    world_await(&w, WEB, "Running");
    world_end(&w);
}

static void deletion_answers_the_last_known_group_then_nothing(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    put(&w, WEB, PLAIN, 201);
    world_await(&w, WEB, "Running");
    assert_int_equal(world_arm(&w, "DELETE", WEB, NULL), 200);
    assert_string_equal(json_string_or(w.answer.body, "name", ""), "web");
    assert_string_equal(world_first_state(&w), "Running");
    assert_int_equal(world_arm(&w, "DELETE", WEB, NULL), 204);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 404);
    assert_int_equal(lifecycle_sandboxes(w.emulator->lifecycle), 0);
    world_end(&w);
}

static void stop_start_and_restart_answer_as_recorded(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    put(&w, WEB, PLAIN, 201);
    world_await(&w, WEB, "Running");
    assert_int_equal(world_arm(&w, "POST", ACTION("web", "start"), NULL), 204);
    assert_null(w.answer.async_operation);
    assert_int_equal(world_arm(&w, "POST", ACTION("web", "stop"), NULL), 204);
    assert_null(w.answer.async_operation);
    world_await(&w, WEB, "Stopped");
    assert_string_equal(world_first_state(&w), "Terminated");
    assert_int_equal(world_arm(&w, "GET", LOGS("c", ""), NULL), 404);
    assert_int_equal(world_arm(&w, "POST", ACTION("web", "stop"), NULL), 204);
    assert_int_equal(world_arm(&w, "POST", ACTION("web", "start"), NULL), 202);
    assert_non_null(w.answer.async_operation);
    world_await(&w, WEB, "Running");
    assert_int_equal(world_arm(&w, "POST", ACTION("web", "restart"), NULL), 204);
    assert_non_null(w.answer.async_operation);
    assert_int_equal(world_arm(&w, "GET", WEB, NULL), 200);
    world_await(&w, WEB, "Running");
    assert_int_equal(world_arm(&w, "POST", ACTION("none", "stop"), NULL), 404);
    world_end(&w);
}

static void logs_answer_their_text_or_why_not(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    put(&w, WEB, PLAIN, 201);
    world_await(&w, WEB, "Running");
    assert_int_equal(world_arm(&w, "GET", LOGS("c", "&timestamps=true&tail=5"), NULL), 200);
    assert_non_null(strstr(json_string_or(w.answer.body, "content", ""), "Z simulated"));
    assert_int_equal(world_arm(&w, "GET", LOGS("c", ""), NULL), 200);
    assert_string_equal(json_string_or(w.answer.body, "content", ""),
                        "simulated container c started\n");
    assert_int_equal(world_arm(&w, "GET", LOGS("other", ""), NULL), 404);
    assert_string_equal(world_error(&w), "ContainerNotFound");
    assert_int_equal(world_arm(&w, "GET", LOGS("c", "&tail=x"), NULL), 400);
    world_end(&w);
}

static void logs_are_not_there_before_the_start(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, slow_start);
    put(&w, WEB, PLAIN, 201);
    assert_int_equal(world_arm(&w, "GET", LOGS("c", ""), NULL), 404);
    assert_string_equal(world_error(&w), "ContainerLogNotAvailable");
    world_end(&w);
}

static void small_pages(struct emulator_options *o)
{
    o->page_size = 2;
}

static void lists_go_over_pages_without_instance_views(void **state)
{
    static const char *const names[] = {"a1", "a2", "b1", "b2", "c1"};
    char *url = vk_strdup(WORLD_RG "/containerGroups" WORLD_VERSION);
    size_t seen = 0, pages = 0;
    struct world w;

    (void)state;
    world_begin(&w, small_pages);
    for (size_t i = VK_COUNT(names); i-- > 0;) {
        char *path VK_AUTOFREE =
            vk_asprintf(WORLD_RG "/containerGroups/%s" WORLD_VERSION, names[i]);

        put(&w, path, PLAIN, 201);
    }
    while (url) {
        const char *next;

        assert_int_equal(world_arm(&w, "GET", url, NULL), 200);
        assert_null(strstr(w.answer.text, "instanceView"));
        for (const struct json *v = json_first(json_get(w.answer.body, "value")); v;
             v = json_next(v), seen++) {
            assert_in_range(seen, 0, VK_COUNT(names) - 1);
            assert_string_equal(json_string_or(v, "name", ""), names[seen]);
        }
        next = json_string_or(w.answer.body, "nextLink", NULL);
        vk_free(url);
        url = next ? vk_strdup(next) : NULL;
        assert_in_range(++pages, 1, 3);
    }
    assert_int_equal(seen, VK_COUNT(names));
    assert_int_equal(pages, 3);
    assert_int_equal(
        world_arm(&w, "GET", WORLD_SUB WORLD_PROVIDER "/containerGroups" WORLD_VERSION, NULL), 200);
    assert_int_equal(json_len(json_get(w.answer.body, "value")), 2);
    world_end(&w);
}

static void a_patch_changes_tags_only(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    put(&w, WEB, PLAIN, 201);
    world_await(&w, WEB, "Running");
    assert_int_equal(world_arm(&w, "PATCH", WEB, "{'tags':{'x':'y'},'properties':{'osType':'W'}}"),
                     200);
    assert_string_equal(world_text(&w, "tags", "x"), "y");
    assert_string_equal(world_text(&w, "tags", "a"), "");
    assert_string_equal(world_text(&w, "properties", "osType"), "Linux");
    assert_int_equal(world_arm(&w, "PATCH", WEB, "{'tags':{'x/y':'y'}}"), 400);
    world_await(&w, WEB, "Running");
    assert_string_equal(world_text(&w, "tags", "x"), "y");
    world_end(&w);
}

static void small_quota(struct emulator_options *o)
{
    o->quota_groups = 3;
    o->quota_cores = 2;
}

static void quotas_refuse_and_usages_show_them(void **state)
{
    const struct json *first;
    struct world w;

    (void)state;
    world_begin(&w, small_quota);
    put(&w, WORLD_GROUP("a1"), PLAIN, 201);
    put(&w, WORLD_GROUP("a2"), PLAIN, 201);
    put(&w, WORLD_GROUP("a3"), PLAIN, 409);
    assert_string_equal(world_error(&w), "ContainerGroupQuotaReached");
    assert_non_null(strstr(world_text(&w, "error", "message"),
                           "'StandardCores' exceeded in region 'westeurope'. Limit: '2', Usage: "
                           "'2' Requested: '1'."));
    assert_int_equal(world_arm(&w, "GET", WORLD_LOCATION "/usages" WORLD_VERSION, NULL), 200);
    first = json_first(json_get(w.answer.body, "value"));
    assert_int_equal(json_int64_or(first, "currentValue", -1), 2);
    assert_int_equal(json_int64_or(first, "limit", -1), 3);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_group_is_pending_then_runs),
        cmocka_unit_test(location_urls_lead_to_the_result),
        cmocka_unit_test(a_put_on_a_group_restarts_it),
        cmocka_unit_test(a_group_in_transition_refuses_all_but_get_and_delete),
        cmocka_unit_test(images_are_looked_for_before_a_group_is_accepted),
        cmocka_unit_test(a_group_is_invisible_until_its_put_is_answered),
        cmocka_unit_test(work_goes_on_when_the_client_went_away),
        cmocka_unit_test(deletion_answers_the_last_known_group_then_nothing),
        cmocka_unit_test(stop_start_and_restart_answer_as_recorded),
        cmocka_unit_test(logs_answer_their_text_or_why_not),
        cmocka_unit_test(logs_are_not_there_before_the_start),
        cmocka_unit_test(lists_go_over_pages_without_instance_views),
        cmocka_unit_test(a_patch_changes_tags_only),
        cmocka_unit_test(quotas_refuse_and_usages_show_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
