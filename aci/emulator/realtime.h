/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extension "realtime-metrics" of a container group: GET http://<group's
 * address>:18899/v1/stats answers with the figures of this moment, from inside the group's own
 * network, as long as its sandbox lives. Only groups whose PUT names the extension have it, and
 * only on an engine whose sandboxes have a network.
 *
 * Shape: {"timestamp":NS,"cpu":{"usageCoreNanoSeconds"},"memory":{"usageBytes","workingSetBytes",
 * "rssBytes"},"network":{"name","rxBytes",...,"interfaces":[...]},"containers":[{"name","cpu",
 * "memory"}]}. Source: virtual-kubelet/azure-aci pkg/metrics/real_time.go, which is its only known
 * client; nothing of it is documented by the service.
 */
#pragma once

#include "aci/emulator/emulator.h"

/* Prepares e->realtime and makes it the engine's watch. */
void realtime_init(struct emulator *e);
/* Closes all ports; before the engine goes. */
void realtime_release(struct emulator *e);
/* What the port answers; for tests. */
void realtime_write(const struct emulator *e, const struct group *g, struct json_writer *w);
