/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extensions that ACI runs beside the containers: realtime-metrics, see stats.h, and kube-proxy,
 * which makes Service addresses work inside a group. The latter talks to the API server with a
 * kubeconfig of its own, never with this program's. Source: azure-aci's use of it;
 * Microsoft.ContainerInstance DeploymentExtensionSpec.
 */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"

/* The group is to have kube-proxy. */
bool extensions_have_kube_proxy(const struct pod_annotations *annotations,
                                const struct provider_env *env);
/* Errors: VK_UNSUPPORTED where a pod asks for a kube-proxy that it can't have. */
VK_MUST_CHECK int extensions_check(const struct pod_annotations *annotations,
                                   const struct provider_env *env, bool windows,
                                   struct vk_err *err);
/* Writes "extensions"; nothing where there is none. */
void extensions_write(struct json_writer *w, const struct pod_annotations *annotations,
                      const struct provider_env *env, bool windows);
