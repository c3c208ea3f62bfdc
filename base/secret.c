/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"

/*
 * Secrets live on pages of their own that stay out of core dumps. madvise works on whole pages, so
 * marking pieces of the heap would mark their neighbours and cut the heap into thousands of
 * mappings. Pieces come in sizes that double; free pieces of a size are a chain. Memory goes back
 * to its chain, not to the system: the peak of secrets is small.
 */
#define SMALLEST ((size_t)64)
#define CLASSES 9 /* up to 16 KiB; larger pieces are mappings of their own */
#define SLAB ((size_t)65536)

struct free_piece {
    struct free_piece *next;
};

static struct free_piece *free_pieces[CLASSES];

static void *map_pages(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        abort();
    (void)madvise(p, size, MADV_DONTDUMP);
    return p;
}

static unsigned class_of(size_t size)
{
    unsigned class = 0;

    while (class < CLASSES && SMALLEST << class < size)
        class ++;
    return class;
}

static char *piece_new(size_t size)
{
    unsigned class = class_of(size);
    struct free_piece *piece;

    if (class == CLASSES)
        return map_pages(size);
    if (!free_pieces[class]) {
        size_t piece_size = SMALLEST << class;
        char *slab = map_pages(SLAB);

        for (size_t at = 0; at + piece_size <= SLAB; at += piece_size) {
            piece = (void *)(slab + at);
            piece->next = free_pieces[class];
            free_pieces[class] = piece;
        }
    }
    piece = free_pieces[class];
    free_pieces[class] = piece->next;
    return (char *)piece;
}

static void piece_free(char *p, size_t size)
{
    unsigned class = class_of(size);
    struct free_piece *piece;

    vk_wipe(p, size);
    if (class == CLASSES) {
        munmap(p, size);
        return;
    }
    piece = (void *)p;
    piece->next = free_pieces[class];
    free_pieces[class] = piece;
}

void vk_secret_set(struct vk_secret *s, const void *p, size_t n)
{
    char *data = NULL;

    /* Copy first: p may be this secret's own text. */
    if (n > 0) {
        data = piece_new(n + 1);
        memcpy(data, p, n);
        data[n] = '\0';
    }
    vk_secret_release(s);
    s->data_ = data;
    s->len_ = n;
}

void vk_secret_release(struct vk_secret *s)
{
    if (s->data_)
        piece_free(s->data_, s->len_ + 1);
    *s = (struct vk_secret){0};
}

struct vk_str vk_secret_reveal(const struct vk_secret *s)
{
    return s->data_ ? (struct vk_str){.p = s->data_, .n = s->len_} : VK_STR("");
}

static void release(void *p)
{
    vk_secret_release(p);
}

struct vk_secret *vk_arena_secret(struct vk_arena *arena, const void *p, size_t n)
{
    struct vk_secret *s = vk_arena_alloc(arena, sizeof(*s));

    vk_secret_set(s, p, n);
    vk_arena_on_free(arena, release, s);
    return s;
}
