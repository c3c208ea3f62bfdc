/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resolved pod as the body of ACI's PUT. Pure: no I/O, no clock, the same pod gives the same
 * bytes. Each concept is a file of its own (group_layout, annotations, resources, volume_plan,
 * network, ...), group_plan decides by them and pod_to_group writes; validation refuses what can't
 * be said and unhonoured lists what is not honoured.
 */
#pragma once

#include "base/buf.h"
#include "base/vk_err.h"
#include "kubelet/api/resolved_pod.h"
#include "provider/ignored_fields.h"
#include "provider/pod_images.h"
#include "provider/provider_env.h"

/* ARM's limit of a request body. */
#define POD_TO_GROUP_MAX_BYTES (4u << 20)

/* Event about a group that is larger than its pod asks for. */
#define GROUP_SIZE_REASON "GroupSize"

/* What is to be said of a translation besides the body. */
struct group_notes {
    struct ignored_fields ignored;
    const char *size; /* what is billed: "1.5 CPU and 2 GB" */
    int64_t cpu_milli;
    bool is_larger; /* than what the pod asks for */
};
/*
 * images: what is known of the pod's images, NULL when none is needed. Appends the body to out,
 * which the caller releases with vk_buf_release_secret: it holds secure values, registry passwords
 * and files. ret_notes lives in the arena. Errors: VK_UNSUPPORTED or VK_INVALID with the field,
 * ACI's rule and the way out, reason UnsupportedPodField; VK_TOO_LARGE. Source:
 * Microsoft.ContainerInstance 2025-09-01; all members but Key Vault references are valid for
 * 2023-05-01 too.
 */
VK_MUST_CHECK int pod_to_group(const struct resolved_pod *pod, const struct provider_env *env,
                               const struct pod_images *images, struct vk_arena *arena,
                               struct vk_buf *out, struct group_notes *ret_notes,
                               struct vk_err *err);
