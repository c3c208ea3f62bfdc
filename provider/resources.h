/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and limits as ACI takes them: CPU in steps of 0.01, memory in steps of 0.1 GB, always
 * rounded up. A GB is 10^9 bytes (the unit of memoryInGB as azure-aci uses it), so 1Gi is 1.1 GB.
 */
#pragma once

#include "base/arena.h"
#include "provider/annotations.h"
#include "provider/group_layout.h"

/* Units: hundredths of a CPU, tenths of a GB. A limit of 0: none. */
struct container_resources {
    int64_t cpu_centi, memory_deci;
    int64_t cpu_limit_centi, memory_limit_deci;
    bool limit_was_cut;
};
struct pod_resources {
    struct container_resources *containers; /* as layout->containers */
    int64_t cpu_centi, memory_deci;         /* the group's total: what is billed */
    bool is_larger;                         /* than what the pod asks for */
};
/*
 * A container without a request gets 1 CPU and 1.5 GB, or next to nothing where the pod itself has
 * requests. A group has at least 1 CPU and 1 GB, what the pod itself asks for, and what its
 * hungriest init container asks for (init containers of ACI have no resources of their own): what
 * is missing is added to the first container. A limit below its request is raised to it, one above
 * the group's total is cut to it, which is the most that ACI accepts. Errors: VK_UNSUPPORTED for
 * more than a group of its kind can have and for other kinds of resources.
 */
VK_MUST_CHECK int resources_of_pod(const struct resolved_pod *pod,
                                   const struct group_layout *layout,
                                   const struct pod_annotations *annotations,
                                   struct vk_arena *arena, struct pod_resources *ret,
                                   struct vk_err *err);
/* "1.5 CPU and 2 GB": the billed size, for people. */
const char *resources_text(int64_t cpu_centi, int64_t memory_deci, struct vk_arena *arena);
