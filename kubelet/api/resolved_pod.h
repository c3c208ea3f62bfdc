/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod with everything that it refers to: what crosses from the kubelet to the provider. Nothing
 * in it needs another request to the API server.
 */
#pragma once

#include "base/secret.h"
#include "kubelet/api/pod.h"

/*
 * Stands in environment, command and args for the pod's address (status.podIP, status.podIPs),
 * which nobody knows before it runs: the provider fills it in or refuses the pod.
 */
#define RESOLVED_POD_ADDRESS "@status.podIP@"

struct resolved_env {
    const char *name;
    const char *value;              /* NULL when secret is set */
    const struct vk_secret *secret; /* from a Secret: travels as a secure value */
    bool is_implied;                /* of a Service or the host: the pod does not ask for it */
};
struct resolved_file {
    const char *path; /* relative, inside the volume; may hold '/' */
    struct vk_str content;
    bool is_secret;
    int64_t mode; /* 0644 ...; -1: none asked for */
};
/* A volume whose content is files: secret, configMap, downwardAPI, projected. */
struct resolved_volume {
    const char *name;
    const struct resolved_file *files;
    size_t file_count;
};
/* A volume that is an Azure file share: azureFile, or file.csi.azure.com inline or by a claim. */
struct resolved_share {
    const char *volume; /* the pod's name of it */
    const char *account, *share;
    const struct vk_secret *key; /* of the account */
    bool read_only;
};
struct resolved_container {
    const struct container *spec; /* borrowed from pod */
    const struct resolved_env *env;
    size_t env_count;
    /* command and args with $(VAR) expanded */
    struct json_strs command, args;
};
struct registry_credential {
    const char *server, *username;
    const struct vk_secret *password;
};
struct resolved_pod {
    const struct pod *pod;                                         /* holds a reference */
    const struct resolved_container *containers, *init_containers; /* in the order of the spec */
    size_t container_count, init_container_count;
    const struct resolved_volume *volumes;
    size_t volume_count;
    const struct resolved_share *shares;
    size_t share_count;
    const struct registry_credential *credentials;
    size_t credential_count;
    /* A former process may have created its group already: look before the first PUT. */
    bool may_exist;
    struct vk_arena *arena_; /* owns all of it */
};
/* Drops the reference, wipes the secrets. NULL is fine. */
void resolved_pod_free(struct resolved_pod *pod);
