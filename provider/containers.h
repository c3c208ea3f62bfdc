/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers and init containers of a group. ACI's command replaces the image's entrypoint and
 * arguments, so it is command followed by args; validation refuses args without command.
 */
#pragma once

#include "base/json_writer.h"
#include "kubelet/api/resolved_pod.h"
#include "provider/resources.h"

/* Writes "containers" and, where there are any, "initContainers" (no ports and no resources). */
void containers_write(struct json_writer *w, const struct resolved_pod *pod,
                      const struct pod_resources *resources);
