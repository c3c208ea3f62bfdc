/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered byte channels over a websocket, as clients of exec and attach speak them, server side; a
 * byte engine without sockets. Each message is for one channel: in the binary form its first byte
 * is the number, in the base64 form a text of one digit and base64. Source: k8s v1.37.2
 * k8s.io/streaming pkg/httpstream/wsstream.
 */
#pragma once

#include "base/websocket.h"

struct channels_events {
    /* A piece of what was sent on a channel; borders of messages mean nothing. */
    void (*data)(void *user, unsigned channel, struct vk_str piece);
    /* Version 5: the peer sends no more on this channel. */
    void (*end)(void *user, unsigned channel);
    /* The peer's close frame arrived and was answered. */
    void (*closed)(void *user);
    /* Bytes for the peer. */
    void (*send)(void *user, struct vk_str bytes);
};

struct channels {
    const struct channels_events *events;
    void *user;
    struct websocket ws;
    bool is_base64, can_end;
    /* private: the message being read */
    bool has_channel;
    unsigned channel;
    char group[4]; /* characters that are not yet a whole group of base64 */
    size_t group_len;
    bool is_padded; /* the padding was read: nothing may follow */
    bool is_malformed;
};

/* can_end: the client may end a channel (v5). */
void channels_init(struct channels *c, bool is_base64, bool can_end,
                   const struct channels_events *events, void *user);
/*
 * Any split. After VK_PROTOCOL a close frame was sent and the connection must be closed. Events may
 * send; they must not feed.
 */
VK_MUST_CHECK int channels_feed(struct channels *c, struct vk_str bytes, struct vk_err *err);
/* As one or more messages; nothing to send is one empty message. channel: 0 to 9. */
void channels_send(struct channels *c, unsigned channel, struct vk_str bytes);
/* A pong that nobody asked for: tells the peer that we live while its pings are not read. */
void channels_heartbeat(struct channels *c);
void channels_close(struct channels *c, unsigned code, const char *reason);
