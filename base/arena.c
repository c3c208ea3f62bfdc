/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define ARENA_POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define ARENA_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
/* A gap behind each piece, so that an overrun is seen. */
#define ARENA_GAP ((size_t)16)
#else
#define ARENA_POISON(p, n) ((void)(p), (void)(n))
#define ARENA_UNPOISON(p, n) ((void)(p), (void)(n))
#define ARENA_GAP ((size_t)0)
#endif

#define ARENA_ALIGN alignof(max_align_t)
/* Text needs none; the sanitizer watches words of eight bytes. */
#ifdef ARENA_ASAN
#define TEXT_ALIGN ARENA_ALIGN
#else
#define TEXT_ALIGN ((size_t)1)
#endif
#define ARENA_FIRST_CHUNK ((size_t)2048)
#define ARENA_MAX_CHUNK ((size_t)65536)

struct chunk {
    struct chunk *next;
    size_t size;
    alignas(max_align_t) char data[];
};

struct cleanup {
    struct cleanup *next;
    void (*fn)(void *);
    void *p;
};

struct vk_arena {
    struct chunk *chunks; /* the current one first */
    struct cleanup *cleanups;
    size_t offset; /* in the current chunk */
    size_t next_size;
    size_t used;
};

static size_t align_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

struct vk_arena *vk_arena_new(void)
{
    struct vk_arena *arena = vk_calloc(1, sizeof(*arena));

    arena->next_size = ARENA_FIRST_CHUNK;
    return arena;
}

void vk_arena_free(struct vk_arena *arena)
{
    if (!arena)
        return;
    for (struct cleanup *c = arena->cleanups; c; c = c->next)
        c->fn(c->p);
    for (struct chunk *chunk = arena->chunks; chunk;) {
        struct chunk *next = chunk->next;

        ARENA_UNPOISON(chunk->data, chunk->size);
        vk_free(chunk);
        chunk = next;
    }
    vk_free(arena);
}

void vk_arena_free_ptr_(struct vk_arena **arena)
{
    vk_arena_free(*arena);
}

static struct chunk *chunk_new(size_t size)
{
    struct chunk *chunk = vk_malloc(sizeof(*chunk) + size);

    chunk->size = size;
    chunk->next = NULL;
    ARENA_POISON(chunk->data, size);
    return chunk;
}

/* A piece that would waste most of a chunk gets one of its own, behind the current one. */
static char *alloc_large(struct vk_arena *arena, size_t need)
{
    struct chunk *chunk = chunk_new(need);

    if (arena->chunks) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        arena->chunks = chunk;
        arena->offset = need;
    }
    return chunk->data;
}

static void add_chunk(struct vk_arena *arena, size_t size)
{
    struct chunk *chunk = chunk_new(size);

    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->offset = 0;
}

static char *place(struct vk_arena *arena, size_t need, size_t align)
{
    size_t offset = align_up(arena->offset, align);

    if (!arena->chunks || offset > arena->chunks->size || arena->chunks->size - offset < need) {
        if (need > arena->next_size / 2)
            return alloc_large(arena, need);
        add_chunk(arena, arena->next_size);
        if (arena->next_size < ARENA_MAX_CHUNK)
            arena->next_size *= 2;
        offset = 0;
    }
    arena->offset = offset + need;
    return arena->chunks->data + offset;
}

static void *take(struct vk_arena *arena, size_t size, size_t align)
{
    char *p;

    if (size > SIZE_MAX / 2)
        abort();
    p = place(arena, align_up(size ? size : 1, align) + ARENA_GAP, align);
    arena->used += size;
    ARENA_UNPOISON(p, size ? size : 1);
    memset(p, 0, size ? size : 1);
    return p;
}

struct vk_arena *vk_arena_new_sized(size_t expected_bytes)
{
    struct vk_arena *arena = vk_arena_new();

    add_chunk(arena, align_up(expected_bytes, ARENA_ALIGN));
    return arena;
}

void *vk_arena_alloc(struct vk_arena *arena, size_t size)
{
    return take(arena, size, ARENA_ALIGN);
}

void *vk_arena_array(struct vk_arena *arena, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        abort();
    return vk_arena_alloc(arena, total);
}

char *vk_arena_strdup(struct vk_arena *arena, const char *s)
{
    return vk_arena_str(arena, vk_str_of(s));
}

char *vk_arena_strndup(struct vk_arena *arena, const char *s, size_t n)
{
    return vk_arena_str(arena, (struct vk_str){.p = s, .n = n ? strnlen(s, n) : 0});
}

char *vk_arena_str(struct vk_arena *arena, struct vk_str s)
{
    char *copy = take(arena, s.n + 1, TEXT_ALIGN);

    if (s.n)
        memcpy(copy, s.p, s.n);
    return copy;
}

char *vk_arena_printf(struct vk_arena *arena, const char *fmt, ...)
{
    va_list args, again;
    char *text;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        abort();
    text = take(arena, (size_t)n + 1, TEXT_ALIGN);
    vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

size_t vk_arena_used(const struct vk_arena *arena)
{
    return arena->used;
}

void vk_arena_on_free(struct vk_arena *arena, void (*fn)(void *), void *p)
{
    struct cleanup *c = vk_arena_alloc(arena, sizeof(*c));

    *c = (struct cleanup){.next = arena->cleanups, .fn = fn, .p = p};
    arena->cleanups = c;
}
