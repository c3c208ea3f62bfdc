/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came of one try of a probe, whatever kind it is. Source: k8s v1.37.2 pkg/probe/probe.go,
 * pkg/kubelet/prober/prober.go.
 */
#pragma once

#include <stdbool.h>

/* More of a body or of a command's output is not read. Source: k8s v1.37.2 pkg/probe/http. */
#define PROBE_OUTPUT_MAX ((size_t)10 << 10)

enum probe_outcome_kind {
    PROBE_SUCCEEDED,
    PROBE_WARNED,  /* a success that somebody should look at */
    PROBE_FAILED,  /* timeouts and refused connections too */
    PROBE_ERRORED, /* it could not be tried: says nothing of the container */
};
/* Borrowed for the call. */
struct probe_outcome {
    enum probe_outcome_kind kind;
    const char *output; /* why, in the kubelet's words; "" where there is nothing to say */
    int http_status;    /* of httpGet: the last answer's; 0: there was none */
    bool is_plain_http; /* of httpGet with HTTPS: what answered speaks no TLS */
};
typedef void (*probe_outcome_fn)(void *user, const struct probe_outcome *outcome);
