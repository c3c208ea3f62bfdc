/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of a pod that its group does not honour although the pod runs: each is named once, in one
 * Event, so that nothing is dropped silently.
 */
#pragma once

#include "base/arena.h"
#include "kubelet/api/resolved_pod.h"
#include "provider/provider_env.h"
#include "provider/resources.h"

#define IGNORED_FIELDS_REASON "PodFieldsIgnored"

struct ignored_fields {
    const char **v; /* "containers[web].livenessProbe", ... in the order of the spec */
    size_t n;
};
void ignored_fields_of_pod(const struct resolved_pod *pod, const struct provider_env *env,
                           const struct pod_resources *resources, struct vk_arena *arena,
                           struct ignored_fields *ret);
/* The Event's message, at most 1,024 bytes; NULL when there is nothing to say. */
const char *ignored_fields_message(const struct ignored_fields *fields, struct vk_arena *arena);
