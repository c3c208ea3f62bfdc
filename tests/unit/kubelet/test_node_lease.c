/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/fake_api_server.h"

#include "base/clock.h"
#include "kubelet/node/node_lease.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

/* Runs the lease against the script until its last step was asked for; the requests are in
 * api->asked. */
static void run(struct fake_api *api, const struct fake_step *steps, size_t count)
{
    struct node_lease *lease;

    fake_start(api, steps, count, NULL);
    lease = node_lease_new(api->loop, api->rest, "burst-1");
    assert_int_equal(node_lease_renewed_ns(lease), 0);
    node_lease_start(lease, "node-uid");
    fake_run_until(api, &api->is_done);
    fake_run_ms(api, 50);
    assert_true(node_lease_renewed_ns(lease) > 0);
    node_lease_free(lease);
}

static void a_missing_lease_is_created(void **state)
{
    static const struct fake_step steps[] = {{.status = 404, .body = "{}"},
                                             {.status = 201, .body = "{}"}};
    struct fake_api api;
    const char *asked;

    (void)state;
    run(&api, steps, 2);
    asked = vk_buf_peek(&api.asked);
    assert_true(vk_starts(asked, "PATCH " LEASES "/burst-1 [application/merge-patch+json]"));
    assert_non_null(strstr(asked, "\nPOST " LEASES " [application/json]"));
    assert_non_null(strstr(asked, "\"holderIdentity\":\"burst-1\",\"leaseDurationSeconds\":40"));
    assert_non_null(strstr(asked, "\"kind\":\"Node\",\"name\":\"burst-1\",\"uid\":\"node-uid\""));
    fake_stop(&api);
}

static void an_existing_lease_is_renewed_by_one_patch(void **state)
{
    static const struct fake_step steps[] = {{.status = 200, .body = "{}"}};
    struct fake_api api;

    (void)state;
    run(&api, steps, 1);
    assert_null(strstr(vk_buf_peek(&api.asked), "POST"));
    fake_stop(&api);
}

static void a_lease_that_somebody_else_made_meanwhile_is_taken(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 404, .body = "{}"},
        {.status = 409, .body = "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\"}"},
        {.status = 200, .body = "{}"},
    };
    struct fake_api api;

    (void)state;
    run(&api, steps, 3);
    fake_stop(&api);
}

static void failures_are_tried_again_within_the_lease(void **state)
{
    static const struct fake_step steps[] = {{.status = 500, .body = "{}"},
                                             {.status = 503, .body = "{}"},
                                             {.status = 200, .body = "{}"}};
    struct fake_api api;
    int64_t began = vk_mono_ms();

    (void)state;
    run(&api, steps, 3);
    assert_true(vk_mono_ms() - began < NODE_LEASE_DURATION_S * 1000);
    fake_stop(&api);
}

static void count(void *user)
{
    size_t *n = user;

    (*n)++;
}

/* The first 404 of a process says nothing: there was none yet. */
static void a_lease_that_vanished_is_told_each_time(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 404, .body = "{}"}, {.status = 201, .body = "{}"}, {.status = 404, .body = "{}"},
        {.status = 201, .body = "{}"}, {.status = 200, .body = "{}"}, {.status = 404, .body = "{}"},
        {.status = 201, .body = "{}"},
    };
    static const size_t told[] = {0, 1, 1, 2};
    struct node_lease *lease;
    struct fake_api api;
    size_t gone = 0;

    (void)state;
    fake_start(&api, steps, VK_COUNT(steps), NULL);
    lease = node_lease_new(api.loop, api.rest, "burst-1");
    node_lease_on_gone(lease, count, &gone);
    for (size_t i = 0; i < VK_COUNT(told); i++) {
        const int64_t before = node_lease_renewed_ns(lease);

        /* The Node object was made anew, say: renewed at once. */
        node_lease_start(lease, "node-uid");
        while (node_lease_renewed_ns(lease) == before)
            fake_run_ms(&api, 5);
        assert_int_equal(gone, told[i]);
    }
    node_lease_free(lease);
    fake_stop(&api);
}

struct release {
    struct node_lease *lease;
    bool is_done;
};

static void note_release(void *user)
{
    struct release *r = user;

    r->is_done = true;
}

static void release(void *user)
{
    struct release *r = user;

    node_lease_release(r->lease, note_release, r);
    assert_false(r->is_done);
}

/* Renews and releases: at once when the renewal has arrived and is not answered yet (the first
 * step's `before`), else when it was answered. */
static void run_release(struct fake_api *api, const struct fake_step *steps, size_t count)
{
    struct release r = {0};

    fake_start(api, steps, count, NULL);
    api->user = &r;
    r.lease = node_lease_new(api->loop, api->rest, "burst-1");
    if (count) {
        node_lease_start(r.lease, "node-uid");
        while (!steps[0].before && node_lease_renewed_ns(r.lease) == 0)
            fake_run_ms(api, 5);
    }
    if (!count || !steps[0].before)
        release(&r);
    fake_run_until(api, &r.is_done);
    fake_run_ms(api, 50);
    node_lease_free(r.lease);
}

static void a_released_lease_has_no_holder_and_is_not_renewed(void **state)
{
    static const struct fake_step table[][2] = {
        {{.status = 200, .body = "{}"}, {.status = 200, .body = "{}"}},
        {{.status = 200, .body = "{}", .before = release}, {.status = 200, .body = "{}"}},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct fake_api api;
        const char *second;

        run_release(&api, table[i], 2);
        second = strchr(vk_buf_peek(&api.asked), '\n') + 1;
        assert_true(vk_starts(second, "PATCH " LEASES "/burst-1 "));
        assert_non_null(strstr(second, "{\"spec\":{\"holderIdentity\":null,\"renewTime\":"));
        assert_string_equal(strchr(second, '\n') + 1, "");
        fake_stop(&api);
    }
}

static void a_release_that_fails_is_over_all_the_same(void **state)
{
    static const struct fake_step steps[] = {{.status = 200, .body = "{}"},
                                             {.status = 500, .body = "{}"}};
    struct fake_api api;

    (void)state;
    run_release(&api, steps, 2);
    fake_stop(&api);
}

static void what_was_never_held_is_not_released(void **state)
{
    struct fake_api api;

    (void)state;
    run_release(&api, NULL, 0);
    assert_string_equal(vk_buf_peek(&api.asked), "");
    fake_stop(&api);
}

static void a_clock_that_is_set_back_does_not_stop_the_renewals(void **state)
{
    static const struct fake_step steps[] = {{.status = 200, .body = "{}"},
                                             {.status = 200, .body = "{}"},
                                             {.status = 200, .body = "{}"}};
    /* Wall clock at each renewal; 10 s pass between them. */
    static const int64_t wall_ms[] = {1795536000000, 1795532400000, 1795622400000};
    static const char *const expected[] = {"2026-11-24T16:00:00.", "2026-11-24T16:00:10.",
                                           "2026-11-25T16:00:00."};
    struct node_lease *lease;
    struct fake_api api;

    (void)state;
    fake_start(&api, steps, VK_COUNT(steps), NULL);
    lease = node_lease_new(api.loop, api.rest, "burst-1");
    for (size_t i = 0; i < VK_COUNT(steps); i++) {
        vk_clock_freeze(1000000 + 10000 * (int64_t)i, wall_ms[i]);
        vk_buf_clear(&api.asked);
        node_lease_start(lease, "node-uid");
        while (api.next <= i)
            fake_run_ms(&api, 5);
        fake_run_ms(&api, 20);
        assert_non_null(strstr(vk_buf_peek(&api.asked), expected[i]));
    }
    vk_clock_thaw();
    node_lease_free(lease);
    fake_stop(&api);
}

static void count_drained(void *user)
{
    unsigned *drained = user;

    ++*drained;
}

static void a_drained_node_is_told_once(void **state)
{
#define DRAINED "{\"metadata\":{\"annotations\":{\"" NODE_LEASE_DRAINED "\":\"true\"}}}"
    static const struct fake_step steps[] = {{.status = 200, .body = "{}"},
                                             {.status = 200, .body = DRAINED},
                                             {.status = 200, .body = DRAINED}};
    struct node_lease *lease;
    struct fake_api api;
    unsigned drained = 0;
    const char *second;

    (void)state;
    fake_start(&api, steps, VK_COUNT(steps), NULL);
    lease = node_lease_new(api.loop, api.rest, "burst-1");
    node_lease_on_drained(lease, count_drained, &drained);
    for (size_t i = 1; i <= VK_COUNT(steps); i++) {
        node_lease_start(lease, "node-uid");
        while (api.next < i)
            fake_run_ms(&api, 5);
        fake_run_ms(&api, 20);
        assert_int_equal(drained, i > 1);
    }
    /* The first renewal takes off what an earlier drain left, the others do not. */
    second = strchr(vk_buf_peek(&api.asked), '\n');
    assert_non_null(strstr(vk_buf_peek(&api.asked), "\"" NODE_LEASE_DRAINED "\":null"));
    assert_null(strstr(second, NODE_LEASE_DRAINED));
    node_lease_free(lease);
    fake_stop(&api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_lease_is_created),
        cmocka_unit_test(an_existing_lease_is_renewed_by_one_patch),
        cmocka_unit_test(a_lease_that_somebody_else_made_meanwhile_is_taken),
        cmocka_unit_test(failures_are_tried_again_within_the_lease),
        cmocka_unit_test(a_clock_that_is_set_back_does_not_stop_the_renewals),
        cmocka_unit_test(a_drained_node_is_told_once),
        cmocka_unit_test(a_lease_that_vanished_is_told_each_time),
        cmocka_unit_test(a_released_lease_has_no_holder_and_is_not_renewed),
        cmocka_unit_test(a_release_that_fails_is_over_all_the_same),
        cmocka_unit_test(what_was_never_held_is_not_released),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
