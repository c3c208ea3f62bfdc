/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the API server as the kubelet will need it: it answers and is new enough, knows us, has
 * no other node of our name, gives us every right of api_rights.h (SelfSubjectAccessReview), and
 * its clock agrees with ours. Changes nothing. Source: k8s v1.37.2 authorization.k8s.io/v1,
 * authentication.k8s.io/v1 SelfSubjectReview.
 */
#pragma once

#include "base/finding.h"
#include "kubelet/client/kubeconfig.h"

struct cluster_check;

/* Borrowed until cluster_check_free. */
struct cluster_check_config {
    const struct cluster_config *cluster;
    const char *user_agent;
    const char *node_name;
    bool needs_cluster_id, reviews, serving_certificate; /* see api_rights.h */
    const char *leader_namespace, *leader_lease;         /* of --leader-elect; NULL without */
    bool is_bootstrap;        /* cluster only gets the node a certificate: no rights yet */
    finding_fn found;         /* five times */
    void (*done)(void *user); /* once, after all of them, never from inside cluster_check_new */
    void *user;
};

/* Within half a minute. */
struct cluster_check *cluster_check_new(struct vk_loop *loop, struct http_client *http,
                                        const struct cluster_check_config *config);
/* NULL is fine. */
void cluster_check_free(struct cluster_check *c);
