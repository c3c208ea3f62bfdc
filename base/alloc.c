/* SPDX-License-Identifier: Apache-2.0 */
#define VK_ALLOC_IMPLEMENTATION
#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* As glibc has it until the first such block is freed; then it would raise it up to 32 MiB. */
#define LARGE (128 << 10)

void vk_alloc_begin(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
#endif
}

static void *or_abort(void *p)
{
    if (!p) {
        static const char text[] = "out of memory\n";

        (void)!fwrite(text, 1, sizeof(text) - 1, stderr);
        abort();
    }
    return p;
}

static size_t product(size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        or_abort(NULL);
    return total;
}

void *vk_malloc(size_t size)
{
    return or_abort(malloc(size ? size : 1));
}

void *vk_calloc(size_t count, size_t size)
{
    return or_abort(count && size ? calloc(count, size) : calloc(1, 1));
}

void *vk_realloc(void *p, size_t size)
{
    return or_abort(realloc(p, size ? size : 1));
}

void *vk_grow(void *p, size_t *cap, size_t need, size_t elem_size)
{
    size_t want = *cap;

    if (need <= want && p)
        return p;
    want = want > SIZE_MAX / 2 ? need : want * 2;
    if (want < need)
        want = need;
    if (want < 8)
        want = 8;
    p = vk_realloc(p, product(want, elem_size));
    *cap = want;
    return p;
}

char *vk_strdup(const char *s)
{
    return vk_strndup(s, strlen(s));
}

char *vk_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = vk_malloc(len + 1);

    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *vk_asprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vasprintf(&text, fmt, args);
    va_end(args);
    return or_abort(n < 0 ? NULL : text);
}

void vk_free(void *p)
{
    free(p);
}

void vk_free_ptr_(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof(p));
    free(p);
}
