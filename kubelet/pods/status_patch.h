/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest strategic merge patch that takes a pod's status from one state to another. Only what
 * a kubelet owns is compared and written: conditions and members of others survive. Pure.
 */
#pragma once

#include "kubelet/api/pod_status.h"

/*
 * Appends the body of PATCH .../pods/NAME/status to out; metadata.uid makes it fail on another pod
 * of the same name, metadata.resourceVersion on another version (NULL: none is named). False, and
 * nothing appended: there is nothing to change. deletion_cost: the annotation that tells a
 * ReplicaSet which pods to remove first (NULL: left as it is); alone it is no change.
 *
 * Lists: conditions are merged by type (only ours that changed are sent), podIPs and hostIPs by ip
 * (sent whole, as a replacement), container statuses are atomic (sent whole).
 */
bool status_patch_write(const char *uid, const char *resource_version, const char *deletion_cost,
                        const struct pod_status *from, const struct pod_status *to,
                        struct vk_buf *out);

#define POD_DELETION_COST "controller.kubernetes.io/pod-deletion-cost"
