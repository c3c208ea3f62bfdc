/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the program asks of the API server, as RBAC names it: what
 * deploy/manifests/rbac.yaml grants and `aci-kubelet check` looks for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Which settings make a right necessary. */
enum api_right_need {
    RIGHT_ALWAYS,
    RIGHT_CLUSTER_ID,          /* without --cluster-id */
    RIGHT_REVIEWS,             /* bearer tokens and users of the kubelet port */
    RIGHT_SERVING_CERTIFICATE, /* --rotate-server-certificates */
    RIGHT_LEADER_ELECTION,     /* --leader-elect; namespace_ is that of the manifest */
};
struct api_right {
    const char *group, *resource, *subresource, *verb; /* "" for the core group, for none */
    const char *namespace_;                            /* "": all namespaces, or a cluster's own */
    const char *name;                                  /* "": any */
    enum api_right_need need;
    /* The Node authorizer decides it object by object, for the node's own pods: nothing to ask for
     * in general. */
    bool is_by_graph;
    /* It is about the node's own object, by its name. */
    bool is_of_node;
};
extern const struct api_right api_rights[];
extern const size_t api_right_count;
