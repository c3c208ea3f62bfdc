/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/long_answer.h"

#include "base/alloc.h"

#define PIECE_BYTES (64u << 10)

struct long_answer {
    struct http_exchange *x;
    struct vk_buf text;
};

static void answer_free(void *user)
{
    struct long_answer *a = user;

    vk_buf_release(&a->text);
    vk_free(a);
}

static void go_on(void *user)
{
    struct long_answer *a = user;

    while (vk_buf_len(&a->text) && !http_exchange_is_full(a->x)) {
        struct vk_str piece = vk_buf_str(&a->text);

        if (piece.n > PIECE_BYTES)
            piece.n = PIECE_BYTES;
        http_exchange_write(a->x, piece);
        vk_buf_consume(&a->text, piece.n);
    }
    if (vk_buf_len(&a->text))
        return;
    http_exchange_end(a->x);
    answer_free(a);
}

void long_answer_send(struct http_exchange *x, const char *content_type, struct vk_buf *text)
{
    struct long_answer *a = vk_calloc(1, sizeof(*a));

    a->x = x;
    a->text = *text;
    vk_buf_init(text, 1);
    http_exchange_on_gone(x, answer_free, a);
    http_exchange_on_drained(x, go_on, a);
    http_exchange_begin(x, 200, content_type);
    go_on(a);
}
