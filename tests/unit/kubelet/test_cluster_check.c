/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/fake_api_server.h"

#include <string.h>

#include "kubelet/cluster_check.h"

#define MAX_FINDINGS 8

/* An API server that answers by path, not by order: rights are asked for all at once. */
struct run {
    struct fake_api api;
    struct http_server *server;
    const char *version; /* of GET /version; NULL: 401 */
    const char *user;
    const char *denied; /* reviews with this text are */
    const char *date;
    const char *node; /* labels of the Node of our name; NULL: there is none */
    unsigned reviews;
    struct cluster_check *check;
    struct finding found[MAX_FINDINGS];
    size_t count;
    struct vk_arena *arena;
    bool is_done;
};

static void serve(void *user, struct http_exchange *x)
{
    struct run *r = user;
    const char *path = http_exchange_head(x)->path;
    const struct vk_str body = http_exchange_body(x);
    char text[256];

    if (r->date)
        http_exchange_header(x, "Date", r->date);
    if (vk_streq(path, "/version")) {
        snprintf(text, sizeof(text),
                 "{\"major\":\"1\",\"minor\":\"%s\",\"gitVersion\":\"v1.%s.0\"}", r->version,
                 r->version);
        http_exchange_reply(x, r->version ? 200 : 401, "application/json", vk_str_of(text));
    } else if (vk_ends(path, "/selfsubjectreviews")) {
        snprintf(text, sizeof(text), "{\"status\":{\"userInfo\":{\"username\":\"%s\"}}}", r->user);
        http_exchange_reply(x, 201, "application/json", vk_str_of(text));
    } else if (vk_streq(path, "/api/v1/nodes/burst")) {
        snprintf(text, sizeof(text),
                 "{\"metadata\":{\"labels\":{%s}},\"status\":{\"nodeInfo\":{\"kubeletVersion\":"
                 "\"v1.30.1\"}}}",
                 r->node ? r->node : "");
        http_exchange_reply(x, r->node ? 200 : 404, "application/json", vk_str_of(text));
    } else {
        char *asked VK_AUTOFREE = vk_strndup(body.p, body.n);
        const bool denied = r->denied && strstr(asked, r->denied);

        r->reviews++;
        snprintf(text, sizeof(text), "{\"status\":{\"allowed\":%s}}", denied ? "false" : "true");
        http_exchange_reply(x, 201, "application/json", vk_str_of(text));
    }
}

static void found(void *user, const struct finding *finding)
{
    struct run *r = user;

    assert_true(r->count < MAX_FINDINGS);
    r->found[r->count++] = (struct finding){
        .state = finding->state,
        .name = finding->name,
        .detail = vk_arena_strdup(r->arena, finding->detail),
        .remedy = vk_arena_strdup(r->arena, finding->remedy),
    };
}

static void done(void *user)
{
    struct run *r = user;

    r->is_done = true;
}

static void run_check(struct run *r)
{
    char url[64];
    struct vk_err err;
    struct cluster_config cluster = {.server = url};
    const struct cluster_check_config config = {
        .cluster = &cluster,
        .user_agent = "test",
        .node_name = "burst",
        .needs_cluster_id = true,
        .reviews = true,
        .found = found,
        .done = done,
        .user = r,
    };

    fake_start(&r->api, NULL, 0, NULL);
    r->arena = vk_arena_new();
    if (http_server_new(r->api.loop,
                        &(struct http_server_config){
                            .listener = {.address = "127.0.0.1", .plain = true},
                            .max_body = 1 << 20,
                        },
                        serve, r, &r->server, &err) < 0)
        fail_msg("%s", err.msg);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", http_server_port(r->server));
    r->check = cluster_check_new(r->api.loop, r->api.http, &config);
    fake_run_until(&r->api, &r->is_done);
    assert_int_equal(r->count, 5);
}

static void end_check(struct run *r)
{
    cluster_check_free(r->check);
    http_server_free(r->server);
    fake_stop(&r->api);
    vk_arena_free(r->arena);
}

static const struct finding *look(const struct run *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (vk_streq(r->found[i].name, name))
            return &r->found[i];
    fail_msg("nothing was said of %s", name);
    return NULL;
}

static void assert_finding(const struct run *r, const char *name, enum finding_state state,
                           const char *part)
{
    const struct finding *f = look(r, name);

    if (f->state != state || !strstr(f->detail, part))
        fail_msg("%s: state %d, %s", name, (int)f->state, f->detail);
    assert_int_equal(*f->remedy == '\0', state == FINDING_OK || state == FINDING_SKIPPED);
}

static void a_service_account_with_all_rights_is_fine(void **state)
{
    struct run r = {.version = "37", .user = "system:serviceaccount:a:b"};

    (void)state;
    run_check(&r);
    assert_finding(&r, "API server", FINDING_OK, "v1.37.0 at http://");
    assert_finding(&r, "cluster identity", FINDING_OK, "system:serviceaccount:a:b");
    assert_finding(&r, "node name", FINDING_OK, "burst is free");
    /* All but those for a serving certificate. */
    assert_finding(&r, "cluster rights", FINDING_OK, "all 23 rights");
    assert_int_equal(r.reviews, 23);
    assert_finding(&r, "cluster clock", FINDING_OK, "agrees");
    end_check(&r);
}

static void a_missing_right_is_named_as_rbac_writes_it(void **state)
{
    struct run r = {
        .version = "31+", .user = "system:serviceaccount:a:b", .denied = "\"resource\":\"leases\""};

    (void)state;
    run_check(&r);
    assert_finding(&r, "API server", FINDING_OK, "");
    assert_finding(&r, "cluster rights", FINDING_FAILED,
                   "system:serviceaccount:a:b may not: create leases.coordination.k8s.io in "
                   "kube-node-lease, patch leases.coordination.k8s.io in kube-node-lease");
    end_check(&r);
}

static void a_node_is_not_asked_for_what_its_graph_gives(void **state)
{
    struct run r = {.version = "37", .user = "system:node:burst", .denied = "secrets"};

    (void)state;
    run_check(&r);
    assert_finding(&r, "cluster identity", FINDING_OK, "system:node:burst");
    assert_finding(&r, "cluster rights", FINDING_OK, "all 15 rights");
    end_check(&r);
}

static void a_name_that_a_machine_has_fails(void **state)
{
    struct run r = {.version = "37", .user = "a", .node = "\"type\":\"big\""};
    struct run ours = {.version = "37", .user = "a", .node = "\"type\":\"virtual-kubelet\""};

    (void)state;
    run_check(&r);
    assert_finding(&r, "node name", FINDING_FAILED, "burst is another node, with kubelet v1.30.1");
    assert_finding(&r, "cluster rights", FINDING_OK, "");
    end_check(&r);
    run_check(&ours);
    assert_finding(&ours, "node name", FINDING_OK, "as a virtual node");
    end_check(&ours);
}

static void a_node_of_another_name_fails(void **state)
{
    struct run r = {.version = "37", .user = "system:node:other"};

    (void)state;
    run_check(&r);
    assert_finding(&r, "cluster identity", FINDING_FAILED, "as system:node:other, not as");
    end_check(&r);
}

static void an_old_server_fails_and_its_rights_are_looked_at_all_the_same(void **state)
{
    struct run r = {.version = "30", .user = "a"};

    (void)state;
    run_check(&r);
    assert_finding(&r, "API server", FINDING_FAILED, "v1.30.0");
    assert_finding(&r, "cluster rights", FINDING_OK, "");
    end_check(&r);
}

static void a_refused_credential_ends_it(void **state)
{
    struct run r = {.user = "a"};

    (void)state;
    run_check(&r);
    assert_finding(&r, "API server", FINDING_FAILED, "");
    assert_non_null(strstr(look(&r, "API server")->remedy, "new kubeconfig"));
    assert_finding(&r, "cluster rights", FINDING_SKIPPED, "");
    end_check(&r);
}

static void a_clock_that_is_years_off_fails(void **state)
{
    struct run r = {.version = "37", .user = "a", .date = "Wed, 01 Jan 2020 00:00:00 GMT"};

    (void)state;
    run_check(&r);
    assert_finding(&r, "cluster clock", FINDING_FAILED, "ahead of the API server");
    end_check(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_account_with_all_rights_is_fine),
        cmocka_unit_test(a_missing_right_is_named_as_rbac_writes_it),
        cmocka_unit_test(a_node_is_not_asked_for_what_its_graph_gives),
        cmocka_unit_test(a_name_that_a_machine_has_fails),
        cmocka_unit_test(a_node_of_another_name_fails),
        cmocka_unit_test(an_old_server_fails_and_its_rights_are_looked_at_all_the_same),
        cmocka_unit_test(a_refused_credential_ends_it),
        cmocka_unit_test(a_clock_that_is_years_off_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
