/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate of this node that the cluster signs: asks for it by a CertificateSigningRequest,
 * waits until somebody approves it, keeps it in a folder, and replaces it at 70 to 90 % of its
 * life. A request that nobody answered is taken up again after a restart. Source: k8s v1.37.2
 * client-go util/certificate/certificate_manager.go, pkg/kubelet/certificate/kubelet.go.
 */
#pragma once

#include "base/tls_certificate.h"
#include "kubelet/client/rest.h"

struct certificate_manager;

struct certificate_pair {
    char *cert_pem;
    struct vk_secret key;
    struct certificate_validity validity;
};
void certificate_pair_release(struct certificate_pair *pair);

enum certificate_use { CERTIFICATE_CLIENT, CERTIFICATE_SERVER };

/* Strings are borrowed for the manager's life. */
struct certificate_manager_config {
    enum certificate_use use;
    const char *signer; /* "kubernetes.io/kubelet-serving" */
    const char *node_name;
    struct certificate_names names;
    const char *cert_dir; /* NULL: certificate and key are kept in memory alone */
    /* A new pair is in use from now on; borrowed until the next one. */
    void (*issued)(void *user, const struct certificate_pair *pair);
    /* No certificate came: the request by this name waits for approval (err NULL), or why there is
     * none. Called again while it lasts. */
    void (*waiting)(void *user, const char *request, const struct vk_err *err);
    void *user;
};
/* Reads what is kept in cert_dir, and makes that folder. Errors: the folder can't be used. */
VK_MUST_CHECK int certificate_manager_new(struct vk_loop *loop,
                                          const struct certificate_manager_config *config,
                                          struct certificate_manager **ret, struct vk_err *err);
void certificate_manager_free(struct certificate_manager *m);
/* The pair to use, or NULL: there is none, it expired, or does not say the names of now. */
const struct certificate_pair *certificate_manager_current(const struct certificate_manager *m);
/* Asks where there is none, and again in time from now on. client is borrowed. */
void certificate_manager_start(struct certificate_manager *m, struct rest_client *client);

/* "<cert_dir>/kubelet-client-current.pem": certificate and key in one file. */
char *certificate_store_path(const char *cert_dir, enum certificate_use use);
