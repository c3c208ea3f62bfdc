/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"

/* What an empty buffer shows: the text is always terminated. Never written to. */
static char nothing[1];

void vk_buf_init(struct vk_buf *buf, size_t limit)
{
    *buf = (struct vk_buf){.limit_ = limit};
}

void vk_buf_init_secret(struct vk_buf *buf, size_t limit)
{
    *buf = (struct vk_buf){.limit_ = limit, .secret_ = true};
}

void vk_buf_release(struct vk_buf *buf)
{
    if (buf->secret_ && buf->data_)
        vk_wipe(buf->data_, buf->cap_);
    vk_free(buf->data_);
    *buf = (struct vk_buf){.limit_ = buf->limit_, .secret_ = buf->secret_};
}

void vk_buf_release_secret(struct vk_buf *buf)
{
    if (buf->data_)
        vk_wipe(buf->data_, buf->cap_);
    vk_buf_release(buf);
}

void vk_buf_clear(struct vk_buf *buf)
{
    if (buf->secret_ && buf->data_)
        vk_wipe(buf->data_, buf->cap_);
    buf->head_ = buf->len_ = 0;
    buf->failed = false;
    if (buf->data_)
        buf->data_[0] = '\0';
}

/* cap bytes of memory with the unconsumed bytes at their start. */
static void move_to(struct vk_buf *buf, size_t cap)
{
    char *data = vk_malloc(cap);

    if (buf->len_)
        memcpy(data, buf->data_ + buf->head_, buf->len_);
    data[buf->len_] = '\0';
    if (buf->secret_ && buf->data_)
        vk_wipe(buf->data_, buf->cap_);
    vk_free(buf->data_);
    buf->data_ = data;
    buf->cap_ = cap;
    buf->head_ = 0;
}

char *vk_buf_reserve(struct vk_buf *buf, size_t n)
{
    if (buf->failed)
        return NULL;
    if (n > buf->limit_ || buf->len_ > buf->limit_ - n) {
        buf->failed = true;
        return NULL;
    }
    if (!buf->data_ || buf->cap_ - buf->head_ - buf->len_ <= n) {
        size_t need = buf->len_ + n + 1;

        /* Sliding pays only when at least as much was consumed as has to move. */
        if (buf->data_ && need <= buf->cap_ && buf->head_ >= buf->len_) {
            memmove(buf->data_, buf->data_ + buf->head_, buf->len_);
            buf->head_ = 0;
        } else if (buf->data_ && buf->head_ == 0 && !buf->secret_) {
            buf->data_ = vk_grow(buf->data_, &buf->cap_, need, 1);
        } else {
            size_t cap = buf->len_ * 2 + 1;

            if (cap < need)
                cap = need;
            move_to(buf, cap < 64 ? 64 : cap);
        }
        buf->data_[buf->head_ + buf->len_] = '\0';
    }
    return buf->data_ + buf->head_ + buf->len_;
}

void vk_buf_commit(struct vk_buf *buf, size_t n)
{
    if (n == 0)
        return;
    assert(buf->data_ && buf->cap_ - buf->head_ - buf->len_ > n);
    buf->len_ += n;
    buf->data_[buf->head_ + buf->len_] = '\0';
}

void vk_buf_add(struct vk_buf *buf, const void *p, size_t n)
{
    char *to = vk_buf_reserve(buf, n);

    if (!to || n == 0)
        return;
    memcpy(to, p, n);
    vk_buf_commit(buf, n);
}

void vk_buf_adds(struct vk_buf *buf, const char *s)
{
    vk_buf_add(buf, s, strlen(s));
}

void vk_buf_addstr(struct vk_buf *buf, struct vk_str s)
{
    vk_buf_add(buf, s.p, s.n);
}

void vk_buf_addc(struct vk_buf *buf, char c)
{
    vk_buf_add(buf, &c, 1);
}

void vk_buf_printf(struct vk_buf *buf, const char *fmt, ...)
{
    va_list args, again;
    char *to;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        buf->failed = true;
    } else if ((to = vk_buf_reserve(buf, (size_t)n))) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        vk_buf_commit(buf, (size_t)n);
    }
    va_end(again);
}

size_t vk_buf_len(const struct vk_buf *buf)
{
    return buf->len_;
}

char *vk_buf_peek(const struct vk_buf *buf)
{
    return buf->data_ ? buf->data_ + buf->head_ : nothing;
}

struct vk_str vk_buf_str(const struct vk_buf *buf)
{
    return (struct vk_str){.p = vk_buf_peek(buf), .n = buf->len_};
}

void vk_buf_consume(struct vk_buf *buf, size_t n)
{
    assert(n <= buf->len_);
    if (n == 0)
        return;
    buf->len_ -= n;
    buf->head_ = buf->len_ ? buf->head_ + n : 0;
    if (buf->len_ == 0)
        buf->data_[0] = '\0';
}

char *vk_buf_take(struct vk_buf *buf)
{
    char *text;

    if (!buf->data_)
        return vk_strdup("");
    if (buf->head_)
        memmove(buf->data_, buf->data_ + buf->head_, buf->len_ + 1);
    text = buf->data_;
    *buf = (struct vk_buf){.limit_ = buf->limit_, .secret_ = buf->secret_};
    return text;
}
