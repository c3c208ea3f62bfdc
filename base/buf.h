/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing byte buffer with a mandatory limit; always NUL-terminated behind its last byte. Appending
 * past the limit sets a sticky `failed` flag that is checked once at the end; consuming from the
 * front is O(1) amortised, so it also serves as a byte queue.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct vk_buf {
    char *data_; /* private: use vk_buf_peek */
    size_t head_, len_, cap_, limit_;
    bool secret_;
    bool failed;
};

/* limit: the most unconsumed bytes it may hold. */
void vk_buf_init(struct vk_buf *buf, size_t limit);
/* As vk_buf_init, for secrets: memory is wiped also when the buffer grows, moves or is cleared. */
void vk_buf_init_secret(struct vk_buf *buf, size_t limit);
/* Frees memory; the buffer may be initialised again. */
void vk_buf_release(struct vk_buf *buf);
#define VK_BUF_AUTO __attribute__((cleanup(vk_buf_release)))
/* Wipes before freeing. What growth left behind is only wiped after vk_buf_init_secret. */
void vk_buf_release_secret(struct vk_buf *buf);
/* Empties, keeps memory, clears failed. */
void vk_buf_clear(struct vk_buf *buf);

void vk_buf_add(struct vk_buf *buf, const void *p, size_t n);
void vk_buf_adds(struct vk_buf *buf, const char *s);
void vk_buf_addstr(struct vk_buf *buf, struct vk_str s);
void vk_buf_addc(struct vk_buf *buf, char c);
void vk_buf_printf(struct vk_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for n more bytes and returns where to write them, or NULL (and failed) over the limit;
 * then commit. */
char *vk_buf_reserve(struct vk_buf *buf, size_t n);
void vk_buf_commit(struct vk_buf *buf, size_t n);

size_t vk_buf_len(const struct vk_buf *buf);
/* Borrowed until the next change; never NULL; NUL-terminated. */
char *vk_buf_peek(const struct vk_buf *buf);
struct vk_str vk_buf_str(const struct vk_buf *buf);
/* Drops n bytes from the front. */
void vk_buf_consume(struct vk_buf *buf, size_t n);
/* Detaches the text: owned by the caller (vk_free); the buffer is empty afterwards. */
char *vk_buf_take(struct vk_buf *buf);
