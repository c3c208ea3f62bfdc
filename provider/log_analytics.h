/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics of a group: its logs go to the node's Log Analytics workspace, marked with the pod's
 * names (those of azure-aci, so that queries go on working).
 */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"

/* Writes "diagnostics"; nothing without a workspace or where the pod's annotation says off. */
void log_analytics_write(struct json_writer *w, const struct pod *pod,
                         const struct pod_annotations *annotations, const struct provider_env *env);
