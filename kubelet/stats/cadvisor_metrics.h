/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics/cadvisor: the same figures by the names that dashboards and rules of kube-prometheus
 * read. Pure. Names, labels and units as cAdvisor's metrics/prometheus.go has them; of its labels
 * id and name are cgroups and containers of a machine, which there is none.
 */
#pragma once

#include "base/buf.h"
#include "kubelet/provider.h"

/* The image of a container, NULL: not known. Dashboards leave out containers without one. */
typedef const char *(*image_of_fn)(void *user, const struct pod_identity *id,
                                   const char *container);

void cadvisor_metrics_write(const struct provider_stats *stats, image_of_fn image_of, void *user,
                            struct vk_buf *out);
