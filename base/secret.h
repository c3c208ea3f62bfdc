/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that must not leak: wiped when freed, kept out of core dumps' reach as far as madvise
 * allows, no printf path. */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

struct vk_secret {
    char *data_; /* NUL-terminated; NULL when empty */
    size_t len_;
};

void vk_secret_set(struct vk_secret *s, const void *p, size_t n);
void vk_secret_release(struct vk_secret *s);
struct vk_str vk_secret_reveal(const struct vk_secret *s);
static inline int vk_secret_is_empty(const struct vk_secret *s)
{
    return s->len_ == 0;
}
/* A copy in an arena that is wiped when the arena is freed. */
struct vk_secret *vk_arena_secret(struct vk_arena *arena, const void *p, size_t n);
/* Overwrites memory in a way that the compiler keeps. */
void vk_wipe(void *p, size_t n);
