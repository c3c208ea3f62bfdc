/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets that ACI itself reads from Azure Key Vault, so that neither the cluster nor this program
 * sees them: environment variables, and files of a volume. Source: Microsoft.ContainerInstance
 * 2025-09-01 (secretReferences, secureValueReference, secretReference).
 */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"

#define KEY_VAULT_MAX_REFERENCES 64

struct key_vault_reference {
    const char *reference; /* its name in secretReferences */
    const char *uri;
    const char *container; /* variables: NULL means all */
    const char *volume;    /* files: the pod's name of the volume; NULL for variables */
    const char *name;      /* of the variable or the file */
};
struct key_vault {
    const char *identity;
    struct key_vault_reference *references;
    size_t n;
};
/* Errors: VK_INVALID, VK_UNSUPPORTED with the annotation. */
VK_MUST_CHECK int key_vault_of_pod(const struct pod *pod, const struct pod_annotations *annotations,
                                   const struct provider_env *env, struct vk_arena *arena,
                                   struct key_vault *ret, struct vk_err *err);
/* The volume's files come from Key Vault. */
bool key_vault_fills(const struct key_vault *vault, const char *volume);
/* The variable of a container comes from Key Vault, whatever the pod says of it. */
const struct key_vault_reference *key_vault_variable(const struct key_vault *vault,
                                                     const char *container, const char *name);
/* Writes "secretReferences" of the group, entries of one container's "environmentVariables", and
 * "secretReference" of one volume. */
void key_vault_write(struct json_writer *w, const struct key_vault *vault);
void key_vault_write_env(struct json_writer *w, const struct key_vault *vault,
                         const char *container);
size_t key_vault_count_env(const struct key_vault *vault, const char *container);
void key_vault_write_volume(struct json_writer *w, const struct key_vault *vault,
                            const char *volume);
