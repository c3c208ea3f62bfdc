/* SPDX-License-Identifier: Apache-2.0 */
/* What a translation knows besides the pod: settings of the node, none of the clock or the network.
 */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#include "base/secret.h"

/* Settings of all groups of a node; zero is the default of each. Borrowed. */
struct group_settings {
    bool windows;            /* pods that name no operating system are for Windows */
    bool warn_security;      /* rights and identity that ACI can't give are named, not refused */
    const char *api_version; /* NULL: the newest that is known here */
    struct json_strs tag_labels;         /* labels of a pod that become tags */
    struct json_strs denied_annotations; /* names without the prefix */
    const char *log_workspace_id, *log_type, *cluster_resource_id;
    const struct vk_secret *log_workspace_key;
    /* A kubeconfig (JSON or YAML) for the kube-proxy inside groups; NULL: no kube-proxy. */
    const struct vk_secret *kube_proxy_kubeconfig;
    const char *kube_proxy_cluster_cidr, *kube_proxy_version;
};

struct provider_env {
    const char *location;
    const char *cluster_id, *node_name;
    const char *subnet_id;      /* ids separated by commas; NULL: groups have no network of ours */
    bool private_ip;            /* ask for a private address even without a subnet */
    bool realtime_metrics;      /* groups in a subnet get the extension of this name */
    const char *cluster_dns;    /* NULL: groups use Azure's DNS */
    const char *cluster_domain; /* "cluster.local" */
    struct group_settings settings;
};
