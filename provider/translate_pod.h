/* SPDX-License-Identifier: Apache-2.0 */
/* One pod of `aci-kubelet translate`: its group, or why there is none. Pure. */
#pragma once

#include "kubelet/offline.h"
#include "provider/pod_to_group.h"
#include "provider/workload.h"

struct translation {
    const struct workload *workload;
    const char *refused;       /* the field, ACI's rule and the way out; NULL: translated */
    const char *group;         /* JSON; NULL when refused */
    const char *size;          /* "1.5 CPU and 2 GB" */
    struct json_strs warnings; /* fields that are not honoured */
    struct json_strs assumed;  /* what was made up for want of a cluster and registries */
};
/* All in the arena. */
void translate_pod(const struct workload *workload, const struct offline *objects,
                   const struct provider_env *env, struct vk_arena *arena, struct translation *ret);
