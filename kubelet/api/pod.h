/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/v1 Pod: immutable, ref-counted, decoded once from the watch. Source: k8s v1.37.2
 * api/core/v1/types.go.
 */
#pragma once

#include "kubelet/api/container.h"
#include "kubelet/api/meta.h"
#include "kubelet/api/pod_status.h"
#include "kubelet/api/volume.h"

#define POD_MAX_BYTES (3u << 20)

struct toleration {
    const char *key, *operator_, *value, *effect;
};
struct host_alias {
    const char *ip;
    struct json_strs hostnames;
};
struct dns_option {
    const char *name, *value;
};
struct pod_dns_config {
    struct json_strs nameservers, searches;
    struct json_array options; /* struct dns_option */
};
struct pod_security_context {
    bool has_run_as_user, has_run_as_group, has_run_as_non_root, has_fs_group;
    int64_t run_as_user, run_as_group, fs_group;
    bool run_as_non_root;
    const char *seccomp_type, *app_armor_type, *supplemental_groups_policy;
    size_t sysctl_count, supplemental_group_count;
    bool has_se_linux_options, has_windows_options;
};
struct pod_spec {
    const char *node_name, *service_account_name, *restart_policy, *dns_policy, *priority_class,
        *hostname, *subdomain, *runtime_class_name, *os_name, *hostname_override;
    struct resource_list resources;                                      /* of the pod as a whole */
    struct json_array containers, init_containers, ephemeral_containers; /* struct container */
    struct json_array volumes;                                           /* struct volume */
    struct json_array tolerations;                                       /* struct toleration */
    struct json_array host_aliases;                                      /* struct host_alias */
    struct json_strs image_pull_secrets;                                 /* names */
    struct json_pairs node_selector;
    struct json_strs readiness_gates; /* condition types */
    int64_t termination_grace_period_seconds;
    bool has_termination_grace_period;
    int64_t active_deadline_seconds;
    bool has_active_deadline;
    bool host_network, host_pid, host_ipc, share_process_namespace;
    bool set_hostname_as_fqdn;
    bool host_users; /* default true */
    size_t resource_claim_count;
    bool enable_service_links; /* default true */
    bool automount_service_account_token;
    struct pod_dns_config *dns_config;
    struct pod_security_context *security_context;
};

extern const struct json_field pod_spec_fields[];

struct pod {
    struct object_meta meta;
    struct pod_spec spec;
    /* As last seen at the API server; what we wrote, and what others added (conditions). */
    struct pod_status status;
    struct vk_str raw; /* the object's JSON as received */
    struct vk_arena *arena_;
    const char *key_;
    unsigned refs_;
};

/* Decodes one Pod object; refs 1. Errors: VK_INVALID with the path of the bad field, VK_TOO_LARGE.
 */
VK_MUST_CHECK int pod_parse(struct vk_str raw, struct pod **ret, struct vk_err *err);
struct pod *pod_ref(const struct pod *pod);
/* NULL is fine. */
void pod_unref(struct pod *pod);

/* "namespace/name", from the pod's arena. */
const char *pod_key(const struct pod *pod);
/* Deletion was asked for. */
bool pod_is_terminating(const struct pod *pod);
/*
 * Nothing holds the object any more: its grace period is 0 and it has no finalizer. Whoever made it
 * so is about to remove it, and it may be gone by now. An API server takes each write to such an
 * object, also to its status, for the last one, and deletes in a second step what has its name
 * then, whatever its UID: perhaps the next pod of that name. So nothing is written to it but a
 * DELETE that names the UID. Source: k8s v1.37.2 apiserver/pkg/registry/generic/registry/store.go,
 * ShouldDeleteDuringUpdate and deleteWithoutFinalizers; a PATCH has no preconditions there.
 */
bool pod_is_going(const struct pod *pod);
/* Phase Succeeded or Failed. */
bool pod_is_finished(const struct pod *pod);
/* What the scheduler counts: the containers together, or the hungriest step of the init containers.
 * Source: k8s v1.37.2 component-helpers/resource/helpers.go, PodRequests. */
int64_t pod_cpu_request_milli(const struct pod *pod);
/*
 * What an Event on a container names: "spec.containers{web}". The caller frees it; NULL without a
 * container. pod NULL: not known any more.
 */
char *pod_field_path(const struct pod *pod, const char *container);
/*
 * A container mounts the volume. One that nobody mounts is not there for a kubelet: what it refers
 * to is neither read nor waited for. Source: k8s v1.37.2 pkg/kubelet/volumemanager/populator.
 */
bool pod_mounts_volume(const struct pod *pod, const char *volume);
const struct container *pod_find_container(const struct pod *pod, const char *name);
