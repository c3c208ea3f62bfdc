/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's own liveness probe of one run of a container: exec and httpGet, from its start to
 * its end. One that fails often enough in a row has its container ended (events Unhealthy and
 * Killing, SIGTERM, SIGKILL after a grace); what then follows is the group's restart policy.
 * Source: Microsoft.ContainerInstance 2025-09-01 ContainerProbe; aci-limits.md 5.3.
 */
#pragma once

#include "aci/emulator/group.h"

/* The container has started: probes it from now on, where it has a probe and the engine can. */
void liveness_begin(struct container *c);
/* It has ended, or is ended by somebody else. Fine without a probe. */
void liveness_end(struct container *c);
