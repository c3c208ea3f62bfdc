/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider that runs each pod as one Azure Container Instances container group. It implements
 * kubelet/provider.h on top of aci/ and of the pure translations of this room.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aci/auth/token.h"
#include "aci/throttle_limits.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/secret.h"
#include "base/vk_err.h"
#include "kubelet/provider.h"
#include "provider/provider_env.h"

/*
 * What aci_provider_new needs. Text and secrets are copied; NULL or 0 takes the default in
 * brackets. Credentials: the first that is set of client_secret, client_cert_file and
 * federated_token_file (then tenant_id and client_id are required), else the managed identity.
 */
struct aci_provider_config {
    const char *subscription;   /* required: the subscription's id */
    const char *resource_group; /* required */
    const char *location;       /* required: "westeurope" */
    const char *subnet_id;      /* resource id of a subnet delegated to ACI, or NULL: no network */
    bool private_ip;            /* ask for private addresses without naming a subnet (emulator) */
    const char *arm_endpoint;   /* ["https://management.azure.com"] */
    const char *authority_host; /* ["https://login.microsoftonline.com"] */
    const char *azure_ca_file;  /* trust anchors for both, or NULL: the system's */
    const char *api_version;    /* ["2025-09-01"] */
    const char *token_scope;    /* ["https://management.azure.com/.default"] */

    const char *tenant_id;
    const char *client_id;
    struct vk_secret client_secret;
    const char *client_cert_file, *client_key_file; /* see client_certificate.h */
    const char *federated_token_file;               /* see workload_identity.h */
    const char *managed_identity_client_id;         /* user-assigned identity, or NULL */
    const char *imds_endpoint;                      /* ["http://169.254.169.254"] */
    const char *identity_endpoint;                  /* App Service style endpoint, or NULL: IMDS */
    struct vk_secret identity_header;               /* its X-IDENTITY-HEADER */

    const char *cluster_dns;    /* address of the cluster's DNS server, or NULL: Azure's own DNS */
    const char *cluster_domain; /* ["cluster.local"] */

    /* Of all groups; what it points at is borrowed until aci_provider_free. */
    struct group_settings group_settings;

    /* Where images are read instead of their registries: see registry_client.h. */
    const char *const *registry_mirrors;
    size_t registry_mirror_count;
    const char *registry_ca_file; /* trust anchors of registries, or NULL: the system's */

    int64_t cpu_milli;    /* capacity of the node; 0 or less: [10,000 CPU] */
    int64_t memory_bytes; /* [4 Ti] */
    int64_t pods;         /* [5,000] */

    size_t exec_message_max;   /* longest message of input to a container [50] */
    bool stop_by_exec;         /* containers get their SIGTERM by ACI's exec; else none */
    bool realtime_metrics;     /* container groups get the extension; Azure Monitor alone if not */
    const char *prices;        /* see metrics.h; NULL: nothing is said of costs */
    int realtime_metrics_port; /* where it answers [18899] */

    const char *user_agent_extra;
    const struct throttle_limits *limits; /* of ARM and ACI [throttle_limits_default] */
    const char *finished_log_dir;         /* folder of finished_logs.h, or NULL */
    int64_t orphan_sweep_ms;              /* between searches for groups without a pod [60,000] */
    int64_t earlier_put_ms; /* a PUT without an answer may come so late: group_writer.h [5,000] */
};

struct aci_provider;

/*
 * The provider is idle until the kubelet calls ops->start. `http` and `loop` must outlive it.
 * Errors: VK_INVALID names the missing or bad setting and the way out.
 */
VK_MUST_CHECK int aci_provider_new(struct vk_loop *loop, struct http_client *http,
                                   const struct aci_provider_config *config,
                                   struct aci_provider **ret, struct vk_err *err);

/* What gives tokens for these credentials. Members of config that are not about them are not looked
 * at. */
struct token_fetcher aci_provider_token_fetcher(struct vk_loop *loop, struct http_client *http,
                                                const struct aci_provider_config *config,
                                                const char *user_agent);

/* The interface to hand to the kubelet; valid until aci_provider_free. */
struct provider aci_provider_interface(struct aci_provider *p);

/* After ops->stop. Cancels what is under way without a callback. NULL is fine. */
void aci_provider_free(struct aci_provider *p);
