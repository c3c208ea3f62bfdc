/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/options.h"

#include <arpa/inet.h>

#include "base/file.h"
#include "kubelet/api/quantity.h"

#define CLUSTER "Cluster and node"
#define PORT "Kubelet port"
#define AZURE "Azure"
#define GROUPS "Container groups"
#define PROCESS "Process"

#define OPT(member) .offset = offsetof(struct aci_kubelet_options, member)

static const struct option_def defs[] = {
    {.name = "kubeconfig",
     .kind = OPTION_STRING,
     OPT(kubeconfig),
     .other_env = "KUBECONFIG",
     .group = CLUSTER,
     .arg = "FILE",
     .help = "Kubeconfig of the API server. Without it the pod's own service account is used."},
    {.name = "context",
     .kind = OPTION_STRING,
     OPT(context),
     .group = CLUSTER,
     .arg = "NAME",
     .help = "Context of the kubeconfig; its current-context by default."},
    {.name = "bootstrap-kubeconfig",
     .kind = OPTION_STRING,
     OPT(bootstrap_kubeconfig),
     .group = CLUSTER,
     .arg = "FILE",
     .help =
         "Kubeconfig to ask the cluster for a client certificate of the node with, where "
         "--kubeconfig is not there yet or has expired. The certificate, kept in --cert-dir, is "
         "renewed in time."},
    {.name = "cert-dir",
     .kind = OPTION_STRING,
     OPT(cert_dir),
     .group = CLUSTER,
     .arg = "FOLDER",
     .help = "Where certificates that the cluster gives, and their keys, are kept. Without it the "
             "serving certificate is kept in memory and asked for after each start."},
    {.name = "nodename",
     .kind = OPTION_STRING,
     OPT(nodename),
     .fallback = "virtual-kubelet",
     .other_env = "DEFAULT_NODE_NAME,NODE_NAME",
     .group = CLUSTER,
     .arg = "NAME",
     .help = "Name of the virtual node."},
    {.name = "node-ip",
     .kind = OPTION_STRING,
     OPT(node_ip),
     .other_env = "VKUBELET_POD_IP",
     .group = CLUSTER,
     .arg = "ADDRESS",
     .help = "Address at which the API server reaches the kubelet port (InternalIP of the node)."},
    {.name = "cluster-id",
     .kind = OPTION_STRING,
     OPT(cluster_id),
     .group = CLUSTER,
     .arg = "ID",
     .help = "Identity of the cluster in the tags of container groups. Default: the UID of "
             "namespace kube-system. It must never change while groups exist."},
    {.name = "disable-taint",
     .kind = OPTION_BOOL,
     OPT(disable_taint),
     .group = CLUSTER,
     .help = "Register the node without its taint."},
    {.name = "taint-key",
     .kind = OPTION_STRING,
     OPT(taint_key),
     .fallback = "virtual-kubelet.io/provider",
     .other_env = "VKUBELET_TAINT_KEY",
     .group = CLUSTER,
     .arg = "KEY",
     .help = "Key of the node's taint."},
    {.name = "taint-value",
     .kind = OPTION_STRING,
     OPT(taint_value),
     .fallback = "azure",
     .other_env = "VKUBELET_TAINT_VALUE",
     .group = CLUSTER,
     .arg = "VALUE",
     .help = "Value of the node's taint."},
    {.name = "taint-effect",
     .kind = OPTION_ENUM,
     OPT(taint_effect),
     .fallback = "NoSchedule",
     .choices = "NoSchedule|PreferNoSchedule|NoExecute",
     .other_env = "VKUBELET_TAINT_EFFECT",
     .group = CLUSTER,
     .arg = "EFFECT",
     .help = "Effect of the node's taint."},
    {.name = "cpu",
     .kind = OPTION_STRING,
     OPT(cpu),
     .fallback = "1000",
     .other_env = "ACI_QUOTA_CPU",
     .group = CLUSTER,
     .arg = "QUANTITY",
     .help = "CPU capacity that the node offers to the scheduler."},
    {.name = "memory",
     .kind = OPTION_STRING,
     OPT(memory),
     .fallback = "4Ti",
     .other_env = "ACI_QUOTA_MEMORY",
     .group = CLUSTER,
     .arg = "QUANTITY",
     .help = "Memory capacity that the node offers to the scheduler."},
    {.name = "pods",
     .kind = OPTION_INT,
     OPT(pods),
     .fallback = "5000",
     .min = 1,
     .max = 100000,
     .other_env = "ACI_QUOTA_POD",
     .group = CLUSTER,
     .arg = "N",
     .help = "Number of pods that the node offers to the scheduler."},

    {.name = "address",
     .kind = OPTION_STRING,
     OPT(address),
     .fallback = "0.0.0.0",
     .group = PORT,
     .arg = "ADDRESS",
     .help = "Address that the kubelet port listens on."},
    {.name = "port",
     .kind = OPTION_INT,
     OPT(port),
     .fallback = "10250",
     .min = 1,
     .max = 65535,
     .other_env = "KUBELET_PORT",
     .group = PORT,
     .arg = "PORT",
     .help = "The kubelet port."},
    {.name = "tls-cert-file",
     .kind = OPTION_STRING,
     OPT(tls_cert_file),
     .other_env = "APISERVER_CERT_LOCATION",
     .group = PORT,
     .arg = "FILE",
     .help = "Serving certificate of the kubelet port (PEM, with its chain); read again when it "
             "changes."},
    {.name = "tls-private-key-file",
     .kind = OPTION_STRING,
     OPT(tls_private_key_file),
     .other_env = "APISERVER_KEY_LOCATION",
     .group = PORT,
     .arg = "FILE",
     .help = "Private key of the serving certificate (PEM)."},
    {.name = "rotate-server-certificates",
     .kind = OPTION_BOOL,
     OPT(rotate_server_certificates),
     .group = PORT,
     .help = "Without --tls-cert-file: ask the cluster for a serving certificate (signer "
             "kubernetes.io/kubelet-serving), which somebody has to approve, and renew it in time. "
             "Until then, and without this option, the port shows a certificate that nobody "
             "signed."},
    {.name = "client-ca-file",
     .kind = OPTION_STRING,
     OPT(client_ca_file),
     .other_env = "APISERVER_CA_CERT_LOCATION",
     .group = PORT,
     .arg = "FILE",
     .help = "CA of client certificates, the API server's among them; read again when it changes. "
             "Without it client certificates prove nothing."},
    {.name = "anonymous-auth",
     .kind = OPTION_BOOL,
     OPT(anonymous_auth),
     .group = PORT,
     .help = "Ask for the rights of system:anonymous where a request shows no credential, instead "
             "of refusing it."},
    {.name = "authentication-token-webhook",
     .kind = OPTION_BOOL,
     OPT(authentication_token_webhook),
     .fallback = "true",
     .group = PORT,
     .help = "Let the API server say whose a bearer token is (TokenReview)."},
    {.name = "authentication-token-webhook-cache-ttl",
     .kind = OPTION_DURATION,
     OPT(token_ttl_ms),
     .fallback = "2m",
     .min = 0,
     .max = 3600000,
     .group = PORT,
     .arg = "DURATION",
     .help = "How long it is remembered whose a token is: a revoked one works as long."},
    {.name = "authorization-webhook-cache-authorized-ttl",
     .kind = OPTION_DURATION,
     OPT(allow_ttl_ms),
     .fallback = "5m",
     .min = 0,
     .max = 3600000,
     .group = PORT,
     .arg = "DURATION",
     .help = "How long it is remembered that somebody may use the kubelet port "
             "(SubjectAccessReview)."},
    {.name = "authorization-webhook-cache-unauthorized-ttl",
     .kind = OPTION_DURATION,
     OPT(deny_ttl_ms),
     .fallback = "30s",
     .min = 0,
     .max = 3600000,
     .group = PORT,
     .arg = "DURATION",
     .help = "How long it is remembered that somebody may not."},

    {.name = "subscription",
     .kind = OPTION_STRING,
     OPT(subscription),
     .other_env = "AZURE_SUBSCRIPTION_ID",
     .group = AZURE,
     .arg = "ID",
     .help = "Azure subscription of the container groups."},
    {.name = "resource-group",
     .kind = OPTION_STRING,
     OPT(resource_group),
     .other_env = "ACI_RESOURCE_GROUP",
     .group = AZURE,
     .arg = "NAME",
     .help = "Resource group of the container groups."},
    {.name = "location",
     .kind = OPTION_STRING,
     OPT(location),
     .other_env = "ACI_REGION",
     .group = AZURE,
     .arg = "REGION",
     .help = "Azure region of the container groups."},
    {.name = "subnet-id",
     .kind = OPTION_STRING,
     OPT(subnet_id),
     .group = AZURE,
     .arg = "ID",
     .help = "Resource id of the subnet, delegated to Microsoft.ContainerInstance, that gives "
             "the groups their private addresses."},
    {.name = "tenant-id",
     .kind = OPTION_STRING,
     OPT(tenant_id),
     .other_env = "AZURE_TENANT_ID",
     .group = AZURE,
     .arg = "ID",
     .help = "Entra tenant of the client secret."},
    {.name = "client-id",
     .kind = OPTION_STRING,
     OPT(client_id),
     .other_env = "AZURE_CLIENT_ID",
     .group = AZURE,
     .arg = "ID",
     .help = "Entra application that owns the client secret. Without a secret a managed identity "
             "is used."},
    {.name = "client-secret",
     .kind = OPTION_STRING,
     OPT(client_secret),
     .other_env = "AZURE_CLIENT_SECRET",
     .group = AZURE,
     .arg = "SECRET",
     .secret = true,
     .help = "Client secret. Prefer the environment AZURE_CLIENT_SECRET: flags are visible to "
             "others on the machine."},
    {.name = "identity-client-id",
     .kind = OPTION_STRING,
     OPT(identity_client_id),
     .other_env = "VIRTUALNODE_USER_IDENTITY_CLIENTID",
     .group = AZURE,
     .arg = "ID",
     .help = "Client id of a user-assigned managed identity; the system-assigned one by default."},
    {.name = "azure-config",
     .kind = OPTION_STRING,
     OPT(azure_config),
     .other_env = "AKS_CREDENTIAL_LOCATION",
     .group = AZURE,
     .arg = "FILE",
     .help = "azure.json of an AKS node: fills in what no other option says."},
    {.name = "arm-endpoint",
     .kind = OPTION_STRING,
     OPT(arm_endpoint),
     .fallback = "https://management.azure.com",
     .group = AZURE,
     .arg = "URL",
     .help = "Azure Resource Manager; for other clouds and for aci-emulator."},
    {.name = "authority-host",
     .kind = OPTION_STRING,
     OPT(authority_host),
     .fallback = "https://login.microsoftonline.com",
     .other_env = "AZURE_AUTHORITY_HOST",
     .group = AZURE,
     .arg = "URL",
     .help = "Entra authority that gives tokens."},
    {.name = "imds-endpoint",
     .kind = OPTION_STRING,
     OPT(imds_endpoint),
     .fallback = "http://169.254.169.254",
     .other_env = "AZURE_POD_IDENTITY_AUTHORITY_HOST",
     .group = AZURE,
     .arg = "URL",
     .help = "Instance metadata service for managed identities."},
    {.name = "azure-ca-file",
     .kind = OPTION_STRING,
     OPT(azure_ca_file),
     .group = AZURE,
     .arg = "FILE",
     .help = "CA of both endpoints where the system does not trust it."},
    {.name = "api-version",
     .kind = OPTION_STRING,
     OPT(api_version),
     .fallback = "2025-09-01",
     .group = AZURE,
     .arg = "VERSION",
     .help = "Version of the ACI API."},
    {.name = "arm-limits",
     .kind = OPTION_STRING,
     OPT(arm_limits),
     .fallback = "reads=250+25,writes=200+10,deletes=200+10",
     .group = AZURE,
     .arg = "LIST",
     .help = "ARM's token buckets, size and rate a second, that requests are kept below, or off. "
             "What ARM's answers say of its buckets wins."},
    {.name = "create-limits",
     .kind = OPTION_STRING,
     OPT(create_limits),
     .fallback = "100/5m,300/1h",
     .group = AZURE,
     .arg = "LIST",
     .help = "ACI's limits on creating container groups in the subscription's region, or off. What "
             "ACI's answers say of its limits wins."},
    {.name = "delete-limits",
     .kind = OPTION_STRING,
     OPT(delete_limits),
     .fallback = "100/5m,300/1h",
     .group = AZURE,
     .arg = "LIST",
     .help = "The same for deleting container groups."},

    {.name = "cluster-dns",
     .kind = OPTION_STRING,
     OPT(cluster_dns),
     .other_env = "KUBE_DNS_IP",
     .group = GROUPS,
     .arg = "ADDRESS",
     .help = "Name server for pods with dnsPolicy ClusterFirst, reachable from the subnet."},
    {.name = "cluster-domain",
     .kind = OPTION_STRING,
     OPT(cluster_domain),
     .fallback = "cluster.local",
     .group = GROUPS,
     .arg = "DOMAIN",
     .help = "Domain of the cluster's Services."},
    {.name = "realtime-metrics",
     .kind = OPTION_BOOL,
     OPT(realtime_metrics),
     .fallback = "true",
     .other_env = "ENABLE_REAL_TIME_METRICS",
     .group = GROUPS,
     .help = "Create groups in a subnet with the extension that tells what they use at once. "
             "Without it figures come from Azure Monitor, minutes late."},
    {.name = "prices",
     .kind = OPTION_STRING,
     OPT(prices),
     .group = GROUPS,
     .arg = "LIST",
     .help = "What an hour of a vCPU and of a GB costs, for the metric of costs per namespace: "
             "cpu=0.0486,gb=0.0053."},
    {.name = "registry-mirrors",
     .kind = OPTION_STRINGS,
     OPT(registry_mirrors),
     .group = GROUPS,
     .arg = "LIST",
     .help = "Where to read the configuration of images instead of their registries: HOST=URL, or "
             "*=URL for all others, separated by commas. It is needed for args without command."},
    {.name = "registry-ca-file",
     .kind = OPTION_STRING,
     OPT(registry_ca_file),
     .group = GROUPS,
     .arg = "FILE",
     .help = "CA of registries and mirrors where the system does not trust them."},
    {.name = "finished-group-ttl",
     .kind = OPTION_DURATION,
     OPT(finished_group_ttl_ms),
     .fallback = "10m",
     .min = 1,
     .max = 7ll * 24 * 3600 * 1000,
     .group = GROUPS,
     .arg = "DURATION",
     .help =
         "How long the group of a pod that ended stays. Where a quota is reached, the oldest go "
         "earlier. The last 64 KiB of each log stay readable while the pod exists."},
    {.name = "orphan-sweep-interval",
     .kind = OPTION_DURATION,
     OPT(orphan_sweep_interval_ms),
     .fallback = "1m",
     .min = 1000,
     .max = 3600000,
     .group = GROUPS,
     .arg = "DURATION",
     .help = "How often container groups of this node without a pod are searched for and removed. "
             "Leaked groups are billed."},

    {.name = "config",
     .kind = OPTION_STRING,
     OPT(config),
     .group = PROCESS,
     .arg = "FILE",
     .help = "YAML file with any of these options by name."},
    {.name = "log-format",
     .kind = OPTION_ENUM,
     OPT(log_format),
     .fallback = "text",
     .choices = "text|json",
     .group = PROCESS,
     .arg = "FORMAT",
     .help = "Shape of log lines."},
    {.name = "v",
     .kind = OPTION_INT,
     OPT(v),
     .fallback = "0",
     .min = 0,
     .max = 10,
     .group = PROCESS,
     .arg = "LEVEL",
     .help = "Verbosity of the log: 2 adds each request, 4 what is inside."},
};

const struct option_set aci_kubelet_option_set = {
    .defs = defs,
    .count = sizeof(defs) / sizeof(defs[0]),
    .program = "aci-kubelet",
    .env_prefix = "ACI_KUBELET",
    .synopsis = "Usage: aci-kubelet [OPTION]...\n"
                "       aci-kubelet COMMAND [OPTION]...\n"
                "\n"
                "Registers a virtual node and runs each pod bound to it as one Azure Container\n"
                "Instances container group.",
    .epilogue =
        "Each option may also be given as environment ACI_KUBELET_<NAME> or in the file of\n"
        "--config; flag beats environment beats file. Example:\n"
        "\n"
        "  AZURE_TENANT_ID=... AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=... \\\n"
        "  aci-kubelet --kubeconfig ~/.kube/config --nodename burst-1 --node-ip 10.0.0.7 \\\n"
        "    --subscription ... --resource-group burst --location westeurope \\\n"
        "    --tls-cert-file kubelet.crt --tls-private-key-file kubelet.key \\\n"
        "    --client-ca-file ca.crt",
};

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

static int check_capacity(const struct aci_kubelet_options *o, struct vk_err *err)
{
    int64_t n;

    if (!quantity_milli(o->cpu, &n) || n <= 0)
        return vk_err_set(err, VK_INVALID, "--cpu '%s': expected a quantity like 100 or 500m",
                          o->cpu);
    if (!quantity_value(o->memory, &n) || n <= 0)
        return vk_err_set(err, VK_INVALID, "--memory '%s': expected a quantity like 512Gi",
                          o->memory);
    return 0;
}

/* The API server takes nothing else as a node's InternalIP, and says so only once the node exists.
 */
static int check_node_ip(const char *text, struct vk_err *err)
{
    struct in6_addr address;

    if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
        return 0;
    return vk_err_set(err, VK_INVALID, "--node-ip '%s': expected an IP address like 10.0.0.7",
                      text);
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

static int check_secret(const struct aci_kubelet_options *o, struct vk_err *err)
{
    if (!vk_str_empty(o->client_secret) &&
        (require(o->tenant_id, "tenant-id", "a client secret needs its tenant (AZURE_TENANT_ID)",
                 err) < 0 ||
         require(o->client_id, "client-id",
                 "a client secret needs its application "
                 "(AZURE_CLIENT_ID)",
                 err) < 0))
        return -(int)err->code;
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

int aci_kubelet_options_complete(struct aci_kubelet_options *o, struct vk_arena *arena,
                                 struct vk_err *err)
{
    struct throttle_limits limits;

    if (read_azure_config(o, arena, err) < 0 || check_capacity(o, err) < 0 ||
        aci_kubelet_options_limits(o, &limits, err) < 0)
        return -(int)err->code;
    if (require(o->nodename, "nodename", "name the virtual node", err) < 0 ||
        require(o->node_ip, "node-ip",
                "give the address at which the API server reaches this process", err) < 0 ||
        check_node_ip(o->node_ip, err) < 0 ||
        require(o->subscription, "subscription", "give the Azure subscription's id", err) < 0 ||
        require(o->resource_group, "resource-group", "name an existing Azure resource group", err) <
            0 ||
        require(o->location, "location", "name the Azure region, such as westeurope", err) < 0 ||
        check_certificates(o, err) < 0)
        return -(int)err->code;
    return check_secret(o, err);
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
    return check_secret(o, err);
}
