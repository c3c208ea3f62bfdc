/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads ConfigMaps and Secrets for pods: one GET serves every pod that asks for the same object at
 * the same time or shortly after, so that a Deployment of 30 pods reads its ConfigMap once. Nothing
 * is watched or listed: a node may only get what its pods refer to.
 */
#pragma once

#include "kubelet/client/rest.h"
#include "kubelet/pods/object_data.h"

struct object_cache;
struct object_read;

struct object_cache *object_cache_new(struct vk_loop *loop, struct rest_client *client);
/* All reads must have ended or been cancelled. NULL is fine. */
void object_cache_free(struct object_cache *c);

/* object: borrowed, take a reference. err NULL: success. Never from inside object_cache_get. */
typedef void (*object_done_fn)(void *user, struct object_data *object, const struct vk_err *err);
/*
 * Errors are the API server's: VK_NOT_FOUND, VK_FORBIDDEN (for a moment after a pod was bound, too:
 * the Node authorizer follows behind) ... They are not cached.
 */
struct object_read *object_cache_get(struct object_cache *c, enum object_kind kind,
                                     const char *namespace_, const char *name, object_done_fn done,
                                     void *user);
/* No callback afterwards. NULL is fine. */
void object_read_cancel(struct object_read *r);
