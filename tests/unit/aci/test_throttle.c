/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "aci/throttle.h"
#include "base/alloc.h"
#include "base/str.h"

static const struct throttle_answer silent = {-1, -1, -1, false, false, 0};

struct request {
    struct throttle_ticket ticket;
    const char *owner, *name;
};

static void enter(struct throttle *t, struct request *r, int64_t now)
{
    assert_true(throttle_enter(t, &r->ticket, r->owner, now));
}

static struct request request(enum throttle_kind kind, enum throttle_priority priority,
                              const char *owner, const char *name)
{
    return (struct request){
        .ticket = {.kind = kind,
                   .priority = priority,
                   .is_group_write = kind != THROTTLE_READS && priority != THROTTLE_USER},
        .owner = owner,
        .name = name};
}

static struct throttle *limited(int64_t size, int64_t rate, size_t in_flight)
{
    struct throttle_limits limits = {.max_in_flight = in_flight};
    for (int k = 0; k < THROTTLE_KINDS; k++)
        limits.buckets[k] = (struct throttle_bucket_limit){size, rate};
    return throttle_new(&limits, 1000);
}

/* Names of all that may go now, which also ends them. */
static void go(struct throttle *t, int64_t now, bool reads_only, char *out, size_t size,
               int64_t *ret_wait)
{
    struct throttle_ticket *ticket;
    size_t n = 0;
    *out = '\0';
    while ((ticket = throttle_next(t, now, reads_only, ret_wait))) {
        const struct request *r = (const struct request *)ticket;
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", r->name);
        throttle_done(t, ticket, now, &silent);
    }
}

#define ASSERT_GO(t, now, expected)                                                                \
    do {                                                                                           \
        char names_[256];                                                                          \
        int64_t wait_;                                                                             \
        go(t, now, false, names_, sizeof(names_), &wait_);                                         \
        assert_string_equal(names_, expected);                                                     \
    } while (0)

static void the_most_urgent_goes_first(void **state)
{
    (void)state;
    struct throttle *t = limited(100, 1, 0);
    struct request all[] = {
        request(THROTTLE_WRITES, THROTTLE_RETRY_IMAGE, NULL, "image"),
        request(THROTTLE_READS, THROTTLE_TRACK, NULL, "list"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "create"),
        request(THROTTLE_READS, THROTTLE_CREATE, "ns", "look"),
        request(THROTTLE_DELETES, THROTTLE_DELETE, NULL, "delete"),
        request(THROTTLE_READS, THROTTLE_USER, NULL, "logs"),
        request(THROTTLE_WRITES, THROTTLE_USER, NULL, "exec"),
    };
    for (size_t i = 0; i < VK_COUNT(all); i++)
        enter(t, &all[i], 1000);
    ASSERT_GO(t, 1000, "logs exec delete look create list image");
    throttle_free(t);
}

static void creates_are_fair_between_namespaces_and_in_order_inside(void **state)
{
    (void)state;
    struct throttle *t = limited(3, 1, 0);
    struct request all[] = {
        request(THROTTLE_WRITES, THROTTLE_CREATE, "a", "a1"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "a", "a2"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "a", "a3"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "a", "a4"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "b", "b1"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "b", "b2"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "c", "c1"),
    };
    for (size_t i = 0; i < VK_COUNT(all); i++)
        enter(t, &all[i], 1000);
    ASSERT_GO(t, 1000, "a1 b1 c1");
    ASSERT_GO(t, 1999, "");
    ASSERT_GO(t, 2000, "a2");
    throttle_leave(t, &all[5].ticket, 9000);
    ASSERT_GO(t, 4000, "a3 a4");
    throttle_free(t);
}

static void a_flood_of_one_namespace_costs_another_one_turn(void **state)
{
    (void)state;
    struct throttle *t = limited(1, 10, 0);
    static struct request flood[1000];
    for (size_t i = 0; i < VK_COUNT(flood); i++) {
        flood[i] = request(THROTTLE_WRITES, THROTTLE_CREATE, "flood", "f");
        enter(t, &flood[i], 1000);
    }
    ASSERT_GO(t, 1000, "f");
    struct request late = request(THROTTLE_WRITES, THROTTLE_CREATE, "other", "late");
    enter(t, &late, 1050);
    ASSERT_GO(t, 1100, "f");
    ASSERT_GO(t, 1200, "late");
    for (size_t i = 0; i < VK_COUNT(flood); i++)
        throttle_leave(t, &flood[i].ticket, 9000);
    throttle_free(t);
}

static void ends_and_starts_take_turns(void **state)
{
    (void)state;
    struct throttle *t = limited(4, 1, 0);
    struct request all[] = {
        request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "c1"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "c2"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "c3"),
        request(THROTTLE_WRITES, THROTTLE_STOP, "ns", "s1"),
        request(THROTTLE_WRITES, THROTTLE_STOP, "ns", "s2"),
        request(THROTTLE_WRITES, THROTTLE_STOP, "ns", "s3"),
        request(THROTTLE_READS, THROTTLE_CREATE, "ns", "look"),
    };
    for (size_t i = 0; i < VK_COUNT(all); i++)
        enter(t, &all[i], 1000);
    ASSERT_GO(t, 1000, "s1 look c1 s2 c2");
    ASSERT_GO(t, 2000, "s3");
    ASSERT_GO(t, 3000, "c3");
    throttle_free(t);
}

static void creates_that_may_not_go_hold_no_end_back(void **state)
{
    (void)state;
    struct throttle_limits limits = {.creates = {{1, 60000}}, .create_count = 1};
    struct throttle *t = throttle_new(&limits, 1000);
    struct request all[] = {
        request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "c1"),
        request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "c2"),
        request(THROTTLE_WRITES, THROTTLE_STOP, "ns", "s1"),
        request(THROTTLE_WRITES, THROTTLE_STOP, "ns", "s2"),
    };
    all[2].ticket.is_group_write = all[3].ticket.is_group_write = false;
    for (size_t i = 0; i < VK_COUNT(all); i++)
        enter(t, &all[i], 1000);
    ASSERT_GO(t, 1000, "s1 c1 s2");
    ASSERT_GO(t, 61001, "c2");
    throttle_free(t);
}

static void tells_when_to_ask_again(void **state)
{
    (void)state;
    struct throttle *t = limited(1, 10, 1);
    struct request a = request(THROTTLE_WRITES, THROTTLE_CREATE, NULL, "a");
    struct request b = request(THROTTLE_WRITES, THROTTLE_CREATE, NULL, "b");
    struct request user = request(THROTTLE_READS, THROTTLE_USER, NULL, "user");
    int64_t wait;
    assert_null(throttle_next(t, 1000, false, &wait));
    assert_int_equal(wait, -1);
    enter(t, &a, 1000);
    enter(t, &b, 1000);
    assert_ptr_equal(throttle_next(t, 1000, false, &wait), &a.ticket);
    /* Only one may be under way: no time changes that. A user's request does not care. */
    assert_null(throttle_next(t, 1000, false, &wait));
    assert_int_equal(wait, -1);
    enter(t, &user, 1000);
    assert_ptr_equal(throttle_next(t, 1000, false, &wait), &user.ticket);
    throttle_done(t, &user.ticket, 1010, NULL);
    throttle_done(t, &a.ticket, 1020, &silent);
    assert_null(throttle_next(t, 1020, false, &wait));
    assert_int_equal(wait, 80);
    assert_ptr_equal(throttle_next(t, 1100, false, &wait), &b.ticket);
    throttle_leave(t, &b.ticket, 9000);
    throttle_free(t);
}

static void only_reads_go_while_the_peer_is_probed(void **state)
{
    (void)state;
    struct throttle *t = limited(10, 1, 0);
    struct request create = request(THROTTLE_WRITES, THROTTLE_CREATE, NULL, "create");
    struct request list = request(THROTTLE_READS, THROTTLE_TRACK, NULL, "list");
    int64_t wait;
    enter(t, &create, 1000);
    assert_null(throttle_next(t, 1000, true, &wait));
    assert_int_equal(wait, -1);
    enter(t, &list, 1000);
    assert_ptr_equal(throttle_next(t, 1000, true, &wait), &list.ticket);
    throttle_leave(t, &list.ticket, 9000);
    throttle_leave(t, &create.ticket, 9000);
    throttle_free(t);
}

static void what_is_throttled_all_the_same_waits_and_goes_first(void **state)
{
    (void)state;
    struct throttle *t = limited(100, 10, 0);
    struct request a = request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "a");
    struct request b = request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "b");
    struct throttle_answer refused = silent;
    struct throttle_state described;
    int64_t wait;
    refused.is_throttled = true;
    refused.retry_after_ms = 3000;
    enter(t, &a, 1000);
    enter(t, &b, 1000);
    assert_ptr_equal(throttle_next(t, 1000, false, &wait), &a.ticket);
    throttle_done(t, &a.ticket, 1000, &refused);
    throttle_again(t, &a.ticket, "ns");
    assert_null(throttle_next(t, 1000, false, &wait));
    assert_int_equal(wait, 3000);
    throttle_describe(t, 2500, &described);
    assert_int_equal(described.waiting[THROTTLE_CREATE], 2);
    assert_int_equal(described.longest_wait_ms[THROTTLE_CREATE], 1500);
    assert_int_equal(described.throttled[THROTTLE_WRITES], 1);
    assert_int_equal(described.sent[THROTTLE_WRITES], 1);
    assert_int_equal(described.left[THROTTLE_WRITES], 0);
    assert_int_equal(described.left[THROTTLE_READS], 100);
    ASSERT_GO(t, 4000, "a b");
    throttle_free(t);
}

static void acis_own_limit_stops_creates_but_not_exec(void **state)
{
    (void)state;
    struct throttle_limits limits = throttle_limits_default();
    struct throttle *t = throttle_new(&limits, 1000);
    static struct request creates[101];
    for (size_t i = 0; i < VK_COUNT(creates); i++) {
        creates[i] = request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "c");
        enter(t, &creates[i], 1000);
    }
    int64_t wait;
    int went = 0;
    struct throttle_ticket *ticket;
    while ((ticket = throttle_next(t, 1000, false, &wait))) {
        throttle_done(t, ticket, 1000, &silent);
        went++;
    }
    assert_int_equal(went, 100);
    assert_int_equal(wait, 300000);
    struct request exec = request(THROTTLE_WRITES, THROTTLE_USER, NULL, "exec");
    enter(t, &exec, 1000);
    ASSERT_GO(t, 1000, "exec");
    /* Deletes are counted apart. */
    struct request del = request(THROTTLE_DELETES, THROTTLE_DELETE, NULL, "delete");
    enter(t, &del, 1000);
    ASSERT_GO(t, 1000, "delete");
    throttle_leave(t, &creates[100].ticket, 9000);
    throttle_free(t);
}

/* ARM with its buckets: what it has left is in each answer, 429 when there is nothing. */
struct arm {
    double tokens;
    int64_t at_ms, answered, refused;
};

static bool arm_serve(struct arm *arm, int64_t now, struct throttle_answer *answer)
{
    arm->tokens += (double)(now - arm->at_ms) / 100;
    arm->tokens = arm->tokens > 200 ? 200 : arm->tokens;
    arm->at_ms = now;
    *answer = silent;
    if (arm->tokens < 1) {
        arm->refused++;
        answer->is_throttled = true;
        answer->retry_after_ms = 1000;
        return false;
    }
    arm->tokens -= 1;
    arm->answered++;
    answer->remaining = (int64_t)arm->tokens;
    return true;
}

static struct throttle_limits without_windows(void)
{
    struct throttle_limits limits = throttle_limits_default();
    limits.create_count = limits.delete_count = 0;
    return limits;
}

/* PUTs of 80 ms; ends when all were accepted. Returns when. */
static int64_t create_all(struct request *all, size_t n, struct arm *arm)
{
    const struct throttle_limits limits = without_windows();
    struct throttle *t = throttle_new(&limits, 0);
    struct {
        struct throttle_ticket *ticket;
        int64_t arrives, ends;
        struct throttle_answer answer;
    } under_way[64] = {0};
    int64_t now = 0;
    size_t left = n;
    for (size_t i = 0; i < n; i++)
        enter(t, &all[i], 0);
    for (; left > 0; now++) {
        for (size_t i = 0; i < VK_COUNT(under_way); i++) {
            struct throttle_ticket *ticket = under_way[i].ticket;
            int64_t wait;
            if (ticket && under_way[i].arrives == now)
                (void)arm_serve(arm, now, &under_way[i].answer);
            if (ticket && under_way[i].ends == now) {
                throttle_done(t, ticket, now, &under_way[i].answer);
                if (under_way[i].answer.is_throttled)
                    throttle_again(t, ticket, "ns");
                else
                    left--;
                under_way[i].ticket = ticket = NULL;
            }
            if (!ticket && (ticket = throttle_next(t, now, false, &wait))) {
                under_way[i].ticket = ticket;
                under_way[i].arrives = now + 5;
                under_way[i].ends = now + 80;
            }
        }
        assert_true(now < 600000);
    }
    throttle_free(t);
    return now;
}

static void a_burst_of_300_takes_5_percent_more_than_arms_bound_at_most(void **state)
{
    (void)state;
    static const struct {
        double at_start; /* others may have used ARM's bucket */
        int64_t bound_ms;
    } rows[] = {{200, 10000}, {100, 20000}, {0, 30000}};
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        static struct request all[300];
        for (size_t n = 0; n < VK_COUNT(all); n++)
            all[n] = request(THROTTLE_WRITES, THROTTLE_CREATE, "ns", "c");
        struct arm arm = {.tokens = rows[i].at_start};
        const int64_t took = create_all(all, VK_COUNT(all), &arm);
        assert_in_range(took, rows[i].bound_ms - 1000, rows[i].bound_ms * 105 / 100);
        assert_int_equal(arm.answered, 300);
        /* Before the first answer nobody knows that others were there. */
        assert_in_range(arm.refused, 0, i < 2 ? 2 : 64);
    }
}

static void a_full_queue_refuses(void **state)
{
    (void)state;
    struct throttle *t = limited(1, 1, 0);
    struct request *all = vk_calloc(THROTTLE_MAX_WAITING + 1, sizeof(*all));
    for (size_t i = 0; i < THROTTLE_MAX_WAITING; i++) {
        all[i] = request(THROTTLE_WRITES, THROTTLE_CREATE, i % 2 ? "a" : "b", "c");
        enter(t, &all[i], 1000);
    }
    all[THROTTLE_MAX_WAITING] = request(THROTTLE_READS, THROTTLE_TRACK, NULL, "one too many");
    assert_false(throttle_enter(t, &all[THROTTLE_MAX_WAITING].ticket, NULL, 1000));
    throttle_leave(t, &all[7].ticket, 9000);
    enter(t, &all[THROTTLE_MAX_WAITING], 1000);
    for (size_t i = 0; i <= THROTTLE_MAX_WAITING; i++)
        throttle_leave(t, &all[i].ticket, 9000);
    vk_free(all);
    throttle_free(t);
}

static void limits_are_read_as_users_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t reads, reads_rate, writes;
    } rows[] = {
        {"reads=250+25,writes=200+10,deletes=200+10", true, 250, 25, 200},
        {"writes=7+1", true, 250, 25, 7},
        {"off", true, 0, 0, 0},
        {" reads=1+2 , writes=3+4", true, 1, 2, 3},
        {"", false, 0, 0, 0},
        {"reads", false, 0, 0, 0},
        {"reads=5", false, 0, 0, 0},
        {"reads=0+1", false, 0, 0, 0},
        {"posts=1+1", false, 0, 0, 0},
        {"reads=1+1;writes=1+1", false, 0, 0, 0},
        {NULL, false, 0, 0, 0},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct throttle_limits limits = throttle_limits_default();
        struct vk_err err;
        const int rc = throttle_limits_parse_buckets(rows[i].text, &limits, &err);
        assert_int_equal(rc == 0, rows[i].good);
        if (rc < 0) {
            assert_int_equal(err.code, VK_INVALID);
            assert_int_equal(limits.buckets[THROTTLE_READS].size, 250);
            continue;
        }
        assert_int_equal(limits.buckets[THROTTLE_READS].size, rows[i].reads);
        assert_int_equal(limits.buckets[THROTTLE_READS].rate_per_s, rows[i].reads_rate);
        assert_int_equal(limits.buckets[THROTTLE_WRITES].size, rows[i].writes);
    }
}

static void windows_are_read_as_users_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        size_t n;
        int64_t count, period_ms; /* of the last */
    } rows[] = {
        {"100/5m,300/1h", true, 2, 300, 3600000},
        {"100/10s", true, 1, 100, 10000},
        {"5/1500ms, 6/24h", true, 2, 6, 86400000},
        {"off", true, 0, 0, 0},
        {"1/1s,1/1s,1/1s,1/1s,1/1s", false, 0, 0, 0},
        {"100", false, 0, 0, 0},
        {"100/5", false, 0, 0, 0},
        {"100/5d", false, 0, 0, 0},
        {"100/25h", false, 0, 0, 0},
        {"0/5m", false, 0, 0, 0},
        {"-1/5m", false, 0, 0, 0},
        {"/5m", false, 0, 0, 0},
        {"", false, 0, 0, 0},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct sliding_limit limits[SLIDING_WINDOW_LIMITS];
        size_t n = 77;
        struct vk_err err;
        const int rc = throttle_limits_parse_windows(rows[i].text, limits, &n, &err);
        assert_int_equal(rc == 0, rows[i].good);
        assert_int_equal(n, rc < 0 ? 77 : rows[i].n);
        if (rc == 0 && n > 0) {
            assert_int_equal(limits[n - 1].count, rows[i].count);
            assert_int_equal(limits[n - 1].period_ms, rows[i].period_ms);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_urgent_goes_first),
        cmocka_unit_test(creates_are_fair_between_namespaces_and_in_order_inside),
        cmocka_unit_test(a_flood_of_one_namespace_costs_another_one_turn),
        cmocka_unit_test(ends_and_starts_take_turns),
        cmocka_unit_test(creates_that_may_not_go_hold_no_end_back),
        cmocka_unit_test(tells_when_to_ask_again),
        cmocka_unit_test(only_reads_go_while_the_peer_is_probed),
        cmocka_unit_test(what_is_throttled_all_the_same_waits_and_goes_first),
        cmocka_unit_test(acis_own_limit_stops_creates_but_not_exec),
        cmocka_unit_test(a_burst_of_300_takes_5_percent_more_than_arms_bound_at_most),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(limits_are_read_as_users_write_them),
        cmocka_unit_test(windows_are_read_as_users_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
