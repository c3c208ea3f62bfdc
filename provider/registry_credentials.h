/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials for pulling as ACI takes them: pull secrets, and a managed identity for Azure
 * container registries that no pull secret serves.
 */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"

/* ACI pulls the container's image by the pod's managed identity; this program can't read it. */
bool registry_credentials_are_an_identity(const struct resolved_pod *pod,
                                          const struct pod_annotations *annotations,
                                          const struct container *c);
/* Writes "imageRegistryCredentials"; nothing where the pod has none. */
void registry_credentials_write(struct json_writer *w, const struct resolved_pod *pod,
                                const struct pod_annotations *annotations);
