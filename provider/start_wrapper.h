/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a container's command through the image's shell, where that alone can honour a field:
 *
 * - spec.hostAliases, which ACI does not know and which is written into /etc/hosts (as root);
 * - status.podIP and status.podIPs in the environment, command or arguments: ACI gives a group its
 *   address when it runs, so the shell reads it from /proc/net/fib_trie and puts it where
 *   RESOLVED_POD_ADDRESS stands. Nothing but the shell itself is needed, and no secret enters the
 *   command line. A container that finds no address ends with 1 and says so.
 *
 * Then the command replaces the shell. A pod asks for it by annotation, since nobody can tell from
 * outside whether its images have /bin/sh. Pure.
 */
#pragma once

#include "provider/annotations.h"
#include "provider/group_layout.h"

/* The wrapper has something to do in this container, and the pod asks for it. */
bool start_wrapper_is_used(const struct pod *pod, const struct resolved_container *c,
                           const struct pod_annotations *annotations);
/* Errors: VK_UNSUPPORTED for what needs the wrapper where it is not asked for or can't help;
 * VK_INVALID for bad hostAliases. */
VK_MUST_CHECK int start_wrapper_check(const struct pod *pod, const struct group_layout *layout,
                                      const struct pod_annotations *annotations,
                                      const struct provider_env *env, bool windows,
                                      struct vk_err *err);
/* command is what the container runs, with the image's entrypoint; not empty. */
struct json_strs start_wrapper_command(const struct pod *pod, const struct resolved_container *c,
                                       const struct json_strs *command, struct vk_arena *arena);
