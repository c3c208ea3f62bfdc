/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/authorization.c"

#include "base/clock.h"
#include "tests/unit/kubelet/fake_api_server.h"

#define ALLOW_MS 300000
#define DENY_MS 30000
#define YES "{\"status\":{\"allowed\":true}}"
#define NO "{\"status\":{\"allowed\":false,\"reason\":\"no\"}}"

static void paths_stand_for_subresources_of_the_node(void **state)
{
    static const struct {
        const char *segment, *first, *second;
    } table[] = {
        {"pods", "pods", "proxy"},
        {"runningpods", "pods", "proxy"},
        {"healthz", "healthz", "proxy"},
        {"configz", "configz", "proxy"},
        {"statusz", "statusz", "proxy"},
        {"stats", "stats", NULL},
        {"metrics", "metrics", NULL},
        {"logs", "log", NULL},
        {"checkpoint", "checkpoint", NULL},
        {"flagz", "configz", NULL},
        {"containerLogs", "proxy", NULL},
        {"exec", "proxy", NULL},
        {"attach", "proxy", NULL},
        {"portForward", "proxy", NULL},
        {"run", "proxy", NULL},
        {"debug", "proxy", NULL},
        {"", "proxy", NULL},
        {"metrics/..", "proxy", NULL},
        {"Pods", "proxy", NULL},
        {"pods ", "proxy", NULL},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        const char *got[AUTHORIZATION_MAX_SUBRESOURCES] = {0};
        size_t n = authorization_subresources(table[i].segment, got);

        assert_int_equal(n, table[i].second ? 2 : 1);
        assert_string_equal(got[0], table[i].first);
        if (table[i].second)
            assert_string_equal(got[1], table[i].second);
    }
}

/* What kubelets before fine-grained rights ask for (k8s v1.31 pkg/kubelet/server/auth.go) and what
 * those of today do: whoever one of them lets in is let in. */
static void rights_of_every_cluster_from_131_on_count(void **state)
{
    static const struct {
        const char *segment;
        const char *v131, *v137[2];
    } rights[] = {
        {"pods", "proxy", {"pods", "proxy"}},
        {"runningpods", "proxy", {"pods", "proxy"}},
        {"healthz", "proxy", {"healthz", "proxy"}},
        {"configz", "proxy", {"configz", "proxy"}},
        {"statusz", "proxy", {"statusz", NULL}},
        {"stats", "stats", {"stats", NULL}},
        {"metrics", "metrics", {"metrics", NULL}},
        {"logs", "log", {"log", NULL}},
        {"checkpoint", "checkpoint", {"checkpoint", NULL}},
        {"containerLogs", "proxy", {"proxy", NULL}},
        {"exec", "proxy", {"proxy", NULL}},
        {"attach", "proxy", {"proxy", NULL}},
        {"portForward", "proxy", {"proxy", NULL}},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(rights); i++) {
        const char *wanted[] = {rights[i].v131, rights[i].v137[0], rights[i].v137[1]};
        const char *got[AUTHORIZATION_MAX_SUBRESOURCES];
        size_t n = authorization_subresources(rights[i].segment, got);

        for (size_t k = 0; k < VK_COUNT(wanted); k++)
            if (wanted[k] && !vk_streq(wanted[k], got[0]) && !vk_streq(wanted[k], got[n - 1]))
                fail_msg("%s of /%s opens nothing", wanted[k], rights[i].segment);
        /* And nothing but these. */
        for (size_t k = 0; k < n; k++)
            if (!vk_streq(got[k], wanted[0]) && !vk_streq(got[k], wanted[1]) &&
                !vk_streq(got[k], wanted[2]))
                fail_msg("%s opens /%s, as in no version", got[k], rights[i].segment);
    }
}

static void methods_stand_for_verbs(void **state)
{
    static const char *const table[][2] = {
        {"GET", "get"},       {"POST", "create"}, {"PUT", "update"}, {"PATCH", "patch"},
        {"DELETE", "delete"}, {"HEAD", ""},       {"get", ""},       {"OPTIONS", ""},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++)
        assert_string_equal(authorization_verb(table[i][0]), table[i][1]);
}

/* ---- with an API server ---- */

struct asker {
    struct authorization n;
    struct vk_err err;
    bool is_done, is_allowed;
};
struct world {
    struct fake_api api;
    struct authorizer *z;
};

static void on_done(void *user, const struct vk_err *err)
{
    struct asker *k = user;

    assert_false(k->is_done);
    k->is_done = true;
    k->is_allowed = !err;
    if (err)
        k->err = *err;
}

static const char *groups[] = {"g", "system:authenticated"};
static const char *values[] = {"v"};
static struct user_extra extra[] = {{"k", {values, 1}}};
static const struct user_info jane = {
    .name = "jane", .uid = "7", .groups = {groups, 2}, .extra = extra, .extra_count = 1};
static const struct user_info john = {.name = "john", .groups = {groups, 1}};

static void ask_as(struct world *w, struct asker *k, const struct user_info *who,
                   const char *method, const char *segment)
{
    *k = (struct asker){0};
    authorization_init(&k->n);
    k->n.fn = on_done;
    k->n.user = k;
    authorize(w->z, who, method, segment, &k->n);
}

/* Asks and waits; true when it was allowed. */
static bool is_allowed(struct world *w, struct asker *k, const struct user_info *who,
                       const char *method, const char *segment)
{
    ask_as(w, k, who, method, segment);
    if (!k->is_done)
        fake_run_until(&w->api, &k->is_done);
    return k->is_allowed;
}

static void start(struct world *w, const struct fake_step *steps, size_t count)
{
    fake_start(&w->api, steps, count, NULL);
    w->z = authorizer_new(w->api.loop, &(struct authorizer_config){.client = w->api.rest,
                                                                   .node_name = "n1",
                                                                   .allow_ttl_ms = ALLOW_MS,
                                                                   .deny_ttl_ms = DENY_MS});
}

static void stop(struct world *w)
{
    authorizer_free(w->z);
    fake_stop(&w->api);
    vk_clock_thaw();
}

static void the_question_is_the_kubelets(void **state)
{
    static const struct fake_step steps[] = {{.body = YES}};
    struct world w;
    struct asker k;

    (void)state;
    start(&w, steps, 1);
    assert_true(is_allowed(&w, &k, &jane, "POST", "exec"));
    assert_string_equal(
        vk_buf_peek(&w.api.asked),
        "POST /apis/authorization.k8s.io/v1/subjectaccessreviews [application/json] "
        "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SubjectAccessReview\",\"spec\":{"
        "\"resourceAttributes\":{\"verb\":\"create\",\"version\":\"v1\",\"resource\":\"nodes\","
        "\"subresource\":\"proxy\",\"name\":\"n1\"},\"user\":\"jane\",\"uid\":\"7\","
        "\"groups\":[\"g\",\"system:authenticated\"],\"extra\":{\"k\":[\"v\"]}}}\n");
    stop(&w);
}

static void proxy_opens_what_the_finer_right_does_not(void **state)
{
    static const struct {
        const char *name;
        struct fake_step steps[2];
        size_t asked;
        bool allowed;
    } table[] = {
        {"the finer right", {{.body = YES}}, 1, true},
        {"proxy alone, as before 1.32", {{.body = NO}, {.body = YES}}, 2, true},
        {"neither", {{.body = NO}, {.body = NO}}, 2, false},
        {"denied beats allowed",
         {{.body = "{\"status\":{\"allowed\":true,\"denied\":true}}"}, {.body = NO}},
         2,
         false},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct world w;
        struct asker k;

        print_message("%s\n", table[i].name);
        start(&w, table[i].steps, 2);
        assert_int_equal(is_allowed(&w, &k, &jane, "GET", "pods"), table[i].allowed);
        assert_int_equal(w.api.next, table[i].asked);
        if (!table[i].allowed) {
            assert_int_equal(k.err.code, VK_FORBIDDEN);
            assert_string_equal(
                k.err.msg,
                "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[pods proxy])");
        }
        stop(&w);
    }
}

static void yes_and_no_are_kept_for_their_own_time(void **state)
{
    static const struct fake_step steps[] = {
        {.body = YES}, {.body = NO}, {.body = NO}, {.body = NO}};
    struct world w;
    struct asker k;

    (void)state;
    start(&w, steps, VK_COUNT(steps));
    assert_true(is_allowed(&w, &k, &jane, "GET", "exec"));
    assert_false(is_allowed(&w, &k, &john, "GET", "exec"));
    vk_clock_freeze(vk_mono_ms(), vk_wall_ms());
    vk_clock_advance(DENY_MS - 1000);
    assert_true(is_allowed(&w, &k, &jane, "GET", "exec"));
    assert_false(is_allowed(&w, &k, &john, "GET", "exec"));
    assert_int_equal(w.api.next, 2);

    vk_clock_advance(2000);
    assert_true(is_allowed(&w, &k, &jane, "GET", "exec"));
    ask_as(&w, &k, &john, "GET", "exec");
    assert_false(k.is_done);
    vk_clock_thaw();
    fake_run_until(&w.api, &k.is_done);
    assert_int_equal(w.api.next, 3);

    vk_clock_freeze(vk_mono_ms() + ALLOW_MS, vk_wall_ms());
    ask_as(&w, &k, &jane, "GET", "exec");
    assert_false(k.is_done);
    vk_clock_thaw();
    fake_run_until(&w.api, &k.is_done);
    assert_false(k.is_allowed);
    stop(&w);
}

static void answers_are_for_one_user_one_verb_one_subresource(void **state)
{
    static const struct fake_step steps[] = {
        {.body = YES}, {.body = NO}, {.body = NO}, {.body = NO}};
    struct user_info other = jane;
    struct world w;
    struct asker k;

    (void)state;
    start(&w, steps, VK_COUNT(steps));
    other.groups.n = 1;
    assert_true(is_allowed(&w, &k, &jane, "GET", "exec"));
    assert_true(is_allowed(&w, &k, &jane, "GET", "attach")); /* the same right */
    assert_int_equal(w.api.next, 1);
    assert_false(is_allowed(&w, &k, &jane, "POST", "exec"));
    assert_false(is_allowed(&w, &k, &jane, "GET", "stats"));
    assert_false(is_allowed(&w, &k, &other, "GET", "exec"));
    assert_int_equal(w.api.next, 4);
    stop(&w);
}

static void nobody_is_allowed_while_the_api_server_is_away(void **state)
{
    static const struct fake_step steps[] = {{.status = 503, .body = ""},
                                             {.status = 503, .body = ""},
                                             {.status = 503, .body = ""},
                                             {.status = 503, .body = ""},
                                             {.body = "{}"},
                                             {.body = YES}};
    struct world w;
    struct asker k;

    (void)state;
    start(&w, steps, VK_COUNT(steps));
    assert_false(is_allowed(&w, &k, &jane, "GET", "exec"));
    assert_int_equal(k.err.code, VK_UNAVAILABLE);
    assert_string_equal(
        k.err.msg, "Authorization error (user=jane, verb=get, resource=nodes, subresource=proxy)");
    /* an answer that says nothing */
    assert_false(is_allowed(&w, &k, &jane, "GET", "exec"));
    assert_int_equal(k.err.code, VK_UNAVAILABLE);
    /* none of it was remembered */
    assert_true(is_allowed(&w, &k, &jane, "GET", "exec"));
    stop(&w);
}

static void a_client_that_left_is_not_told(void **state)
{
    static const struct fake_step steps[] = {{.body = NO}, {.body = YES}};
    struct world w;
    struct asker k[2];

    (void)state;
    start(&w, steps, 2);
    ask_as(&w, &k[0], &jane, "GET", "pods");
    ask_as(&w, &k[1], &jane, "GET", "pods");
    authorization_cancel(&k[0].n);
    fake_run_until(&w.api, &k[1].is_done);
    assert_true(k[1].is_allowed);
    assert_false(k[0].is_done);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_stand_for_subresources_of_the_node),
        cmocka_unit_test(rights_of_every_cluster_from_131_on_count),
        cmocka_unit_test(methods_stand_for_verbs),
        cmocka_unit_test(the_question_is_the_kubelets),
        cmocka_unit_test(proxy_opens_what_the_finer_right_does_not),
        cmocka_unit_test(yes_and_no_are_kept_for_their_own_time),
        cmocka_unit_test(answers_are_for_one_user_one_verb_one_subresource),
        cmocka_unit_test(nobody_is_allowed_while_the_api_server_is_away),
        cmocka_unit_test(a_client_that_left_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
