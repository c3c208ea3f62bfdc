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
 * nothing appended: there is nothing to change. annotations (or NULL) are no change by themselves:
 * the API server takes them in pods/status.
 *
 * Lists: conditions are merged by type (only ours that changed are sent; PodResizePending, the one
 * that comes and goes, is deleted), podIPs and hostIPs by ip
 * (sent whole, as a replacement), container statuses are atomic (sent whole).
 */
bool status_patch_write(const char *uid, const char *resource_version,
                        const struct json_pairs *annotations, const struct pod_status *from,
                        const struct pod_status *to, struct vk_buf *out);
