/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The websockets of exec and attach (aci-rest.md 7 and 8). The password comes in the Authorization
 * header of the handshake, bare, or as the first message, which is text. Afterwards messages of
 * both kinds are what is typed, the screen comes as binary frames, an empty one first; attach only
 * sends. The socket is closed with 1000 when the program or the container instance ends; no exit
 * code. A wrong password, none in time: 1008; the session is used up in any case.
 */
#pragma once

#include "aci/emulator/arm_request.h"
#include "aci/emulator/stream_sessions.h"

/* Answers the GET that opens the session's socket: 400, 401, 404, 426, or 101 and it lives on. */
void exec_stream_connect(struct arm_request *r, enum stream_kind kind);
/* Sockets that are open. */
size_t exec_stream_count(const struct emulator *e);
