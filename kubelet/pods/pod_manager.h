/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pods that the API server binds to this node, by UID, kept in step by a reflector. It tells
 * pod workers what changed and decides nothing. Source: k8s v1.37.2 pkg/kubelet/pod/pod_manager.go,
 * pkg/kubelet/config/apiserver.go.
 */
#pragma once

#include "kubelet/api/pod.h"
#include "kubelet/client/list_watch.h"

struct pod_manager;

struct pod_manager_events {
    /* Added or changed. initial: it is part of the first LIST. pod: borrowed, take a reference. */
    void (*changed)(void *user, const struct pod *pod, bool initial);
    /* It is gone from the API server, told by the watch or by a LIST without it. pod: last known.
     */
    void (*removed)(void *user, const struct pod *pod);
    /* The first LIST is complete; once. */
    void (*synced)(void *user);
};
/* node_name is copied, events static until free. */
struct pod_manager *pod_manager_new(struct vk_loop *loop, struct rest_client *client,
                                    const char *node_name, const struct pod_manager_events *events,
                                    void *user);
void pod_manager_start(struct pod_manager *m);
/* No callback afterwards; what is known stays readable. */
void pod_manager_stop(struct pod_manager *m);
/* NULL is fine. */
void pod_manager_free(struct pod_manager *m);

bool pod_manager_has_synced(const struct pod_manager *m);
void pod_manager_watch_counts(const struct pod_manager *m, struct list_watch_counts *ret);
/* The watch's trouble, or NULL. */
const struct vk_err *pod_manager_error(const struct pod_manager *m);
/* Borrowed until the next change, or NULL. */
const struct pod *pod_manager_get(const struct pod_manager *m, const char *uid);
/* Of several UIDs that had this name, the one that came last. */
const struct pod *pod_manager_get_by_name(const struct pod_manager *m, const char *namespace_,
                                          const char *name);
/* size_t it = 0; while ((pod = pod_manager_next(m, &it))): no change in between. */
const struct pod *pod_manager_next(const struct pod_manager *m, size_t *it);
size_t pod_manager_len(const struct pod_manager *m);
