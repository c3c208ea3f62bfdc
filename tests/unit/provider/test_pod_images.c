/* SPDX-License-Identifier: Apache-2.0 */
/* What images say, on the way from a pod to its group. */
#include "provider/pod_images.h"

#include "provider/container_command.h"
#include "tests/unit/provider/provider_world.h"

static bool is_synced(struct world *w)
{
    return w->synced;
}
static bool one_done(struct world *w)
{
    return w->done >= 1;
}
static bool two_done(struct world *w)
{
    return w->done >= 2;
}
static bool registry_was_asked(struct world *w)
{
    return w->arm.manifests > 0;
}

#define ARGS_ONLY "{\"name\":\"c\",\"image\":\"app:1\",\"args\":[\"-x\"]}"

static void create(struct world *w, const char *containers)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *text =
        vk_arena_printf(arena,
                        "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u1\"},"
                        "\"spec\":{\"containers\":[%s]}}",
                        containers);
    struct resolved_pod *pod = sample_pod(vk_str_of(text), NULL, NULL);
    w->provider.ops->create_pod(w->provider.p, pod, world_done, w);
}

static void start(struct world *w)
{
    world_start(w);
    UNTIL(w, is_synced);
}

static void args_alone_follow_the_entrypoint_of_the_image(void **state)
{
    struct world *w = *state;
    start(w);
    create(w, ARGS_ONLY ",{\"name\":\"d\",\"image\":\"app:2\",\"args\":[\"-y\"]}");
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.manifests, 2);
    assert_non_null(strstr(w->arm.last_put, "\"command\":[\"/entry\",\"-x\"]"));
    assert_non_null(strstr(w->arm.last_put, "\"command\":[\"/entry\",\"-y\"]"));
}

static void a_pod_that_names_its_command_asks_no_registry(void **state)
{
    struct world *w = *state;
    start(w);
    create(w, "{\"name\":\"c\",\"image\":\"app:1\",\"command\":[\"/c\"],\"args\":[\"-x\"]}");
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.manifests, 0);
    assert_non_null(strstr(w->arm.last_put, "\"command\":[\"/c\",\"-x\"]"));
}

static void another_working_directory_than_the_images_fails_the_pod(void **state)
{
    struct world *w = *state;
    start(w);
    create(w, "{\"name\":\"c\",\"image\":\"app:1\",\"workingDir\":\"/tmp\"}");
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNSUPPORTED);
    assert_non_null(strstr(w->err.msg, "the image's is /srv"));
    create(w, "{\"name\":\"c\",\"image\":\"app:1\",\"workingDir\":\"/srv/\"}");
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_OK);
}

static void a_registry_that_is_away_lets_the_pod_wait(void **state)
{
    struct world *w = *state;
    start(w);
    w->arm.registry_status = 503;
    create(w, ARGS_ONLY);
    UNTIL(w, one_done);
    assert_true(vk_err_is_transient(&w->err));
    assert_string_equal(w->err.reason, "RegistryUnavailable");
    assert_non_null(strstr(w->err.msg, "container c, image app:1"));
    assert_int_equal(w->arm.puts, 0);
    w->arm.registry_status = 0;
    create(w, ARGS_ONLY);
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_OK);
}

static void an_image_that_is_missing_is_an_image_error(void **state)
{
    struct world *w = *state;
    start(w);
    w->arm.registry_status = 404;
    create(w, ARGS_ONLY);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    assert_string_equal(w->err.reason, PROVIDER_REASON_IMAGE);
    assert_int_equal(w->arm.puts, 0);
}

static void the_registry_explains_what_aci_refuses(void **state)
{
    struct world *w = *state;
    start(w);
    w->arm.registry_status = 404;
    w->arm.rule = (struct arm_rule){"PUT", ARM_REFUSE, 400, "InaccessibleImage", 2};
    create(w, "{\"name\":\"c\",\"image\":\"app:9\"}");
    UNTIL(w, one_done);
    assert_string_equal(w->err.reason, PROVIDER_REASON_IMAGE);
    assert_non_null(strstr(w->err.msg, "image app:9"));
    assert_non_null(strstr(w->err.msg, "not found: tag or digest '9'"));
    /* A registry that knows better, or says nothing, leaves ACI's words. */
    w->arm.registry_status = 503;
    create(w, "{\"name\":\"c\",\"image\":\"app:9\"}");
    UNTIL(w, two_done);
    assert_string_equal(w->err.reason, PROVIDER_REASON_IMAGE);
    assert_non_null(strstr(w->err.msg, "InaccessibleImage happened"));
}

static void a_deletion_does_not_wait_for_a_registry(void **state)
{
    struct world *w = *state;
    start(w);
    w->arm.registry_holds = true;
    create(w, ARGS_ONLY);
    UNTIL(w, registry_was_asked);
    world_delete(w, "web", "u1");
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 0);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

#define PULLED_BY_IDENTITY                                                                         \
    "\"annotations\":{\"aci-kubelet.io/pull-identity\":\"/subscriptions/s\"},"

static void an_image_is_read_where_it_decides(void **state)
{
    (void)state;
    static const struct {
        const char *metadata, *container;
        bool warn, needed;
    } rows[] = {
        {"", "\"image\":\"app:1\"", false, false},
        {"", "\"image\":\"app:1\",\"args\":[\"x\"]", false, true},
        {"", "\"image\":\"app:1\",\"securityContext\":{\"runAsNonRoot\":true}", false, true},
        {"", "\"image\":\"app:1\",\"securityContext\":{\"runAsUser\":1}", false, true},
        {"", "\"image\":\"app:1\",\"securityContext\":{\"runAsUser\":1}", true, false},
        {"\"annotations\":{\"aci-kubelet.io/sku\":\"Confidential\"},",
         "\"image\":\"app:1\",\"securityContext\":{\"runAsUser\":1}", false, false},
        {PULLED_BY_IDENTITY,
         "\"image\":\"a.azurecr.io/app:1\",\"securityContext\":{\"runAsUser\":1}", false, false},
        {PULLED_BY_IDENTITY,
         "\"image\":\"other.example/app:1\",\"securityContext\":{\"runAsUser\":1}", false, true},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const struct provider_env env = {.settings.warn_security = rows[i].warn};
        const char *text = vk_arena_printf(
            arena,
            "{\"metadata\":{%s\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\"},\"spec\":{"
            "\"containers\":[{\"name\":\"c\",%s}]}}",
            rows[i].metadata, rows[i].container);
        struct resolved_pod *pod = sample_pod(vk_str_of(text), NULL, NULL);
        if (pod_images_are_needed(pod, &env) != rows[i].needed)
            fail_msg("%s", text);
        resolved_pod_free(pod);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_is_read_where_it_decides),
        IN_WORLD(args_alone_follow_the_entrypoint_of_the_image),
        IN_WORLD(a_pod_that_names_its_command_asks_no_registry),
        IN_WORLD(another_working_directory_than_the_images_fails_the_pod),
        IN_WORLD(a_registry_that_is_away_lets_the_pod_wait),
        IN_WORLD(an_image_that_is_missing_is_an_image_error),
        IN_WORLD(the_registry_explains_what_aci_refuses),
        IN_WORLD(a_deletion_does_not_wait_for_a_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
