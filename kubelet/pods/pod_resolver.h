/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns a pod into a resolved pod: reads what it refers to (ConfigMaps, Secrets, tokens by
 * TokenRequest, the Secrets of file shares by claim and persistent volume), then fills in
 * environment, files, shares and registry credentials.
 */
#pragma once

#include "kubelet/api/resolved_pod.h"
#include "kubelet/client/event_recorder.h"
#include "kubelet/client/rest.h"
#include "kubelet/pods/services.h"
#include "kubelet/pods/token_expiries.h"
#include "kubelet/provider.h"

struct pod_resolver;
struct pod_resolution;

struct pod_resolver_config {
    struct rest_client *client;
    struct event_recorder *events;
    const struct provider *provider; /* the node's capacity, for the downward API */
    const struct services *services; /* for the environment; NULL: none */
    struct token_expiries *expiries; /* is told of the tokens; or NULL */
    struct json_strs node_ips;       /* borrowed */
};
struct pod_resolver *pod_resolver_new(struct vk_loop *loop,
                                      const struct pod_resolver_config *config);
/* All resolutions must have ended or been cancelled. NULL is fine. */
void pod_resolver_free(struct pod_resolver *r);

/*
 * resolved: owned by the callee (resolved_pod_free); NULL with err. Never from inside
 * pod_resolver_start. Errors: VK_INVALID, VK_UNSUPPORTED and VK_TOO_LARGE will not heal. All others
 * may: a missing reference (VK_NOT_FOUND with its Event's reason), VK_FORBIDDEN right after
 * binding, while the Node authorizer follows behind, and everything transient.
 */
typedef void (*pod_resolver_done_fn)(void *user, struct resolved_pod *resolved,
                                     const struct vk_err *err);
struct pod_resolution *pod_resolver_start(struct pod_resolver *r, const struct pod *pod,
                                          pod_resolver_done_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void pod_resolution_cancel(struct pod_resolution *x);
