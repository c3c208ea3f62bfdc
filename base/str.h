/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed piece of text: pointer and length, by value. Not NUL-terminated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vk_str {
    const char *p;
    size_t n;
};

/* The same as an initialiser, which static tables need. */
#define VK_STR_INIT(literal)                                                                       \
    {                                                                                              \
        .p = (literal), .n = sizeof(literal) - 1                                                   \
    }
#define VK_STR(literal) ((struct vk_str){.p = (literal), .n = sizeof(literal) - 1})
/* NULL gives the empty string. */
struct vk_str vk_str_of(const char *s);
bool vk_str_eq(struct vk_str a, struct vk_str b);
bool vk_str_is(struct vk_str a, const char *b);
bool vk_str_ieq(struct vk_str a, struct vk_str b); /* ASCII case-insensitive */
bool vk_str_starts(struct vk_str s, struct vk_str prefix);
struct vk_str vk_str_trim(struct vk_str s); /* ASCII white space at both ends */
/* Splits off the part before `sep`; *rest is what follows, or empty with p == NULL when sep is
 * absent. */
struct vk_str vk_str_cut(struct vk_str s, char sep, struct vk_str *rest);
/* Whole text must be a decimal number in [min, max]. */
bool vk_str_int64(struct vk_str s, int64_t min, int64_t max, int64_t *ret);

/* C strings; NULL is treated as the empty string. */
bool vk_streq(const char *a, const char *b);
bool vk_strieq(const char *a, const char *b);
bool vk_starts(const char *s, const char *prefix);
bool vk_ends(const char *s, const char *suffix);
static inline bool vk_str_empty(const char *s)
{
    return !s || !*s;
}
/* Copies and always terminates; returns false when it had to cut, which it does between characters.
 */
bool vk_strcpy_to(char *dst, size_t dst_size, const char *src);
/* Bytes of the well-formed UTF-8 character at p, 1 to 4; 0 when ill-formed, cut off or n is 0. */
size_t vk_utf8_len(const char *p, size_t n);
/* Well-formed UTF-8 (no surrogates, no overlong forms). */
bool vk_utf8_valid(const char *p, size_t n);
