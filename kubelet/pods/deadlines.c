/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/deadlines.h"

#define SECOND_NS INT64_C(1000000000)
#define MS_NS 1000000
/* The API server takes 32 bits; more would overflow below. */
#define MAX_SECONDS INT32_MAX

int64_t deadline_left_ms(const struct pod *pod, const struct pod_status *status, int64_t now_ns)
{
    const struct pod_spec *spec = &pod->spec;
    int64_t seconds = spec->active_deadline_seconds, left_ns;

    if (!spec->has_active_deadline || !status->start_time_ns || seconds < 0)
        return -1;
    if (seconds > MAX_SECONDS)
        seconds = MAX_SECONDS;
    left_ns = status->start_time_ns + seconds * SECOND_NS - now_ns;
    /* Rounded up: a timer of this length does not come too early. */
    return left_ns > 0 ? (left_ns + MS_NS - 1) / MS_NS : 0;
}
