/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Annotations that go with a status that is written anyway, since the API server takes them in
 * pods/status, also from nodes: no request and no right more. Pure. Source: k8s v1.37.2
 * pkg/registry/core/pod/strategy.go podStatusStrategy, plugin/pkg/admission/noderestriction.
 */
#pragma once

#include "kubelet/api/pod.h"

/* Tells a ReplicaSet which pods to remove first. Somebody's own stays. Source: ReplicaSet, pod
 * deletion cost. */
#define POD_DELETION_COST "controller.kubernetes.io/pod-deletion-cost"
/* What is paid for the pod, which may be more than it asks for. */
#define POD_BILLED_SIZE "aci-kubelet.io/billed-size"

/* When the first of its tokens expires, RFC 3339, so that a restart still knows. */
#define POD_TOKEN_EXPIRY "aci-kubelet.io/token-expiry"

/* When its group, which had vanished, was last made anew, RFC 3339: a restart still knows. */
#define POD_MADE_AGAIN "aci-kubelet.io/made-again"

enum status_note {
    STATUS_NOTE_SIZE,
    STATUS_NOTE_TOKEN_EXPIRY,
    STATUS_NOTE_MADE_AGAIN,
    STATUS_NOTES
};

/* Those that the pod lacks. deletion_cost 0, a note NULL: not to be said. */
struct json_pairs status_annotations(const struct pod *pod, int64_t deletion_cost,
                                     char *const notes[STATUS_NOTES], struct vk_arena *arena);
