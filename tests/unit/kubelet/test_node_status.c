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
    *ret = (struct node_capacity){1000, 1 << 30, 10, "Linux", "amd64"};
}

static void ping(void *p, provider_done_fn done, void *user)
{
    struct platform *platform = p;
    struct vk_err err;

    platform->pings++;
    vk_err_set(&err, VK_UNAVAILABLE, "ARM is away");
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

static struct registration run(struct fake_api *api, const struct fake_step *script, size_t count)
{
    struct platform platform = {0};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_node_is_created_and_then_reported),
        cmocka_unit_test(a_refused_role_is_left_out),
        cmocka_unit_test(a_node_of_an_earlier_process_is_adopted),
        cmocka_unit_test(a_deleted_node_comes_back_with_its_new_uid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
