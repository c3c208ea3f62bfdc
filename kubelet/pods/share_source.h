/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an Azure file share of a pod's volume is and which Secret holds its account's key: from
 * azureFile, from file.csi.azure.com inline, or from the persistent volume that a claim is bound
 * to. Pure. Source: k8s v1.37.2 core/v1 (AzureFileVolumeSource, CSIVolumeSource,
 * PersistentVolume); azurefile-csi-driver, driver parameters.
 */
#pragma once

#include "kubelet/api/resolved_pod.h"
#include "kubelet/pods/object_data.h"

struct share_source {
    const char *volume; /* the pod's name of it */
    const char *share;
    const char *account; /* NULL: the Secret says it */
    const char *secret_name, *secret_namespace;
    bool read_only;
};

/* The volume is a file share, or a claim that may be one. */
bool share_source_is(const struct volume *v);
/* What a volume without a claim names. Errors: VK_INVALID, VK_UNSUPPORTED with the field. */
VK_MUST_CHECK int share_source_of_volume(const struct pod *pod, const struct volume *v,
                                         struct vk_arena *arena, struct share_source *ret,
                                         struct vk_err *err);
/*
 * The name of the persistent volume that a claim (JSON of the object) is bound to. Errors:
 * VK_NOT_FOUND with reason PersistentVolumeClaimNotBound: the pod waits; VK_PROTOCOL.
 */
VK_MUST_CHECK int share_source_bound_volume(const struct pod *pod, const struct volume *v,
                                            struct vk_str claim, struct vk_arena *arena,
                                            const char **ret, struct vk_err *err);
/* What that persistent volume (JSON) names. Errors: VK_UNSUPPORTED for other kinds of storage,
 * VK_INVALID, VK_PROTOCOL. */
VK_MUST_CHECK int share_source_of_persistent_volume(const struct pod *pod, const struct volume *v,
                                                    struct vk_str persistent_volume,
                                                    struct vk_arena *arena,
                                                    struct share_source *ret, struct vk_err *err);
/* Errors: VK_NOT_FOUND with reason MandatorySecretKeyNotFound for a Secret without the key. */
VK_MUST_CHECK int share_source_resolve(const struct share_source *source,
                                       const struct object_data *secret, struct vk_arena *arena,
                                       struct resolved_share *ret, struct vk_err *err);
