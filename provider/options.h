/* SPDX-License-Identifier: Apache-2.0 */
/* The options of aci-kubelet: one table for flags, environment, configuration file, --help and
 * README. */
#pragma once

#include "aci/throttle_limits.h"
#include "base/json.h"
#include "base/options.h"
#include "provider/provider_env.h"

/* Immutable after parsing; strings live in the arena given to the parser. */
struct aci_kubelet_options {
    /* cluster */
    const char *kubeconfig, *context, *bootstrap_kubeconfig, *cert_dir;
    const char *nodename, *node_ip, *cluster_id;
    bool disable_taint;
    const char *taint_key, *taint_value, *taint_effect;
    struct json_strs node_labels;
    /* leader election */
    bool leader_elect;
    int64_t lease_duration_ms, renew_deadline_ms, retry_period_ms;
    const char *lease_name, *lease_namespace;
    /* kubelet port */
    const char *address;
    int64_t port;
    const char *client_ca_file, *tls_cert_file, *tls_private_key_file;
    bool rotate_server_certificates;
    bool anonymous_auth, authentication_token_webhook;
    int64_t token_ttl_ms, allow_ttl_ms, deny_ttl_ms;
    /* Azure */
    const char *subscription, *resource_group, *location, *subnet_id;
    const char *arm_endpoint, *authority_host, *azure_ca_file, *api_version, *imds_endpoint;
    const char *arm_limits, *create_limits, *delete_limits;
    const char *tenant_id, *client_id, *client_secret, *identity_client_id, *azure_config;
    const char *client_certificate, *client_certificate_key, *federated_token_file;
    /* groups */
    const char *cluster_dns, *cluster_domain, *pod_api_server;
    const char *os, *security_context;
    struct json_strs tag_labels, deny_annotations;
    const char *log_analytics_id, *log_analytics_key, *log_analytics_type, *cluster_resource_id;
    const char *kube_proxy_kubeconfig, *cluster_cidr;
    int64_t exec_message_bytes;
    bool stop_by_exec;
    bool realtime_metrics;
    const char *prices;
    struct json_strs registry_mirrors;
    const char *registry_ca_file;
    int64_t finished_group_ttl_ms;
    const char *finished_log_dir;
    int64_t orphan_sweep_interval_ms;
    /* capacity */
    const char *cpu, *memory;
    int64_t pods;
    int64_t pod_deletion_cost;
    /* process */
    const char *config, *log_format;
    int64_t v;
};
extern const struct option_set aci_kubelet_option_set;

/* An option that is missing or can't be taken: VK_INVALID naming it and the way out. Borrowed for
 * the call. */
typedef void (*option_fault_fn)(void *user, const struct vk_err *fault);
/*
 * Completes what flags, environment and file left open from AKS's azure.json where --azure-config
 * names one, then tells each fault: of what must be there, and those of aci_kubelet_options_check.
 * Returns how many there are.
 */
size_t aci_kubelet_options_complete_all(struct aci_kubelet_options *o, struct vk_arena *arena,
                                        option_fault_fn tell, void *user);
/* The same; err is the first fault. */
VK_MUST_CHECK int aci_kubelet_options_complete(struct aci_kubelet_options *o,
                                               struct vk_arena *arena, struct vk_err *err);
/* Tells what of that which is there the program, the API server or Azure can't take; returns how
 * much. */
size_t aci_kubelet_options_check(const struct aci_kubelet_options *o, struct vk_arena *arena,
                                 option_fault_fn tell, void *user);
/* As far as a command needs it that only looks at container groups: completed from azure.json,
 * subscription, resource group and credentials checked. Errors: as above. */
VK_MUST_CHECK int aci_kubelet_options_complete_azure(struct aci_kubelet_options *o,
                                                     struct vk_arena *arena, struct vk_err *err);
/* The labels that --node-labels names. Errors: as above. */
VK_MUST_CHECK int aci_kubelet_options_labels(const struct aci_kubelet_options *o,
                                             struct vk_arena *arena, struct json_pairs *ret,
                                             struct vk_err *err);
/* The limits that --arm-limits, --create-limits and --delete-limits name. Errors: as above. */
VK_MUST_CHECK int aci_kubelet_options_limits(const struct aci_kubelet_options *o,
                                             struct throttle_limits *ret, struct vk_err *err);
/* The settings of all groups; what they point at lives in the arena. Errors: as above. */
VK_MUST_CHECK int aci_kubelet_options_groups(const struct aci_kubelet_options *o,
                                             struct vk_arena *arena, struct group_settings *ret,
                                             struct vk_err *err);
