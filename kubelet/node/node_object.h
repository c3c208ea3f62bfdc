/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Node object as this kubelet wants it, as JSON. Pure. Labels and taint are those of AKS
 * virtual nodes, so that manifests written for them fit. Source: k8s v1.37.2 api/core/v1/types.go,
 * pkg/kubelet/nodestatus/setters.go.
 */
#pragma once

#include "base/json.h"
#include "base/json_writer.h"
#include "kubelet/provider.h"

struct node_taint {
    const char *key, *value, *effect;
};

/* On the node while the provider is unreachable: running pods stay, no new ones come. */
extern const struct node_taint node_taint_unreachable;

/* What does not change while the process runs. Borrowed strings. */
struct node_identity {
    const char *name;
    const char *internal_ip;
    int kubelet_port;
    const char *kubelet_version;    /* "v1.37.2-aci-kubelet-0.1.0" */
    const char *runtime_version;    /* "aci://2025-09-01" */
    const struct node_taint *taint; /* NULL: none */
    /* Beside the node's own; where one has the key of an own one, it counts. */
    struct json_pairs labels;
};

/* Times are wall clock nanoseconds. */
struct node_condition {
    const char *type;
    bool status;
    bool is_unknown; /* not written: what the object says stays */
    char reason[64];
    char message[256];
    int64_t last_transition_ns;
};
#define NODE_CONDITION_COUNT 7
/* Ready, MemoryPressure, DiskPressure, PIDPressure, NetworkUnavailable, ProviderUnreachable,
 * ServingCertificatePending. */
struct node_conditions {
    struct node_condition v[NODE_CONDITION_COUNT];
};
/* All healthy, except that of ProviderUnreachable nothing is known yet. */
void node_conditions_init(struct node_conditions *c, int64_t now_ns);
/* Returns true when the status changed (then the transition time moved), or was not known. Unknown
 * types are asserted. */
bool node_conditions_set(struct node_conditions *c, const char *type, bool status,
                         const char *reason, const char *message, int64_t now_ns);

/*
 * A whole object for POST. with_role: also `kubernetes.io/role=agent`, which NodeRestriction
 * refuses to an identity of group system:nodes.
 */
void node_object_write(struct vk_buf *out, const struct node_identity *id,
                       const struct node_capacity *capacity, const struct node_conditions *c,
                       bool with_role, int64_t now_ns);
/* Strategic merge patch for /status: everything of ours, conditions merged by type. */
void node_status_patch_write(struct vk_buf *out, const struct node_identity *id,
                             const struct node_capacity *capacity, const struct node_conditions *c,
                             int64_t now_ns);
/*
 * Adoption of an object that exists: merge patch of the labels that it lacks and of the taint where
 * it is missing (the taints of others are kept). False: nothing to change, nothing written.
 */
bool node_adopt_patch_write(struct vk_buf *out, const struct node_identity *id,
                            const struct node_capacity *capacity, const struct json *node,
                            bool with_role);
/*
 * Merge patch after which the node has the taint, or has it no more; those of others are kept, and
 * the patch carries the version of `node`, so that it fails (409) where they have changed since.
 * False: nothing to change, nothing written.
 */
bool node_taint_patch_write(struct vk_buf *out, const struct node_taint *taint, bool wanted,
                            const struct json *node);
