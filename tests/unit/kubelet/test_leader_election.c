/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/fake_api_server.h"

#include <unistd.h>

#include "kubelet/client/leader_election.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/ns/leases"
#define LEASE(holder, version)                                                                     \
    "{\"metadata\":{\"name\":\"l\",\"resourceVersion\":\"" version "\"},"                          \
    "\"spec\":{\"holderIdentity\":\"" holder "\",\"leaseDurationSeconds\":15,"                     \
    "\"acquireTime\":\"2026-01-01T00:00:00.000000Z\","                                             \
    "\"renewTime\":\"2026-01-01T00:00:00.000000Z\",\"leaseTransitions\":3}}"

struct told {
    bool leads, lost, released;
    struct vk_err err;
};

static void on_leads(void *user)
{
    ((struct told *)user)->leads = true;
}

static void on_lost(void *user, const struct vk_err *err)
{
    struct told *t = user;

    t->lost = true;
    t->err = *err;
}

static void on_released(void *user)
{
    ((struct told *)user)->released = true;
}

static struct leader_election *start(struct fake_api *api, const struct fake_step *steps,
                                     size_t count, struct told *told)
{
    struct leader_election *e;

    fake_start(api, steps, count, NULL);
    e = leader_election_new(api->loop, api->rest,
                            &(struct leader_election_config){
                                .lease = {"ns", "l", {3000, 2000, 50}},
                                .identity = "me",
                                .leads = on_leads,
                                .lost = on_lost,
                                .user = told,
                            });
    assert_false(leader_election_works(e));
    leader_election_start(e);
    return e;
}

static void stop(struct fake_api *api, struct leader_election *e)
{
    leader_election_free(e);
    fake_stop(api);
}

static void a_lease_is_created_renewed_and_given_back(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 404, .body = "{\"kind\":\"Status\",\"reason\":\"NotFound\"}"},
        {.status = 201, .body = LEASE("me", "7")},
        {.status = 200, .body = LEASE("me", "8")},
        {.status = 200, .body = LEASE("", "9")},
    };
    struct fake_api api;
    struct told told = {0};
    struct leader_election *e = start(&api, steps, VK_COUNT(steps), &told);
    const char *line;

    (void)state;
    fake_run_until(&api, &told.leads);
    assert_true(leader_election_leads(e));
    assert_true(leader_election_works(e));
    while (api.next < 3)
        fake_run_ms(&api, 5);
    leader_election_release(e, on_released, &told);
    assert_false(told.released);
    fake_run_until(&api, &told.released);
    line = vk_buf_peek(&api.asked);
    assert_true(vk_starts(line, "GET " LEASES "/l\nPOST " LEASES " [application/json] "));
    assert_non_null(strstr(line, "{\"metadata\":{\"name\":\"l\",\"namespace\":\"ns\"},\"spec\":{"
                                 "\"holderIdentity\":\"me\",\"leaseDurationSeconds\":3,"));
    line = strstr(line, "PATCH");
    assert_true(vk_starts(line, "PATCH " LEASES "/l [application/merge-patch+json] "
                                "{\"metadata\":{\"resourceVersion\":\"7\"},"));
    assert_non_null(strstr(line, "\"acquireTime\":\"2026-01-01T00:00:00.000000Z\""));
    line = strstr(line + 1, "PATCH");
    assert_non_null(strstr(line, "{\"resourceVersion\":\"8\"},\"spec\":{\"holderIdentity\":null"));
    assert_false(told.lost);
    stop(&api, e);
}

static void a_lease_of_another_one_is_only_read(void **state)
{
    static const struct fake_step steps[] = {{.body = LEASE("other", "1")},
                                             {.body = LEASE("other", "2")},
                                             {.body = LEASE("other", "3")}};
    struct fake_api api;
    struct told told = {0};
    struct leader_election *e = start(&api, steps, VK_COUNT(steps), &told);

    (void)state;
    fake_run_until(&api, &api.is_done);
    fake_run_ms(&api, 20);
    assert_true(leader_election_works(e));
    assert_string_equal(leader_election_holder(e), "other");
    assert_null(strstr(vk_buf_peek(&api.asked), "PATCH"));
    assert_false(told.leads || told.lost);
    leader_election_release(e, on_released, &told);
    fake_run_until(&api, &told.released);
    stop(&api, e);
}

static void a_lease_without_holder_is_taken(void **state)
{
    static const struct fake_step steps[] = {{.body = LEASE("", "4")}, {.body = LEASE("me", "5")}};
    struct fake_api api;
    struct told told = {0};
    struct leader_election *e = start(&api, steps, VK_COUNT(steps), &told);

    (void)state;
    fake_run_until(&api, &told.leads);
    assert_non_null(strstr(vk_buf_peek(&api.asked), "\"leaseTransitions\":4"));
    stop(&api, e);
}

static void run_until_lost(struct fake_api *api, const struct told *told)
{
    fake_run_until(api, &told->lost);
}

static void count(void *user)
{
    ++*(int *)user;
}

static void a_leader_that_can_not_renew_is_stopped(void **state)
{
    static const struct fake_step steps[] = {{.body = LEASE("", "4")}, {.body = LEASE("me", "5")}};
    struct fake_api api;
    struct told told = {0};
    struct leader_election *e = start(&api, steps, VK_COUNT(steps), &told);

    (void)state;
    fake_run_until(&api, &told.leads);
    run_until_lost(&api, &told);
    assert_non_null(strstr(told.err.msg, "lease ns/l was not renewed for 2000 ms"));
    assert_false(leader_election_leads(e));
    stop(&api, e);
}

/* Whoever stopped the process, a callback that was due meanwhile does not come. */
static void what_was_due_while_the_process_stood_still_is_not_done(void **state)
{
    static const struct fake_step steps[] = {{.body = LEASE("", "4")}, {.body = LEASE("me", "5")}};
    struct fake_api api;
    struct told told = {0};
    struct leader_election *e = start(&api, steps, VK_COUNT(steps), &told);
    struct vk_timer write;
    int writes = 0;

    (void)state;
    fake_run_until(&api, &told.leads);
    vk_timer_init(&write, api.loop, "write", count, &writes);
    vk_timer_arm(&write, 0);
    usleep(2100000);
    run_until_lost(&api, &told);
    assert_int_equal(writes, 0);
    vk_timer_disarm(&write);
    stop(&api, e);
}

static void a_leader_that_sees_another_one_stops(void **state)
{
    static const struct fake_step steps[] = {
        {.body = LEASE("", "4")},
        {.body = LEASE("me", "5")},
        {.status = 409, .body = "{\"kind\":\"Status\",\"reason\":\"Conflict\"}"},
        {.body = LEASE("other", "6")},
    };
    struct fake_api api;
    struct told told = {0};
    struct leader_election *e = start(&api, steps, VK_COUNT(steps), &told);

    (void)state;
    run_until_lost(&api, &told);
    assert_true(told.leads);
    assert_string_equal(told.err.msg, "lease ns/l: other leads now");
    stop(&api, e);
}

static void odd_leases_and_refusals_are_survived(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 403, .body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\"}"},
        {.status = 500, .body = "{}"},
        {.body = "[]"},
        {.body = "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"renewTime\":\"noon\"}}"},
        {.body = "{\"metadata\":{\"resourceVersion\":\"1\"},"
                 "\"spec\":{\"leaseDurationSeconds\":999999999999}}"},
        {.body = "{\"metadata\":{\"resourceVersion\":\"2\"},\"spec\":{}}"},
        {.body = LEASE("me", "3")},
    };
    struct fake_api api;
    struct told told = {0};
    struct leader_election *e = start(&api, steps, VK_COUNT(steps), &told);

    (void)state;
    while (api.next < 2)
        fake_run_ms(&api, 5);
    assert_false(leader_election_works(e));
    fake_run_until(&api, &told.leads);
    assert_true(leader_election_works(e));
    stop(&api, e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_created_renewed_and_given_back),
        cmocka_unit_test(a_lease_of_another_one_is_only_read),
        cmocka_unit_test(a_lease_without_holder_is_taken),
        cmocka_unit_test(a_leader_that_can_not_renew_is_stopped),
        cmocka_unit_test(what_was_due_while_the_process_stood_still_is_not_done),
        cmocka_unit_test(a_leader_that_sees_another_one_stops),
        cmocka_unit_test(odd_leases_and_refusals_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
