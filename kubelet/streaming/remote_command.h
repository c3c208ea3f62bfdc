/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet's end of exec and attach, a byte engine without sockets and without a clock: one
 * session over SPDY/3.1 (versions 1 to 4) or over websocket channels, the same to its owner. See
 * README.md of this room for the wire. Source: k8s v1.37.2 client-go tools/remotecommand, k8s
 * v1.27.0 pkg/kubelet/cri/streaming/remotecommand.
 */
#pragma once

#include "base/str.h"
#include "base/vk_err.h"

enum remote_command_protocol {
    REMOTE_COMMAND_SPDY_V1,
    REMOTE_COMMAND_SPDY_V2,
    REMOTE_COMMAND_SPDY_V3,
    REMOTE_COMMAND_SPDY_V4,
    REMOTE_COMMAND_CHANNEL, /* websocket; also without a sub-protocol */
    REMOTE_COMMAND_BASE64_CHANNEL,
    REMOTE_COMMAND_V4_CHANNEL,
    REMOTE_COMMAND_V4_BASE64_CHANNEL,
    REMOTE_COMMAND_V5_CHANNEL,
};
/* What the client asked for; has_error is false with a terminal. */
struct remote_command_streams {
    bool has_input, has_output, has_error, tty;
};

/* Functions may send and finish; they must not feed or free. */
struct remote_command_events {
    /* All streams are there: the process may run. Before every other event but gone. */
    void (*started)(void *user);
    void (*input)(void *user, struct vk_str bytes);
    /* At most once, behind the last input. */
    void (*input_end)(void *user);
    void (*resize)(void *user, uint16_t rows, uint16_t columns);
    /* The client left before the end. Nothing follows. */
    void (*gone)(void *user);
    /* Bytes for the client. */
    void (*send)(void *user, struct vk_str bytes);
};

struct remote_command;

struct remote_command *remote_command_new(enum remote_command_protocol protocol,
                                          const struct remote_command_streams *streams,
                                          const struct remote_command_events *events, void *user);
void remote_command_free(struct remote_command *rc);
/*
 * Once, when the connection is open. Over websocket it greets the client and starts; over SPDY
 * nothing is sent before the client's first frame.
 */
void remote_command_open(struct remote_command *rc);
/*
 * Any split. Errors: VK_PROTOCOL, and VK_TOO_LARGE when more than 64 KiB of input came before all
 * streams did. The client was told: flush, then close.
 */
VK_MUST_CHECK int remote_command_feed(struct remote_command *rc, struct vk_str bytes,
                                      struct vk_err *err);

/* Ignored before the start, after the end and where the client has no such stream. */
void remote_command_output(struct remote_command *rc, struct vk_str bytes);
void remote_command_error_output(struct remote_command *rc, struct vk_str bytes);
/*
 * The end, once: the status, the end of each stream, and of the session. err NULL: the process ran
 * and ended with exit_code.
 */
void remote_command_finish(struct remote_command *rc, int exit_code, const struct vk_err *err);
/* While nothing is read: what keeps a websocket client from giving up. SPDY clients don't. */
void remote_command_heartbeat(struct remote_command *rc);
