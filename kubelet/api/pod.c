/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/pod.h"

#include <assert.h>

#include "base/alloc.h"
#include "kubelet/api/json_fields.h"
#include "kubelet/api/managed_fields.h"
#include "kubelet/api/quantity.h"

static const struct json_field toleration_fields[] = {
    JSON_STR(struct toleration, key, "key", 0),
    JSON_STR(struct toleration, operator_, "operator", 0),
    JSON_STR(struct toleration, value, "value", 0),
    JSON_STR(struct toleration, effect, "effect", 0),
    JSON_UNREAD("tolerationSeconds"),
    JSON_END,
};
static const struct json_field host_alias_fields[] = {
    JSON_STR(struct host_alias, ip, "ip", 0),
    JSON_STRINGS(struct host_alias, hostnames, "hostnames"),
    JSON_END,
};
static const struct json_field dns_option_fields[] = {
    JSON_STR(struct dns_option, name, "name", 0),
    JSON_STR(struct dns_option, value, "value", 0),
    JSON_END,
};
static const struct json_field dns_config_fields[] = {
    JSON_STRINGS(struct pod_dns_config, nameservers, "nameservers"),
    JSON_STRINGS(struct pod_dns_config, searches, "searches"),
    JSON_ARR(struct pod_dns_config, options, "options", dns_option_fields, struct dns_option),
    JSON_END,
};
static const struct json_field seccomp_fields[] = {
    JSON_STR(struct pod_security_context, seccomp_type, "type", 0),
    JSON_UNREAD("localhostProfile"),
    JSON_END,
};
static const struct json_field app_armor_fields[] = {
    JSON_STR(struct pod_security_context, app_armor_type, "type", 0),
    JSON_UNREAD("localhostProfile"),
    JSON_END,
};
static const struct json_field security_context_fields[] = {
    JSON_INT_HAS(struct pod_security_context, run_as_user, has_run_as_user, "runAsUser", 0,
                 INT64_MAX),
    JSON_INT_HAS(struct pod_security_context, run_as_group, has_run_as_group, "runAsGroup", 0,
                 INT64_MAX),
    JSON_BOOLEAN_HAS(struct pod_security_context, run_as_non_root, has_run_as_non_root,
                     "runAsNonRoot"),
    JSON_INT_HAS(struct pod_security_context, fs_group, has_fs_group, "fsGroup", 0, INT64_MAX),
    JSON_FLAT("seccompProfile", seccomp_fields),
    JSON_FLAT("appArmorProfile", app_armor_fields),
    JSON_STR(struct pod_security_context, supplemental_groups_policy, "supplementalGroupsPolicy",
             0),
    /* How, not whether: fsGroup and seLinuxOptions are named. */
    JSON_UNREAD("fsGroupChangePolicy"),
    JSON_UNREAD("seLinuxChangePolicy"),
    JSON_CUSTOM(struct pod_security_context, sysctl_count, "sysctls", json_decode_count),
    JSON_CUSTOM(struct pod_security_context, supplemental_group_count, "supplementalGroups",
                json_decode_count),
    JSON_PRESENT(struct pod_security_context, has_se_linux_options, "seLinuxOptions"),
    JSON_PRESENT(struct pod_security_context, has_windows_options, "windowsOptions"),
    JSON_END,
};
static const struct json_field os_fields[] = {
    JSON_STR(struct pod_spec, os_name, "name", 0),
    JSON_END,
};
const struct json_field pod_spec_fields[] = {
    JSON_STR(struct pod_spec, node_name, "nodeName", 0),
    JSON_STR(struct pod_spec, service_account_name, "serviceAccountName", 0),
    JSON_STR(struct pod_spec, restart_policy, "restartPolicy", 0),
    JSON_STR(struct pod_spec, dns_policy, "dnsPolicy", 0),
    JSON_STR(struct pod_spec, priority_class, "priorityClassName", 0),
    JSON_STR(struct pod_spec, hostname, "hostname", 0),
    JSON_STR(struct pod_spec, subdomain, "subdomain", 0),
    JSON_STR(struct pod_spec, runtime_class_name, "runtimeClassName", 0),
    JSON_FLAT("os", os_fields),
    JSON_ARR(struct pod_spec, containers, "containers", container_fields, struct container),
    JSON_ARR(struct pod_spec, init_containers, "initContainers", container_fields,
             struct container),
    JSON_ARR(struct pod_spec, ephemeral_containers, "ephemeralContainers", container_fields,
             struct container),
    JSON_CUSTOM_OF(struct pod_spec, volumes, "volumes", volumes_decode, volume_fields),
    JSON_ARR(struct pod_spec, tolerations, "tolerations", toleration_fields, struct toleration),
    JSON_ARR(struct pod_spec, host_aliases, "hostAliases", host_alias_fields, struct host_alias),
    JSON_CUSTOM(struct pod_spec, image_pull_secrets, "imagePullSecrets", json_decode_names),
    JSON_MAP(struct pod_spec, node_selector, "nodeSelector"),
    JSON_CUSTOM(struct pod_spec, readiness_gates, "readinessGates", json_decode_condition_types),
    JSON_INT_HAS(struct pod_spec, termination_grace_period_seconds, has_termination_grace_period,
                 "terminationGracePeriodSeconds", INT64_MIN, INT64_MAX),
    JSON_INT_HAS(struct pod_spec, active_deadline_seconds, has_active_deadline,
                 "activeDeadlineSeconds", INT64_MIN, INT64_MAX),
    JSON_BOOLEAN(struct pod_spec, host_network, "hostNetwork"),
    JSON_BOOLEAN(struct pod_spec, host_pid, "hostPID"),
    JSON_BOOLEAN(struct pod_spec, host_ipc, "hostIPC"),
    JSON_BOOLEAN(struct pod_spec, share_process_namespace, "shareProcessNamespace"),
    JSON_BOOLEAN(struct pod_spec, set_hostname_as_fqdn, "setHostnameAsFQDN"),
    JSON_BOOLEAN(struct pod_spec, host_users, "hostUsers"),
    JSON_STR(struct pod_spec, hostname_override, "hostnameOverride", 0),
    JSON_OBJ(struct pod_spec, resources, "resources", resource_list_fields),
    JSON_CUSTOM(struct pod_spec, resource_claim_count, "resourceClaims", json_decode_count),
    JSON_BOOLEAN(struct pod_spec, enable_service_links, "enableServiceLinks"),
    JSON_BOOLEAN(struct pod_spec, automount_service_account_token, "automountServiceAccountToken"),
    JSON_OBJ_PTR(struct pod_spec, dns_config, "dnsConfig", dns_config_fields,
                 struct pod_dns_config),
    JSON_OBJ_PTR(struct pod_spec, security_context, "securityContext", security_context_fields,
                 struct pod_security_context),
    /* The scheduler's and the controllers'. */
    JSON_UNREAD("affinity"),
    JSON_UNREAD("schedulerName"),
    JSON_UNREAD("topologySpreadConstraints"),
    JSON_UNREAD("priority"),
    JSON_UNREAD("preemptionPolicy"),
    JSON_UNREAD("schedulingGates"),
    JSON_UNREAD("schedulingGroup"),
    JSON_UNREAD("evictionResponders"),
    /* What a runtime class adds for the scheduler; the class is named. */
    JSON_UNREAD("overhead"),
    /* The old name of serviceAccountName. */
    JSON_UNREAD("serviceAccount"),
    JSON_END,
};
static const struct json_field pod_fields[] = {
    JSON_OBJ(struct pod, meta, "metadata", object_meta_fields),
    JSON_OBJ(struct pod, spec, "spec", pod_spec_fields),
    JSON_OBJ(struct pod, status, "status", pod_status_fields),
    JSON_END,
};

static void fill_port_defaults(const struct json_array *array)
{
    struct container *containers = array->v;

    for (size_t i = 0; i < array->n; i++) {
        struct container_port *ports = containers[i].ports.v;

        for (size_t j = 0; j < containers[i].ports.n; j++) {
            if (vk_str_empty(ports[j].protocol))
                ports[j].protocol = "TCP";
        }
    }
}

/* What every pod has; work is keyed by it. */
static int check_identity(const struct object_meta *meta, struct vk_err *err)
{
    const char *missing = vk_str_empty(meta->namespace_) ? "namespace"
                          : vk_str_empty(meta->name)     ? "name"
                          : vk_str_empty(meta->uid)      ? "uid"
                                                         : NULL;

    if (missing)
        return vk_err_set(err, VK_INVALID, "metadata.%s: is required", missing);
    return 0;
}

static int decode(const struct json *tree, struct pod *pod, struct vk_err *err)
{
    pod->spec.enable_service_links = true;
    pod->spec.host_users = true;
    pod->spec.automount_service_account_token = true;
    if (json_decode(tree, pod_fields, pod, pod->arena_, "", err) < 0 ||
        check_identity(&pod->meta, err) < 0)
        return -1;
    fill_port_defaults(&pod->spec.containers);
    fill_port_defaults(&pod->spec.init_containers);
    fill_port_defaults(&pod->spec.ephemeral_containers);
    pod->key_ = vk_arena_printf(pod->arena_, "%s/%s", pod->meta.namespace_, pod->meta.name);
    return 0;
}

/* Also the raw text: one arena holds all of it. */
static struct pod *pod_new(struct vk_str raw, size_t decoded_bytes)
{
    struct vk_arena *arena = vk_arena_new_sized(sizeof(struct pod) + raw.n + 1 + decoded_bytes);
    struct pod *pod = vk_arena_alloc(arena, sizeof(*pod));

    pod->arena_ = arena;
    pod->refs_ = 1;
    pod->raw = (struct vk_str){.p = vk_arena_str(arena, raw), .n = raw.n};
    return pod;
}

/*
 * Pods are kept by the thousand, so their arena is made to measure: a first decoding, thrown away
 * with the tree, says how large. An eighth more is about what alignment takes.
 */
int pod_parse(struct vk_str raw, struct pod **ret, struct vk_err *err)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    struct vk_arena *trial VK_ARENA_AUTO = vk_arena_new();
    struct pod measured = {.arena_ = trial};
    const struct json *tree;
    struct pod *pod;

    if (raw.n > POD_MAX_BYTES)
        return vk_err_set(err, VK_TOO_LARGE, "a pod of %zu bytes is over the limit of %u", raw.n,
                          POD_MAX_BYTES);
    raw = without_managed_fields(raw, scratch);
    if (json_parse(raw, POD_MAX_BYTES, scratch, &tree, err) < 0 || decode(tree, &measured, err) < 0)
        return -(int)err->code;
    pod = pod_new(raw, vk_arena_used(trial) + vk_arena_used(trial) / 8);
    if (decode(tree, pod, err) < 0) {
        pod_unref(pod);
        return -(int)err->code;
    }
    *ret = pod;
    return 0;
}

/* Pods are immutable to everyone but their reference count. */
static struct pod *without_const(const struct pod *pod)
{
    return (struct pod *)(uintptr_t)pod;
}

struct pod *pod_ref(const struct pod *pod)
{
    struct pod *shared = without_const(pod);

    assert(shared->refs_ > 0);
    shared->refs_++;
    return shared;
}

void pod_unref(struct pod *pod)
{
    if (!pod)
        return;
    assert(pod->refs_ > 0);
    if (--pod->refs_ == 0)
        vk_arena_free(pod->arena_);
}

const char *pod_key(const struct pod *pod)
{
    return pod->key_;
}

bool pod_is_terminating(const struct pod *pod)
{
    return pod->meta.deletion_timestamp_ns != 0;
}

bool pod_is_going(const struct pod *pod)
{
    const struct object_meta *m = &pod->meta;

    return pod_is_terminating(pod) && m->has_deletion_grace_period &&
           m->deletion_grace_period_seconds == 0 && m->finalizers.n == 0;
}

bool pod_is_finished(const struct pod *pod)
{
    return vk_streq(pod->status.phase, "Succeeded") || vk_streq(pod->status.phase, "Failed");
}

const struct container *pod_find_container(const struct pod *pod, const char *name)
{
    const struct json_array *lists[] = {&pod->spec.containers, &pod->spec.init_containers,
                                        &pod->spec.ephemeral_containers};

    for (size_t i = 0; i < VK_COUNT(lists); i++) {
        const struct container *containers = lists[i]->v;

        for (size_t j = 0; j < lists[i]->n; j++) {
            if (vk_streq(containers[j].name, name))
                return &containers[j];
        }
    }
    return NULL;
}

bool pod_mounts_volume(const struct pod *pod, const char *volume)
{
    const struct json_array *lists[] = {&pod->spec.containers, &pod->spec.init_containers};

    for (size_t i = 0; i < VK_COUNT(lists); i++) {
        const struct container *c = lists[i]->v;

        for (size_t j = 0; j < lists[i]->n; j++) {
            const struct volume_mount *m = c[j].volume_mounts.v;

            for (size_t k = 0; k < c[j].volume_mounts.n; k++)
                if (vk_streq(m[k].name, volume))
                    return true;
        }
    }
    return false;
}

static int64_t cpu_of(const struct container *c)
{
    int64_t milli = 0;

    (void)quantity_milli(pairs_get(&c->resources.requests, "cpu"), &milli);
    /* Sums of what nobody can run must not wrap. */
    return milli < 0 ? 0 : milli < INT32_MAX ? milli : INT32_MAX;
}

int64_t pod_cpu_request_milli(const struct pod *pod)
{
    const struct container *containers = pod->spec.containers.v;
    const struct container *inits = pod->spec.init_containers.v;
    int64_t sum = 0, sidecars = 0, most = 0;

    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        int64_t cpu = cpu_of(&inits[i]);

        if (vk_streq(inits[i].restart_policy, "Always"))
            sidecars += cpu;
        else if (sidecars + cpu > most)
            most = sidecars + cpu;
    }
    for (size_t i = 0; i < pod->spec.containers.n; i++)
        sum += cpu_of(&containers[i]);
    sum += sidecars;
    return sum > most ? sum : most;
}

char *pod_field_path(const struct pod *pod, const char *container)
{
    const char *list = "containers";

    if (vk_str_empty(container))
        return NULL;
    for (size_t i = 0; pod && i < pod->spec.init_containers.n; i++) {
        const struct container *c = (const struct container *)pod->spec.init_containers.v + i;

        if (vk_streq(c->name, container))
            list = "initContainers";
    }
    return vk_asprintf("spec.%s{%s}", list, container);
}
