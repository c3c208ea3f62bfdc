/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the Node object: creates or adopts it, writes its status on change and at least every 5
 * min, asks the provider every 10 s whether the platform answers. Source: k8s v1.37.2
 * pkg/kubelet/kubelet_node_status.go.
 */
#pragma once

#include "kubelet/client/event_recorder.h"
#include "kubelet/node/node_object.h"

struct node_status;

struct node_status_config {
    struct node_identity identity; /* strings are borrowed for the object's life */
    struct provider *provider;
    /* The Node object exists; called again when it was created anew. */
    void (*registered)(void *user, const char *node_uid);
    void *user;
};
/* events may be NULL. */
struct node_status *node_status_new(struct vk_loop *loop, struct rest_client *client,
                                    struct event_recorder *events,
                                    const struct node_status_config *config);
void node_status_free(struct node_status *n);
void node_status_start(struct node_status *n);
/* The node is given up: nothing is written any more, and it is not created again. */
void node_status_give_up(struct node_status *n);
/* The Node may be gone: it is looked at soon, and made anew. */
void node_status_look(struct node_status *n);
/* The provider's capacity has changed: the scheduler is told soon. */
void node_status_capacity_changed(struct node_status *n);
/* Reported soon when something changed. Types and lengths as node_conditions_set. */
void node_status_set_condition(struct node_status *n, const char *type, bool status,
                               const char *reason, const char *message);
