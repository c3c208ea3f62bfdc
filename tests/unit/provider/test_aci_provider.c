/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/provider/provider_world.h"

static bool is_synced(struct world *w)
{
    return w->synced;
}
static bool one_done(struct world *w)
{
    return w->done >= 1;
}
static bool two_done(struct world *w)
{
    return w->done >= 2;
}
static bool three_done(struct world *w)
{
    return w->done >= 3;
}
static bool is_pending(struct world *w)
{
    return vk_streq(w->phase, "Pending");
}
static bool is_running(struct world *w)
{
    return vk_streq(w->phase, "Running");
}
static bool is_succeeded(struct world *w)
{
    return vk_streq(w->phase, "Succeeded");
}
static bool has_vanished(struct world *w)
{
    return w->vanished > 0;
}
static bool is_held(struct world *w)
{
    return w->arm.held != NULL;
}

static void sync_world(struct world *w)
{
    world_start(w);
    assert_false(w->provider.ops->is_synced(w->provider.p));
    UNTIL(w, is_synced);
    assert_true(w->provider.ops->is_synced(w->provider.p));
}

static void a_pod_is_created_runs_ends_and_is_deleted(void **state)
{
    struct world *w = *state;
    sync_world(w);
    world_create(w, "web", "u1", false);
    assert_int_equal(w->done, 0);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 1);
    assert_int_equal(w->arm.reads, 0);
    UNTIL(w, is_pending);
    struct arm_group *g = world_group(w, "web", "u1");
    g->provisioning = "Succeeded";
    g->state = "Running";
    UNTIL(w, is_running);
    assert_int_equal(w->events, 2);
    assert_string_equal(w->last_event, "Pulling");
    g->state = "Terminated";
    UNTIL(w, is_succeeded);
    assert_int_equal(w->events, 2);
    world_delete(w, "web", "u1");
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_null(world_group(w, "web", "u1"));
    const struct pod_identity id = world_id("web", "u1");
    w->provider.ops->forget_pod(w->provider.p, &id);
    assert_int_equal(w->arm.puts, 1);
    assert_int_equal(w->arm.tokens, 1);
}

static void nothing_is_created_before_the_groups_are_known(void **state)
{
    struct world *w = *state;
    world_start(w);
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    assert_int_equal(w->arm.puts, 0);
}

static void a_lost_put_answer_leads_to_adoption_not_to_a_second_put(void **state)
{
    struct world *w = *state;
    sync_world(w);
    w->arm.rule = (struct arm_rule){.method = "PUT", .kind = ARM_LOSE, .count = 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 1);
    assert_int_equal(world_group(w, "web", "u1")->starts, 1);
    UNTIL(w, is_pending);
}

static void a_put_that_never_arrived_is_looked_for_before_the_next_one(void **state)
{
    struct world *w = *state;
    sync_world(w);
    w->arm.rule = (struct arm_rule){.method = "PUT", .kind = ARM_DROP, .count = 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    const unsigned reads = w->arm.reads;
    assert_int_equal(reads, 1);
    world_create(w, "web", "u1", false);
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.reads, reads + 1);
    assert_int_equal(world_group(w, "web", "u1")->starts, 1);
}

static void a_refusal_before_it_is_no_reason_to_send_a_lost_put_blindly(void **state)
{
    struct world *w = *state;
    sync_world(w);
    w->arm.rule = (struct arm_rule){"PUT", ARM_REFUSE, 409, "RegistryErrorResponse", 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    w->arm.rule = (struct arm_rule){.method = "PUT", .kind = ARM_DROP, .count = 1};
    world_create(w, "web", "u1", true);
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    const unsigned reads = w->arm.reads;
    world_create(w, "web", "u1", true);
    UNTIL(w, three_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.reads, reads + 1);
}

static void a_refusal_says_nothing_of_the_put_of_an_earlier_process(void **state)
{
    struct world *w = *state;
    sync_world(w);
    w->arm.rule = (struct arm_rule){"PUT", ARM_REFUSE, 409, "RegistryErrorResponse", 1};
    world_create(w, "web", "u1", true);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    assert_int_equal(w->arm.puts, 1);
    /* That one was on its way when its process died. */
    (void)world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    world_create(w, "web", "u1", true);
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 1);
    assert_int_equal(world_group(w, "web", "u1")->starts, 0);
}

static void a_5xx_is_an_unknown_outcome(void **state)
{
    struct world *w = *state;
    sync_world(w);
    w->arm.rule = (struct arm_rule){"PUT", ARM_REFUSE, 500, "InternalServerError", 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    assert_string_equal(w->err.reason, "InternalServerError");
    assert_int_equal(w->arm.reads, 1);
}

static void a_transitioning_group_of_ours_is_adopted(void **state)
{
    struct world *w = *state;
    sync_world(w);
    /* The group came from a PUT that a former process had sent. */
    (void)world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    w->arm.rule = (struct arm_rule){"PUT", ARM_REFUSE, 409, "ContainerGroupTransitioning", 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(world_group(w, "web", "u1")->starts, 0);
}

static void a_group_that_no_list_named_is_found(void **state)
{
    struct world *w = *state;
    const struct pod_identity id = world_id("web", "u1");
    sync_world(w);
    w->provider.ops->find_pod(w->provider.p, &id, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_NOT_FOUND);
    (void)world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    w->done = 0;
    w->provider.ops->find_pod(w->provider.p, &id, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    UNTIL(w, is_running);
    assert_int_equal(w->arm.puts, 0);
    /* What the group would be in says nothing of it. */
    w->arm.rule = (struct arm_rule){"GET", ARM_REFUSE, 404, "ResourceGroupNotFound", 1};
    w->done = 0;
    w->provider.ops->find_pod(w->provider.p, &id, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
}

static void refusals_keep_their_meaning(void **state)
{
    struct world *w = *state;
    static const struct {
        int status;
        const char *code;
        enum vk_code expected;
    } rows[] = {
        {400, "InvalidOsType", VK_INVALID},
        {400, "InaccessibleImage", VK_UNAVAILABLE},
        {409, "ContainerGroupQuotaReached", VK_UNAVAILABLE},
        {403, "AuthorizationFailed", VK_FORBIDDEN},
        {404, "ResourceGroupNotFound", VK_UNAVAILABLE},
    };
    sync_world(w);
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        w->arm.rule = (struct arm_rule){"PUT", ARM_REFUSE, rows[i].status, rows[i].code, 1};
        w->done = 0;
        world_create(w, "web", "u1", false);
        UNTIL(w, one_done);
        assert_int_equal(w->err.code, rows[i].expected);
        assert_string_equal(w->err.reason, rows[i].code);
        /* A clear refusal needs no second look. */
        assert_int_equal(w->arm.reads, 0);
    }
}

static void a_pod_that_aci_cannot_run_costs_no_request(void **state)
{
    struct world *w = *state;
    sync_world(w);
    struct resolved_pod *pod = sample_pod(
        VK_STR("{\"metadata\":{\"name\":\"p\",\"namespace\":\"default\",\"uid\":\"u\"},\"spec\":{"
               "\"hostNetwork\":true,\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"),
        NULL, NULL);
    w->provider.ops->create_pod(w->provider.p, pod, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNSUPPORTED);
    assert_string_equal(w->err.reason, "UnsupportedPodField");
    assert_int_equal(w->arm.puts, 0);
}

static void fields_that_are_not_honoured_are_named_once(void **state)
{
    struct world *w = *state;
    sync_world(w);
    struct resolved_pod *pod = sample_pod(
        VK_STR("{\"metadata\":{\"name\":\"p\",\"namespace\":\"default\",\"uid\":\"u\"},\"spec\":{"
               "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"tty\":true,\"resources\":{"
               "\"requests\":{\"cpu\":\"1\",\"memory\":\"1G\"}}}]}}"),
        NULL, NULL);
    w->provider.ops->create_pod(w->provider.p, pod, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->events, 1);
    assert_string_equal(w->last_event, "PodFieldsIgnored");
}

static void a_group_that_is_larger_than_its_pod_asks_for_says_so(void **state)
{
    struct world *w = *state;
    sync_world(w);
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->events, 1);
    assert_string_equal(w->last_event, "GroupSize");
}

static void a_restart_adopts_groups_without_a_put(void **state)
{
    struct world *w = *state;
    sync_world(w);
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    world_group(w, "web", "u1")->state = "Running";
    world_restart(w);
    w->reports = 0;
    UNTIL(w, is_synced);
    /* Reported before the pod workers start. */
    assert_true(w->reports >= 1);
    UNTIL(w, is_running);
    w->done = 0;
    world_create(w, "web", "u1", true);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 1);
    assert_int_equal(world_group(w, "web", "u1")->starts, 1);
}

static void a_pod_that_may_have_a_group_is_looked_for(void **state)
{
    struct world *w = *state;
    sync_world(w);
    (void)world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    world_create(w, "web", "u1", true);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 0);
    world_create(w, "other", "u2", true);
    UNTIL(w, two_done);
    assert_int_equal(w->arm.puts, 1);
}

static void a_group_of_somebody_else_is_never_taken_or_overwritten(void **state)
{
    struct world *w = *state;
    sync_world(w);
    (void)world_leave_group(w, "web", "u1", "another-cluster", WORLD_NODE);
    world_create(w, "web", "u1", true);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_INVALID);
    assert_string_equal(w->err.reason, "ContainerGroupNameTaken");
    assert_int_equal(w->arm.puts, 0);
}

static void a_pod_deleted_while_its_put_is_under_way_leaves_nothing(void **state)
{
    struct world *w = *state;
    sync_world(w);
    w->arm.rule = (struct arm_rule){.method = "PUT", .kind = ARM_HOLD, .count = 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, is_held);
    world_delete(w, "web", "u1");
    assert_int_equal(w->arm.deletes, 0);
    assert_true(arm_release(&w->arm));
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.deletes, 1);
    assert_null(world_group(w, "web", "u1"));
}

static void deleting_an_unknown_pod_asks_azure_all_the_same(void **state)
{
    struct world *w = *state;
    sync_world(w);
    world_delete(w, "web", "u1");
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.deletes, 1);
}

static void a_failed_delete_is_told_and_can_be_repeated(void **state)
{
    struct world *w = *state;
    sync_world(w);
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    w->arm.rule = (struct arm_rule){"DELETE", ARM_REFUSE, 409, "ContainerGroupTransitioning", 1};
    world_delete(w, "web", "u1");
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_CONFLICT);
    w->done = 0;
    world_delete(w, "web", "u1");
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_null(world_group(w, "web", "u1"));
}

static void restart(struct world *w)
{
    const struct pod_identity id = world_id("web", "u1");
    w->done = 0;
    w->provider.ops->restart_pod(w->provider.p, &id, world_done, w);
    UNTIL(w, one_done);
}

static void a_restart_keeps_the_group_and_is_told_when_it_is_refused(void **state)
{
    struct world *w = *state;
    sync_world(w);
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    restart(w);
    assert_int_equal(w->err.code, VK_OK);
    w->arm.rule = (struct arm_rule){"POST", ARM_REFUSE, 409, "ContainerGroupTransitioning", 1};
    restart(w);
    assert_int_equal(w->err.code, VK_CONFLICT);
    assert_int_equal(w->arm.restarts, 2);
    assert_int_equal(w->arm.puts, 1);
    assert_non_null(world_group(w, "web", "u1"));
}

static void a_restart_waits_for_no_other_write(void **state)
{
    struct world *w = *state;
    sync_world(w);
    w->arm.rule = (struct arm_rule){.method = "PUT", .kind = ARM_HOLD, .count = 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, is_held);
    restart(w);
    assert_int_equal(w->err.code, VK_CONFLICT);
    assert_int_equal(w->arm.restarts, 0);
    assert_true(arm_release(&w->arm));
    UNTIL(w, two_done);
}

static void forgetting_during_a_write_is_safe(void **state)
{
    struct world *w = *state;
    sync_world(w);
    w->arm.rule = (struct arm_rule){.method = "PUT", .kind = ARM_HOLD, .count = 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, is_held);
    const struct pod_identity id = world_id("web", "u1");
    w->provider.ops->forget_pod(w->provider.p, &id);
    assert_true(arm_release(&w->arm));
    UNTIL(w, one_done);
}

static void a_group_deleted_outside_is_reported(void **state)
{
    struct world *w = *state;
    w->existing = "u1";
    (void)world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    sync_world(w);
    UNTIL(w, is_running);
    char group[GROUP_NAME_MAX + 1];
    group_name("default", "web", "u1", group);
    arm_group_free(vk_map_remove(w->arm.groups, group));
    UNTIL(w, has_vanished);
    assert_int_equal(w->vanished, 1);
    /* And can be made again. */
    world_create(w, "web", "u1", true);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 1);
    UNTIL(w, is_pending);
}

static bool three_lists(struct world *w)
{
    return w->arm.lists >= 1 && w->synced;
}

static void a_failing_list_is_tried_again(void **state)
{
    struct world *w = *state;
    w->arm.rule = (struct arm_rule){"LIST", ARM_REFUSE, 503, "ServerTimeout", 1};
    world_start(w);
    w->provider.ops->ping(w->provider.p, world_done, w);
    UNTIL(w, three_lists);
    assert_int_equal(w->arm.lists, 1);
}

static void ping_tells_a_missing_resource_group_from_a_missing_group(void **state)
{
    struct world *w = *state;
    w->provider.ops->ping(w->provider.p, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.reads, 1);
    /* Azure was heard just now: no request is needed. */
    w->provider.ops->ping(w->provider.p, world_done, w);
    UNTIL(w, two_done);
    assert_int_equal(w->arm.reads, 1);
    world_restart(w);
    w->provider.ops->stop(w->provider.p);
    w->done = 0;
    w->arm.rule = (struct arm_rule){"GET", ARM_REFUSE, 404, "ResourceGroupNotFound", 1};
    w->provider.ops->ping(w->provider.p, world_done, w);
    UNTIL(w, one_done);
    assert_string_equal(w->err.reason, "ResourceGroupNotFound");
}

static void missing_settings_are_named(void **state)
{
    struct world *w = *state;
    struct vk_secret secret = {0};
    vk_secret_set(&secret, "p", 1);
    const struct {
        struct aci_provider_config config;
        const char *way_out;
    } rows[] = {
        {{.resource_group = "r", .location = "l"}, "--subscription"},
        {{.subscription = "s", .location = "l"}, "--resource-group"},
        {{.subscription = "s", .resource_group = "r"}, "--location"},
        {{.subscription = "s", .resource_group = "r", .location = "l", .client_secret = secret},
         "AZURE_TENANT_ID"},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct aci_provider *p = NULL;
        struct vk_err err;
        assert_true(aci_provider_new(w->loop, w->http, &rows[i].config, &p, &err) < 0);
        assert_int_equal(err.code, VK_INVALID);
        assert_non_null(strstr(err.msg, rows[i].way_out));
        assert_null(p);
    }
    vk_secret_release(&secret);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_pod_is_created_runs_ends_and_is_deleted),
        IN_WORLD(nothing_is_created_before_the_groups_are_known),
        IN_WORLD(a_lost_put_answer_leads_to_adoption_not_to_a_second_put),
        IN_WORLD(a_refusal_before_it_is_no_reason_to_send_a_lost_put_blindly),
        IN_WORLD(a_put_that_never_arrived_is_looked_for_before_the_next_one),
        IN_WORLD(a_refusal_says_nothing_of_the_put_of_an_earlier_process),
        IN_WORLD(a_5xx_is_an_unknown_outcome),
        IN_WORLD(a_transitioning_group_of_ours_is_adopted),
        IN_WORLD(a_group_that_no_list_named_is_found),
        IN_WORLD(refusals_keep_their_meaning),
        IN_WORLD(a_pod_that_aci_cannot_run_costs_no_request),
        IN_WORLD(fields_that_are_not_honoured_are_named_once),
        IN_WORLD(a_group_that_is_larger_than_its_pod_asks_for_says_so),
        IN_WORLD(a_restart_adopts_groups_without_a_put),
        IN_WORLD(a_pod_that_may_have_a_group_is_looked_for),
        IN_WORLD(a_group_of_somebody_else_is_never_taken_or_overwritten),
        IN_WORLD(a_pod_deleted_while_its_put_is_under_way_leaves_nothing),
        IN_WORLD(deleting_an_unknown_pod_asks_azure_all_the_same),
        IN_WORLD(a_failed_delete_is_told_and_can_be_repeated),
        IN_WORLD(a_restart_keeps_the_group_and_is_told_when_it_is_refused),
        IN_WORLD(a_restart_waits_for_no_other_write),
        IN_WORLD(forgetting_during_a_write_is_safe),
        IN_WORLD(a_group_deleted_outside_is_reported),
        IN_WORLD(a_failing_list_is_tried_again),
        IN_WORLD(ping_tells_a_missing_resource_group_from_a_missing_group),
        IN_WORLD(missing_settings_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
