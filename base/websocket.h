/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server side of the websocket protocol (RFC 6455) as a byte engine without sockets: bytes of the
 * client in, events and bytes for the client out. Frames of any size pass through in pieces and are
 * never buffered; control frames are answered by the engine itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vk_err.h"

enum websocket_opcode { WEBSOCKET_TEXT = 1, WEBSOCKET_BINARY = 2 };

/* Status codes of close frames (RFC 6455 7.4.1). */
enum {
    WEBSOCKET_CLOSE_NORMAL = 1000,
    WEBSOCKET_CLOSE_GOING_AWAY = 1001,
    WEBSOCKET_CLOSE_PROTOCOL = 1002,
    WEBSOCKET_CLOSE_NO_STATUS = 1005, /* never sent: the peer's close frame had no code */
    WEBSOCKET_CLOSE_POLICY = 1008,
    WEBSOCKET_CLOSE_TOO_BIG = 1009,
    WEBSOCKET_CLOSE_INTERNAL = 1011,
};

struct websocket_events {
    /* A piece of a message; first and last mark its ends (both for a whole one; the piece may be
     * empty). */
    void (*message)(void *user, enum websocket_opcode opcode, struct vk_str piece, bool first,
                    bool last);
    /* The peer's close frame arrived and was answered. Nothing follows. */
    void (*closed)(void *user, unsigned code);
    /* Bytes for the peer. */
    void (*send)(void *user, struct vk_str bytes);
};

struct websocket {
    const struct websocket_events *events;
    void *user;
    /* private: the frame being read */
    uint8_t head[14];
    unsigned head_len;
    uint64_t left;   /* payload bytes still to come */
    uint64_t offset; /* payload bytes read, for the mask */
    uint8_t mask[4];
    uint8_t opcode; /* of the frame */
    bool fin;
    uint8_t message_opcode; /* 0 between messages */
    bool message_started;
    uint8_t control[125];
    unsigned control_len;
    bool peer_closed, close_sent;
};

void websocket_init(struct websocket *ws, const struct websocket_events *events, void *user);
/*
 * Any split of the input; the bytes are unmasked in place. After a VK_PROTOCOL error a close frame
 * has been sent and the connection must be closed. Events may call the send functions; they must
 * not feed.
 */
VK_MUST_CHECK int websocket_feed(struct websocket *ws, char *bytes, size_t n, struct vk_err *err);
/* One whole message in one frame. Ignored after websocket_close. */
void websocket_send(struct websocket *ws, enum websocket_opcode opcode, struct vk_str payload);
void websocket_ping(struct websocket *ws);
/* One that nobody asked for (RFC 6455 5.5.3). */
void websocket_pong(struct websocket *ws);
/* Once; later calls do nothing. */
void websocket_close(struct websocket *ws, unsigned code, const char *reason);

/* Sec-WebSocket-Accept for the client's key; false unless the key is 16 bytes of base64. */
bool websocket_accept_key(const char *key, char out[29]);
