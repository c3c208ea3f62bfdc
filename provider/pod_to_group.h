/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resolved pod as the body of ACI's PUT. Pure: no I/O, no clock, the same pod gives the same
 * bytes. Each concept is a file of its own: containers, resources, ports, volumes, network,
 * registry_credentials, group_identity; validation refuses what can't be said and ignored_fields
 * lists what is not honoured.
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

/*
 * images: what is known of the pod's images, NULL when none is needed. Appends the body to out,
 * which the caller releases with vk_buf_release_secret: it holds secure values, registry passwords
 * and files. ret_ignored lives in the arena. Errors: VK_UNSUPPORTED or VK_INVALID with the field,
 * ACI's rule and the way out, reason UnsupportedPodField; VK_TOO_LARGE. Source:
 * Microsoft.ContainerInstance 2025-09-01, all members valid for 2023-05-01 too.
 */
VK_MUST_CHECK int pod_to_group(const struct resolved_pod *pod, const struct provider_env *env,
                               const struct pod_images *images, struct vk_arena *arena,
                               struct vk_buf *out, struct ignored_fields *ret_ignored,
                               struct vk_err *err);
