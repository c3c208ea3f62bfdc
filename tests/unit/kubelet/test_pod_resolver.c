/* SPDX-License-Identifier: Apache-2.0 */
/* Resolutions against the fake API server: one read per object, tokens, what is missing. */
#include "tests/unit/kubelet/memory_provider.h"

#include "kubelet/pods/pod_resolver.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)

#define API_ACCESS                                                                                 \
    "{\"nodeName\":\"burst-1\",\"serviceAccountName\":\"bot\",\"containers\":[{\"name\":\"c\","    \
    "\"image\":\"app:1\",\"volumeMounts\":[{\"name\":\"kube-api-access\",\"mountPath\":\"/"        \
    "kube-api-access\"}]}],\"volumes\":[{\"name\":\"kube-api-access\",\"projected\":{\"sources\":" \
    "[{\"serviceAccountToken\":{\"expirationSeconds\":3607,\"path\":\"token\"}},{\"configMap\":{"  \
    "\"name\":\"kube-root-ca.crt\",\"items\":[{\"key\":\"ca.crt\",\"path\":\"ca.crt\"}]}},{"       \
    "\"downwardAPI\":{\"items\":[{\"path\":\"namespace\",\"fieldRef\":{\"fieldPath\":"             \
    "\"metadata.namespace\"}}]}}]}}]}"
#define ROOT_CA "{\"metadata\":{\"name\":\"kube-root-ca.crt\"},\"data\":{\"ca.crt\":\"PEM\"}}"

struct fixture {
    struct world *w;
    struct pod_resolver *resolver;
    struct resolved_pod *resolved[40];
    struct vk_err err;
    size_t done, failed;
};

static int setup(void **state)
{
    static const char *ips[] = {"10.240.0.2"};
    struct fixture *f = vk_calloc(1, sizeof(*f));

    f->w = world_new();
    f->resolver =
        pod_resolver_new(f->w->loop, &(struct pod_resolver_config){.client = f->w->api.rest,
                                                                   .events = f->w->events,
                                                                   .provider = &f->w->provider,
                                                                   .node_ips = {.v = ips, .n = 1}});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->done; i++)
        resolved_pod_free(f->resolved[i]);
    pod_resolver_free(f->resolver);
    world_free(f->w);
    vk_free(f);
    return 0;
}

static void on_done(void *user, struct resolved_pod *resolved, const struct vk_err *err)
{
    struct fixture *f = user;

    assert_int_equal(resolved != NULL, err == NULL);
    if (err) {
        f->err = *err;
        f->failed++;
    } else {
        f->resolved[f->done++] = resolved;
    }
}

static struct pod_resolution *start(struct fixture *f, const char *spec)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    struct pod_resolution *x;
    struct pod *pod;
    struct vk_err err;
    size_t done = f->done + f->failed;

    if (pod_parse(vk_str_of(vk_arena_printf(scratch,
                                            "{\"metadata\":{\"name\":\"web\",\"namespace\":"
                                            "\"default\",\"uid\":\"uid-1\"},\"spec\":%s}",
                                            spec)),
                  &pod, &err) < 0)
        fail_msg("%s", err.msg);
    x = pod_resolver_start(f->resolver, pod, on_done, f);
    /* Never from inside; and the resolution holds the pod itself. */
    assert_int_equal(f->done + f->failed, done);
    pod_unref(pod);
    return x;
}

static void api_access_volume_gets_a_bound_token(void **state)
{
    struct fixture *f = *state;
    const struct resolved_volume *v;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *request, *spec;
    struct vk_err err;

    f->w->api.config_map = vk_strdup(ROOT_CA);
    start(f, API_ACCESS);
    RUN_UNTIL(f->w, f->done == 1);
    assert_int_equal(f->resolved[0]->volume_count, 1);
    v = f->resolved[0]->volumes;
    assert_int_equal(v->file_count, 3);
    assert_true(vk_str_is(v->files[0].content, "PEM"));
    assert_true(vk_str_is(v->files[1].content, "default"));
    assert_true(vk_str_is(v->files[2].content, "the-token"));
    assert_true(v->files[2].is_secret);
    assert_int_equal(json_parse(vk_buf_str(&f->w->api.last_token), 65536, arena, &request, &err),
                     0);
    spec = json_get(request, "spec");
    assert_int_equal(json_int64_or(spec, "expirationSeconds", 0), 3607);
    assert_int_equal(json_len(json_get(spec, "audiences")), 0);
    assert_string_equal(json_string_or(json_get(spec, "boundObjectRef"), "kind", ""), "Pod");
    assert_string_equal(json_string_or(json_get(spec, "boundObjectRef"), "name", ""), "web");
    assert_string_equal(json_string_or(json_get(spec, "boundObjectRef"), "uid", ""), "uid-1");
}

static void other_tokens_are_asked_for_a_year(void **state)
{
    static const char *const projections[] = {"\"expirationSeconds\":600,\"audience\":\"vault\"",
                                              "\"expirationSeconds\":3607,\"audience\":\"vault\"",
                                              "\"expirationSeconds\":7200", ""};
    struct fixture *f = *state;

    for (size_t i = 0; i < VK_COUNT(projections); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const struct json *request;
        struct vk_err err;

        start(f, vk_arena_printf(arena,
                                 "{\"containers\":[{\"name\":\"c\",\"image\":\"app:1\","
                                 "\"volumeMounts\":[{\"name\":\"t\",\"mountPath\":\"/t\"}]}],"
                                 "\"volumes\":[{\"name\":\"t\",\"projected\":{\"sources\":[{"
                                 "\"serviceAccountToken\":{%s%s\"path\":\"token\"}}]}}]}",
                                 projections[i], *projections[i] ? "," : ""));
        RUN_UNTIL(f->w, f->done == i + 1);
        assert_return_code(
            json_parse(vk_buf_str(&f->w->api.last_token), 65536, arena, &request, &err), 0);
        assert_int_equal(json_int64_or(json_get(request, "spec"), "expirationSeconds", 0),
                         365 * 24 * 3600);
    }
}

static void thirty_pods_read_one_config_map_once(void **state)
{
    struct fixture *f = *state;

    f->w->api.config_map = vk_strdup(ROOT_CA);
    for (int i = 0; i < 30; i++)
        start(f, API_ACCESS);
    RUN_UNTIL(f->w, f->done == 30);
    start(f, API_ACCESS);
    RUN_UNTIL(f->w, f->done == 31);
    assert_int_equal(f->w->api.object_gets, 1);
    assert_int_equal(f->w->api.tokens, 31);
}

static void missing_object_is_asked_for_again(void **state)
{
    struct fixture *f = *state;

    start(f, API_ACCESS);
    RUN_UNTIL(f->w, f->failed == 1);
    assert_int_equal(f->err.code, VK_NOT_FOUND);
    assert_string_equal(f->err.reason, "MandatoryConfigMapNotFound");
    f->w->api.config_map = vk_strdup(ROOT_CA);
    start(f, API_ACCESS);
    RUN_UNTIL(f->w, f->done == 1);
}

static void refused_token_ends_the_resolution(void **state)
{
    struct fixture *f = *state;

    f->w->api.config_map = vk_strdup(ROOT_CA);
    f->w->api.refuse_tokens = 1;
    f->w->api.refusal = 403;
    start(f, API_ACCESS);
    RUN_UNTIL(f->w, f->failed == 1);
    assert_int_equal(f->err.code, VK_FORBIDDEN);
}

static void pod_without_references_needs_no_request(void **state)
{
    struct fixture *f = *state;

    start(f, SPEC_ALWAYS);
    RUN_UNTIL(f->w, f->done == 1);
    assert_int_equal(f->w->api.object_gets + f->w->api.tokens, 0);
    assert_string_equal(f->resolved[0]->pod->meta.name, "web");
    assert_int_equal(f->resolved[0]->container_count, 1);
    assert_false(f->resolved[0]->may_exist);
}

static void cancelled_resolution_is_silent_and_others_go_on(void **state)
{
    struct fixture *f = *state;
    struct pod_resolution *a, *b;

    f->w->api.config_map = vk_strdup(ROOT_CA);
    a = start(f, API_ACCESS);
    start(f, API_ACCESS);
    b = start(f, SPEC_ALWAYS);
    pod_resolution_cancel(a);
    pod_resolution_cancel(b);
    RUN_UNTIL(f->w, f->done == 1);
    /* The answer is cached now; a reader that goes away before it is handed out is no trouble. */
    a = start(f, API_ACCESS);
    pod_resolution_cancel(a);
    start(f, API_ACCESS);
    RUN_UNTIL(f->w, f->done == 2);
    assert_int_equal(f->failed, 0);
}

static void optional_and_pull_secrets_that_are_missing_are_told_of(void **state)
{
    struct fixture *f = *state;

    start(f,
          "{\"imagePullSecrets\":[{\"name\":\"pull\"}],\"containers\":[{\"name\":\"c\",\"image\":"
          "\"app:1\",\"envFrom\":[{\"configMapRef\":{\"name\":\"cm\",\"optional\":true}},{"
          "\"secretRef\":{\"name\":\"s\",\"optional\":true}}]}]}");
    RUN_UNTIL(f->w, f->done == 1);
    RUN_UNTIL(f->w, world_told(f->w, "OptionalConfigMapNotFound: ConfigMap default/cm") &&
                        world_told(f->w, "OptionalSecretNotFound: Secret default/s") &&
                        world_told(f->w, "FailedToRetrieveImagePullSecret: Secret default/pull"));
    assert_int_equal(f->resolved[0]->credential_count, 0);
}

static void broken_pull_secret_can_still_be_repaired(void **state)
{
    struct fixture *f = *state;

    f->w->api.secret = vk_strdup("{\"metadata\":{\"name\":\"pull\"},\"type\":\"Opaque\"}");
    start(f,
          "{\"imagePullSecrets\":[{\"name\":\"pull\"}],\"containers\":[{\"name\":\"c\",\"image\":"
          "\"app:1\"}]}");
    RUN_UNTIL(f->w, f->failed == 1);
    assert_int_equal(f->err.code, VK_NOT_FOUND);
    assert_string_equal(f->err.reason, "InvalidImagePullSecret");
}

#define SHARE_SECRET                                                                               \
    "{\"metadata\":{\"name\":\"s\"},\"data\":{\"azurestorageaccountname\":\"YWNjb3VudDE=\","       \
    "\"azurestorageaccountkey\":\"a2V5\"}}"
#define CLAIM_POD                                                                                  \
    "{\"containers\":[{\"name\":\"c\",\"image\":\"app:1\",\"volumeMounts\":[{\"name\":\"data\","   \
    "\"mountPath\":\"/data\"}]}],\"volumes\":[{\"name\":\"data\","                                 \
    "\"persistentVolumeClaim\":{\"claimName\":\"c1\"}}]}"
#define BOUND "{\"spec\":{\"volumeName\":\"pv1\"},\"status\":{\"phase\":\"Bound\"}}"
#define VOLUME                                                                                     \
    "{\"spec\":{\"accessModes\":[\"ReadOnlyMany\"],\"claimRef\":{\"namespace\":\"default\","       \
    "\"name\":\"c1\"},\"csi\":{\"driver\":\"file.csi.azure.com\",\"volumeHandle\":"                \
    "\"rg#account1#share-1#\"}}}"

static void a_claim_leads_to_the_share_and_its_key(void **state)
{
    struct fixture *f = *state;
    const struct resolved_share *s;

    f->w->api.claim = vk_strdup(BOUND);
    f->w->api.persistent_volume = vk_strdup(VOLUME);
    f->w->api.secret = vk_strdup(SHARE_SECRET);
    start(f, CLAIM_POD);
    RUN_UNTIL(f->w, f->done == 1);
    assert_int_equal(f->resolved[0]->share_count, 1);
    s = f->resolved[0]->shares;
    assert_string_equal(s->volume, "data");
    assert_string_equal(s->account, "account1");
    assert_string_equal(s->share, "share-1");
    assert_true(vk_str_is(vk_secret_reveal(s->key), "key"));
    assert_true(s->read_only);
}

static void a_claim_that_is_not_bound_waits(void **state)
{
    struct fixture *f = *state;

    f->w->api.claim = vk_strdup("{\"spec\":{},\"status\":{\"phase\":\"Pending\"}}");
    start(f, CLAIM_POD);
    RUN_UNTIL(f->w, f->failed == 1);
    assert_int_equal(f->err.code, VK_NOT_FOUND);
    assert_string_equal(f->err.reason, "PersistentVolumeClaimNotBound");
}

static void a_missing_claim_says_so(void **state)
{
    struct fixture *f = *state;

    start(f, CLAIM_POD);
    RUN_UNTIL(f->w, f->failed == 1);
    assert_int_equal(f->err.code, VK_NOT_FOUND);
    assert_string_equal(f->err.reason, "PersistentVolumeClaimNotFound");
}

static void a_share_without_its_secret_waits(void **state)
{
    struct fixture *f = *state;

    start(f, "{\"containers\":[{\"name\":\"c\",\"image\":\"app:1\",\"volumeMounts\":[{\"name\":"
             "\"d\",\"mountPath\":\"/d\"}]}],\"volumes\":[{\"name\":\"d\","
             "\"azureFile\":{\"shareName\":\"share-1\",\"secretName\":\"s\"}}]}");
    RUN_UNTIL(f->w, f->failed == 1);
    assert_int_equal(f->err.code, VK_NOT_FOUND);
    assert_string_equal(f->err.reason, "MandatorySecretNotFound");
}

static void a_share_that_names_no_secret_is_refused_without_a_request(void **state)
{
    struct fixture *f = *state;

    start(f, "{\"containers\":[{\"name\":\"c\",\"image\":\"app:1\",\"volumeMounts\":[{\"name\":"
             "\"d\",\"mountPath\":\"/d\"}]}],\"volumes\":[{\"name\":\"d\","
             "\"csi\":{\"driver\":\"file.csi.azure.com\",\"volumeAttributes\":{\"shareName\":"
             "\"share-1\"}}}]}");
    RUN_UNTIL(f->w, f->failed == 1);
    assert_int_equal(f->err.code, VK_UNSUPPORTED);
    assert_int_equal(f->w->api.object_gets, 0);
}

static void a_resolution_can_be_cancelled_at_each_step_of_a_claim(void **state)
{
    struct fixture *f = *state;

    f->w->api.claim = vk_strdup(BOUND);
    f->w->api.persistent_volume = vk_strdup(VOLUME);
    f->w->api.secret = vk_strdup(SHARE_SECRET);
    for (size_t step = 0; step < 3; step++) {
        size_t ended = f->done + f->failed, asked = f->w->api.object_gets;
        struct pod_resolution *x = start(f, CLAIM_POD);

        RUN_UNTIL(f->w, f->w->api.object_gets >= asked + step);
        /* A turn of the loop may have brought all answers at once. */
        if (f->done + f->failed == ended)
            pod_resolution_cancel(x);
    }
    assert_int_equal(f->failed, 0);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_claim_leads_to_the_share_and_its_key, setup, teardown),
        cmocka_unit_test_setup_teardown(a_claim_that_is_not_bound_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_claim_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_share_without_its_secret_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_share_that_names_no_secret_is_refused_without_a_request,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_resolution_can_be_cancelled_at_each_step_of_a_claim,
                                        setup, teardown),
        ONE(api_access_volume_gets_a_bound_token),
        ONE(other_tokens_are_asked_for_a_year),
        ONE(thirty_pods_read_one_config_map_once),
        ONE(missing_object_is_asked_for_again),
        ONE(refused_token_ends_the_resolution),
        ONE(pod_without_references_needs_no_request),
        ONE(cancelled_resolution_is_silent_and_others_go_on),
        ONE(optional_and_pull_secrets_that_are_missing_are_told_of),
        ONE(broken_pull_secret_can_still_be_repaired),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
