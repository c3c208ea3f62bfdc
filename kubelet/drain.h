/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes a virtual node out of the cluster while its kubelet still runs: cordons it, evicts its pods
 * within their disruption budgets, waits until the platform has no group of theirs, has the kubelet
 * give the node up, deletes the Node, then what is left of DaemonSets, then the Lease. Each step
 * finds what an earlier drain did: it can be stopped at any time and started again. Source: k8s
 * v1.37.2 kubectl/pkg/drain; policy/v1 Eviction. Who may not delete the node begins nothing: a
 * kubelet that gave it up does not take it back.
 */
#pragma once

#include "base/json.h"
#include "kubelet/client/kubeconfig.h"

struct drain;

/* UIDs of the pods whose groups the platform has, borrowed for the call; NULL with err set. */
typedef void (*drain_groups_fn)(void *user, const struct json_strs *uids, const struct vk_err *err);

/* Borrowed until drain_free. */
struct drain_config {
    const struct cluster_config *cluster;
    const char *user_agent;
    const char *node_name;
    const char *cluster_id; /* NULL: the UID of namespace kube-system */
    bool force;             /* also pods that no controller makes anew */
    int64_t timeout_ms;
    /* Asks for the node's groups; done is called once, never from inside the call. */
    void (*list_groups)(void *user, const char *cluster_id, drain_groups_fn done, void *done_user);
    /* One line for whoever waits. */
    void (*progress)(void *user, const char *text);
    /* err NULL: the node is gone. Reasons: DRAIN_TIMED_OUT, DRAIN_NEEDS_FORCE. The node stays
     * cordoned after a failure. */
    void (*done)(void *user, const struct vk_err *err);
    void *user;
};
#define DRAIN_TIMED_OUT "DrainTimedOut"
#define DRAIN_NEEDS_FORCE "PodsWithoutController"

VK_MUST_CHECK int drain_new(struct vk_loop *loop, struct http_client *http,
                            const struct drain_config *config, struct drain **ret,
                            struct vk_err *err);
/* NULL is fine. No answer of list_groups may come afterwards. */
void drain_free(struct drain *d);
