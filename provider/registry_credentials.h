/* SPDX-License-Identifier: Apache-2.0 */
/* Pull secrets as ACI takes them. */
#pragma once

#include "base/json_writer.h"
#include "kubelet/api/resolved_pod.h"

/* Writes "imageRegistryCredentials"; nothing where the pod has none. */
void registry_credentials_write(struct json_writer *w, const struct resolved_pod *pod);
