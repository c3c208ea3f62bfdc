/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a postStart or preStop hook: a command in the container, an HTTP request to it, or a
 * pause. Any answer to the request is a success, whatever its status; where HTTPS is answered by
 * plain HTTP, it is sent again that way, without its Authorization. Source: k8s v1.37.2
 * pkg/kubelet/lifecycle/handlers.go.
 */
#pragma once

#include "base/http_client.h"
#include "kubelet/provider.h"

/* What hooks and signals work with; borrowed for as long as they are under way. */
struct lifecycle_env {
    struct vk_loop *loop;
    struct http_client *http;
    const struct provider *provider;
};
/* Borrowed until the end of the hook. */
struct lifecycle_hook_target {
    const struct pod *pod;
    const struct container *container;
    const struct probe_handler *handler;
    const char *pod_ip; /* "" or NULL: none is known */
    int64_t limit_ms;   /* a longer run has failed */
    /* A success that an Event should tell of; may be NULL. Before the end, with its user. */
    void (*warn)(void *user, const char *reason, const char *message);
};
struct lifecycle_hook;

/*
 * Once, never from inside the start; err NULL: it succeeded. VK_TIMEOUT: the limit; else the
 * sentence says what failed, without the command's output, since Events are read by others than the
 * pod's owner.
 */
typedef void (*lifecycle_hook_fn)(void *user, const struct vk_err *err);
struct lifecycle_hook *lifecycle_hook_start(const struct lifecycle_env *env,
                                            const struct lifecycle_hook_target *target,
                                            lifecycle_hook_fn done, void *user);
/* No callback afterwards; a command may go on. NULL is fine. */
void lifecycle_hook_cancel(struct lifecycle_hook *h);
