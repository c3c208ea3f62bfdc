/* SPDX-License-Identifier: Apache-2.0 */
/* New images for a group that runs: one PUT, after a look, and none where it runs them already. */
#include "provider/group_update.h"
#include "tests/unit/provider/provider_world.h"

static bool is_synced(struct world *w)
{
    return w->synced;
}
static bool one_done(struct world *w)
{
    return w->done >= 1;
}

static void start(struct world *w)
{
    world_start(w);
    UNTIL(w, is_synced);
}

static void create(struct world *w)
{
    w->done = 0;
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    world_group(w, "web", "u1")->provisioning = "Succeeded";
}

static void update(struct world *w, const char *image)
{
    w->done = 0;
    w->err = (struct vk_err){0};
    w->provider.ops->update_pod(w->provider.p, sample_of_image("web", "u1", image), world_done, w);
    assert_int_equal(w->done, 0);
    UNTIL(w, one_done);
}

static void images_are_compared_by_what_they_name(void **state)
{
    static const struct {
        const char *runs, *wanted;
        bool is_done;
    } rows[] = {
        {"app:1", "app:1", true},
        {"app:1", "app:2", false},
        {"docker.io/library/app:1", "app:1", true},
        {"app", "app:latest", true},
        {"app:1", "other/app:1", false},
        {"x.azurecr.io/app:1", "app:1", false},
        {"app@sha256:0000000000000000000000000000000000000000000000000000000000000000", "app:1",
         false},
        {"", "app:1", false},
        {"not an image", "not an image", true},
        {"not an image", "app:1", false},
    };
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct group_container c = {.name = "c", .image = rows[i].runs};
        const struct container_group group = {.containers = {.v = &c, .n = 1}}, none = {0};
        struct resolved_pod *pod = sample_of_image("web", "u1", rows[i].wanted);
        if (group_update_is_done(&group, pod) != rows[i].is_done)
            fail_msg("%s for %s", rows[i].runs, rows[i].wanted);
        assert_false(group_update_is_done(&none, pod));
        resolved_pod_free(pod);
    }
}

static void an_update_is_one_put_and_then_none(void **state)
{
    struct world *w = *state;
    start(w);
    create(w);
    update(w, "app:2");
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 2);
    assert_string_equal(world_group(w, "web", "u1")->image, "app:2");
    update(w, "app:2");
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 2);
    assert_int_equal(world_group(w, "web", "u1")->starts, 2);
}

static void a_lost_answer_is_no_reason_for_a_second_put(void **state)
{
    struct world *w = *state;
    start(w);
    create(w);
    w->arm.rule = (struct arm_rule){.method = "PUT", .kind = ARM_LOSE, .count = 1};
    update(w, "app:2");
    assert_true(vk_err_is_transient(&w->err));
    /* It may still be on its way. */
    assert_in_range(w->err.retry_after_ms, 30000, 60000);
    update(w, "app:2");
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 2);
}

static void what_is_refused_leaves_the_group_as_it_is(void **state)
{
    struct world *w = *state;
    start(w);
    create(w);
    w->arm.rule = (struct arm_rule){"PUT", ARM_REFUSE, 409, "ContainerGroupTransitioning", 1};
    update(w, "app:2");
    assert_int_equal(w->err.code, VK_CONFLICT);
    assert_string_equal(world_group(w, "web", "u1")->image, "app:1");
    /* What stands there has run, so it is adopted by whoever creates, never made again. */
    w->done = 0;
    world_create(w, "web", "u1", true);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(world_group(w, "web", "u1")->starts, 1);
}

static void a_group_that_moves_is_left_alone(void **state)
{
    struct world *w = *state;
    start(w);
    create(w);
    world_group(w, "web", "u1")->provisioning = "Updating";
    update(w, "app:2");
    assert_int_equal(w->err.code, VK_CONFLICT);
    assert_int_equal(w->arm.puts, 1);
}

static void no_group_and_no_group_of_ours_get_no_put(void **state)
{
    struct world *w = *state;
    start(w);
    update(w, "app:2");
    assert_int_equal(w->err.code, VK_NOT_FOUND);
    (void)world_leave_group(w, "web", "u1", "another cluster", "aci-1");
    update(w, "app:2");
    assert_int_equal(w->err.code, VK_INVALID);
    assert_int_equal(w->arm.puts, 0);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_compared_by_what_they_name),
        ONE(an_update_is_one_put_and_then_none),
        ONE(a_lost_answer_is_no_reason_for_a_second_put),
        ONE(what_is_refused_leaves_the_group_as_it_is),
        ONE(a_group_that_moves_is_left_alone),
        ONE(no_group_and_no_group_of_ours_get_no_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
