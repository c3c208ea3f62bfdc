/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which probes ACI runs truthfully and which are left to the kubelet's prober. Pure.
 *
 * ACI runs a liveness probe as the kubelet would when it is exec, or httpGet at the pod's own
 * address, and nothing else must come first: ACI knows no startup probe, restarts nothing in a
 * group of restartPolicy Never, and gives no grace period of the probe's own. Its readiness probes
 * only steer ACI's own traffic and show nowhere, so readiness is the kubelet's, like startup,
 * tcpSocket and grpc. Source: Microsoft.ContainerInstance 2025-09-01 ContainerProbe, ACI liveness
 * probes.
 */
#pragma once

#include "base/json_writer.h"
#include "kubelet/provider.h"
#include "provider/group_layout.h"

/*
 * True when ACI runs this probe of the container; false when the kubelet must, and when there is
 * none. container is one of pod's containers or native sidecars; ACI runs none of the other init
 * containers' probes, which Kubernetes has none of either.
 */
bool probes_run_by_aci(const struct pod *pod, const struct container *container,
                       enum probe_kind kind);
/* The kubelet runs it, and goes to the pod's own address for it. */
bool probes_need_address(const struct pod *pod, const struct container *container,
                         enum probe_kind kind);
/* text: a number, or the name of a port of the container. */
bool probes_find_port(const struct container *c, const char *text, int64_t *ret);
/* Errors: VK_UNSUPPORTED for a protocol that nobody here speaks, VK_INVALID for a port name that
 * the container does not have. */
VK_MUST_CHECK int probes_check(const struct group_member *m, struct vk_err *err);
/* Writes "livenessProbe" where ACI runs it. */
void probes_write(struct json_writer *w, const struct pod *pod, const struct container *c);
