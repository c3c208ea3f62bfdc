/* SPDX-License-Identifier: Apache-2.0 */
#include "base/record_cuts.h"

#include <string.h>

/* Of lengths in bytes. Beyond it, records of a peer that takes little are joined. */
#define LENGTHS_MAX (1ul << 20)

static void push(struct record_cuts *r, size_t n)
{
    vk_buf_add(&r->lengths, &n, sizeof(n));
    r->covered += n;
}

void record_cuts_init(struct record_cuts *r)
{
    *r = (struct record_cuts){.covered = 0};
    vk_buf_init(&r->lengths, 2 * LENGTHS_MAX);
}

void record_cuts_release(struct record_cuts *r)
{
    vk_buf_release(&r->lengths);
}

void record_cuts_add(struct record_cuts *r, size_t queued, size_t n)
{
    if (!n || vk_buf_len(&r->lengths) >= LENGTHS_MAX)
        return;
    if (queued > r->covered)
        push(r, queued - r->covered);
    push(r, n);
}

size_t record_cuts_next(const struct record_cuts *r, size_t queued)
{
    size_t first;

    if (!vk_buf_len(&r->lengths))
        return queued;
    memcpy(&first, vk_buf_peek(&r->lengths), sizeof(first));
    return first;
}

void record_cuts_take(struct record_cuts *r, size_t n)
{
    size_t first;

    if (!n || !vk_buf_len(&r->lengths))
        return;
    memcpy(&first, vk_buf_peek(&r->lengths), sizeof(first));
    r->covered -= n;
    first -= n;
    if (first)
        memcpy(vk_buf_peek(&r->lengths), &first, sizeof(first));
    else
        vk_buf_consume(&r->lengths, sizeof(first));
}
