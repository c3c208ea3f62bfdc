/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The variables by which a pod finds Services: NAME_SERVICE_HOST, NAME_SERVICE_PORT and the links
 * NAME_PORT_80_TCP... of each Service of its namespace that has an address, and always those of
 * the API server. Pure. Source: k8s v1.37.2 pkg/kubelet/kubelet_pods.go getServiceEnvVarMap,
 * pkg/kubelet/envvars.
 */
#pragma once

#include "base/arena.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/service.h"

struct service_variable {
    const char *name, *value;
};
/* The API server as pods reach it. host NULL: by the Service default/kubernetes. */
struct pod_api_server {
    const char *host;
    int64_t port;
};

/* HOST or HOST:PORT, [::1]:443; port 443 unless it is said. host lives in the arena. Errors:
 * VK_INVALID. */
VK_MUST_CHECK int service_environment_address(const char *text, struct vk_arena *arena,
                                              struct pod_api_server *ret, struct vk_err *err);
/*
 * services: all that may count, of any namespace; the result is in the order of their names. The
 * text lives in the arena.
 */
void service_environment(const struct pod *pod, const struct service *const *services, size_t count,
                         const struct pod_api_server *api_server, struct vk_arena *arena,
                         const struct service_variable **ret, size_t *ret_count);
