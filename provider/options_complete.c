/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the options after they were read: completed, turned into settings. */
#include "provider/options.h"

#include "base/alloc.h"
#include "base/file.h"
#include "kubelet/api/label_list.h"

#define MAX_KUBECONFIG_BYTES (128u << 10)

/* Fills *member from azure.json where nobody said it yet. */
static void fill(const char **member, const struct json *file, const char *key)
{
    const char *value = json_string(json_get(file, key));

    if (vk_str_empty(*member) && !vk_str_empty(value))
        *member = value;
}

static int read_azure_config(struct aci_kubelet_options *o, struct vk_arena *arena,
                             struct vk_err *err)
{
    const struct json *file;
    const char *aad_client;
    struct vk_str text;

    if (vk_str_empty(o->azure_config))
        return 0;
    if (file_read(o->azure_config, 1 << 20, arena, &text, err) < 0 ||
        json_parse(text, 1 << 20, arena, &file, err) < 0)
        return vk_err_wrap(err, "--azure-config %s", o->azure_config);
    fill(&o->tenant_id, file, "tenantId");
    fill(&o->subscription, file, "subscriptionId");
    fill(&o->resource_group, file, "resourceGroup");
    fill(&o->location, file, "location");
    fill(&o->identity_client_id, file, "userAssignedIdentityID");
    /* AKS writes "msi" where the cluster uses a managed identity. */
    aad_client = json_string(json_get(file, "aadClientId"));
    if (aad_client && !vk_streq(aad_client, "msi")) {
        fill(&o->client_id, file, "aadClientId");
        fill(&o->client_secret, file, "aadClientSecret");
    }
    return 0;
}

static int require(const char *value, const char *option, const char *way_out, struct vk_err *err)
{
    if (!vk_str_empty(value))
        return 0;
    return vk_err_set(err, VK_INVALID, "--%s is missing: %s", option, way_out);
}

static int check_certificates(const struct aci_kubelet_options *o, struct vk_err *err)
{
    if (!vk_str_empty(o->tls_cert_file) &&
        require(o->tls_private_key_file, "tls-private-key-file",
                "give the private key of --tls-cert-file", err) < 0)
        return -(int)err->code;
    if (!vk_str_empty(o->tls_private_key_file) &&
        require(o->tls_cert_file, "tls-cert-file", "give the certificate of --tls-private-key-file",
                err) < 0)
        return -(int)err->code;
    if (vk_str_empty(o->bootstrap_kubeconfig))
        return 0;
    if (require(o->kubeconfig, "kubeconfig", "name the file that the bootstrap writes", err) < 0 ||
        require(o->cert_dir, "cert-dir",
                "name the folder that keeps the certificate of the bootstrap", err) < 0)
        return -(int)err->code;
    return 0;
}

/* What proves the client needs the client and its tenant; a certificate file may hold its key. */
static int check_client(struct aci_kubelet_options *o, struct vk_err *err)
{
    if (vk_str_empty(o->client_certificate_key))
        o->client_certificate_key = o->client_certificate;
    if (vk_str_empty(o->client_secret) && vk_str_empty(o->client_certificate) &&
        vk_str_empty(o->federated_token_file))
        return 0;
    if (require(o->tenant_id, "tenant-id",
                "a client secret, certificate or federated token needs its tenant "
                "(AZURE_TENANT_ID)",
                err) < 0 ||
        require(o->client_id, "client-id",
                "a client secret, certificate or federated token needs its application or "
                "identity (AZURE_CLIENT_ID)",
                err) < 0)
        return -(int)err->code;
    return 0;
}

int aci_kubelet_options_labels(const struct aci_kubelet_options *o, struct vk_arena *arena,
                               struct json_pairs *ret, struct vk_err *err)
{
    if (label_list_parse(&o->node_labels, arena, ret, err) < 0)
        return vk_err_wrap(err, "--node-labels");
    return 0;
}

int aci_kubelet_options_limits(const struct aci_kubelet_options *o, struct throttle_limits *ret,
                               struct vk_err *err)
{
    struct throttle_limits limits = throttle_limits_default();

    if (throttle_limits_parse_buckets(o->arm_limits, &limits, err) < 0)
        return vk_err_wrap(err, "--arm-limits");
    if (throttle_limits_parse_windows(o->create_limits, limits.creates, &limits.create_count, err) <
        0)
        return vk_err_wrap(err, "--create-limits");
    if (throttle_limits_parse_windows(o->delete_limits, limits.deletes, &limits.delete_count, err) <
        0)
        return vk_err_wrap(err, "--delete-limits");
    *ret = limits;
    return 0;
}

size_t aci_kubelet_options_complete_all(struct aci_kubelet_options *o, struct vk_arena *arena,
                                        option_fault_fn tell, void *user)
{
    struct vk_err err;
    size_t faults = 0;

    if (vk_str_empty(o->lease_name))
        o->lease_name = vk_arena_printf(arena, "aci-kubelet-%s", o->nodename);
    if (read_azure_config(o, arena, &err) < 0) {
        /* Who knows what it would have said. */
        tell(user, &err);
        return 1;
    }
    const struct {
        const char *value, *option, *way_out;
    } required[] = {
        {o->nodename, "nodename", "name the virtual node"},
        {o->node_ip, "node-ip", "give the address at which the API server reaches this process"},
        {o->subscription, "subscription", "give the Azure subscription's id"},
        {o->resource_group, "resource-group", "name an existing Azure resource group"},
        {o->location, "location", "name the Azure region, such as westeurope"},
    };
    for (size_t i = 0; i < VK_COUNT(required); i++)
        if (require(required[i].value, required[i].option, required[i].way_out, &err) < 0) {
            tell(user, &err);
            faults++;
        }
    if (check_certificates(o, &err) < 0) {
        tell(user, &err);
        faults++;
    }
    if (check_client(o, &err) < 0) {
        tell(user, &err);
        faults++;
    }
    return faults + aci_kubelet_options_check(o, arena, tell, user);
}

struct first_fault {
    struct vk_err *err;
    bool is_there;
};

static void keep_first(void *user, const struct vk_err *fault)
{
    struct first_fault *first = user;

    if (!first->is_there)
        *first->err = *fault;
    first->is_there = true;
}

int aci_kubelet_options_complete(struct aci_kubelet_options *o, struct vk_arena *arena,
                                 struct vk_err *err)
{
    struct first_fault first = {.err = err};

    return aci_kubelet_options_complete_all(o, arena, keep_first, &first) ? -(int)err->code : 0;
}

int aci_kubelet_options_complete_azure(struct aci_kubelet_options *o, struct vk_arena *arena,
                                       struct vk_err *err)
{
    if (read_azure_config(o, arena, err) < 0 ||
        require(o->nodename, "nodename", "name the virtual node", err) < 0 ||
        require(o->subscription, "subscription", "give the Azure subscription's id", err) < 0 ||
        require(o->resource_group, "resource-group", "name an existing Azure resource group", err) <
            0)
        return -(int)err->code;
    return check_client(o, err);
}

static int read_kube_proxy(const struct aci_kubelet_options *o, struct vk_arena *arena,
                           const struct vk_secret **ret, struct vk_err *err)
{
    struct vk_str text;

    if (vk_str_empty(o->kube_proxy_kubeconfig))
        return 0;
    if (file_read(o->kube_proxy_kubeconfig, MAX_KUBECONFIG_BYTES, arena, &text, err) < 0)
        return vk_err_wrap(err, "--kube-proxy-kubeconfig");
    *ret = vk_arena_secret(arena, text.p, text.n);
    vk_wipe((void *)(uintptr_t)text.p, text.n);
    return 0;
}

int aci_kubelet_options_groups(const struct aci_kubelet_options *o, struct vk_arena *arena,
                               struct group_settings *ret, struct vk_err *err)
{
    struct group_settings out = {
        .windows = vk_streq(o->os, "Windows"),
        .warn_security = vk_streq(o->security_context, "warn"),
        .tag_labels = o->tag_labels,
        .denied_annotations = o->deny_annotations,
        .log_workspace_id = o->log_analytics_id,
        .log_type = o->log_analytics_type,
        .cluster_resource_id = o->cluster_resource_id,
        .kube_proxy_cluster_cidr = o->cluster_cidr,
    };

    if (!vk_str_empty(o->log_analytics_key))
        out.log_workspace_key =
            vk_arena_secret(arena, o->log_analytics_key, strlen(o->log_analytics_key));
    if (read_kube_proxy(o, arena, &out.kube_proxy_kubeconfig, err) < 0)
        return -(int)err->code;
    *ret = out;
    return 0;
}
