/* SPDX-License-Identifier: Apache-2.0 */
/* One container's view by ACI as Kubernetes' ContainerStatus; pure. */
#pragma once

#include "aci/container_group.h"
#include "kubelet/api/pod_status.h"

struct container_state_context {
    /* Stands for the group in container ids: "aci://<group_hash>/<container>/<restarts>". */
    const char *group_hash;
    const char *waiting_reason;      /* for containers that ACI says nothing of */
    const struct json_array *events; /* struct group_event of the group: infrastructure troubles */
    bool is_init;
    bool never_restarts; /* restartPolicy Never */
};
/*
 * Reasons: what detailStatus says (CrashLoopBackOff, Completed, Error, OOMKilled ...), else by exit
 * code; ErrImagePull and ImagePullBackOff from the events. A terminated container without an exit
 * code (stopped from outside) is ContainerStatusUnknown, 137, as the kubelet says it. imageID is
 * the digest that the pull events name, empty before the first start. Exit codes 7147 and 7148 are
 * the platform's own: TerminatedByPlatform and KilledByPlatform.
 *
 * OOMKilled is taken from the word OOMKilled in ACI's detailStatus alone: its words are those of a
 * kubelet ("Error", "Completed", "CrashLoopBackOff: ..." were recorded), but Azure's documents name
 * exit code 137 for SIGKILL and for memory alike and no word for the latter, so that a bare 137
 * stays Error with a message that says what it mostly means.
 *
 * never_restarts: where ACI ran the container again all the same, the first end that it still tells
 * of is the container's state for good, as a Job expects it.
 */
void container_state_read(const struct group_container *container,
                          const struct container_state_context *context, struct vk_arena *arena,
                          struct container_status *ret);
