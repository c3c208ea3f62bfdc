/* SPDX-License-Identifier: Apache-2.0 */
/* The container groups of the emulated subscription, by resource group and name (case-insensitive).
 */
#pragma once

#include "aci/emulator/group.h"
#include "base/arena.h"

struct groups;

struct groups *groups_new(const char *subscription);
/* Groups must have no sandbox any more, or an engine that is gone. */
void groups_free(struct groups *groups);
/* In any phase; NULL when there is none. */
struct group *groups_find(const struct groups *groups, const char *resource_group,
                          const char *name);
/* By key, only when it is still the same one. */
struct group *groups_find_uid(const struct groups *groups, const char *key, uint64_t uid);
/* A new group in phase CHECKING; there must be none of that name. Owned by the store. */
struct group *groups_add(struct groups *groups, struct vk_loop *loop, struct lifecycle *lifecycle,
                         const char *resource_group, const char *name);
void groups_remove(struct groups *groups, struct group *g);
size_t groups_len(const struct groups *groups);
/* What counts against quotas, groups whose PUT is being answered included. */
void groups_usage(const struct groups *groups, int64_t *ret_groups, int64_t *ret_cpu_milli);
/*
 * All groups (of one resource group, or NULL for all), phase CHECKING left out, ordered by id. The
 * array lives in the arena.
 */
size_t groups_list(const struct groups *groups, const char *resource_group, struct vk_arena *arena,
                   struct group ***ret);
/* Replaces what was asked for; containers and their history are kept by name. Takes spec and
 * images. */
void group_adopt_spec(struct group *g, struct group_spec *spec, struct group_image *images,
                      size_t image_count);
void group_set_tags(struct group *g, const struct json_pairs *tags);
void group_images_free(struct group_image *images, size_t count);
