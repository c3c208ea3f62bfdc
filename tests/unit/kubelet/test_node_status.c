/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/fake_api_server.h"

#include "kubelet/node/node_status.h"

#define ROLE "\"kubernetes.io/role\":\"agent\""
#define LABELS                                                                                     \
    "\"type\":\"virtual-kubelet\",\"kubernetes.io/os\":\"linux\",\"kubernetes.io/"                 \
    "arch\":\"amd64\","                                                                            \
    "\"kubernetes.io/hostname\":\"burst-1\","                                                      \
    "\"node.kubernetes.io/exclude-from-external-load-balancers\":\"true\""
#define NODE(labels)                                                                               \
    "{\"metadata\":{\"name\":\"burst-1\",\"uid\":\"uid-1\",\"labels\":{" labels "}}}"

/* A provider of which only capacity and ping are asked. */
struct platform {
    bool is_away;
    unsigned pings;
};

static void get_capacity(void *p, struct node_capacity *ret)
{
    (void)p;
    *ret = (struct node_capacity){
        .cpu_milli = 1000, .memory_bytes = 1 << 30, .pods = 10, .os = "Linux", .arch = "amd64"};
}

static void ping(void *p, provider_done_fn done, void *user)
{
    struct platform *platform = p;
    struct vk_err err;

    platform->pings++;
    vk_err_set(&err, VK_UNAVAILABLE, "ARM is away");
    vk_err_reason(&err, PROVIDER_REASON_AWAY);
    done(user, platform->is_away ? &err : NULL);
}

static const struct provider_ops ops = {
    .name = "memory", .get_capacity = get_capacity, .ping = ping};

struct registration {
    unsigned count;
    char uid[64];
};

static void on_registered(void *user, const char *node_uid)
{
    struct registration *r = user;

    r->count++;
    vk_strcpy_to(r->uid, sizeof(r->uid), node_uid);
}

static struct registration run_on(struct platform platform, struct fake_api *api,
                                  const struct fake_step *script, size_t count)
{
    struct provider provider = {&ops, &platform};
    struct registration registration = {0};
    struct node_status_config config = {
        .identity = {.name = "burst-1",
                     .internal_ip = "10.0.0.1",
                     .kubelet_port = 10250,
                     .kubelet_version = "v1",
                     .runtime_version = "aci://x"},
        .provider = &provider,
        .registered = on_registered,
        .user = &registration,
    };
    struct node_status *status;

    fake_start(api, script, count, NULL);
    status = node_status_new(api->loop, api->rest, NULL, &config);
    node_status_start(status);
    fake_run_until(api, &api->is_done);
    fake_run_ms(api, 50);
    assert_true(platform.pings > 0);
    node_status_free(status);
    return registration;
}

static struct registration run(struct fake_api *api, const struct fake_step *script, size_t count)
{
    return run_on((struct platform){0}, api, script, count);
}

static void a_missing_node_is_created_and_then_reported(void **state)
{
    static const struct fake_step script[] = {
        {.status = 404, .body = "{}"},
        {.status = 201, .body = NODE(LABELS "," ROLE)},
        {.status = 200, .body = "{}"},
    };
    struct fake_api api;
    struct registration registration;
    const char *asked;

    (void)state;
    registration = run(&api, script, 3);
    asked = vk_buf_peek(&api.asked);
    assert_true(
        vk_starts(asked, "GET /api/v1/nodes/burst-1\nPOST /api/v1/nodes [application/json]"));
    assert_non_null(strstr(asked, "PATCH /api/v1/nodes/burst-1/status "
                                  "[application/strategic-merge-patch+json]"));
    assert_int_equal(registration.count, 1);
    assert_string_equal(registration.uid, "uid-1");
    fake_stop(&api);
}

static void a_refused_role_is_left_out(void **state)
{
    static const struct fake_step script[] = {
        {.status = 404, .body = "{}"},
        {.status = 403, .body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\"}"},
        {.status = 201, .body = NODE(LABELS)},
        {.status = 200, .body = "{}"},
    };
    struct fake_api api;
    const char *second;

    (void)state;
    run(&api, script, 4);
    second = strstr(strstr(vk_buf_peek(&api.asked), "POST") + 4, "POST");
    assert_non_null(second);
    assert_null(strstr(second, ROLE));
    fake_stop(&api);
}

static void a_node_of_an_earlier_process_is_adopted(void **state)
{
    static const struct fake_step script[] = {
        {.status = 200, .body = NODE("\"type\":\"virtual-kubelet\"")},
        {.status = 200, .body = NODE(LABELS "," ROLE)},
        {.status = 200, .body = "{}"},
    };
    struct fake_api api;
    struct registration registration;

    (void)state;
    registration = run(&api, script, 3);
    assert_non_null(strstr(vk_buf_peek(&api.asked),
                           "PATCH /api/v1/nodes/burst-1 [application/merge-patch+json]"));
    assert_null(strstr(vk_buf_peek(&api.asked), "POST"));
    assert_int_equal(registration.count, 1);
    fake_stop(&api);
}

static void a_deleted_node_comes_back_with_its_new_uid(void **state)
{
    static const struct fake_step script[] = {
        {.status = 200, .body = NODE(LABELS "," ROLE)},
        {.status = 404, .body = "{}"},
        {.status = 201,
         .body = "{\"metadata\":{\"uid\":\"uid-2\",\"labels\":{" LABELS "," ROLE "}}}"},
        {.status = 200, .body = "{}"},
    };
    struct fake_api api;
    struct registration registration;

    (void)state;
    registration = run(&api, script, 4);
    assert_int_equal(registration.count, 2);
    assert_string_equal(registration.uid, "uid-2");
    fake_stop(&api);
}

#define OURS LABELS "," ROLE
#define WITH_TAINT                                                                                 \
    "{\"metadata\":{\"uid\":\"uid-1\",\"labels\":{" OURS "}},\"spec\":{\"taints\":[{\"key\":"      \
    "\"virtual-kubelet.io/provider-unreachable\",\"effect\":\"NoSchedule\"}]}}"
#define UNREACHABLE "\"type\":\"ProviderUnreachable\",\"status\":\"True\""
#define REFUSED "{\"kind\":\"Status\",\"reason\":\"Forbidden\"}"

static void the_node_is_tainted_while_the_provider_is_away(void **state)
{
    static const struct fake_step away[] = {
        {.status = 200, .body = NODE(OURS)},
        {.status = 200, .body = WITH_TAINT},
        {.status = 200, .body = "{}"},
    };
    static const struct fake_step back[] = {
        {.status = 200, .body = WITH_TAINT},
        {.status = 409, .body = "{\"kind\":\"Status\",\"reason\":\"Conflict\"}"},
        {.status = 200, .body = WITH_TAINT},
        {.status = 200, .body = NODE(OURS)},
        {.status = 200, .body = "{}"},
    };
    struct fake_api api;
    const char *patch;

    (void)state;
    run_on((struct platform){.is_away = true}, &api, away, 3);
    assert_non_null(strstr(vk_buf_peek(&api.asked), "virtual-kubelet.io/provider-unreachable"));
    assert_non_null(strstr(vk_buf_peek(&api.asked), UNREACHABLE));
    fake_stop(&api);
    /* What an earlier process left is taken off, whoever else changes the object meanwhile. */
    run(&api, back, 5);
    patch = strstr(vk_buf_peek(&api.asked), "PATCH /api/v1/nodes/burst-1 ");
    assert_non_null(patch);
    assert_non_null(strstr(patch, "\"taints\":[]"));
    assert_null(strstr(vk_buf_peek(&api.asked), UNREACHABLE));
    fake_stop(&api);
}

static void where_the_taint_is_forbidden_the_condition_is_enough(void **state)
{
    static const int refusals[] = {403, 422};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(refusals); i++) {
        const struct fake_step script[] = {
            {.status = 200, .body = NODE(OURS)},
            {.status = refusals[i], .body = "{\"kind\":\"Status\"}"},
            {.status = 200, .body = "{}"},
        };
        struct fake_api api;

        run_on((struct platform){.is_away = true}, &api, script, 3);
        assert_non_null(strstr(vk_buf_peek(&api.asked), UNREACHABLE));
        fake_stop(&api);
    }
}

static void a_node_that_may_not_be_adopted_is_reported_all_the_same(void **state)
{
    static const struct fake_step script[] = {
        {.status = 200, .body = NODE("\"type\":\"virtual-kubelet\"")},
        {.status = 403, .body = REFUSED},
        {.status = 200, .body = NODE("\"type\":\"virtual-kubelet\"")},
        {.status = 403, .body = REFUSED},
        {.status = 200, .body = NODE("\"type\":\"virtual-kubelet\"")},
        {.status = 403, .body = REFUSED},
        {.status = 200, .body = "{}"},
    };
    struct fake_api api;

    (void)state;
    run_on((struct platform){.is_away = true}, &api, script, 7);
    assert_non_null(strstr(vk_buf_peek(&api.asked), UNREACHABLE));
    fake_stop(&api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_node_is_created_and_then_reported),
        cmocka_unit_test(a_refused_role_is_left_out),
        cmocka_unit_test(a_node_of_an_earlier_process_is_adopted),
        cmocka_unit_test(the_node_is_tainted_while_the_provider_is_away),
        cmocka_unit_test(where_the_taint_is_forbidden_the_condition_is_enough),
        cmocka_unit_test(a_node_that_may_not_be_adopted_is_reported_all_the_same),
        cmocka_unit_test(a_deleted_node_comes_back_with_its_new_uid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
