/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate that the kubelet port shows: files, which are read again when they change; or one
 * of the cluster's signer kubernetes.io/kubelet-serving, which somebody has to approve; or, without
 * either and until then, one that is signed by its own key. Source: k8s v1.37.2
 * pkg/kubelet/certificate/kubelet.go.
 */
#pragma once

#include "base/tls_listener.h"
#include "kubelet/client/certificate_manager.h"

struct serving_certificate;

/* Strings are borrowed for the object's life. */
struct serving_certificate_config {
    const char *cert_file, *key_file; /* both or neither */
    bool request;                     /* ask the cluster, where there are no files */
    const char *cert_dir;             /* see certificate_manager.h */
    const char *node_name, *node_ip;
    /* Another certificate is to be shown. */
    void (*changed)(void *user);
    /* Whether the port still shows a certificate that the API server can't trust, and why. NULL:
     * nobody wants to know. */
    void (*pending)(void *user, bool pending, const char *reason, const char *message);
    void *user;
};
VK_MUST_CHECK int serving_certificate_new(struct vk_loop *loop,
                                          const struct serving_certificate_config *config,
                                          struct serving_certificate **ret, struct vk_err *err);
void serving_certificate_free(struct serving_certificate *s);
/* From now on the cluster may be asked. client is borrowed. */
void serving_certificate_start(struct serving_certificate *s, struct rest_client *client);
/* Sets the certificate and key of a listener; borrowed until `changed`. */
void serving_certificate_fill(const struct serving_certificate *s,
                              struct tls_listener_config *listener);
