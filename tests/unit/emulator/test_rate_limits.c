/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/rate_limits.h"
#include "tests/unit/emulator/emulator_world.h"

static struct rate_limits *limits(const char *buckets, const char *creates, const char *deletes)
{
    struct rate_limits *l;
    struct vk_err err;

    if (rate_limits_new(buckets, creates, deletes, &l, &err) < 0)
        fail_msg("%s", err.msg);
    return l;
}

static int take_all(struct rate_limits *l, enum rate_kind kind, bool group_write, int64_t now,
                    struct vk_err *err)
{
    int taken = 0;

    while (taken < 10000 && rate_limits_take(l, kind, group_write, "sub", now, err) == 0)
        taken++;
    return taken;
}

static void buckets_hold_what_arm_documents(void **state)
{
    static const struct {
        enum rate_kind kind;
        int size, rate;
    } rows[] = {{RATE_READS, 250, 25}, {RATE_WRITES, 200, 10}, {RATE_DELETES, 200, 10}};
    struct rate_limits *l = limits("on", NULL, NULL);
    struct vk_err err;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        assert_int_equal(rate_limits_left(l, rows[i].kind, 1000).bucket, rows[i].size);
        assert_int_equal(take_all(l, rows[i].kind, true, 1000, &err), rows[i].size);
        assert_int_equal(err.http_status, 429);
        assert_string_equal(err.reason, "SubscriptionRequestsThrottled");
        assert_int_equal(err.retry_after_ms, 1000 / rows[i].rate);
        assert_int_equal(rate_limits_left(l, rows[i].kind, 1000).bucket, 0);
        assert_int_equal(take_all(l, rows[i].kind, true, 3000, &err), 2 * rows[i].rate);
        assert_int_equal(take_all(l, rows[i].kind, true, 1LL << 50, &err), rows[i].size);
    }
    rate_limits_free(l);
}

static void creates_and_deletes_are_counted_apart_in_sliding_windows(void **state)
{
    struct rate_limits *l = limits("off", "100/10s,150/60s", "2/1h");
    struct vk_err err;

    (void)state;
    assert_int_equal(take_all(l, RATE_WRITES, true, 1000, &err), 100);
    assert_string_equal(err.reason, "ResourceRequestsThrottled");
    assert_int_equal(err.retry_after_ms, 10000);
    assert_int_equal(rate_limits_left(l, RATE_WRITES, 1000).in_5m, 0);
    assert_int_equal(rate_limits_left(l, RATE_WRITES, 1000).in_1h, 50);
    /* Writes that create nothing do not count. */
    assert_int_equal(take_all(l, RATE_WRITES, false, 1000, &err), 10000);
    assert_int_equal(take_all(l, RATE_WRITES, true, 10999, &err), 0);
    assert_int_equal(take_all(l, RATE_WRITES, true, 11000, &err), 50);
    assert_int_equal(err.retry_after_ms, 50000);
    assert_int_equal(take_all(l, RATE_WRITES, true, 61000, &err), 100);
    assert_int_equal(take_all(l, RATE_DELETES, true, 1000, &err), 2);
    assert_int_equal(err.retry_after_ms, 3600000);
    rate_limits_free(l);
}

static void without_limits_the_headers_look_fresh(void **state)
{
    struct rate_limits *l = limits("off", "off", NULL);
    struct rate_left left;
    struct vk_err err;

    (void)state;
    assert_int_equal(take_all(l, RATE_READS, false, 1000, &err), 10000);
    assert_int_equal(take_all(l, RATE_WRITES, true, 1000, &err), 10000);
    left = rate_limits_left(l, RATE_WRITES, 1000);
    assert_int_equal(left.bucket, 199);
    assert_int_equal(left.subscription, 2999);
    assert_int_equal(left.in_5m, 99);
    assert_int_equal(left.in_1h, 299);
    rate_limits_free(l);
}

static void wrong_numbers_name_their_flag(void **state)
{
    static const struct {
        const char *buckets, *creates, *deletes, *flag;
    } rows[] = {
        {"reads", NULL, NULL, "--arm-buckets"},
        {"reads=0+1", NULL, NULL, "--arm-buckets"},
        {"puts=1+1", NULL, NULL, "--arm-buckets"},
        {"on", "100", NULL, "--create-limits"},
        {"on", "100/5", NULL, "--create-limits"},
        {"on", "1/1s,1/1s,1/1s,1/1s,1/1s", NULL, "--create-limits"},
        {"on", NULL, "0/5m", "--delete-limits"},
        {"on", NULL, "5/5x", "--delete-limits"},
        {"on", NULL, "5/25h", "--delete-limits"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct rate_limits *l;
        struct vk_err err;

        assert_true(rate_limits_new(rows[i].buckets, rows[i].creates, rows[i].deletes, &l, &err) <
                    0);
        assert_int_equal(err.code, VK_INVALID);
        assert_non_null(strstr(err.msg, rows[i].flag));
    }
}

static void with_small_limits(struct emulator_options *o)
{
    o->arm_buckets = "reads=3+1,writes=200+10";
    o->create_limits = "2/1h";
}

/* The token's request is none of ARM's. */
static void what_is_too_much_is_answered_429_over_the_wire(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, with_small_limits);
    for (int i = 0; i < 3; i++)
        assert_int_equal(world_arm(&w, "GET", WORLD_GROUP("web"), NULL), 404);
    assert_int_equal(world_arm(&w, "GET", WORLD_GROUP("web"), NULL), 429);
    assert_string_equal(world_error(&w), "SubscriptionRequestsThrottled");
    assert_int_equal(w.answer.retry_after_ms, 1000);
    assert_string_equal(w.answer.cause, "gateway");
    assert_int_equal(world_arm(&w, "PUT", WORLD_GROUP("a"), "{}"), 400);
    assert_int_equal(world_arm(&w, "PUT", WORLD_GROUP("b"), "{}"), 400);
    assert_int_equal(world_arm(&w, "PUT", WORLD_GROUP("c"), "{}"), 429);
    assert_string_equal(world_error(&w), "ResourceRequestsThrottled");
    assert_int_equal(w.answer.retry_after_ms, 3600000);
    assert_null(w.answer.cause);
    assert_int_equal(world_call(&w, w.control, "GET", "/stats", NULL, NULL, NULL, 0), 200);
    assert_int_equal(json_int64_or(json_get(w.answer.body, "throttled"), "reads", 0), 1);
    assert_int_equal(json_int64_or(json_get(w.answer.body, "throttled"), "creates", 0), 1);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_hold_what_arm_documents),
        cmocka_unit_test(creates_and_deletes_are_counted_apart_in_sliding_windows),
        cmocka_unit_test(without_limits_the_headers_look_fresh),
        cmocka_unit_test(wrong_numbers_name_their_flag),
        cmocka_unit_test(what_is_too_much_is_answered_429_over_the_wire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
