/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS bootstrap: with the little that a bootstrap kubeconfig may do, asks the cluster for a client
 * certificate of this node (signer kubernetes.io/kube-apiserver-client-kubelet), waits until it is
 * approved, and writes the kubeconfig that uses it. Source: k8s v1.37.2
 * pkg/kubelet/certificate/bootstrap/bootstrap.go.
 */
#pragma once

#include "kubelet/client/certificate_manager.h"

#define CLIENT_SIGNER "kubernetes.io/kube-apiserver-client-kubelet"

/* Names of the client certificate of a node; common_name is written into the arena. */
struct certificate_names bootstrap_names(const char *node_name, struct vk_arena *arena);

/*
 * True when the kubeconfig is there and its client certificate, where it has one, is good now; then
 * there is nothing to do.
 */
bool bootstrap_is_done(const char *kubeconfig);

/* Borrowed strings. */
struct bootstrap_config {
    const char *bootstrap_kubeconfig;
    const char *kubeconfig; /* the file to write */
    const char *cert_dir;
    const char *node_name;
    const char *user_agent;
    /* The kubeconfig is there. */
    void (*done)(void *user);
    /* It could not be written. */
    void (*failed)(void *user, const struct vk_err *err);
    void *user;
};
struct bootstrap;
/* Errors: the bootstrap kubeconfig or cert_dir can't be used. Anything that may heal is tried again
 * for ever. */
VK_MUST_CHECK int bootstrap_new(struct vk_loop *loop, struct http_client *http,
                                const struct bootstrap_config *config, struct bootstrap **ret,
                                struct vk_err *err);
/* Not from inside its callbacks. */
void bootstrap_free(struct bootstrap *b);
