/* SPDX-License-Identifier: Apache-2.0 */
/* The watched Services against the fake API server. */
#include "tests/unit/kubelet/memory_provider.h"

#include "kubelet/pods/services.h"

#define SERVICE(name, ip)                                                                          \
    "{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"" name                   \
    "\",\"namespace\":\"default\",\"resourceVersion\":\"2\"},\"spec\":{\"clusterIP\":\"" ip        \
    "\",\"ports\":[]}}"

struct fixture {
    struct world *w;
    struct services *services;
    struct pod *pod;
    int ready;
};

static void on_ready(void *user)
{
    struct fixture *f = user;

    f->ready++;
}

static int setup(void **state)
{
    struct fixture *f = vk_calloc(1, sizeof(*f));
    struct vk_err err;

    f->w = world_new();
    f->services = services_new(f->w->loop, f->w->api.rest, &(struct pod_api_server){0});
    if (pod_parse(VK_STR("{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u\"},"
                         "\"spec\":{\"containers\":[]}}"),
                  &f->pod, &err) < 0)
        fail_msg("%s", err.msg);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pod_unref(f->pod);
    services_free(f->services);
    world_free(f->w);
    vk_free(f);
    return 0;
}

/* "NAME=VALUE " of each variable, or the error's name. */
static bool says(struct fixture *f, const char *expected)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct service_variable *v;
    const char *text = "";
    struct vk_err err;
    size_t n;

    if (services_environment(f->services, f->pod, arena, &v, &n, &err) < 0)
        return vk_streq(vk_code_name(err.code), expected);
    for (size_t i = 0; i < n; i++)
        text = vk_arena_printf(arena, "%s%s=%s ", text, v[i].name, v[i].value);
    return vk_streq(text, expected);
}

static void pods_wait_for_the_list_and_follow_the_watch(void **state)
{
    struct fixture *f = *state;

    assert_true(says(f, vk_code_name(VK_UNAVAILABLE)));
    f->w->api.services = SERVICE("a", "10.0.0.1") "," SERVICE("b", "10.0.0.2");
    f->w->api.service_events = "{\"type\":\"MODIFIED\",\"object\":" SERVICE(
        "a", "10.0.0.9") "}\n"
                         "{\"type\":\"DELETED\",\"object\":" SERVICE(
                             "b", "10.0.0.2") "}\n"
                                              "{\"type\":\"ADDED\",\"object\":" SERVICE(
                                                  "c", "10.0.0.3") "}\n";
    services_start(f->services, on_ready, f);
    FAKE_EVENTUALLY(&f->w->api, f->ready == 1);
    FAKE_EVENTUALLY(&f->w->api, says(f, "A_SERVICE_HOST=10.0.0.9 C_SERVICE_HOST=10.0.0.3 "));
    assert_int_equal(f->ready, 1);
    services_stop(f->services);
    assert_true(says(f, "A_SERVICE_HOST=10.0.0.9 C_SERVICE_HOST=10.0.0.3 "));
}

static void without_the_right_the_error_says_what_to_do(void **state)
{
    struct fixture *f = *state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct service_variable *v;
    struct vk_err err = {0};
    size_t n;

    f->w->api.refuse_services = true;
    services_start(f->services, on_ready, f);
    FAKE_EVENTUALLY(&f->w->api, says(f, vk_code_name(VK_FORBIDDEN)));
    assert_true(services_environment(f->services, f->pod, arena, &v, &n, &err) < 0);
    assert_non_null(strstr(err.msg, "rbac.yaml"));
    /* Whoever waits for them goes on all the same. */
    FAKE_EVENTUALLY(&f->w->api, f->ready == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pods_wait_for_the_list_and_follow_the_watch, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_the_right_the_error_says_what_to_do, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
