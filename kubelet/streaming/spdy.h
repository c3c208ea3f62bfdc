/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server side of SPDY/3.1 as moby/spdystream speaks it, a byte engine without sockets: what API
 * servers use towards a kubelet for exec, attach and port-forward. There is no flow control in that
 * dialect; TCP is the only back-pressure. See README.md of this room for the wire.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vk_err.h"

#define SPDY_MAX_HEADERS 16

enum spdy_status { /* of RST_STREAM */
                   SPDY_PROTOCOL_ERROR = 1,
                   SPDY_INVALID_STREAM = 2,
                   SPDY_REFUSED_STREAM = 3,
                   SPDY_CANCEL = 5,
                   SPDY_INTERNAL_ERROR = 6,
};

/* NUL-terminated, lower-case names; borrowed for the call. */
struct spdy_header {
    const char *name, *value;
};

/* Functions may send, reset and close streams of the session; they must not feed or free it. */
struct spdy_events {
    /* A new stream. False refuses it (RST_STREAM CANCEL). */
    bool (*stream)(void *user, uint32_t id, const struct spdy_header *headers, size_t n);
    /* It was acknowledged: data may be sent. */
    void (*opened)(void *user, uint32_t id);
    /* A piece of a data frame; frames of up to 16 MiB pass through unbuffered. */
    void (*data)(void *user, uint32_t id, struct vk_str piece);
    /* The peer half-closed. */
    void (*eof)(void *user, uint32_t id);
    void (*reset)(void *user, uint32_t id, uint32_t status);
    /* The peer leaves; no new streams will come. */
    void (*goaway)(void *user);
    /* Bytes for the peer. */
    void (*send)(void *user, struct vk_str bytes);
};

struct spdy;

/* max_streams open at once; more are refused, and so are unidirectional ones. */
struct spdy *spdy_new(const struct spdy_events *events, void *user, unsigned max_streams);
void spdy_free(struct spdy *s);
/* Any split. After VK_PROTOCOL a GOAWAY was sent: flush, then close. Bytes behind the error are
 * ignored. */
VK_MUST_CHECK int spdy_feed(struct spdy *s, struct vk_str bytes, struct vk_err *err);

/* Each of these does nothing on a stream that is closed for sending or unknown; false tells so. */
bool spdy_send(struct spdy *s, uint32_t id, struct vk_str bytes);
bool spdy_fin(struct spdy *s, uint32_t id);
bool spdy_reset(struct spdy *s, uint32_t id, enum spdy_status status);
/* Last word of the session, after the last FIN. */
void spdy_goaway(struct spdy *s);
/* No stream will be opened any more: frees the inflater (40 KB); a later SYN_STREAM is a protocol
 * error. */
void spdy_no_more_streams(struct spdy *s);
