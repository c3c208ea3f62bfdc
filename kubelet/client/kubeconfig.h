/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the API server is and who we are there: a kubeconfig file, or the in-cluster service
 * account. Source: k8s v1.37.2 client-go tools/clientcmd and rest.InClusterConfig.
 */
#pragma once

#include "base/http_client.h"
#include "base/secret.h"

/* Strings live in the arena given to the loader. */
struct cluster_config {
    const char *server; /* "https://host:port" */
    const char *ca_pem, *ca_file, *tls_server_name, *proxy_url;
    bool insecure_skip_verify;
    const char *cert_pem, *key_pem, *cert_file, *key_file;
    const struct vk_secret *token;
    const char *token_file; /* read again when it changes; wins over token */
    const char *source; /* "kubeconfig /path (context prod)" or "in-cluster service account", for
                           messages */
};

/*
 * Reads a kubeconfig. context NULL: current-context. Errors name the file and what is missing; an
 * exec or auth-provider plugin is VK_UNSUPPORTED with the way out (a token, a client certificate,
 * or a service account).
 */
VK_MUST_CHECK int kubeconfig_load(const char *path, const char *context, struct vk_arena *arena,
                                  struct cluster_config *ret, struct vk_err *err);
/* KUBERNETES_SERVICE_HOST and _PORT plus the mounted service account under `root` (NULL: the
 * well-known folder). */
VK_MUST_CHECK int in_cluster_config(const char *root, struct vk_arena *arena,
                                    struct cluster_config *ret, struct vk_err *err);
