/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolves pods without an API server: what they refer to comes from manifests at hand, and what is
 * not there is made up and said. Values of Secrets are never kept: placeholders stand for them. No
 * I/O.
 */
#pragma once

#include "kubelet/api/resolved_pod.h"

struct offline;

struct offline *offline_new(void);
/* NULL is fine. */
void offline_free(struct offline *o);
/*
 * Keeps a copy of a ConfigMap, Secret, PersistentVolumeClaim or PersistentVolume; false for an
 * object of another kind.
 */
bool offline_add(struct offline *o, const struct json *object);
/*
 * ret: released with resolved_pod_free. ret_assumed: sentences about what was made up, in the
 * arena of *ret. Errors: as pod_resolver has them.
 */
VK_MUST_CHECK int offline_resolve(const struct offline *o, const struct pod *pod,
                                  struct resolved_pod **ret, struct json_strs *ret_assumed,
                                  struct vk_err *err);
