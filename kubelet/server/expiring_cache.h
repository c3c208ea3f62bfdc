/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded map whose entries expire; the least recently used goes first. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct expiring_cache;

struct expiring_cache *expiring_cache_new(size_t max_entries, void (*free_value)(void *));
void expiring_cache_free(struct expiring_cache *c);
/* NULL when absent or expired; the entry is now the most recently used one. Borrowed until the next
 * call. */
void *expiring_cache_get(struct expiring_cache *c, const char *key);
/* Takes the value; replaces what was there. */
void expiring_cache_put(struct expiring_cache *c, const char *key, void *value, int64_t ttl_ms);
size_t expiring_cache_len(const struct expiring_cache *c);
