/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/pod_to_group.h"

#include "base/alloc.h"
#include "provider/validation.h"
#include "tests/unit/provider/sample_pod.h"

static const struct provider_env node = {
    .location = "westeurope",
    .cluster_id = "5e1d0c5a-0000-4000-8000-000000000001",
    .node_name = "aci-1",
    .subnet_id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/"
                 "subnets/aci",
    .cluster_dns = "10.0.0.10",
    .cluster_domain = "cluster.local",
};

static struct json_strs strings(struct vk_arena *arena, const struct json *list)
{
    struct json_strs out = {.v = vk_arena_array(arena, json_len(list) + 1, sizeof(*out.v))};
    for (const struct json *e = json_first(list); e; e = json_next(e))
        out.v[out.n++] = vk_arena_strdup(arena, json_string(e));
    return out;
}

static const struct vk_secret *secret_of(struct vk_arena *arena, const struct json *v,
                                         const char *key)
{
    const char *text = json_string_or(v, key, NULL);
    return text ? vk_arena_secret(arena, text, strlen(text)) : NULL;
}

/* "node": {"subnet": false, "clusterDNS": false, "settings": {...}} */
static struct provider_env env_of(const struct json *doc, struct vk_arena *arena)
{
    struct provider_env env = node;
    const struct json *changes = json_get(doc, "node");
    const struct json *settings = json_get(changes, "settings");
    if (!json_bool_or(changes, "subnet", true))
        env.subnet_id = NULL;
    env.subnet_id = json_string_or(changes, "subnets", env.subnet_id);
    if (!json_bool_or(changes, "clusterDNS", true))
        env.cluster_dns = NULL;
    env.settings = (struct group_settings){
        .windows = json_bool_or(settings, "windows", false),
        .warn_security = json_bool_or(settings, "warnSecurity", false),
        .api_version = json_string_or(settings, "apiVersion", NULL),
        .tag_labels = strings(arena, json_get(settings, "tagLabels")),
        .denied_annotations = strings(arena, json_get(settings, "denyAnnotations")),
        .log_workspace_id = json_string_or(settings, "logAnalyticsId", NULL),
        .log_type = json_string_or(settings, "logAnalyticsType", NULL),
        .cluster_resource_id = json_string_or(settings, "clusterResourceId", NULL),
        .log_workspace_key = secret_of(arena, settings, "logAnalyticsKey"),
        .kube_proxy_kubeconfig = secret_of(arena, settings, "kubeProxyKubeconfig"),
        .kube_proxy_cluster_cidr = json_string_or(settings, "kubeProxyClusterCIDR", NULL),
    };
    return env;
}

/* "images": {container: {"entrypoint": [...], "workingDir": "..."}} */
static const struct pod_image *images_of(struct vk_arena *arena, const struct json *images,
                                         const struct resolved_container *c, size_t n)
{
    struct pod_image *out = vk_arena_array(arena, n + 1, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        const struct json *image = json_get(images, c[i].spec->name);
        if (!image)
            continue;
        out[i].known = true;
        out[i].config.entrypoint = strings(arena, json_get(image, "entrypoint"));
        out[i].config.cmd = strings(arena, json_get(image, "cmd"));
        out[i].config.working_dir = json_string_or(image, "workingDir", "");
        out[i].config.user = json_string_or(image, "user", "");
    }
    return out;
}

static int run(const struct json *doc, struct vk_arena *arena, struct vk_buf *out,
               struct group_notes *notes, struct vk_err *err)
{
    const struct provider_env env = env_of(doc, arena);
    struct resolved_pod *pod = sample_pod(golden_text(arena, json_get(doc, "pod")),
                                          json_get(doc, "files"), json_get(doc, "credentials"));
    sample_shares(pod, json_get(doc, "shares"));
    sample_services(pod, json_get(doc, "services"));
    const struct json *known = json_get(doc, "images");
    const struct pod_images images = {
        .containers = images_of(arena, known, pod->containers, pod->container_count),
        .init_containers = images_of(arena, known, pod->init_containers, pod->init_container_count),
    };
    const int rc = pod_to_group(pod, &env, known ? &images : NULL, arena, out, notes, err);
    resolved_pod_free(pod);
    return rc;
}

static void check_ignored(const char *name, const struct json *expected,
                          const struct ignored_fields *ignored)
{
    size_t i = 0;
    for (const struct json *e = json_first(expected); e; e = json_next(e), i++) {
        if (i >= ignored->n || !vk_streq(json_string(e), ignored->v[i]))
            fail_msg("%s: ignored[%zu] is %s, expected %s", name, i,
                     i < ignored->n ? ignored->v[i] : "missing", json_string(e));
    }
    if (i != ignored->n)
        fail_msg("%s: ignored has %s too", name, ignored->v[i]);
}

static void check_case(const char *name, const struct json *doc, struct vk_arena *arena)
{
    struct vk_buf out VK_BUF_AUTO;
    vk_buf_init(&out, POD_TO_GROUP_MAX_BYTES);
    struct group_notes notes;
    struct vk_err err;
    const struct json *error = json_get(doc, "error");
    if (run(doc, arena, &out, &notes, &err) < 0) {
        if (!error)
            fail_msg("%s: %s", name, err.msg);
        assert_string_equal(vk_code_name(err.code), json_string_or(error, "code", ""));
        if (!vk_streq(err.msg, json_string_or(error, "message", "")))
            fail_msg("%s: \"%s\", not \"%s\"", name, err.msg, json_string_or(error, "message", ""));
        assert_string_equal(err.reason, "UnsupportedPodField");
        return;
    }
    if (error)
        fail_msg("%s: was not refused", name);
    const struct json *group = golden_parse(arena, vk_buf_str(&out));
    const char *diff = golden_difference(arena, json_get(doc, "group"), group, "group");
    if (diff) {
        (void)fprintf(stderr, "%s: %s\n", name, vk_buf_peek(&out));
        fail_msg("%s: differs at %s", name, diff);
    }
    check_ignored(name, json_get(doc, "ignored"), &notes.ignored);
}

static void pods_become_the_groups_of_the_golden_files(void **state)
{
    (void)state;
    golden_each("translate", check_case);
}

static void check_same_bytes(const char *name, const struct json *doc, struct vk_arena *arena)
{
    struct vk_buf first VK_BUF_AUTO, second VK_BUF_AUTO;
    vk_buf_init(&first, POD_TO_GROUP_MAX_BYTES);
    vk_buf_init(&second, POD_TO_GROUP_MAX_BYTES);
    struct group_notes notes;
    struct vk_err err;
    if (run(doc, arena, &first, &notes, &err) < 0)
        return;
    assert_return_code(run(doc, arena, &second, &notes, &err), 0);
    if (!vk_str_eq(vk_buf_str(&first), vk_buf_str(&second)))
        fail_msg("%s: two translations differ", name);
}

static void the_same_pod_gives_the_same_bytes(void **state)
{
    (void)state;
    golden_each("translate", check_same_bytes);
}

static void a_body_over_the_limit_is_too_large(void **state)
{
    (void)state;
    struct resolved_pod *pod = sample_simple("big", "u1");
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf out VK_BUF_AUTO;
    vk_buf_init(&out, 100);
    struct group_notes notes;
    struct vk_err err;
    assert_true(pod_to_group(pod, &node, NULL, arena, &out, &notes, &err) < 0);
    assert_int_equal(err.code, VK_TOO_LARGE);
    resolved_pod_free(pod);
}

/* A small generator of pods, seeded so that a failure repeats. */
struct dice {
    uint64_t state;
};

static unsigned roll(struct dice *d, unsigned sides)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(d->state >> 33) % sides;
}

static const char *pick(struct dice *d, const char *const *choices, unsigned n)
{
    return choices[roll(d, n)];
}

static void random_probe(struct dice *d, struct json_writer *w)
{
    static const char *const kinds[] = {"livenessProbe", "readinessProbe", "startupProbe"};
    static const char *const ports[] = {"80", "http", ""};
    if (roll(d, 3))
        return;
    json_begin_object(w, pick(d, kinds, VK_COUNT(kinds)));
    if (roll(d, 2)) {
        json_begin_object(w, "exec");
        json_begin_array(w, "command");
        json_put_string(w, NULL, "true");
        json_end_array(w);
    } else {
        json_begin_object(w, roll(d, 2) ? "httpGet" : "tcpSocket");
        json_put_string(w, "port", pick(d, ports, roll(d, 9) ? 1 : VK_COUNT(ports)));
    }
    json_end_object(w);
    json_put_int(w, "periodSeconds", (int)roll(d, 20) - 1);
    json_end_object(w);
}

static void random_annotations(struct dice *d, struct json_writer *w)
{
    static const struct {
        const char *name, *values[4];
    } rows[] = {
        {"ip-address", {"Private", "Public", "None", "Other"}},
        {"priority", {"Spot", "Regular", "Regular", ""}},
        {"sku", {"Standard", "Confidential", "Dedicated", "?"}},
        {"zones", {"1", "2", "1,2", "x"}},
        {"identity", {"system", "", "/subscriptions/s", ","}},
        {"tags", {"a=b", "a=b,c=d", "a/b=c", "=;="}},
        {"dns-name-label", {"my-label", "x", "-bad-", "my-label"}},
        {"subnets", {"/subscriptions/s/subnets/a", "a", ",", "/subscriptions/s/subnets/b"}},
        {"sub-path-files", {"directory", "directory", "directory", "no"}},
        {"start-wrapper", {"true", "true", "false", "?"}},
    };
    json_begin_object(w, "annotations");
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        char name[64];
        if (roll(d, 8))
            continue;
        (void)snprintf(name, sizeof(name), "aci-kubelet.io/%s", rows[i].name);
        json_put_string(w, name, pick(d, rows[i].values, roll(d, 2) ? 1 : 4));
    }
    json_end_object(w);
}

static void random_container(struct dice *d, struct json_writer *w, unsigned number)
{
    static const char *const cpus[] = {"1m", "0", "100m", "1500m", "64", "1e3", "0.001"};
    static const char *const memories[] = {"1", "1Ki", "128Mi", "1Gi", "1.5G", "400Gi", "9e18"};
    static const char *const names[] = {"PATH", "_X", "a.b", "Z9", ""};
    static const char *const mounts[] = {"tmp", "kube-api-access-x", "share", "nope"};
    static const char *const sub_paths[] = {"", "a", "a/b", "ca.crt", "$(X)", "../up"};
    static const char *const paths[] = {"/data", "/data/x", "/var/a", "data:x", "/"};
    char name[16];
    (void)snprintf(name, sizeof(name), "c%u", number);
    json_begin_object(w, NULL);
    json_put_string(w, "name", name);
    json_put_string(w, "image", roll(d, 20) ? "app:1" : "");
    json_begin_object(w, "resources");
    json_begin_object(w, roll(d, 2) ? "requests" : "limits");
    json_put_string(w, "cpu", pick(d, cpus, VK_COUNT(cpus)));
    json_put_string(w, "memory", pick(d, memories, VK_COUNT(memories)));
    json_end_object(w);
    json_end_object(w);
    if (roll(d, 3)) {
        json_begin_array(w, "command");
        json_put_string(w, NULL, "run");
        json_end_array(w);
    }
    json_begin_array(w, "env");
    for (unsigned i = roll(d, 3); i > 0; i--) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", pick(d, names, VK_COUNT(names)));
        json_put_string(w, "value", "\xc3\xa9 \"$(X)\"");
        json_end_object(w);
    }
    if (roll(d, 12) == 0) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", "POD_IP");
        json_begin_object(w, "valueFrom");
        json_begin_object(w, "fieldRef");
        json_put_string(w, "fieldPath", "status.podIP");
        json_end_object(w);
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_begin_array(w, "ports");
    for (unsigned i = roll(d, 8); i > 0; i--) {
        json_begin_object(w, NULL);
        json_put_int(w, "containerPort", 1 + roll(d, 65535));
        json_put_string(w, "protocol", roll(d, 2) ? "TCP" : "UDP");
        json_end_object(w);
    }
    json_end_array(w);
    json_begin_array(w, "volumeMounts");
    for (unsigned i = roll(d, 3); i > 0; i--) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", pick(d, mounts, roll(d, 10) ? 3 : 4));
        json_put_string(w, "mountPath", pick(d, paths, VK_COUNT(paths)));
        json_put_string(w, roll(d, 4) ? "subPath" : "subPathExpr",
                        roll(d, 2) ? "" : pick(d, sub_paths, VK_COUNT(sub_paths)));
        json_end_object(w);
    }
    json_end_array(w);
    random_probe(d, w);
    json_end_object(w);
}

static void random_init_containers(struct dice *d, struct json_writer *w)
{
    json_begin_array(w, "initContainers");
    for (unsigned i = roll(d, 3); i > 0; i--) {
        char name[16];
        (void)snprintf(name, sizeof(name), "i%u", i);
        json_begin_object(w, NULL);
        json_put_string(w, "name", name);
        json_put_string(w, "image", "init:1");
        if (roll(d, 2))
            json_put_string(w, "restartPolicy", "Always");
        json_end_object(w);
    }
    json_end_array(w);
}

static void random_pod(struct dice *d, struct vk_buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "metadata");
    json_put_string(&w, "name", "p");
    json_put_string(&w, "namespace", "default");
    json_put_string(&w, "uid", "u");
    random_annotations(d, &w);
    json_end_object(&w);
    json_begin_object(&w, "spec");
    random_init_containers(d, &w);
    json_begin_array(&w, "containers");
    const unsigned n = 1 + roll(d, 4);
    for (unsigned i = 0; i < n; i++)
        random_container(d, &w, i);
    json_end_array(&w);
    json_begin_array(&w, "volumes");
    json_begin_object(&w, NULL);
    json_put_string(&w, "name", "tmp");
    json_begin_object(&w, "emptyDir");
    json_end_object(&w);
    json_end_object(&w);
    json_begin_object(&w, NULL);
    json_put_string(&w, "name", "kube-api-access-x");
    json_begin_object(&w, roll(d, 9) ? "configMap" : "hostPath");
    json_end_object(&w);
    json_end_object(&w);
    json_begin_object(&w, NULL);
    json_put_string(&w, "name", "share");
    json_begin_object(&w, "azureFile");
    json_end_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    json_end_object(&w);
    assert_true(json_writer_done(&w));
}

static bool has_volume(const struct json *properties, const char *name)
{
    for (const struct json *v = json_first(json_get(properties, "volumes")); v; v = json_next(v)) {
        if (vk_streq(json_string_or(v, "name", ""), name))
            return true;
    }
    return false;
}

/* Each mount names a volume of the group, and no path twice. */
static void check_volumes(const struct json *properties, const char *kind)
{
    for (const struct json *c = json_first(json_get(properties, kind)); c; c = json_next(c)) {
        const struct json *mounts = json_get(json_get(c, "properties"), "volumeMounts");
        for (const struct json *m = json_first(mounts); m; m = json_next(m)) {
            assert_true(has_volume(properties, json_string_or(m, "name", "")));
            assert_int_equal(json_string_or(m, "mountPath", "")[0], '/');
            for (const struct json *n = json_next(m); n; n = json_next(n))
                assert_string_not_equal(json_string_or(m, "mountPath", ""),
                                        json_string_or(n, "mountPath", ""));
        }
    }
}

/* ACI takes the names; what holds the place of the pod's address reaches only the shell that puts
 * it there. */
static void check_environment(const struct json *properties)
{
    const struct json *program = json_first(json_get(properties, "command"));
    const struct json *env = json_get(properties, "environmentVariables");
    for (const struct json *e = json_first(env); e; e = json_next(e)) {
        assert_true(validation_is_env_name(json_string_or(e, "name", "")));
        if (strstr(json_string_or(e, "value", ""), RESOLVED_POD_ADDRESS))
            assert_string_equal(program ? json_string(program) : "", "/bin/sh");
    }
}

/* ACI's rules that a translation must never break. */
static void check_group(const struct json *group)
{
    const struct json *properties = json_get(group, "properties");
    double cpu = 0, memory = 0;
    for (const struct json *c = json_first(json_get(properties, "containers")); c;
         c = json_next(c)) {
        const struct json *requests =
            json_get(json_get(json_get(c, "properties"), "resources"), "requests");
        double one;
        check_environment(json_get(c, "properties"));
        assert_true(json_double(json_get(requests, "cpu"), &one) && one >= 0.01);
        cpu += one;
        assert_true(json_double(json_get(requests, "memoryInGB"), &one) && one >= 0.1);
        memory += one;
    }
    assert_true(cpu > 0.999 && cpu < 32.001);
    assert_true(memory > 0.999 && memory < 256.001);
    check_volumes(properties, "containers");
    check_volumes(properties, "initContainers");
    const struct json *address = json_get(properties, "ipAddress");
    const struct json *subnets = json_get(properties, "subnetIds");
    const bool is_spot = vk_streq(json_string_or(properties, "priority", ""), "Spot");
    assert_true(!is_spot || (!address && !subnets && !json_get(group, "zones")));
    assert_true(!subnets || !vk_streq(json_string_or(address, "type", ""), "Public"));
    assert_true(json_len(json_get(properties, "volumes")) <= 20);
    const size_t ports = json_len(json_get(address, "ports"));
    assert_true(!address || (ports > 0 && ports <= 5));
}

static void random_pods_give_valid_groups_or_a_reason(void **state)
{
    (void)state;
    struct dice d = {.state = 42};
    size_t translated = 0, refused = 0;
    struct vk_arena *parsed VK_ARENA_AUTO = vk_arena_new();
    const struct json *files =
        golden_parse(parsed, VK_STR("{\"kube-api-access-x\":{\"ca.crt\":\"1\",\"token\":\"2\"}}"));
    const struct json *shares = golden_parse(
        parsed, VK_STR("{\"share\":{\"account\":\"account1\",\"share\":\"s-1\",\"key\":\"k\"}}"));
    const struct json *services = golden_parse(
        parsed, VK_STR("{\"KUBERNETES_SERVICE_HOST\":\"10.0.0.1\",\"A_SERVICE_OF_A_NAME_THAT_IS_AS_"
                       "LONG_AS_THEY_MAY_BE_AND_LONGER_SERVICE_HOST\":\"10.0.0.2\"}"));
    for (unsigned i = 0; i < 5000; i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_buf text VK_BUF_AUTO, out VK_BUF_AUTO;
        vk_buf_init(&text, GOLDEN_MAX_BYTES);
        vk_buf_init(&out, POD_TO_GROUP_MAX_BYTES);
        random_pod(&d, &text);
        struct resolved_pod *pod = sample_pod(vk_buf_str(&text), files, NULL);
        sample_shares(pod, shares);
        sample_services(pod, services);
        struct group_notes notes;
        struct vk_err err;
        if (pod_to_group(pod, &node, NULL, arena, &out, &notes, &err) == 0) {
            check_group(golden_parse(arena, vk_buf_str(&out)));
            struct vk_buf again VK_BUF_AUTO;
            vk_buf_init(&again, POD_TO_GROUP_MAX_BYTES);
            assert_return_code(pod_to_group(pod, &node, NULL, arena, &again, &notes, &err), 0);
            assert_true(vk_str_eq(vk_buf_str(&out), vk_buf_str(&again)));
            translated++;
        } else {
            assert_true(err.code == VK_UNSUPPORTED || err.code == VK_INVALID);
            assert_true(vk_starts(err.msg, "spec.") || vk_starts(err.msg, "metadata."));
            assert_string_equal(err.reason, "UnsupportedPodField");
            refused++;
        }
        resolved_pod_free(pod);
    }
    assert_true(translated > 100 && refused > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_become_the_groups_of_the_golden_files),
        cmocka_unit_test(the_same_pod_gives_the_same_bytes),
        cmocka_unit_test(a_body_over_the_limit_is_too_large),
        cmocka_unit_test(random_pods_give_valid_groups_or_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
