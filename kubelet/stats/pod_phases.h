/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long each step of a pod's start takes: moments in, histograms out. Only pods that were bound
 * while this process ran count; a moment is taken the first time it is told. Source of
 * kubelet_pod_start_duration_seconds: k8s v1.37.2 pkg/kubelet/metrics/metrics.go.
 */
#pragma once

#include "base/prometheus.h"

enum pod_moment {
    POD_BOUND,    /* the scheduler chose the node */
    POD_SEEN,     /* the watch told of it */
    POD_RESOLVED, /* what it refers to was read; the provider is asked for it */
    POD_ACCEPTED, /* the platform took it */
    POD_PULLING,  /* the platform's own events */
    POD_PULLED,
    POD_STARTED, /* its first container runs */
    POD_READY,
};
#define POD_MOMENTS (POD_READY + 1)

struct pod_phases;
struct pod_phases *pod_phases_new(void);
void pod_phases_free(struct pod_phases *p);
/* Begins with POD_SEEN; other moments of pods that were not seen are ignored. */
void pod_phases_note(struct pod_phases *p, const char *uid, enum pod_moment moment,
                     int64_t wall_ns);
void pod_phases_forget(struct pod_phases *p, const char *uid);
void pod_phases_write(const struct pod_phases *p, struct vk_buf *out);
