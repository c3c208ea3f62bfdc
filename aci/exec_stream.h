/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The websocket behind an exec or attach endpoint of ACI (exec.h), in both directions with
 * back-pressure. An exec is opened by its password as the first message, which is text; what is
 * typed follows in binary messages, and what comes are pieces of the screen, without any frame of
 * their own. An attachment is opened by its password in the Authorization header, and only shows.
 *
 * The server is trusted by its certificate for the host of the address, or for the address where
 * the host is one. No proxy is used. Of one message ACI has been seen to take only the first 50
 * bytes (Azure/azure-sdk-for-js#6487), so that what is typed is cut into messages of that size
 * unless the configuration says otherwise. An open stream is pinged each minute, whatever the
 * answer, so that no box on the way forgets it.
 */
#pragma once

#include "aci/exec.h"
#include "base/resolver.h"

/* Bytes in one message that ACI takes for sure. */
#define EXEC_STREAM_MESSAGE_SAFE 50
#define EXEC_STREAM_MESSAGE_MAX 16384
/* Bytes that wait to be sent, see exec_stream_send. */
#define EXEC_STREAM_QUEUE_MAX ((size_t)64 << 10)
/* Streams at once: probes and people share them. Below what base/loop.c lets libwebsockets have. */
#define EXEC_STREAMS_MAX 800

struct exec_streams;
struct exec_stream;

/* resolver is borrowed, text is copied. */
struct exec_streams_config {
    struct resolver *resolver;
    const char *ca_file; /* NULL: the system's trust anchors */
    size_t message_max;  /* 0: EXEC_STREAM_MESSAGE_SAFE */
    int64_t idle_ms;     /* without a byte either way; 0: 4 h */
    int64_t connect_ms;  /* for all addresses of the host together; 0: 30 s */
    int64_t silence_ms;  /* a host that acknowledges nothing is lost after it; 0: 15 s */
};
/* A ca_file that can't be read makes each stream fail with VK_UNAVAILABLE. */
struct exec_streams *exec_streams_new(struct vk_loop *loop,
                                      const struct exec_streams_config *config);
/* Ends all streams without a callback. NULL is fine. Before vk_loop_free. */
void exec_streams_free(struct exec_streams *streams);
size_t exec_streams_len(const struct exec_streams *streams);

enum exec_stream_kind { EXEC_STREAM_EXEC, EXEC_STREAM_ATTACH };

/* None is called from inside an operation. */
struct exec_stream_events {
    /* The websocket stands. May be NULL. */
    void (*opened)(void *user);
    /* Bytes of the screen, in pieces of at most 16 KiB; a piece or two may follow a pause. */
    void (*received)(void *user, struct vk_str bytes);
    /* What waited was sent, and more may be given; or NULL. */
    void (*drained)(void *user);
    /*
     * Once, last, and the stream is invalid afterwards. err NULL: the peer closed with 1000, which
     * is how programs and containers end. VK_UNAVAILABLE: not reached, not trusted or lost;
     * VK_UNAUTHENTICATED: the password was refused; VK_NOT_FOUND: the session is used up;
     * VK_TIMEOUT: not connected in time, or idle; VK_PROTOCOL: the address can't be used.
     */
    void (*closed)(void *user, const struct vk_err *err);
};

/* The endpoint and its text are copied; the password is wiped as soon as it was sent. */
struct exec_stream *exec_stream_open(struct exec_streams *streams, enum exec_stream_kind kind,
                                     const struct exec_endpoint *endpoint,
                                     const struct exec_stream_events *events, void *user);
/*
 * Takes as many bytes as there is room for, also before the stream stands, and returns their
 * number; after fewer than given `drained` comes. Attachments take none.
 */
size_t exec_stream_send(struct exec_stream *s, struct vk_str bytes);
/* While paused nothing is read, and the peer comes to wait. */
void exec_stream_pause(struct exec_stream *s, bool paused);
/* Sends what waits, within 5 s, then closes with 1000. No callback afterwards. NULL is fine. */
void exec_stream_close(struct exec_stream *s);
/* Hangs up. No callback afterwards. NULL is fine. */
void exec_stream_cancel(struct exec_stream *s);
