/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/kubelet.c"

#include "tests/unit/kubelet/fake_api_server.h"

static struct vk_err fatal_err;

static void on_fatal(void *user, const struct vk_err *err)
{
    (void)user;
    fatal_err = *err;
}

static void again(void *user)
{
    (void)user;
}

/* A kubelet that asks for the cluster's identity. */
static void begin(struct kubelet *k, struct vk_loop **loop, struct http_client **http)
{
    static const struct cluster_config cluster = {.server = "http://127.0.0.1:1",
                                                  .source = "kubeconfig x"};
    struct vk_err err;

    vk_clock_freeze(1000000, 1700000000000);
    fatal_err = (struct vk_err){0};
    *loop = vk_loop_new();
    *http = http_client_new(*loop);
    *k = (struct kubelet){.loop = *loop,
                          .config = {.cluster = &cluster, .fatal = on_fatal},
                          .identity_backoff = {.initial_ms = 500, .max_ms = 10000}};
    assert_int_equal(rest_client_new(*http, &cluster, "test", &k->client, &err), 0);
    vk_timer_init(&k->identity_timer, *loop, "identity", again, k);
}

static void end(struct kubelet *k, struct vk_loop *loop, struct http_client *http)
{
    vk_timer_disarm(&k->identity_timer);
    rest_client_free(k->client);
    http_client_free(http);
    vk_loop_free(loop);
    vk_clock_thaw();
}

struct failure {
    int64_t after_ms;
    enum vk_code code;
};

static void only_what_stays_refused_ends_the_process(void **state)
{
    static const struct {
        const char *name;
        struct failure failures[4];
        bool is_fatal;
    } table[] = {
        {"bad credentials", {{0, VK_UNAUTHENTICATED}}, true},
        {"an API server that has just come up", {{0, VK_FORBIDDEN}, {20000, VK_FORBIDDEN}}, false},
        {"rights that are missing", {{0, VK_FORBIDDEN}, {30000, VK_FORBIDDEN}}, true},
        {"one that came up again in between",
         {{0, VK_FORBIDDEN}, {20000, VK_UNAVAILABLE}, {20000, VK_FORBIDDEN}},
         false},
        {"no API server", {{0, VK_UNAVAILABLE}, {600000, VK_UNAVAILABLE}}, false},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct http_client *http;
        struct vk_loop *loop;
        struct kubelet k;
        struct vk_err err;

        print_message("%s\n", table[i].name);
        begin(&k, &loop, &http);
        for (const struct failure *f = table[i].failures; f->code != VK_OK; f++) {
            vk_clock_advance(f->after_ms);
            assert_int_equal(fatal_err.code, VK_OK);
            vk_timer_disarm(&k.identity_timer);
            (void)vk_err_set(&err, f->code, "get namespace kube-system");
            identity_failed(&k, &err);
        }
        assert_int_equal(fatal_err.code != VK_OK, table[i].is_fatal);
        assert_int_equal(vk_timer_is_armed(&k.identity_timer), !table[i].is_fatal);
        end(&k, loop, http);
    }
}

static void on_shut_down(void *user)
{
    (void)user;
}

/* It waited for the lease, and its end was asked for: nothing is begun any more. */
static void leadership_that_comes_at_the_end_begins_nothing(void **state)
{
    struct http_client *http;
    struct vk_loop *loop;
    struct kubelet k;

    (void)state;
    begin(&k, &loop, &http);
    on_leads(&k);
    assert_true(vk_timer_is_armed(&k.identity_timer));
    vk_timer_disarm(&k.identity_timer);
    k.shut_down = on_shut_down;
    on_leads(&k);
    assert_false(vk_timer_is_armed(&k.identity_timer));
    end(&k, loop, http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_stays_refused_ends_the_process),
        cmocka_unit_test(leadership_that_comes_at_the_end_begins_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
