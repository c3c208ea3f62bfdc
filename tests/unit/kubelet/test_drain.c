/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/fake_api_server.h"

#include "kubelet/drain.h"

#define LEASE "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/burst-1"
#define PODS "GET /api/v1/pods?limit=100&fieldSelector=spec.nodeName%3Dburst-1"
#define POD(name, uid, owner)                                                                      \
    "{\"metadata\":{\"namespace\":\"n\",\"name\":\"" name "\",\"uid\":\"" uid "\"" owner "}}"
#define OWNER(kind) ",\"ownerReferences\":[{\"controller\":true,\"kind\":\"" kind "\"}]"
#define LIST(items, more) "{\"metadata\":{\"continue\":\"" more "\"},\"items\":[" items "]}"
#define OK_STEP(text)                                                                              \
    {                                                                                              \
        .status = 200, .body = text                                                                \
    }

/* Asked before all others. */
#define RIGHT                                                                                      \
    "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews [application/json] "              \
    "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","            \
    "\"spec\":{\"resourceAttributes\":{\"verb\":\"delete\",\"version\":\"v1\",\"resource\":"       \
    "\"nodes\",\"name\":\"burst-1\"}}}\n"
#define MAX_STEPS 32

struct run {
    struct fake_step steps[MAX_STEPS];
    struct fake_api api;
    struct drain *drain;
    struct vk_timer answer;
    const char *groups[4]; /* UIDs, the same each time */
    drain_groups_fn listed;
    void *listed_user;
    bool is_done, has_failed;
    struct vk_err err;
    struct vk_buf told;
};

static void answer(void *user)
{
    struct run *r = user;
    struct json_strs uids = {.v = r->groups};

    while (uids.n < VK_COUNT(r->groups) && r->groups[uids.n])
        uids.n++;
    r->listed(r->listed_user, &uids, NULL);
}

static void list_groups(void *user, const char *cluster_id, drain_groups_fn done, void *done_user)
{
    struct run *r = user;

    assert_string_equal(cluster_id, "cluster-1");
    r->listed = done;
    r->listed_user = done_user;
    vk_timer_arm(&r->answer, 0);
}

static void progress(void *user, const char *text)
{
    struct run *r = user;

    vk_buf_printf(&r->told, "%s\n", text);
}

static void done(void *user, const struct vk_err *err)
{
    struct run *r = user;

    assert_false(r->is_done);
    r->is_done = true;
    r->has_failed = err != NULL;
    if (err)
        r->err = *err;
}

/* Drains until it says that it has ended. */
static void drain_after(struct run *r, const struct fake_step *steps, size_t count, bool force,
                        int64_t timeout_ms)
{
    struct cluster_config cluster = {.source = "test"};
    struct drain_config config = {
        .cluster = &cluster,
        .user_agent = "test",
        .node_name = "burst-1",
        .cluster_id = "cluster-1",
        .force = force,
        .timeout_ms = timeout_ms,
        .list_groups = list_groups,
        .progress = progress,
        .done = done,
        .user = r,
    };
    char url[64];
    struct vk_err err;

    fake_start(&r->api, steps, count, NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", http_server_port(r->api.server));
    cluster.server = url;
    vk_buf_init(&r->told, 1 << 20);
    vk_timer_init(&r->answer, r->api.loop, "groups", answer, r);
    if (drain_new(r->api.loop, r->api.http, &config, &r->drain, &err) < 0)
        fail_msg("%s", err.msg);
    fake_run_until(&r->api, &r->is_done);
    fake_run_ms(&r->api, 20);
}

/* As one who may. */
static void drain(struct run *r, const struct fake_step *steps, size_t count, bool force,
                  int64_t timeout_ms)
{
    assert_true(count < MAX_STEPS);
    r->steps[0] = (struct fake_step)OK_STEP("{\"status\":{\"allowed\":true}}");
    memcpy(&r->steps[1], steps, count * sizeof(*steps));
    drain_after(r, r->steps, count + 1, force, timeout_ms);
}

static void release(struct run *r)
{
    vk_timer_disarm(&r->answer);
    drain_free(r->drain);
    vk_buf_release(&r->told);
    fake_stop(&r->api);
}

/* Behind the question for the right. */
static const char *asked(struct run *r)
{
    const char *all = vk_buf_peek(&r->api.asked);

    assert_memory_equal(all, RIGHT, sizeof(RIGHT) - 1);
    return all + sizeof(RIGHT) - 1;
}

static void an_empty_node_goes_in_order(void **state)
{
    static const struct fake_step steps[] = {
        OK_STEP("{}"),
        OK_STEP(LIST("", "")),
        OK_STEP("{\"spec\":{\"holderIdentity\":\"burst-1\",\"renewTime\":\"1\"}}"),
        OK_STEP("{\"spec\":{\"renewTime\":\"1\"}}"),
        OK_STEP("{}"),
        OK_STEP(LIST("", "")),
        {.status = 404, .body = "{}"},
    };
    struct run r = {0};

    (void)state;
    drain(&r, steps, VK_COUNT(steps), false, 60000);
    assert_false(r.has_failed);
    assert_string_equal(
        asked(&r), "PATCH /api/v1/nodes/burst-1 [application/merge-patch+json] "
                   "{\"spec\":{\"unschedulable\":true}}\n" PODS "\n"
                   "PATCH " LEASE " [application/merge-patch+json] "
                   "{\"metadata\":{\"annotations\":{\"virtual-kubelet.io/drained\":\"true\"}}}\n"
                   "PATCH " LEASE " [application/merge-patch+json] "
                   "{\"metadata\":{\"annotations\":{\"virtual-kubelet.io/drained\":\"true\"}}}\n"
                   "DELETE /api/v1/nodes/burst-1\n" PODS "\nDELETE " LEASE "\n");
    release(&r);
}

static void others_are_evicted_before_daemons_are_deleted(void **state)
{
    static const struct fake_step steps[] = {
        OK_STEP("{}"),
        OK_STEP(LIST(POD("web", "u1", OWNER("ReplicaSet")), "next/page")),
        OK_STEP(LIST(POD("agent", "u2", OWNER("DaemonSet")), "")),
        OK_STEP("{}"),
        OK_STEP(LIST(POD("agent", "u2", OWNER("DaemonSet")), "")),
        {.status = 404, .body = "{}"},
        OK_STEP("{}"),
        OK_STEP(LIST(POD("agent", "u2", OWNER("DaemonSet")), "")),
        OK_STEP("{}"),
        OK_STEP(LIST("", "")),
        OK_STEP("{}"),
    };
    struct run r = {.groups = {NULL}};
    const char *evicted, *node, *deleted;

    (void)state;
    drain(&r, steps, VK_COUNT(steps), false, 60000);
    assert_false(r.has_failed);
    assert_non_null(strstr(asked(&r), "&continue=next%2Fpage\n"));
    evicted = strstr(asked(&r), "POST /api/v1/namespaces/n/pods/web/eviction");
    node = strstr(asked(&r), "DELETE /api/v1/nodes/burst-1");
    deleted = strstr(asked(&r), "DELETE /api/v1/namespaces/n/pods/agent");
    assert_true(evicted && evicted < node && node < deleted);
    assert_non_null(strstr(evicted, "\"preconditions\":{\"uid\":\"u1\"}"));
    release(&r);
}

static void a_node_with_groups_is_never_deleted(void **state)
{
    static const struct fake_step steps[] = {
        OK_STEP("{}"),
        OK_STEP(LIST("", "")),
    };
    struct run r = {.groups = {"u1"}};

    (void)state;
    drain(&r, steps, VK_COUNT(steps), false, 500);
    assert_string_equal(r.err.reason, DRAIN_TIMED_OUT);
    assert_non_null(strstr(r.err.msg, "0 pods and 1 container groups left"));
    assert_null(strstr(asked(&r), "DELETE"));
    release(&r);
}

static void pods_without_controller_need_force(void **state)
{
    static const struct fake_step steps[] = {
        OK_STEP("{}"),
        OK_STEP(LIST(POD("web", "u1", OWNER("ReplicaSet")) "," POD("alone", "u2", ""), "")),
        OK_STEP("{}"),
        OK_STEP("{}"),
    };

    (void)state;
    for (size_t force = 0; force < 2; force++) {
        struct run r = {.groups = {"u1"}};

        drain(&r, steps, force ? 4 : 2, force, 500);
        assert_string_equal(r.err.reason, force ? DRAIN_TIMED_OUT : DRAIN_NEEDS_FORCE);
        assert_int_equal(strstr(r.err.msg, "n/alone") != NULL, !force);
        assert_int_equal(strstr(asked(&r), "/eviction") != NULL, force);
        release(&r);
    }
}

static void a_refusal_ends_it_and_says_why(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 403,
         .body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"may not patch\"}"},
    };
    struct run r = {0};

    (void)state;
    drain(&r, steps, VK_COUNT(steps), false, 60000);
    assert_int_equal(r.err.code, VK_FORBIDDEN);
    assert_non_null(strstr(r.err.msg, "may not patch"));
    release(&r);
}

static void who_may_not_delete_the_node_begins_nothing(void **state)
{
    static const struct fake_step no[] = {OK_STEP("{\"status\":{\"allowed\":false}}")};
    struct run r = {0};

    (void)state;
    drain_after(&r, no, VK_COUNT(no), false, 60000);
    assert_true(r.has_failed);
    assert_int_equal(r.err.code, VK_FORBIDDEN);
    assert_non_null(strstr(r.err.msg, "may not delete node burst-1"));
    assert_string_equal(asked(&r), "");
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_node_goes_in_order),
        cmocka_unit_test(others_are_evicted_before_daemons_are_deleted),
        cmocka_unit_test(a_node_with_groups_is_never_deleted),
        cmocka_unit_test(pods_without_controller_need_force),
        cmocka_unit_test(a_refusal_ends_it_and_says_why),
        cmocka_unit_test(who_may_not_delete_the_node_begins_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
