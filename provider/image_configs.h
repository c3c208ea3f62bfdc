/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations of images, read once: pods that start together share one request, a tag is asked
 * for again after 60 s, what a digest names never changes. A credential sees only what it fetched
 * itself.
 */
#pragma once

#include "kubelet/api/resolved_pod.h"
#include "provider/registry_client.h"

struct image_configs;
struct image_config_query;

/* client is borrowed. os and arch are copied. */
struct image_configs *image_configs_new(struct vk_loop *loop, struct registry_client *client,
                                        const char *os, const char *arch);
/* Pending queries get no answer. */
void image_configs_free(struct image_configs *c);

/* config is borrowed for the call. err as registry_fetch_start says; VK_INVALID for a malformed
 * image name. */
typedef void (*image_config_fn)(void *user, const struct image_config *config,
                                const struct vk_err *err);
/* The credential whose server is the image's registry is used. Exactly one call, never from inside.
 */
struct image_config_query *image_configs_get(struct image_configs *c, const char *image,
                                             const struct registry_credential *credentials,
                                             size_t credential_count, image_config_fn done,
                                             void *user);
/* No callback afterwards. NULL is fine. */
void image_config_cancel(struct image_config_query *q);
