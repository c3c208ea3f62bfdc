/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/refusal_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"

#define INITIAL_MS 1000
#define MAX_MS 8000

static int setup(void **state)
{
    *state = refusal_pace_new(INITIAL_MS, MAX_MS);
    return 0;
}

static int teardown(void **state)
{
    refusal_pace_free(*state);
    return 0;
}

static void distances_double_up_to_the_greatest(void **state)
{
    static const int64_t distances[] = {1000, 2000, 4000, 8000, 8000, 8000};
    int64_t now = 5;

    assert_int_equal(refusal_pace_wait(*state, "a", now), 0);
    for (size_t i = 0; i < VK_COUNT(distances); i++) {
        assert_int_equal(refusal_pace_wait(*state, "a", now), distances[i]);
        assert_int_equal(refusal_pace_wait(*state, "a", now + 1), distances[i] - 1);
        now += distances[i];
        assert_int_equal(refusal_pace_wait(*state, "a", now), 0);
    }
}

static void controllers_do_not_wait_for_each_other(void **state)
{
    assert_int_equal(refusal_pace_wait(*state, "a", 0), 0);
    assert_int_equal(refusal_pace_wait(*state, "b", 0), 0);
    assert_int_equal(refusal_pace_wait(*state, "a", 0), INITIAL_MS);
}

static void who_was_quiet_starts_over(void **state)
{
    int64_t now = 0, wait;

    for (int i = 0; i < 4; i++)
        while ((wait = refusal_pace_wait(*state, "a", now)))
            now += wait;
    now += 10 * MAX_MS;
    assert_int_equal(refusal_pace_wait(*state, "a", now), 0);
    assert_int_equal(refusal_pace_wait(*state, "a", now), INITIAL_MS);
}

static void any_number_of_controllers_is_served(void **state)
{
    char uid[32];

    for (int i = 0; i < 10000; i++) {
        snprintf(uid, sizeof(uid), "uid-%d", i);
        assert_int_equal(refusal_pace_wait(*state, uid, i), 0);
        assert_int_equal(refusal_pace_wait(*state, uid, i), INITIAL_MS);
    }
}

static const struct owner_reference *controller_of(struct owner_reference *owner)
{
    static struct object_meta meta;

    meta = (struct object_meta){.owner_references = {.v = owner, .n = 1}};
    return refusal_controller(&meta);
}

static void only_a_controller_without_an_end_has_a_pace(void **state)
{
    struct owner_reference owner = {
        .api_version = "apps/v1", .kind = "ReplicaSet", .uid = "u", .controller = true};

    (void)state;
    assert_ptr_equal(controller_of(&owner), &owner);
    assert_false(refusal_is_daemon(&owner));
    owner.controller = false;
    assert_null(controller_of(&owner));
    owner = (struct owner_reference){
        .api_version = "batch/v1", .kind = "Job", .uid = "u", .controller = true};
    assert_null(controller_of(&owner));
    owner.api_version = "example.com/v1";
    assert_ptr_equal(controller_of(&owner), &owner);
    owner = (struct owner_reference){
        .api_version = "apps/v1", .kind = "DaemonSet", .uid = "u", .controller = true};
    assert_true(refusal_is_daemon(controller_of(&owner)));
    owner.api_version = "example.com/v1";
    assert_false(refusal_is_daemon(controller_of(&owner)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(distances_double_up_to_the_greatest, setup, teardown),
        cmocka_unit_test_setup_teardown(controllers_do_not_wait_for_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(who_was_quiet_starts_over, setup, teardown),
        cmocka_unit_test_setup_teardown(any_number_of_controllers_is_served, setup, teardown),
        cmocka_unit_test(only_a_controller_without_an_end_has_a_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
