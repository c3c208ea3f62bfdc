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
    assert_true(vk_mono_ms() - began < NODE_LEASE_DURATION_S * 1000 / 4);
    fake_stop(&api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_lease_is_created),
        cmocka_unit_test(an_existing_lease_is_renewed_by_one_patch),
        cmocka_unit_test(a_lease_that_somebody_else_made_meanwhile_is_taken),
        cmocka_unit_test(failures_are_tried_again_within_the_lease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
