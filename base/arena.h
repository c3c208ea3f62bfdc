/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocator for things that die together: one parsed object, one translation, one request.
 * Never for state that lives and grows.
 */
#pragma once

#include <stddef.h>

#include "base/str.h"

struct vk_arena;

struct vk_arena *vk_arena_new(void);
/* For what is kept by the thousand: the first expected_bytes come from one piece of that size. */
struct vk_arena *vk_arena_new_sized(size_t expected_bytes);
/* NULL is fine. Frees everything allocated from it. */
void vk_arena_free(struct vk_arena *arena);
void vk_arena_free_ptr_(struct vk_arena **arena);
#define VK_ARENA_AUTO __attribute__((cleanup(vk_arena_free_ptr_)))

/* Zeroed, aligned for any type. */
void *vk_arena_alloc(struct vk_arena *arena, size_t size) __attribute__((returns_nonnull));
/* count * size, overflow-checked (aborts). */
void *vk_arena_array(struct vk_arena *arena, size_t count, size_t size)
    __attribute__((returns_nonnull));
char *vk_arena_strdup(struct vk_arena *arena, const char *s) __attribute__((returns_nonnull));
char *vk_arena_strndup(struct vk_arena *arena, const char *s, size_t n)
    __attribute__((returns_nonnull));
char *vk_arena_str(struct vk_arena *arena, struct vk_str s) __attribute__((returns_nonnull));
char *vk_arena_printf(struct vk_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));
/* Bytes handed out so far. */
size_t vk_arena_used(const struct vk_arena *arena);
/* Runs fn(p) when the arena is freed, in reverse order (wiping secrets, dropping references). */
void vk_arena_on_free(struct vk_arena *arena, void (*fn)(void *), void *p);
