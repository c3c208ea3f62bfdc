/* SPDX-License-Identifier: Apache-2.0 */
/* How the tries of a probe ended, for /metrics/probes. */
#pragma once

#include "kubelet/api/pod.h"
#include "kubelet/provider.h"

enum probe_try { PROBE_TRY_SUCCESSFUL, PROBE_TRY_FAILED, PROBE_TRY_UNKNOWN };
#define PROBE_TRIES 3

/* Of one probe since the pod is probed by this process. Borrowed for the call. */
struct probe_counts {
    const struct pod *pod;
    const char *container;
    enum probe_kind kind;
    uint64_t tries[PROBE_TRIES];
};
typedef void (*probe_counts_fn)(void *user, const struct probe_counts *counts);
