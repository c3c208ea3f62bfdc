/* SPDX-License-Identifier: Apache-2.0 */
/* A map that keeps the most recently used entries and forgets the rest. */
#pragma once

#include <stddef.h>

struct recent_map;

/* value_size: every entry holds that many zeroed bytes. */
struct recent_map *recent_map_new(size_t max_entries, size_t value_size);
void recent_map_free(struct recent_map *m);
/* The entry's value, made when absent; the entry is now the most recent one. Valid until the next
 * call. */
void *recent_map_touch(struct recent_map *m, const char *key) __attribute__((returns_nonnull));
/* NULL when absent; changes no order. */
void *recent_map_peek(const struct recent_map *m, const char *key);
void recent_map_remove(struct recent_map *m, const char *key);
size_t recent_map_len(const struct recent_map *m);
