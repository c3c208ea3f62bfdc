/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a container's command through the image's shell, where that alone can honour a field:
 * spec.hostAliases, which ACI does not know and which is written into /etc/hosts before the command
 * replaces the shell. A pod asks for it by annotation, since its images then need /bin/sh and must
 * run as root. Pure.
 */
#pragma once

#include "provider/annotations.h"

/* The pod has something to do for the wrapper and asks for it. */
bool start_wrapper_is_used(const struct pod *pod, const struct pod_annotations *annotations);
/* Errors: VK_UNSUPPORTED for hostAliases without the annotation; VK_INVALID for bad ones. */
VK_MUST_CHECK int start_wrapper_check(const struct pod *pod,
                                      const struct pod_annotations *annotations, bool windows,
                                      struct vk_err *err);
/* command is what the container runs, with the image's entrypoint; not empty. */
struct json_strs start_wrapper_command(const struct pod *pod, const struct json_strs *command,
                                       struct vk_arena *arena);
