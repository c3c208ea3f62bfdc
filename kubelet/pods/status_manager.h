/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings the status of each pod to the API server: what it should say, per UID, is compared with
 * what the API server has, and the difference is patched. One patch at a time per pod, the latest
 * wins; at most 64 at a time in all. What nobody acts on (a pod's first "ContainerCreating", an
 * observedGeneration alone) goes in a lane of its own, 4 at a time, so that in a burst most of it
 * is overtaken by what follows. An unchanged pod is never written, nor is one that pod_is_going,
 * and nothing takes a pod out of a terminal phase. Source: k8s v1.37.2
 * pkg/kubelet/status/status_manager.go.
 */
#pragma once

#include "kubelet/api/pod.h"
#include "kubelet/client/rest.h"
#include "kubelet/pods/status_annotations.h"

struct status_manager;

struct status_manager_config {
    struct rest_client *client;
    struct json_strs node_ips; /* copied */
    /* What the removal of a ReplicaSet's pod costs beside its other pods', of which it removes the
     * cheapest first; 0: not said. Source: ReplicaSet, pod deletion cost. */
    int64_t deletion_cost;
    /*
     * The API server has the status that was set last, or the pod is gone there. Never from inside
     * status_manager_set.
     */
    void (*written)(void *user, const char *uid);
    /* See struct status_inputs; NULL: nobody probes. */
    void (*judge)(void *user, const struct pod *pod, struct pod_status *status);
    /* The pod or what its status should say is another one. From inside of set, observe and
     * refresh. May be NULL. */
    void (*generated)(void *user, const struct pod *pod, const struct pod_status *status);
    /* From inside of forget; may be NULL. */
    void (*forgotten)(void *user, const char *uid);
    void *user;
};
struct status_manager *status_manager_new(struct vk_loop *loop,
                                          const struct status_manager_config *config);
/* Cancels what is under way; the statuses stay readable. */
void status_manager_stop(struct status_manager *m);
/* NULL is fine. */
void status_manager_free(struct status_manager *m);

/*
 * The platform's word on a pod (or a stand-in of status_generate.h), borrowed for the call. The
 * kubelet's part is added, the rest written when it differs from what the API server has.
 */
void status_manager_set(struct status_manager *m, const struct pod *pod,
                        const struct pod_status *platform);
/* The API server's object changed: it is compared again, so that a status that others overwrote is
 * repaired. No-op for a pod that was never set. */
void status_manager_observe(struct status_manager *m, const struct pod *pod);
/* Probes judge otherwise than before. No-op for a pod that was never set. */
void status_manager_refresh(struct status_manager *m, const char *uid);
/* Written as an annotation with the pod's next patch. No-op for a pod that was never set. */
void status_manager_note(struct status_manager *m, const char *uid, enum status_note note,
                         const char *text);
/* What was set last, or NULL. Borrowed until the next set or forget. */
const struct pod_status *status_manager_get(const struct status_manager *m, const char *uid);
/* Nothing is left to write, or the pod is gone at the API server, or as good as. True for an
 * unknown pod. */
bool status_manager_is_written(const struct status_manager *m, const char *uid);
/* Patches that are under way or about to be; what waits to be tried again is not counted. */
size_t status_manager_busy(const struct status_manager *m);
void status_manager_forget(struct status_manager *m, const char *uid);
