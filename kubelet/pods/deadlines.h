/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a pod has to end: spec.activeDeadlineSeconds, counted from status.startTime, so that a
 * restart of the process changes nothing. Pure. Source: k8s v1.37.2 pkg/kubelet/active_deadline.go.
 */
#pragma once

#include "kubelet/api/pod.h"

#define DEADLINE_REASON "DeadlineExceeded"
#define DEADLINE_MESSAGE "Pod was active on the node longer than the specified deadline"

/* Milliseconds that are left, 0 when there are none; -1: it has no deadline, or has not started. */
int64_t deadline_left_ms(const struct pod *pod, const struct pod_status *status, int64_t now_ns);
