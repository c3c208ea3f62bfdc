/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and limits as ACI takes them: CPU in steps of 0.01, memory in steps of 0.1 GB, always
 * rounded up. A GB is 10^9 bytes (the unit of memoryInGB as azure-aci uses it), so 1Gi is 1.1 GB.
 */
#pragma once

#include "base/arena.h"
#include "kubelet/api/resolved_pod.h"

/* Units: hundredths of a CPU, tenths of a GB. A limit of 0: none. */
struct container_resources {
    int64_t cpu_centi, memory_deci;
    int64_t cpu_limit_centi, memory_limit_deci;
    bool limit_was_cut;
};
struct pod_resources {
    struct container_resources *containers; /* as pod->containers */
    int64_t cpu_centi, memory_deci;         /* the group's total: what is billed */
};
/*
 * A container without a request gets 1 CPU and 1.5 GB. A group has at least 1 CPU and 1 GB, and
 * at least what its hungriest init container asks for (init containers of ACI have no resources of
 * their own): what is missing is added to the first container. A limit below its request is raised
 * to it, one above the group's total is cut to it, which is the most that ACI accepts.
 * Errors: VK_UNSUPPORTED for more than 32 CPU or 256 GB and for other kinds of resources.
 */
VK_MUST_CHECK int resources_of_pod(const struct resolved_pod *pod, struct vk_arena *arena,
                                   struct pod_resources *ret, struct vk_err *err);
