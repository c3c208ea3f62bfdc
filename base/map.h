/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map from string to pointer (open addressing, keyed SipHash-like seed per process). Keys are
 * copied. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct vk_map;

struct vk_map *vk_map_new(void);
/* free_value may be NULL. NULL map is fine. */
void vk_map_free(struct vk_map *map, void (*free_value)(void *));
/* Returns the value that was there before, or NULL. value must not be NULL. */
void *vk_map_put(struct vk_map *map, const char *key, void *value);
void *vk_map_get(const struct vk_map *map, const char *key);
/* Removes; returns the value, or NULL when absent. */
void *vk_map_remove(struct vk_map *map, const char *key);
size_t vk_map_len(const struct vk_map *map);
/*
 * Iteration in unspecified order: `size_t it = 0; while (vk_map_next(map, &it, &key, &value))`.
 * Removing the entry just returned is allowed; any other change during iteration is not.
 */
bool vk_map_next(const struct vk_map *map, size_t *it, const char **ret_key, void **ret_value);
