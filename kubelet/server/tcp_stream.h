/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An outgoing TCP connection of the loop: connect with a deadline of 10 s, bytes both ways with
 * back-pressure, each direction ended by itself.
 */
#pragma once

#include "base/loop.h"
#include "base/str.h"

struct tcp_stream;

/* Any of them may free the stream. */
struct tcp_stream_events {
    void (*data)(void *user, struct vk_str bytes);
    /* The peer sends no more; it may still read. */
    void (*eof)(void *user);
    /* Fell to the low-water mark (64 KiB) after it was full. */
    void (*drained)(void *user);
    /* Both directions have ended and all is sent. Last. */
    void (*finished)(void *user);
    /* Not connected (refused, unreachable, VK_TIMEOUT), or broken later on. Last. */
    void (*failed)(void *user, bool was_connected, const struct vk_err *err);
};

/*
 * address: numeric. Never fails from inside: a failure is told on a later turn. What is written
 * before the connection stands waits.
 */
struct tcp_stream *tcp_stream_new(struct vk_loop *loop, const char *address, uint16_t port,
                                  const struct tcp_stream_events *events, void *user);
/* Resets the connection unless it is finished. NULL is fine. */
void tcp_stream_free(struct tcp_stream *s);
/* Takes all; above 8 MiB queued it fails: respect tcp_stream_is_full. */
void tcp_stream_write(struct tcp_stream *s, struct vk_str bytes);
bool tcp_stream_is_full(const struct tcp_stream *s); /* above 256 KiB */
/* Sends what is queued, then FIN. */
void tcp_stream_end(struct tcp_stream *s);
/* Stop and go on reading. */
void tcp_stream_pause(struct tcp_stream *s, bool paused);
