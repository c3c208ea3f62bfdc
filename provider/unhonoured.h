/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names what a translated pod asks for in vain: fields that neither ACI nor the kubelet honours.
 */
#pragma once

#include "provider/annotations.h"
#include "provider/group_layout.h"
#include "provider/ignored_fields.h"
#include "provider/resources.h"
#include "provider/volume_plan.h"

struct unhonoured_context {
    const struct pod *pod;
    const struct group_layout *layout;
    const struct pod_annotations *annotations;
    const struct provider_env *env;
    const struct pod_resources *resources;
    const struct volume_plan *volumes;
    bool windows;
};
void unhonoured_name(const struct unhonoured_context *c, struct ignored_fields *ret,
                     struct vk_arena *arena);
