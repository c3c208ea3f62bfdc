/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of writes when the process is about to end. */
#include "tests/unit/provider/provider_world.h"

static bool is_synced(struct world *w)
{
    return w->synced;
}
static bool is_held(struct world *w)
{
    return w->arm.held != NULL;
}
static bool is_settled(struct world *w)
{
    return w->provider.ops->settle(w->provider.p) == 0;
}
static bool one_done(struct world *w)
{
    return w->done >= 1;
}
static bool two_done(struct world *w)
{
    return w->done >= 2;
}

static void start(struct world *w)
{
    world_start(w);
    UNTIL(w, is_synced);
}

static void hold(struct world *w, const char *method)
{
    w->arm.rule = (struct arm_rule){.method = method, .kind = ARM_HOLD, .count = 1};
}

static void a_put_that_was_sent_is_waited_for(void **state)
{
    struct world *w = *state;
    start(w);
    hold(w, "PUT");
    world_create(w, "web", "u1", false);
    UNTIL(w, is_held);
    assert_int_equal(w->provider.ops->settle(w->provider.p), 1);
    assert_int_equal(w->provider.ops->settle(w->provider.p), 1);
    arm_release(&w->arm);
    UNTIL(w, is_settled);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    /* The next process finds it: it is not made a second time. */
    world_restart(w);
    UNTIL(w, is_synced);
    world_create(w, "web", "u1", true);
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 1);
}

static void a_delete_behind_it_is_left_to_the_next_process(void **state)
{
    struct world *w = *state;
    start(w);
    hold(w, "PUT");
    world_create(w, "web", "u1", false);
    UNTIL(w, is_held);
    world_delete(w, "web", "u1");
    assert_int_equal(w->provider.ops->settle(w->provider.p), 1);
    arm_release(&w->arm);
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_CANCELLED);
    assert_int_equal(w->arm.deletes, 0);
    assert_non_null(world_group(w, "web", "u1"));
}

static void what_waits_for_its_turn_is_never_sent(void **state)
{
    struct world *w = *state;
    w->provider.ops->stop(w->provider.p);
    aci_provider_free(w->aci);
    w->limits = throttle_limits_default();
    w->limits.create_count = 1;
    w->limits.creates[0].count = 1;
    world_provider(w);
    start(w);
    world_create(w, "first", "u1", false);
    UNTIL(w, one_done);
    world_create(w, "second", "u2", false);
    assert_true(is_settled(w));
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_CANCELLED);
    assert_int_equal(w->arm.puts, 1);
}

static void nothing_begins_afterwards(void **state)
{
    struct world *w = *state;
    start(w);
    assert_true(is_settled(w));
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_CANCELLED);
    world_delete(w, "web", "u1");
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_CANCELLED);
    assert_int_equal(w->arm.puts + w->arm.deletes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_put_that_was_sent_is_waited_for, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(a_delete_behind_it_is_left_to_the_next_process, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(what_waits_for_its_turn_is_never_sent, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(nothing_begins_afterwards, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
