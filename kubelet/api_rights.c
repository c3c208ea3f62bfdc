/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api_rights.h"

#define CORE .group = ""
#define NODE .is_of_node = true
#define GRAPH .is_by_graph = true
#define ANY .subresource = "", .namespace_ = "", .name = ""
#define SUB(text) .subresource = (text), .namespace_ = "", .name = ""

#define LEADER(action)                                                                             \
    {                                                                                              \
        .group = "coordination.k8s.io", .resource = "leases", .verb = (action), .subresource = "", \
        .namespace_ = "aci-kubelet", .name = "", .need = RIGHT_LEADER_ELECTION                     \
    }

const struct api_right api_rights[] = {
    /* node/node_status.c, node/node_lease.c */
    {CORE, .resource = "nodes", .verb = "create", ANY, NODE},
    {CORE, .resource = "nodes", .verb = "get", ANY, NODE},
    {CORE, .resource = "nodes", .verb = "patch", ANY, NODE},
    {CORE, .resource = "nodes", .verb = "patch", SUB("status"), NODE},
    {.group = "coordination.k8s.io",
     .resource = "leases",
     .verb = "create",
     .subresource = "",
     .namespace_ = "kube-node-lease",
     .name = "",
     NODE},
    {.group = "coordination.k8s.io",
     .resource = "leases",
     .verb = "patch",
     .subresource = "",
     .namespace_ = "kube-node-lease",
     .name = "",
     NODE},
    /* pods/pod_manager.c, pod_existence.c, pod_worker_terminate.c, status_manager.c */
    {CORE, .resource = "pods", .verb = "get", ANY, GRAPH},
    {CORE, .resource = "pods", .verb = "list", ANY},
    {CORE, .resource = "pods", .verb = "watch", ANY},
    {CORE, .resource = "pods", .verb = "delete", ANY, GRAPH},
    {CORE, .resource = "pods", .verb = "patch", SUB("status"), GRAPH},
    /* client/event_recorder.c */
    {CORE, .resource = "events", .verb = "create", ANY},
    {CORE, .resource = "events", .verb = "patch", ANY},
    /* pods/pod_resolver.c, object_cache.c, share_reader.c */
    {CORE, .resource = "serviceaccounts", .verb = "create", SUB("token"), GRAPH},
    {CORE, .resource = "configmaps", .verb = "get", ANY, GRAPH},
    {CORE, .resource = "secrets", .verb = "get", ANY, GRAPH},
    {CORE, .resource = "persistentvolumeclaims", .verb = "get", ANY, GRAPH},
    {CORE, .resource = "persistentvolumes", .verb = "get", ANY, GRAPH},
    /* pods/services.c */
    {CORE, .resource = "services", .verb = "list", ANY},
    {CORE, .resource = "services", .verb = "watch", ANY},
    /* server/reviews.c */
    {.group = "authentication.k8s.io",
     .resource = "tokenreviews",
     .verb = "create",
     ANY,
     .need = RIGHT_REVIEWS},
    {.group = "authorization.k8s.io",
     .resource = "subjectaccessreviews",
     .verb = "create",
     ANY,
     .need = RIGHT_REVIEWS},
    /* client/certificate_manager.c */
    {.group = "certificates.k8s.io",
     .resource = "certificatesigningrequests",
     .verb = "create",
     ANY,
     .need = RIGHT_SERVING_CERTIFICATE},
    {.group = "certificates.k8s.io",
     .resource = "certificatesigningrequests",
     .verb = "get",
     ANY,
     .need = RIGHT_SERVING_CERTIFICATE},
    /* client/leader_election.c */
    LEADER("create"),
    LEADER("get"),
    LEADER("patch"),
    /* kubelet.c */
    {CORE, .resource = "namespaces", .verb = "get", .subresource = "", .namespace_ = "",
     .name = "kube-system", .need = RIGHT_CLUSTER_ID},
};
const size_t api_right_count = sizeof(api_rights) / sizeof(api_rights[0]);
