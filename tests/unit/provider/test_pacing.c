/* SPDX-License-Identifier: Apache-2.0 */
/* The provider under ARM's limits and while ARM is away, against a fake ARM. */
#include "tests/unit/provider/provider_world.h"

static bool is_synced(struct world *w)
{
    return w->synced;
}

/* The provider with these limits, from its start. */
static void restart_with(struct world *w, struct throttle_limits limits)
{
    w->limits = limits;
    w->provider.ops->stop(w->provider.p);
    aci_provider_free(w->aci);
    world_provider(w);
    world_start(w);
    UNTIL(w, is_synced);
}

static void create_many(struct world *w, const char *prefix, int n)
{
    for (int i = 0; i < n; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "%s-%d", prefix, i);
        world_create(w, name, name, false);
    }
}

/* Time goes by as far as this process comes to something. */
static bool is_300_done(struct world *w)
{
    vk_clock_advance(5);
    return w->done == 300;
}

static void a_burst_of_300_under_arms_bucket_takes_its_time_and_no_more(void **state)
{
    struct world *w = *state;
    struct throttle_limits limits = throttle_limits_default();
    vk_clock_freeze(1000000, 1700000000000);
    limits.create_count = 0;
    limits.buckets[THROTTLE_WRITES] = (struct throttle_bucket_limit){200, 25};
    w->arm.writes =
        (struct arm_bucket){.size = 200, .rate_per_s = 25, .milli = 200000, .at_ms = vk_mono_ms()};
    restart_with(w, limits);
    create_many(w, "p", 300);
    UNTIL(w, is_300_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 300);
    /* (300 - 200) / 25 s; the first ones take a moment in which the bucket fills. */
    assert_in_range(w->arm.last_put_ms - w->arm.first_put_ms, 3700, 4200);
    assert_in_range(w->arm.writes.refused, 0, 2);
    vk_clock_thaw();
}

static bool is_100_done(struct world *w)
{
    return w->done == 100;
}

static void what_arm_says_it_has_left_is_believed(void **state)
{
    struct world *w = *state;
    struct throttle_limits limits = throttle_limits_default();
    limits.create_count = 0;
    /* We believe in 200, but somebody else used most of it. */
    w->arm.writes =
        (struct arm_bucket){.size = 200, .rate_per_s = 50, .milli = 70000, .at_ms = vk_mono_ms()};
    limits.buckets[THROTTLE_WRITES] = (struct throttle_bucket_limit){200, 50};
    limits.max_in_flight = 8;
    restart_with(w, limits);
    create_many(w, "p", 100);
    UNTIL(w, is_100_done);
    assert_int_equal(w->arm.puts, 100);
    assert_in_range(w->arm.writes.refused, 0, 1);
}

static bool one_done(struct world *w)
{
    return w->done == 1;
}

static bool two_done(struct world *w)
{
    return w->done == 2;
}

static void a_throttled_put_is_made_when_its_time_comes(void **state)
{
    struct world *w = *state;
    restart_with(w, w->limits);
    w->arm.rule = (struct arm_rule){"PUT", ARM_REFUSE, 429, "TooManyRequests", 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 2);
    assert_int_equal(world_group(w, "web", "u1")->starts, 1);
}

static void a_pod_deleted_while_its_create_waits_is_never_created(void **state)
{
    struct world *w = *state;
    struct throttle_limits limits = {.creates = {{1, 3600000}}, .create_count = 1};
    restart_with(w, limits);
    world_create(w, "first", "u1", false);
    UNTIL(w, one_done);
    w->done = 0;
    world_create(w, "second", "u2", false);
    world_delete(w, "second", "u2");
    UNTIL(w, two_done);
    assert_int_equal(w->arm.puts, 1);
    assert_int_equal(w->arm.deletes, 1);
    assert_null(world_group(w, "second", "u2"));
}

static bool or_time_passes(bool holds)
{
    if (!holds)
        vk_clock_advance(200);
    return holds;
}

static bool five_lists_failed(struct world *w)
{
    return or_time_passes(w->arm.rule.count == 0);
}

static bool is_created(struct world *w)
{
    return or_time_passes(w->done == 1);
}

static void while_arm_is_away_creates_wait_for_a_probe(void **state)
{
    struct world *w = *state;
    vk_clock_freeze(1000000, 1700000000000);
    restart_with(w, w->limits);
    /* A LIST is tried twice each time. */
    w->arm.rule = (struct arm_rule){"LIST", ARM_DROP, 0, NULL, 10};
    UNTIL(w, five_lists_failed);
    w->provider.ops->ping(w->provider.p, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    w->done = 0;
    const int64_t away = vk_mono_ms();
    world_create(w, "web", "u1", false);
    UNTIL(w, is_created);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 1);
    assert_in_range(vk_mono_ms() - away, 1000, 60000);
    w->done = 0;
    w->provider.ops->ping(w->provider.p, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    vk_clock_thaw();
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_burst_of_300_under_arms_bucket_takes_its_time_and_no_more),
        WITH_WORLD(what_arm_says_it_has_left_is_believed),
        WITH_WORLD(a_throttled_put_is_made_when_its_time_comes),
        WITH_WORLD(a_pod_deleted_while_its_create_waits_is_never_created),
        WITH_WORLD(while_arm_is_away_creates_wait_for_a_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
