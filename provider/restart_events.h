/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ACI tells only between the lines: ends that the platform itself caused (exit codes 7147 and
 * 7148, Azure's troubleshooting guide), restarts of containers that must not be restarted
 * (restartPolicy Never holds only for exit code 0), and crash loops, for which people and tools
 * look by a kubelet's Event. Pure. Source of that: k8s v1.37.2 pkg/kubelet/kuberuntime doBackOff.
 */
#pragma once

#include "aci/container_group.h"

#define CONTAINER_TERMINATED_BY_PLATFORM "ContainerTerminatedByPlatform"
#define CONTAINER_RESTARTED_BY_PLATFORM "ContainerRestartedByPlatform"
#define CONTAINER_BACK_OFF "BackOff"

/* ACI: the platform sent SIGTERM, or killed the container. */
#define EXIT_PLATFORM_TERMINATED 7147
#define EXIT_PLATFORM_KILLED 7148

/* True when ACI ran the container more than once. */
bool container_was_restarted(const struct group_container_view *view);
/* True when no restart of the group's containers is allowed. */
bool group_forbids_restarts(const struct container_group *group);
/* struct group_event, at most four; each has a time of its own or none, so that it is told once, a
 * crash loop with its number of restarts as count. */
struct json_array restart_events(const struct container_group *group,
                                 const struct group_container *container, struct vk_arena *arena);
