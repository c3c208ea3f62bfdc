/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet: builds its rooms in order once the cluster's identity is known, tears them down in
 * reverse. Knows no platform; what runs pods is the struct provider given to it.
 */
#pragma once

#include "base/json.h"
#include "kubelet/client/bootstrap.h"
#include "kubelet/client/kubeconfig.h"
#include "kubelet/client/leader_election.h"
#include "kubelet/node/node_object.h"
#include "kubelet/provider.h"

struct kubelet;

/* Borrowed for the kubelet's life. */
struct kubelet_config {
    const struct cluster_config *cluster;
    struct node_identity node;
    const char *cluster_id; /* NULL: the UID of namespace kube-system */
    /* NULL: this process is the only one for its node. Else all that it does until it leads is to
     * answer the probes of the kubelet port; once it leads no more, fatal is called. */
    const struct leader_lease *leader_lease;
    const char *address; /* the kubelet port's */
    /* Certificates: see server/serving_certificate.h and client/certificate_manager.h. */
    const char *cert_file, *key_file, *client_ca_file, *cert_dir;
    bool request_serving_certificate;
    bool rotate_client_certificate; /* the one that bootstrap.h got, in cert_dir */
    /* Who may use the port: see server/access.h. */
    bool review_tokens, allow_anonymous;
    int64_t token_ttl_ms, allow_ttl_ms, deny_ttl_ms;
    const char *user_agent;
    int64_t finished_group_ttl_ms, pod_deletion_cost; /* see pods.h */
    const char *pod_api_server; /* HOST[:PORT] as pods reach it; NULL: by its Service */
    /* The kubelet can't go on: the message says why and what to do. */
    void (*fatal)(void *user, const struct vk_err *err);
    void *user;
};

/* Opens the kubelet port at once. Errors: port in use, unreadable files, a bad address. */
VK_MUST_CHECK int kubelet_new(struct vk_loop *loop, struct http_client *http,
                              const struct kubelet_config *config, struct provider *provider,
                              struct kubelet **ret, struct vk_err *err);
/*
 * The orderly end: begins nothing new, waits until the writes that were sent are answered (20 s at
 * most, so that it all fits into the 30 s that a pod has), gives the node's Lease and that of the
 * leader back, then calls done, once. kubelet_free may be called at any time instead: it only
 * leaves more to be found out by the next start.
 */
void kubelet_shutdown(struct kubelet *k, void (*done)(void *user), void *user);
/* Container groups keep running. */
void kubelet_free(struct kubelet *k);
