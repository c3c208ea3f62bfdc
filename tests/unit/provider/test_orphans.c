/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "tests/unit/provider/provider_world.h"

/* The clock moves half a second at each look at the condition, so that minutes pass in a second. */
static unsigned deletes_when_asked;

static void note_and_answer(void *k, const struct pod_identity *id,
                            void (*done)(void *user, bool exists, const struct vk_err *err),
                            void *user)
{
    const struct world *w = k;
    deletes_when_asked = w->arm.deletes;
    world_exists(k, id, done, user);
}

static int setup(void **state)
{
    vk_clock_freeze(1000000, 1700000000000);
    const int rc = world_setup(state);
    struct world *w = *state;
    w->upcalls.pod_exists = note_and_answer;
    return rc;
}

static int teardown(void **state)
{
    const int rc = world_teardown(state);
    vk_clock_thaw();
    return rc;
}

static bool or_time_passes(bool holds)
{
    if (!holds)
        vk_clock_advance(500);
    return holds;
}

static bool is_synced(struct world *w)
{
    return w->synced;
}

static bool is_gone(struct world *w)
{
    return or_time_passes(!world_group(w, "orphan", "u1"));
}

/* Idle LISTs are 20 s apart: two sweeps lie within. */
static bool was_listed_often(struct world *w)
{
    return or_time_passes(w->arm.lists >= 10);
}

static bool was_asked_thrice(struct world *w)
{
    return or_time_passes(w->questions >= 3);
}

static bool only_the_living_are_left(struct world *w)
{
    return or_time_passes(vk_map_len(w->arm.groups) == 8);
}

static bool one_done(struct world *w)
{
    return w->done >= 1;
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
    /* All that a group of ours has, in a format that only a later version understands. */
    (void)arm_add(&w->arm, "newer",
                  "{\"aci-kubelet-format\":\"2\",\"aci-kubelet-cluster\":\"" WORLD_CLUSTER
                  "\",\"aci-kubelet-node\":\"" WORLD_NODE
                  "\",\"aci-kubelet-namespace\":\"default\",\"aci-kubelet-pod\":\"newer\","
                  "\"aci-kubelet-uid\":\"u5\"}");
    world_start(w);
    UNTIL(w, is_gone);
    assert_true(vk_mono_ms() - 1000000 < 120000);
    UNTIL(w, was_listed_often);
    assert_int_equal(w->arm.deletes, 1);
    assert_int_equal(vk_map_len(w->arm.groups), 6);
    /* Whose pod exists is not asked about again. */
    assert_int_equal(w->questions, 2);
}

static void a_wanted_pod_is_not_asked_about(void **state)
{
    struct world *w = *state;
    world_start(w);
    UNTIL(w, is_synced);
    world_create(w, "web", "u9", false);
    UNTIL(w, one_done);
    UNTIL(w, was_listed_often);
    assert_int_equal(w->questions, 0);
    assert_int_equal(w->arm.deletes, 0);
}

static void without_an_answer_nothing_is_removed(void **state)
{
    struct world *w = *state;
    (void)vk_err_set(&w->question_err, VK_UNAVAILABLE, "the pod cache is not synced");
    (void)world_leave_group(w, "orphan", "u1", WORLD_CLUSTER, WORLD_NODE);
    world_start(w);
    UNTIL(w, was_asked_thrice);
    assert_int_equal(w->arm.deletes, 0);
    w->question_err = (struct vk_err){0};
    UNTIL(w, is_gone);
}

static bool is_idle(struct world *w)
{
    return or_time_passes(w->synced && w->arm.lists >= 3);
}

static bool was_read(struct world *w)
{
    return or_time_passes(w->reports >= 1);
}

static bool is_gone_without_delay(struct world *w)
{
    return !world_group(w, "orphan", "u1");
}

static void a_sweep_that_is_due_does_not_wait_for_the_next_list(void **state)
{
    struct world *w = *state;
    world_start(w);
    UNTIL(w, is_idle);
    (void)world_leave_group(w, "orphan", "u1", WORLD_CLUSTER, WORLD_NODE);
    /* From here on nothing is in transition: the tracker has no hurry of its own. */
    UNTIL(w, was_read);
    vk_clock_advance(5000);
    UNTIL(w, is_gone_without_delay);
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
    world_start(w);
    UNTIL(w, only_the_living_are_left);
    /* All 20 in the first sweep; in the second the 12 again, and only then the first DELETE. */
    assert_int_equal(w->questions, 32);
    assert_int_equal(deletes_when_asked, 0);
    assert_int_equal(w->arm.deletes, 12);
}

static void few_among_many_are_removed_at_once(void **state)
{
    struct world *w = *state;
    w->existing = "alive";
    for (unsigned i = 0; i < 8; i++) {
        char uid[16];
        (void)snprintf(uid, sizeof(uid), "dead-%u", i);
        (void)world_leave_group(w, uid, uid, WORLD_CLUSTER, WORLD_NODE);
    }
    (void)world_leave_group(w, "orphan", "u1", WORLD_CLUSTER, WORLD_NODE);
    world_start(w);
    UNTIL(w, is_gone);
    assert_int_equal(w->questions, 9);
}

static void a_failed_removal_is_tried_again(void **state)
{
    struct world *w = *state;
    (void)world_leave_group(w, "orphan", "u1", WORLD_CLUSTER, WORLD_NODE);
    w->arm.rule = (struct arm_rule){"DELETE", ARM_REFUSE, 409, "ContainerGroupTransitioning", 1};
    world_start(w);
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
        IN_WORLD(a_sweep_that_is_due_does_not_wait_for_the_next_list),
        IN_WORLD(many_at_once_wait_for_a_second_sweep),
        IN_WORLD(few_among_many_are_removed_at_once),
        IN_WORLD(a_failed_removal_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
