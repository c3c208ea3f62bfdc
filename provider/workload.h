/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pods that a manifest's object would become: of a Pod, and of the templates of Deployment,
 * ReplicaSet, ReplicationController, StatefulSet, Job and CronJob. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"

struct workload {
    const char *kind, *namespace_, *name; /* of the object; "default" where it names no namespace */
    const char *refused;                  /* why pods of this kind do not belong here, or NULL */
    bool has_pods;                        /* false: a Service, a ConfigMap ... */
    struct vk_str pod;                    /* JSON of one such pod */
};
/* Strings live in the arena. Errors: VK_INVALID for an object without kind or template. */
VK_MUST_CHECK int workload_read(const struct json *object, struct vk_arena *arena,
                                struct workload *ret, struct vk_err *err);
