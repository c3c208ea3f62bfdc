/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was PUT without an answer, by this process or by one that died, may come into being only
 * after we looked.
 */
#include "tests/unit/provider/provider_world.h"

#define EARLIER_MS 20
#define LONG_MS 3600000

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
static bool has_looked(struct world *w)
{
    return w->arm.reads >= 1;
}
static bool has_looked_twice(struct world *w)
{
    return w->arm.reads >= 2;
}

/* The clock stands still, so that a slow machine can't outlast the time. */
static void start(struct world *w, int64_t earlier_put_ms)
{
    vk_clock_freeze(vk_mono_ms(), vk_wall_ms());
    w->provider.ops->stop(w->provider.p);
    aci_provider_free(w->aci);
    w->earlier_put_ms = earlier_put_ms;
    world_provider(w);
    world_start(w);
    UNTIL(w, is_synced);
}

static int thaw_and_teardown(void **state)
{
    vk_clock_thaw();
    return world_teardown(state);
}

static void the_group_that_appears_meanwhile_is_adopted(void **state)
{
    struct world *w = *state;
    start(w, EARLIER_MS);
    world_create(w, "web", "u1", true);
    UNTIL(w, has_looked);
    (void)world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 0);
    assert_int_equal(world_group(w, "web", "u1")->starts, 0);
}

static void what_does_not_appear_is_put_when_the_time_is_over(void **state)
{
    struct world *w = *state;
    start(w, EARLIER_MS);
    world_create(w, "web", "u1", true);
    UNTIL(w, has_looked_twice);
    assert_int_equal(w->arm.puts, 0);
    vk_clock_advance(EARLIER_MS);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 1);
}

static void a_put_without_an_answer_is_waited_for(void **state)
{
    struct world *w = *state;
    start(w, EARLIER_MS);
    w->arm.rule = (struct arm_rule){.method = "PUT", .kind = ARM_DROP, .count = 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    assert_int_equal(w->arm.reads, 1);
    world_create(w, "web", "u1", true);
    UNTIL(w, has_looked_twice);
    (void)world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(world_group(w, "web", "u1")->starts, 0);
}

static void a_pod_that_nobody_began_does_not_wait(void **state)
{
    struct world *w = *state;
    start(w, LONG_MS);
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 1);
    assert_int_equal(w->arm.reads, 0);
}

static void a_pod_that_is_deleted_meanwhile_is_never_put(void **state)
{
    struct world *w = *state;
    start(w, LONG_MS);
    world_create(w, "web", "u1", true);
    UNTIL(w, has_looked);
    world_delete(w, "web", "u1");
    UNTIL(w, two_done);
    assert_int_equal(w->arm.puts, 0);
    assert_int_equal(w->arm.deletes, 1);
}

static void an_end_meanwhile_leaves_it_to_the_next_process(void **state)
{
    struct world *w = *state;
    start(w, EARLIER_MS);
    world_create(w, "web", "u1", true);
    UNTIL(w, has_looked);
    assert_int_equal(w->provider.ops->settle(w->provider.p), 0);
    vk_clock_advance(EARLIER_MS);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_CANCELLED);
    assert_int_equal(w->arm.puts, 0);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, thaw_and_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(the_group_that_appears_meanwhile_is_adopted),
        IN_WORLD(what_does_not_appear_is_put_when_the_time_is_over),
        IN_WORLD(a_put_without_an_answer_is_waited_for),
        IN_WORLD(a_pod_that_nobody_began_does_not_wait),
        IN_WORLD(a_pod_that_is_deleted_meanwhile_is_never_put),
        IN_WORLD(an_end_meanwhile_leaves_it_to_the_next_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
