/* SPDX-License-Identifier: Apache-2.0 */
/* Whose fault it was that runc did not start a container. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

/*
 * said: what runc printed. True: it failed on the machine (control groups, namespaces, pipes,
 * processes) before the container's own process was executed; the same container may start later.
 * Unknown words are the container's own: a command that does not exist is the usual case.
 * Wording: runc 1.1 libcontainer/process_linux.go, container_linux.go and nsenter/nsexec.c.
 */
bool runc_error_is_machines(struct vk_str said);
