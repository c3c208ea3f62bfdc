/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /stats/summary: node and pods as the kubelet's Summary. Pure. Shape: k8s v1.37.2
 * staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go; what is not known is left out.
 */
#pragma once

#include "base/json_writer.h"
#include "kubelet/provider.h"

void summary_write(const struct provider_stats *stats, const char *node_name,
                   bool only_cpu_and_memory, struct json_writer *w);
