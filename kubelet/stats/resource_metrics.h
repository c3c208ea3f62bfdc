/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics/resource: what metrics-server, and with it kubectl top and the Horizontal Pod
 * Autoscaler, read. Pure. Names and units as k8s v1.37.2 pkg/kubelet/metrics/collectors/
 * resource_metrics.go has them; each figure carries its own time.
 */
#pragma once

#include "base/buf.h"
#include "kubelet/provider.h"

void resource_metrics_write(const struct provider_stats *stats, struct vk_buf *out);
