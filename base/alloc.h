/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that never returns NULL: the process aborts on its own out-of-memory, since all state
 * can be rebuilt. Sizes that a peer controls are limited before they get here.
 */
#pragma once

#include <stddef.h>

/* First thing in main: what is freed of large blocks goes back to the system at once, so that one
 * great answer does not make the process great for ever. */
void vk_alloc_begin(void);

void *vk_malloc(size_t size) __attribute__((malloc, returns_nonnull));
void *vk_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *vk_realloc(void *p, size_t size) __attribute__((returns_nonnull));
/* Grows an array geometrically to hold at least `need` elements; updates *cap (elements). */
void *vk_grow(void *p, size_t *cap, size_t need, size_t elem_size) __attribute__((returns_nonnull));
char *vk_strdup(const char *s) __attribute__((malloc, returns_nonnull));
char *vk_strndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *vk_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
/* NULL is fine. */
void vk_free(void *p);

/* Moves a pointer out of a scope-owned variable: `return vk_take(x);` */
#define vk_take(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) vk_taken_ = (p);                                                             \
        (p) = NULL;                                                                                \
        vk_taken_;                                                                                 \
    })

void vk_free_ptr_(void *pp);
/* char *s VK_AUTOFREE = vk_strdup(...); */
#define VK_AUTOFREE __attribute__((cleanup(vk_free_ptr_)))
#define VK_CLEANUP(fn) __attribute__((cleanup(fn)))

#define VK_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define VK_COUNT(array) (sizeof(array) / sizeof((array)[0]))
