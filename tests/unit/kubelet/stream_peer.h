/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of SPDY and of websocket, for tests of what a server makes of it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "kubelet/streaming/spdy_dictionary.h"

#define PEER_UNUSED __attribute__((unused))
#define PEER_LIMIT (64u << 20)
#define PEER_STREAMS 1200

/* What the server sent on one stream. */
struct peer_stream {
    struct vk_buf bytes;
    bool replied, fin, reset;
};
struct spdy_peer {
    struct vk_buf out; /* frames for the server, not yet sent */
    z_stream zlib;
    struct vk_buf in; /* not yet parsed */
    struct peer_stream *streams;
    bool goaway;
    unsigned pings;
};

static PEER_UNUSED void spdy_peer_init(struct spdy_peer *p)
{
    *p = (struct spdy_peer){0};
    vk_buf_init(&p->out, PEER_LIMIT);
    vk_buf_init(&p->in, PEER_LIMIT);
    p->streams = vk_calloc(PEER_STREAMS, sizeof(*p->streams));
    for (size_t i = 0; i < PEER_STREAMS; i++)
        vk_buf_init(&p->streams[i].bytes, PEER_LIMIT);
    assert_int_equal(deflateInit(&p->zlib, Z_DEFAULT_COMPRESSION), Z_OK);
    assert_int_equal(deflateSetDictionary(&p->zlib, spdy_dictionary(), SPDY_DICTIONARY_SIZE), Z_OK);
}

static PEER_UNUSED void spdy_peer_release(struct spdy_peer *p)
{
    deflateEnd(&p->zlib);
    vk_buf_release(&p->out);
    vk_buf_release(&p->in);
    for (size_t i = 0; i < PEER_STREAMS; i++)
        vk_buf_release(&p->streams[i].bytes);
    vk_free(p->streams);
}

static inline void peer_add32(struct vk_buf *b, uint32_t v)
{
    const char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};

    vk_buf_add(b, bytes, 4);
}

static inline uint32_t peer_get32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static PEER_UNUSED void peer_control(struct spdy_peer *p, unsigned type, struct vk_str payload)
{
    peer_add32(&p->out, 0x80030000u | type);
    peer_add32(&p->out, (uint32_t)payload.n);
    vk_buf_addstr(&p->out, payload);
}

static inline void peer_add_text(struct vk_buf *b, const char *text)
{
    peer_add32(b, (uint32_t)strlen(text));
    vk_buf_adds(b, text);
}

/* pairs: name, value, ..., NULL */
static PEER_UNUSED void peer_open(struct spdy_peer *p, uint32_t id, const char *const *pairs)
{
    struct vk_buf plain VK_BUF_AUTO;
    struct vk_buf payload VK_BUF_AUTO;
    char packed[4096];
    uint32_t count = 0;

    vk_buf_init(&plain, 4096);
    vk_buf_init(&payload, 8192);
    while (pairs[2 * count])
        count++;
    peer_add32(&plain, count);
    for (uint32_t i = 0; i < 2 * count; i++)
        peer_add_text(&plain, pairs[i]);
    p->zlib.next_in = (unsigned char *)vk_buf_peek(&plain);
    p->zlib.avail_in = (unsigned)vk_buf_len(&plain);
    p->zlib.next_out = (unsigned char *)packed;
    p->zlib.avail_out = sizeof(packed);
    assert_int_equal(deflate(&p->zlib, Z_SYNC_FLUSH), Z_OK);
    peer_add32(&payload, id);
    peer_add32(&payload, 0);
    vk_buf_add(&payload, "\0\0", 2);
    vk_buf_add(&payload, packed, sizeof(packed) - p->zlib.avail_out);
    peer_control(p, 1, vk_buf_str(&payload));
}

static PEER_UNUSED void peer_open_type(struct spdy_peer *p, uint32_t id, const char *type)
{
    peer_open(p, id, (const char *const[]){"streamtype", type, NULL});
}

static PEER_UNUSED void peer_data(struct spdy_peer *p, uint32_t id, struct vk_str bytes, bool fin)
{
    peer_add32(&p->out, id);
    peer_add32(&p->out, (fin ? 1u << 24 : 0) | (uint32_t)bytes.n);
    vk_buf_addstr(&p->out, bytes);
}

static PEER_UNUSED void peer_reset(struct spdy_peer *p, uint32_t id)
{
    struct vk_buf payload VK_BUF_AUTO;

    vk_buf_init(&payload, 8);
    peer_add32(&payload, id);
    peer_add32(&payload, 5);
    peer_control(p, 3, vk_buf_str(&payload));
}

static PEER_UNUSED void peer_ping(struct spdy_peer *p)
{
    peer_control(p, 6, (struct vk_str){"\0\0\0\1", 4});
}

static PEER_UNUSED void peer_goaway(struct spdy_peer *p)
{
    peer_control(p, 7, (struct vk_str){"\0\0\0\0\0\0\0\0", 8});
}

static inline struct peer_stream *peer_stream(struct spdy_peer *p, uint32_t id)
{
    assert_true(id < PEER_STREAMS);
    return &p->streams[id];
}

static inline void peer_take_frame(struct spdy_peer *p, const char *head, struct vk_str payload)
{
    uint32_t first = peer_get32(head);
    bool fin = head[4] & 1;

    if (!(first & 0x80000000u)) {
        struct peer_stream *t = peer_stream(p, first);

        /* A peer of Go drops what comes before the reply or behind the end. */
        assert_true(t->replied && !t->fin && !t->reset);
        vk_buf_addstr(&t->bytes, payload);
        t->fin = fin;
        return;
    }
    switch (first & 0xffff) {
    case 2:
        peer_stream(p, peer_get32(payload.p))->replied = true;
        break;
    case 3:
        peer_stream(p, peer_get32(payload.p))->reset = true;
        break;
    case 6:
        p->pings++;
        break;
    case 7:
        p->goaway = true;
        break;
    default:
        fail_msg("control frame of type %u", first & 0xffff);
    }
}

static PEER_UNUSED void spdy_peer_feed(struct spdy_peer *p, struct vk_str bytes)
{
    vk_buf_addstr(&p->in, bytes);
    while (vk_buf_len(&p->in) >= 8) {
        const char *head = vk_buf_peek(&p->in);
        size_t n = peer_get32(head + 4) & 0xffffff;

        if (vk_buf_len(&p->in) < 8 + n)
            break;
        assert_false(p->goaway);
        peer_take_frame(p, head, (struct vk_str){head + 8, n});
        vk_buf_consume(&p->in, 8 + n);
    }
}

static PEER_UNUSED const char *peer_text(struct spdy_peer *p, uint32_t id)
{
    return vk_buf_peek(&peer_stream(p, id)->bytes);
}

/* ---- websocket ---- */

/* A masked frame of the client. */
static PEER_UNUSED void ws_frame(struct vk_buf *out, unsigned opcode, struct vk_str payload)
{
    static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};

    vk_buf_addc(out, (char)(0x80 | opcode));
    if (payload.n < 126) {
        vk_buf_addc(out, (char)(0x80 | payload.n));
    } else if (payload.n < 65536) {
        vk_buf_addc(out, (char)(0x80 | 126));
        vk_buf_addc(out, (char)(payload.n >> 8));
        vk_buf_addc(out, (char)payload.n);
    } else {
        vk_buf_addc(out, (char)(0x80 | 127));
        peer_add32(out, 0);
        peer_add32(out, (uint32_t)payload.n);
    }
    vk_buf_add(out, mask, 4);
    for (size_t i = 0; i < payload.n; i++)
        vk_buf_addc(out, (char)((unsigned char)payload.p[i] ^ mask[i % 4]));
}

struct ws_message {
    unsigned opcode;
    struct vk_str payload;
};

/* Takes one frame of the server off the front of `in`; false where it is not complete. */
static PEER_UNUSED bool ws_take(struct vk_str *in, struct ws_message *ret)
{
    const unsigned char *p = (const unsigned char *)in->p;
    size_t head = 2, n;

    if (in->n < 2)
        return false;
    n = p[1] & 0x7f;
    if (n == 126)
        head = 4;
    else if (n == 127)
        head = 10;
    if (in->n < head)
        return false;
    if (n == 126)
        n = (size_t)p[2] << 8 | p[3];
    else if (n == 127)
        n = peer_get32(in->p + 6);
    if (in->n < head + n)
        return false;
    *ret = (struct ws_message){p[0] & 0xf, {in->p + head, n}};
    *in = (struct vk_str){in->p + head + n, in->n - head - n};
    return true;
}
