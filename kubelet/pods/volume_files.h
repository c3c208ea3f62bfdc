/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volumes of a pod whose content is files (configMap, secret, downwardAPI, projected), with
 * that content. Pure. Source: k8s v1.37.2 pkg/volume/{configmap,secret,downwardapi,projected}.
 */
#pragma once

#include "kubelet/api/resolved_pod.h"
#include "kubelet/pods/pod_references.h"

/*
 * Files are sorted by path; of two sources that give one path the later wins. Content is borrowed
 * from what the references hold. Errors: VK_NOT_FOUND with the Event's reason as in environment.h;
 * VK_UNSUPPORTED, VK_INVALID name the volume.
 */
VK_MUST_CHECK int volume_files_resolve(const struct pod_references *r, struct vk_arena *arena,
                                       const struct resolved_volume **ret, size_t *ret_count,
                                       struct vk_err *err);
