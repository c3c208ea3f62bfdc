/* SPDX-License-Identifier: Apache-2.0 */
/* room: base */
/* The websocket engine under arbitrary bytes; the first byte says in which pieces they arrive. */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool in_message, closed;

static void on_message(void *user, enum websocket_opcode opcode, struct vk_str piece, bool first,
                       bool last)
{
    (void)user;
    (void)piece;
    /* Pieces of messages never overlap, and nothing follows a close. */
    if (first == in_message || closed || (opcode != WEBSOCKET_TEXT && opcode != WEBSOCKET_BINARY))
        abort();
    in_message = !last;
}

static void on_closed(void *user, unsigned code)
{
    (void)user;
    (void)code;
    if (closed)
        abort();
    closed = true;
}

static void on_send(void *user, struct vk_str bytes)
{
    (void)user;
    (void)bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct websocket_events events = {on_message, on_closed, on_send};
    struct websocket ws;
    struct vk_err err;
    size_t step = size ? 1u + data[0] : 1;
    char *copy = vk_malloc(size + 1);

    memcpy(copy, data, size);
    in_message = closed = false;
    websocket_init(&ws, &events, NULL);
    for (size_t at = 1; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;

        if (websocket_feed(&ws, copy + at, n, &err) < 0)
            break;
    }
    vk_free(copy);
    return 0;
}
