/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "tests/unit/provider/provider_world.h"

/* The clock stands still between steps; the loop's timers go on. */
static int setup(void **state)
{
    vk_clock_freeze(1000000, 1700000000000);
    return world_setup(state);
}

static int teardown(void **state)
{
    const int rc = world_teardown(state);
    vk_clock_thaw();
    return rc;
}

static unsigned lists_wanted;

static bool is_listed(struct world *w)
{
    return w->synced && w->arm.lists >= lists_wanted;
}

/* Lets that much time pass and waits for a LIST. */
static void pass_time(struct world *w, int64_t ms)
{
    vk_clock_advance(ms);
    lists_wanted = w->arm.lists + 1;
    UNTIL(w, is_listed);
}

static bool is_gone(struct world *w)
{
    return !world_group(w, "orphan", "u1");
}

static bool was_asked_again(struct world *w)
{
    return w->questions >= 2;
}

static bool only_the_living_are_left(struct world *w)
{
    return vk_map_len(w->arm.groups) == 8;
}

static bool all_were_asked(struct world *w)
{
    return w->questions >= 12;
}

static bool one_done(struct world *w)
{
    return w->done >= 1;
}

static void sync_world(struct world *w)
{
    world_start(w);
    lists_wanted = 1;
    UNTIL(w, is_listed);
}

static void only_groups_of_ours_without_a_pod_are_removed(void **state)
{
    struct world *w = *state;
    w->existing = "u2";
    (void)world_leave_group(w, "orphan", "u1", WORLD_CLUSTER, WORLD_NODE);
    (void)world_leave_group(w, "alive", "u2", WORLD_CLUSTER, WORLD_NODE);
    (void)world_leave_group(w, "foreign", "u3", "another-cluster", WORLD_NODE);
    (void)world_leave_group(w, "neighbour", "u4", WORLD_CLUSTER, "another-node");
    (void)arm_add(&w->arm, "nobodys", "{}");
    (void)arm_add(&w->arm, "old", "{\"aci-kubelet-format\":\"0\"}");
    sync_world(w);
    assert_int_equal(w->arm.deletes, 0);
    pass_time(w, 21000);
    UNTIL(w, is_gone);
    assert_int_equal(w->questions, 2);
    pass_time(w, 61000);
    pass_time(w, 61000);
    assert_int_equal(w->arm.deletes, 1);
    assert_int_equal(vk_map_len(w->arm.groups), 5);
    /* Whose pod exists is not asked about again. */
    assert_int_equal(w->questions, 2);
}

static void a_wanted_pod_is_not_asked_about(void **state)
{
    struct world *w = *state;
    sync_world(w);
    world_create(w, "web", "u9", false);
    UNTIL(w, one_done);
    pass_time(w, 61000);
    pass_time(w, 61000);
    assert_int_equal(w->questions, 0);
    assert_int_equal(w->arm.deletes, 0);
}

static void without_an_answer_nothing_is_removed(void **state)
{
    struct world *w = *state;
    (void)vk_err_set(&w->question_err, VK_UNAVAILABLE, "the pod cache is not synced");
    (void)world_leave_group(w, "orphan", "u1", WORLD_CLUSTER, WORLD_NODE);
    sync_world(w);
    pass_time(w, 21000);
    pass_time(w, 61000);
    UNTIL(w, was_asked_again);
    assert_int_equal(w->arm.deletes, 0);
    w->question_err = (struct vk_err){0};
    pass_time(w, 61000);
    UNTIL(w, is_gone);
}

static void many_at_once_wait_for_a_second_sweep(void **state)
{
    struct world *w = *state;
    char alive[128] = "";
    for (unsigned i = 0; i < 20; i++) {
        char name[16], uid[16];
        (void)snprintf(name, sizeof(name), "p%u", i);
        (void)snprintf(uid, sizeof(uid), "uid-%c", 'a' + (char)i);
        (void)world_leave_group(w, name, uid, WORLD_CLUSTER, WORLD_NODE);
        const size_t n = strlen(alive);
        if (i >= 12)
            (void)snprintf(alive + n, sizeof(alive) - n, "%s ", uid);
    }
    w->existing = alive;
    sync_world(w);
    pass_time(w, 21000);
    UNTIL(w, all_were_asked);
    pass_time(w, 21000);
    assert_int_equal(w->arm.deletes, 0);
    pass_time(w, 61000);
    UNTIL(w, only_the_living_are_left);
    assert_int_equal(w->arm.deletes, 12);
}

static void a_failed_removal_is_tried_again(void **state)
{
    struct world *w = *state;
    (void)world_leave_group(w, "orphan", "u1", WORLD_CLUSTER, WORLD_NODE);
    w->arm.rule = (struct arm_rule){"DELETE", ARM_REFUSE, 409, "ContainerGroupTransitioning", 1};
    sync_world(w);
    pass_time(w, 21000);
    pass_time(w, 61000);
    UNTIL(w, is_gone);
    assert_int_equal(w->arm.deletes, 2);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(only_groups_of_ours_without_a_pod_are_removed),
        IN_WORLD(a_wanted_pod_is_not_asked_about),
        IN_WORLD(without_an_answer_nothing_is_removed),
        IN_WORLD(many_at_once_wait_for_a_second_sweep),
        IN_WORLD(a_failed_removal_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
