/* SPDX-License-Identifier: Apache-2.0 */
/* Where a probe or hook goes to. Pure. Source: k8s v1.37.2 pkg/probe/util.go. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kubelet/api/container.h"

/* A number, or the name of one of the container's ports. False: neither. */
bool probe_target_port(const struct container *c, const char *text, int64_t *ret);
