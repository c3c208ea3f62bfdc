/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/kubernetes_data.h"

#include "base/alloc.h"
#include "kubelet/api/pod.h"

static struct pod *parse_file(const char *name)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod *pod = NULL;
    struct vk_err err;

    if (pod_parse(kubernetes_data(name, arena), &pod, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    return pod;
}

static const struct volume *find_volume(const struct pod *pod, const char *name)
{
    const struct volume *volumes = pod->spec.volumes.v;

    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        if (vk_streq(volumes[i].name, name))
            return &volumes[i];
    }
    fail_msg("no volume %s", name);
    return NULL;
}

static void a_recorded_pod_is_decoded(void **state)
{
    struct pod *pod = parse_file("pod-web.json");
    const struct pod_spec *spec = &pod->spec;
    const struct toleration *toleration = spec->tolerations.v;
    const struct owner_reference *owner = pod->meta.owner_references.v;

    (void)state;
    assert_true(vk_starts(pod_key(pod), "default/web-"));
    assert_string_equal(owner->kind, "ReplicaSet");
    assert_string_equal(pairs_get(&pod->meta.annotations, "example.com/note"),
                        "two\nlines \"quoted\" ü");
    assert_string_equal(spec->node_name, "aci");
    assert_string_equal(spec->service_account_name, "default");
    assert_string_equal(spec->restart_policy, "Always");
    assert_string_equal(spec->dns_policy, "ClusterFirst");
    assert_true(spec->enable_service_links);
    assert_true(spec->automount_service_account_token);
    assert_true(spec->has_termination_grace_period);
    assert_int_equal(spec->termination_grace_period_seconds, 30);
    assert_false(spec->has_active_deadline);
    assert_string_equal(toleration->key, "virtual-kubelet.io/provider");
    assert_string_equal(toleration->operator_, "Exists");
    assert_true(spec->security_context->run_as_non_root);
    assert_int_equal(spec->security_context->run_as_user, 1000);
    assert_int_equal(spec->security_context->fs_group, 2000);
    assert_false(spec->security_context->has_run_as_group);
    assert_string_equal(spec->security_context->seccomp_type, "RuntimeDefault");
    assert_false(pod_is_terminating(pod));
    assert_false(pod_is_finished(pod));
    assert_string_equal(pod->status.phase, "Running");
    assert_string_equal(pod->status.pod_ips.v[0], "10.1.0.4");
    pod_unref(pod);
}

static void its_container_is_decoded(void **state)
{
    struct pod *pod = parse_file("pod-web.json");
    const struct container *c = pod_find_container(pod, "web");
    const struct env_var *env = c->env.v;
    const struct env_from_source *from = c->env_from.v;
    const struct container_port *port = c->ports.v;
    const struct volume_mount *mount = c->volume_mounts.v;
    const struct http_header_field *header = c->liveness_probe->handler.http_headers.v;

    (void)state;
    assert_string_equal(c->image, "registry.example/web:1");
    assert_string_equal(c->command.v[0], "/bin/httpd");
    assert_int_equal(c->args.n, 2);
    assert_string_equal(env[0].value, "hello");
    assert_null(env[1].value);
    assert_string_equal(env[1].field->field_path, "status.podIP");
    assert_string_equal(env[2].resource_field->resource, "limits.cpu");
    assert_string_equal(env[2].resource_field->divisor, "1m");
    assert_string_equal(env[3].secret_key->key, "key");
    assert_true(env[3].secret_key->optional);
    assert_string_equal(env[4].config_map_key->name, "web");
    assert_false(env[4].config_map_key->optional);
    assert_false(env[4].has_unknown_source);
    assert_string_equal(from[0].config_map, "all");
    assert_null(from[0].secret);
    assert_string_equal(from[1].secret, "all");
    assert_string_equal(from[1].prefix, "S_");
    assert_true(from[1].optional);
    assert_int_equal(port->container_port, 80);
    assert_string_equal(port->protocol, "TCP");
    assert_string_equal(pairs_get(&c->resources.requests, "cpu"), "100m");
    assert_string_equal(pairs_get(&c->resources.limits, "memory"), "1Gi");
    assert_true(c->liveness_probe->handler.has_http_get);
    assert_string_equal(c->liveness_probe->handler.http_port, "http");
    assert_string_equal(c->liveness_probe->handler.http_path, "/healthz");
    assert_string_equal(header->name, "X");
    assert_int_equal(c->liveness_probe->period_seconds, 5);
    assert_int_equal(c->liveness_probe->failure_threshold, 3);
    assert_true(c->readiness_probe->handler.has_tcp_socket);
    assert_string_equal(c->readiness_probe->handler.tcp_port, "80");
    assert_string_equal(c->startup_probe->handler.exec_command.v[0], "true");
    assert_true(c->lifecycle->pre_stop->has_sleep);
    assert_int_equal(c->lifecycle->pre_stop->sleep_seconds, 3);
    assert_null(c->lifecycle->post_start);
    assert_true(c->security_context->has_allow_privilege_escalation);
    assert_false(c->security_context->allow_privilege_escalation);
    assert_true(c->security_context->read_only_root_filesystem);
    assert_string_equal(c->security_context->capabilities_drop.v[0], "ALL");
    assert_string_equal(mount[1].sub_path, "a");
    assert_true(mount[1].read_only);
    assert_string_equal(mount[2].mount_path, "/var/run/secrets/kubernetes.io/serviceaccount");
    pod_unref(pod);
}

static void its_token_volume_is_decoded(void **state)
{
    struct pod *pod = parse_file("pod-web.json");
    const struct volume *volumes = pod->spec.volumes.v;
    const struct volume *token = &volumes[pod->spec.volumes.n - 1];
    const struct projection_source *sources = token->projected->sources.v;
    const struct key_to_path *item = sources[1].config_map->items.v;
    const struct downward_api_file *file = sources[2].downward_api->items.v;

    (void)state;
    assert_true(vk_starts(token->name, "kube-api-access-"));
    assert_int_equal(token->projected->default_mode, 0644);
    assert_int_equal(token->projected->sources.n, 3);
    assert_int_equal(sources[0].service_account_token->expiration_seconds, 3607);
    assert_null(sources[0].service_account_token->audience);
    assert_string_equal(sources[0].service_account_token->path, "token");
    assert_string_equal(sources[1].config_map->name, "kube-root-ca.crt");
    assert_string_equal(item->key, "ca.crt");
    assert_string_equal(file->path, "namespace");
    assert_string_equal(file->field->field_path, "metadata.namespace");
    assert_false(sources[2].has_unknown);
    pod_unref(pod);
}

static void every_kind_of_volume_is_told_apart(void **state)
{
    struct pod *pod = parse_file("pod-every-volume.json");
    const struct downward_api_file *file = find_volume(pod, "down")->downward_api->items.v;
    const struct key_to_path *item = find_volume(pod, "cm")->config_map->items.v;

    (void)state;
    assert_string_equal(find_volume(pod, "host")->unknown_kind, "hostPath");
    assert_string_equal(find_volume(pod, "nfs")->unknown_kind, "nfs");
    assert_string_equal(find_volume(pod, "azure")->azure_file->share_name, "share");
    assert_true(find_volume(pod, "azure")->azure_file->read_only);
    assert_null(find_volume(pod, "azure")->unknown_kind);
    assert_string_equal(find_volume(pod, "csi")->csi->driver, "file.csi.azure.com");
    assert_string_equal(pairs_get(&find_volume(pod, "csi")->csi->attributes, "shareName"), "s");
    assert_string_equal(find_volume(pod, "csi")->csi->secret_name, "creds");
    assert_string_equal(find_volume(pod, "pvc")->persistent_volume_claim->claim_name, "claim");
    assert_string_equal(find_volume(pod, "secret")->secret->name, "sec");
    assert_int_equal(find_volume(pod, "secret")->secret->default_mode, 0400);
    assert_string_equal(item->path, "b");
    assert_string_equal(file->resource_field->container_name, "main");
    assert_string_equal(find_volume(pod, "git")->git_repo->directory, "d");
    assert_non_null(find_volume(pod, "empty")->empty_dir);
    assert_null(find_volume(pod, "empty")->empty_dir->size_limit);
    pod_unref(pod);
}

static void the_rest_of_the_spec_is_decoded(void **state)
{
    struct pod *pod = parse_file("pod-every-volume.json");
    const struct pod_spec *spec = &pod->spec;
    const struct host_alias *alias = spec->host_aliases.v;
    const struct dns_option *options = spec->dns_config->options.v;
    const struct container *main_container = pod_find_container(pod, "main");
    const struct container_port *port = main_container->ports.v;

    (void)state;
    assert_string_equal(spec->restart_policy, "Never");
    assert_int_equal(spec->termination_grace_period_seconds, 7);
    assert_true(spec->has_active_deadline);
    assert_int_equal(spec->active_deadline_seconds, 600);
    assert_false(spec->enable_service_links);
    assert_false(spec->automount_service_account_token);
    assert_string_equal(alias->hostnames.v[1], "db.local");
    assert_string_equal(spec->dns_config->nameservers.v[0], "10.0.0.2");
    assert_string_equal(options[0].value, "2");
    assert_null(options[1].value);
    assert_string_equal(spec->image_pull_secrets.v[0], "regcred");
    assert_string_equal(spec->readiness_gates.v[0], "example.com/ready");
    assert_string_equal(pairs_get(&spec->node_selector, "type"), "virtual-kubelet");
    assert_null(pod_find_container(pod, "init")->restart_policy);
    assert_string_equal(pod_find_container(pod, "sidecar")->restart_policy, "Always");
    assert_true(main_container->tty && main_container->stdin_ && !main_container->stdin_once);
    assert_int_equal(main_container->liveness_probe->handler.grpc_port, 9000);
    assert_string_equal(port->protocol, "UDP");
    assert_null(pod_find_container(pod, "none"));
    pod_unref(pod);
}

static void raw_is_the_object_without_managed_fields(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod *pod = parse_file("pod-web.json"), *again;
    const struct json *root;
    struct vk_err err;

    (void)state;
    assert_null(memmem(pod->raw.p, pod->raw.n, "managedFields", 13));
    assert_int_equal(json_parse(pod->raw, pod->raw.n, arena, &root, &err), 0);
    assert_non_null(json_string(json_get(json_get(root, "metadata"), "uid")));
    assert_int_equal(pod_parse(pod->raw, &again, &err), 0);
    assert_true(vk_str_eq(again->raw, pod->raw));
    pod_unref(again);
    pod_unref(pod);
}

/* The tree of cJSON is ten times as large; it must be gone. */
static void a_pod_costs_little_more_than_its_text(void **state)
{
    struct pod *pod = parse_file("pod-web.json");

    (void)state;
    print_message("raw %zu, decoded %zu bytes\n", pod->raw.n,
                  vk_arena_used(pod->arena_) - pod->raw.n);
    assert_true(vk_arena_used(pod->arena_) < pod->raw.n + 6000);
    pod_unref(pod);
}

static void defaults_hold_where_nothing_is_said(void **state)
{
    struct pod *pod;
    struct vk_err err;
    const struct container_port *port;

    (void)state;
    assert_int_equal(pod_parse(VK_STR("{\"metadata\":{\"namespace\":\"n\",\"name\":\"p\","
                                      "\"uid\":\"u\"},\"spec\":{\"containers\":[{\"name\":\"c\","
                                      "\"ports\":[{\"containerPort\":1}],\"env\":[{\"name\":\"E\","
                                      "\"valueFrom\":{\"fileKeyRef\":{}}}]}]}}"),
                               &pod, &err),
                     0);
    port = pod_find_container(pod, "c")->ports.v;
    assert_string_equal(port->protocol, "TCP");
    assert_true(((const struct env_var *)pod_find_container(pod, "c")->env.v)->has_unknown_source);
    assert_true(pod->spec.enable_service_links);
    assert_true(pod->spec.automount_service_account_token);
    assert_null(pod->spec.security_context);
    assert_null(pod->status.phase);
    pod_unref(pod);
}

#define HEAD "{\"metadata\":{\"namespace\":\"n\",\"name\":\"p\",\"uid\":\"u\"},"
static void bad_pods_are_refused_with_the_path_of_the_field(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", NULL},
        {"[]", "expected an object"},
        {"{}", "metadata.namespace: is required"},
        {"{\"metadata\":{\"namespace\":\"n\",\"name\":\"p\"}}", "metadata.uid: is required"},
        {"{\"metadata\":{\"namespace\":\"n\",\"uid\":\"p\"}}", "metadata.name: is required"},
        {HEAD "\"spec\":{\"containers\":[{}]}}", "spec.containers[0].name: is required"},
        {HEAD "\"spec\":{\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":0}]}]}}",
         "spec.containers[0].ports[0].containerPort: expected an integer in 1..65535"},
        {HEAD "\"spec\":{\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":\"E\",\"valueFrom\":"
              "{\"secretKeyRef\":{}}}]}]}}",
         "spec.containers[0].env[0].valueFrom.secretKeyRef.key: is required"},
        {HEAD "\"spec\":{\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{},{\"secret\":"
              "7}]}}]}}",
         "spec.volumes[0].projected.sources[1].secret: expected an object"},
        {HEAD "\"spec\":{\"volumes\":7}}", "spec.volumes: expected an array"},
        {HEAD "\"spec\":{\"imagePullSecrets\":[{\"name\":7}]}}",
         "spec.imagePullSecrets[0].name: expected a string"},
        {HEAD "\"status\":{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"terminated\":"
              "{\"exitCode\":\"x\"}}}]}}",
         "status.containerStatuses[0].state.terminated.exitCode: expected an integer in "
         "-2147483648..2147483647"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct pod *pod = NULL;
        struct vk_err err;

        assert_int_equal(pod_parse(vk_str_of(cases[i].text), &pod, &err), -VK_INVALID);
        assert_null(pod);
        if (cases[i].message)
            assert_string_equal(err.msg, cases[i].message);
    }
}

static void a_pod_over_the_limit_is_refused(void **state)
{
    char *text VK_AUTOFREE = vk_calloc(1, POD_MAX_BYTES + 2);
    struct pod *pod;
    struct vk_err err;

    (void)state;
    memset(text, ' ', POD_MAX_BYTES + 1);
    assert_int_equal(pod_parse(vk_str_of(text), &pod, &err), -VK_TOO_LARGE);
}

static void references_keep_a_pod_and_its_state_is_told(void **state)
{
    struct pod *pod, *shared;
    struct vk_err err;

    (void)state;
    assert_int_equal(
        pod_parse(VK_STR("{\"metadata\":{\"namespace\":\"n\",\"name\":\"p\",\"uid\":\"u\","
                         "\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},"
                         "\"status\":{\"phase\":\"Failed\"}}"),
                  &pod, &err),
        0);
    shared = pod_ref(pod);
    pod_unref(pod);
    assert_string_equal(pod_key(shared), "n/p");
    assert_true(pod_is_terminating(shared));
    assert_true(pod_is_finished(shared));
    pod_unref(shared);
    pod_unref(NULL);
}

static void what_the_scheduler_counts_is_computed(void **state)
{
#define REQUEST(cpu) "\"resources\":{\"requests\":{\"cpu\":\"" cpu "\"}}"
    static const struct {
        const char *spec;
        int64_t cpu_milli;
    } table[] = {
        {"{\"containers\":[{\"name\":\"a\"}]}", 0},
        {"{\"containers\":[{\"name\":\"a\"," REQUEST("100m") "},{\"name\":\"b\"," REQUEST(
             "2") "}]}",
         2100},
        {"{\"initContainers\":[{\"name\":\"i\"," REQUEST(
             "3") "}],\"containers\":[{\"name\":\"a\"," REQUEST("1") "}]}",
         3000},
        {"{\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\"," REQUEST(
             "1") "},{\"name\":\"i\"," REQUEST("2") "}],\"containers\":[{\"name\":"
                                                    "\"a\"," REQUEST("2500m") "}]}",
         3500},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        char *text VK_AUTOFREE =
            vk_asprintf("{\"metadata\":{\"namespace\":\"n\",\"name\":\"p\",\"uid\":\"u\"},"
                        "\"spec\":%s}",
                        table[i].spec);
        struct pod *pod;
        struct vk_err err;

        assert_int_equal(pod_parse(vk_str_of(text), &pod, &err), 0);
        assert_int_equal(pod_cpu_request_milli(pod), table[i].cpu_milli);
        pod_unref(pod);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_pod_is_decoded),
        cmocka_unit_test(its_container_is_decoded),
        cmocka_unit_test(its_token_volume_is_decoded),
        cmocka_unit_test(every_kind_of_volume_is_told_apart),
        cmocka_unit_test(the_rest_of_the_spec_is_decoded),
        cmocka_unit_test(raw_is_the_object_without_managed_fields),
        cmocka_unit_test(a_pod_costs_little_more_than_its_text),
        cmocka_unit_test(defaults_hold_where_nothing_is_said),
        cmocka_unit_test(bad_pods_are_refused_with_the_path_of_the_field),
        cmocka_unit_test(a_pod_over_the_limit_is_refused),
        cmocka_unit_test(what_the_scheduler_counts_is_computed),
        cmocka_unit_test(references_keep_a_pod_and_its_state_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
