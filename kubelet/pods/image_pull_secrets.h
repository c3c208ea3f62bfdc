/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry credentials of a pod from its imagePullSecrets, in both formats (.dockerconfigjson,
 * .dockercfg), for the registries that its images need and no others. Pure.
 * Source: k8s v1.37.2 pkg/credentialprovider (config.go, keyring.go).
 */
#pragma once

#include "kubelet/api/resolved_pod.h"
#include "kubelet/pods/pod_references.h"

/*
 * One credential per registry: the entry with the longest matching path wins, then the first
 * Secret. server is the host as the image names it; "index.docker.io" for Docker Hub under any of
 * its names. Errors: VK_INVALID with reason InvalidImagePullSecret names the Secret, never its
 * content.
 */
VK_MUST_CHECK int image_pull_secrets_resolve(const struct pod_references *r, struct vk_arena *arena,
                                             const struct registry_credential **ret,
                                             size_t *ret_count, struct vk_err *err);
