/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the kubelet what ACI reports as events of a group and of its containers, each one once, and
 * which ends the platform caused, but for those that we asked for. */
#pragma once

#include "provider/tracked_pod.h"

/* arena: scratch. An event keeps ACI's name, count and times; its type is Normal or Warning. */
void pod_events_report(struct tracked_pod *pod, const struct container_group *group,
                       const struct provider_upcalls *upcalls, struct vk_arena *arena);
