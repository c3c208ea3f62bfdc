/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's heartbeat: Lease kube-node-lease/<node>, 40 s long, renewed every 10 s, owned by the
 * Node object. Source: k8s v1.37.2 component-helpers/apimachinery/lease/controller.go.
 */
#pragma once

#include "kubelet/client/rest.h"

#define NODE_LEASE_DURATION_S 40
#define NODE_LEASE_RENEW_MS 10000
#define NODE_LEASES_PATH "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
/*
 * Annotation of the Lease, by `aci-kubelet drain`: the kubelet sees it in the answer to its next
 * renewal and is to give the node up, which is about to be deleted. A kubelet that starts takes it
 * off.
 */
#define NODE_LEASE_DRAINED "virtual-kubelet.io/drained"

struct node_lease;

struct node_lease *node_lease_new(struct vk_loop *loop, struct rest_client *client,
                                  const char *node_name);
void node_lease_free(struct node_lease *l);
/* Called once, when a renewal's answer says that the node was drained. */
void node_lease_on_drained(struct node_lease *l, void (*fn)(void *user), void *user);
/* Called each time a Lease that was there is gone: mostly since the Node is, which owns it. */
void node_lease_on_gone(struct node_lease *l, void (*fn)(void *user), void *user);
/* Starts renewing, or goes on with a new UID after the Node object was created again. */
void node_lease_start(struct node_lease *l, const char *node_uid);
/*
 * Ends the renewals and gives the Lease back: it has no holder from then on. The node stays Ready
 * for the rest of the Lease, and it is meant to: NotReady at once would take the pods, which go on
 * running, out of their Services at each restart of this process. done is called once, also where
 * the API server does not answer within 5 s, never from inside the call.
 */
void node_lease_release(struct node_lease *l, void (*done)(void *user), void *user);
/* Wall time of the last renewal that the API server took, in ns; 0: none yet. */
int64_t node_lease_renewed_ns(const struct node_lease *l);
