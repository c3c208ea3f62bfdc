/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/streaming/channels.h"

#include <string.h>

#include "base/arena.h"
#include "base/crypto.h"

/* Of version 5: a message of two bytes, this one and the number of a channel that ends. */
#define CHANNEL_END 255u
#define MAX_PIECE (32ul * 1024)
#define FEED_PIECE (16ul * 1024)

static void deliver(struct channels *c, struct vk_str bytes)
{
    if (!bytes.n)
        return;
    if (c->channel != CHANNEL_END || !c->can_end) {
        c->events->data(c->user, c->channel, bytes);
        return;
    }
    for (size_t i = 0; i < bytes.n; i++)
        c->events->end(c->user, (unsigned char)bytes.p[i]);
}

/* Whole groups of four characters. */
static void decode(struct channels *c, struct vk_str text)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str bytes;

    if (!text.n)
        return;
    if (c->is_padded || !crypto_base64_decode(text, arena, &bytes)) {
        c->is_malformed = true;
        return;
    }
    c->is_padded = text.p[text.n - 1] == '=';
    deliver(c, bytes);
}

static void take_base64(struct channels *c, struct vk_str text)
{
    size_t whole;

    while (c->group_len && c->group_len < sizeof(c->group) && text.n) {
        c->group[c->group_len++] = *text.p++;
        text.n--;
    }
    if (c->group_len == sizeof(c->group)) {
        c->group_len = 0;
        decode(c, (struct vk_str){c->group, sizeof(c->group)});
    }
    whole = text.n - text.n % sizeof(c->group);
    decode(c, (struct vk_str){text.p, whole});
    if (text.n > whole) {
        c->group_len = text.n - whole;
        memcpy(c->group, text.p + whole, c->group_len);
    }
}

static void on_message(void *user, enum websocket_opcode opcode, struct vk_str piece, bool first,
                       bool last)
{
    struct channels *c = user;

    (void)opcode;
    if (c->is_malformed)
        return;
    if (first) {
        c->has_channel = false;
        c->group_len = 0;
        c->is_padded = false;
    }
    if (!c->has_channel && piece.n) {
        c->has_channel = true;
        c->channel = (unsigned char)*piece.p++;
        piece.n--;
        if (c->is_base64)
            c->channel -= '0';
    }
    if (c->is_base64)
        take_base64(c, piece);
    else
        deliver(c, piece);
    if (last && c->group_len)
        c->is_malformed = true;
}

static void on_closed(void *user, unsigned code)
{
    struct channels *c = user;

    (void)code;
    c->events->closed(c->user);
}

static void on_send(void *user, struct vk_str bytes)
{
    struct channels *c = user;

    c->events->send(c->user, bytes);
}

void channels_init(struct channels *c, bool is_base64, bool can_end,
                   const struct channels_events *events, void *user)
{
    static const struct websocket_events websocket = {
        .message = on_message, .closed = on_closed, .send = on_send};

    *c = (struct channels){
        .events = events, .user = user, .is_base64 = is_base64, .can_end = can_end};
    websocket_init(&c->ws, &websocket, c);
}

int channels_feed(struct channels *c, struct vk_str bytes, struct vk_err *err)
{
    char piece[FEED_PIECE]; /* unmasked in place */

    while (bytes.n) {
        size_t n = bytes.n < sizeof(piece) ? bytes.n : sizeof(piece);

        memcpy(piece, bytes.p, n);
        bytes = (struct vk_str){bytes.p + n, bytes.n - n};
        if (websocket_feed(&c->ws, piece, n, err) < 0)
            return -(int)err->code;
        if (c->is_malformed) {
            websocket_close(&c->ws, WEBSOCKET_CLOSE_PROTOCOL, "malformed base64");
            return vk_err_set(err, VK_PROTOCOL, "websocket: malformed base64");
        }
    }
    return 0;
}

static void send_message(struct channels *c, unsigned channel, struct vk_str bytes)
{
    struct vk_buf message VK_BUF_AUTO;

    vk_buf_init(&message, 2 * MAX_PIECE);
    if (c->is_base64) {
        vk_buf_addc(&message, (char)('0' + channel));
        crypto_base64(bytes, &message);
        websocket_send(&c->ws, WEBSOCKET_TEXT, vk_buf_str(&message));
        return;
    }
    vk_buf_addc(&message, (char)channel);
    vk_buf_addstr(&message, bytes);
    websocket_send(&c->ws, WEBSOCKET_BINARY, vk_buf_str(&message));
}

void channels_send(struct channels *c, unsigned channel, struct vk_str bytes)
{
    do {
        size_t n = bytes.n < MAX_PIECE ? bytes.n : MAX_PIECE;

        send_message(c, channel, (struct vk_str){bytes.p, n});
        bytes = (struct vk_str){bytes.p + n, bytes.n - n};
    } while (bytes.n);
}

void channels_heartbeat(struct channels *c)
{
    websocket_pong(&c->ws);
}

void channels_close(struct channels *c, unsigned code, const char *reason)
{
    websocket_close(&c->ws, code, reason);
}
