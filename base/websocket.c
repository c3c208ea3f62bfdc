/* SPDX-License-Identifier: Apache-2.0 */
#include "base/websocket.h"

#include "base/arena.h"
#include "base/crypto.h"

/* RFC 6455 5.2 */
enum {
    OP_CONTINUATION = 0,
    OP_TEXT = 1,
    OP_BINARY = 2,
    OP_CLOSE = 8,
    OP_PING = 9,
    OP_PONG = 10,
    BIT_FIN = 0x80,
    BIT_MASK = 0x80,
    LEN_16 = 126,
    LEN_64 = 127,
};

void websocket_init(struct websocket *ws, const struct websocket_events *events, void *user)
{
    *ws = (struct websocket){.events = events, .user = user};
}

/* Head of a frame of the server: never masked (RFC 6455 5.1). */
static size_t frame_head(uint8_t head[10], unsigned opcode, size_t n)
{
    head[0] = (uint8_t)(BIT_FIN | opcode);
    if (n < LEN_16) {
        head[1] = (uint8_t)n;
        return 2;
    }
    if (n <= UINT16_MAX) {
        head[1] = LEN_16;
        head[2] = (uint8_t)(n >> 8);
        head[3] = (uint8_t)n;
        return 4;
    }
    head[1] = LEN_64;
    for (unsigned i = 0; i < 8; i++)
        head[2 + i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
    return 10;
}

static void send_frame(struct websocket *ws, unsigned opcode, struct vk_str payload)
{
    uint8_t head[10];
    size_t n = frame_head(head, opcode, payload.n);

    ws->events->send(ws->user, (struct vk_str){(const char *)head, n});
    if (payload.n)
        ws->events->send(ws->user, payload);
}

void websocket_send(struct websocket *ws, enum websocket_opcode opcode, struct vk_str payload)
{
    if (!ws->close_sent)
        send_frame(ws, opcode, payload);
}

void websocket_ping(struct websocket *ws)
{
    if (!ws->close_sent)
        send_frame(ws, OP_PING, VK_STR(""));
}

void websocket_pong(struct websocket *ws)
{
    if (!ws->close_sent)
        send_frame(ws, OP_PONG, VK_STR(""));
}

void websocket_close(struct websocket *ws, unsigned code, const char *reason)
{
    char payload[125];
    size_t n = reason ? strlen(reason) : 0;

    if (ws->close_sent)
        return;
    ws->close_sent = true;
    if (n > sizeof(payload) - 2)
        n = sizeof(payload) - 2;
    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    if (n)
        memcpy(payload + 2, reason, n);
    send_frame(ws, OP_CLOSE, (struct vk_str){payload, n + 2});
}

static int protocol_error(struct websocket *ws, struct vk_err *err, const char *what)
{
    websocket_close(ws, WEBSOCKET_CLOSE_PROTOCOL, what);
    return vk_err_set(err, VK_PROTOCOL, "websocket: %s", what);
}

static bool is_control(unsigned opcode)
{
    return opcode >= OP_CLOSE;
}

/* Bytes of the whole head that the first two announce; the client's mask is part of it. */
static unsigned head_size(const uint8_t head[2])
{
    unsigned len = head[1] & 0x7f;

    return 2 + (len == LEN_16 ? 2 : len == LEN_64 ? 8 : 0) + 4;
}

static uint64_t payload_length(const uint8_t *head)
{
    unsigned len = head[1] & 0x7f;
    unsigned bytes = len == LEN_16 ? 2 : len == LEN_64 ? 8 : 0;
    uint64_t n = 0;

    if (!bytes)
        return len;
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | head[2 + i];
    return n;
}

static int begin_frame(struct websocket *ws, struct vk_err *err)
{
    const uint8_t *head = ws->head;

    ws->opcode = head[0] & 0x0f;
    ws->fin = head[0] & BIT_FIN;
    ws->left = payload_length(head);
    ws->offset = 0;
    memcpy(ws->mask, head + ws->head_len - 4, 4);
    if (head[0] & 0x70)
        return protocol_error(ws, err, "reserved bits are set");
    if (ws->left >> 63)
        return protocol_error(ws, err, "frame length has its highest bit set");
    if (is_control(ws->opcode)) {
        if (ws->opcode > OP_PONG)
            return protocol_error(ws, err, "unknown opcode");
        if (!ws->fin || ws->left > sizeof(ws->control))
            return protocol_error(ws, err, "control frame is fragmented or too long");
        ws->control_len = 0;
        return 0;
    }
    if (ws->opcode > OP_BINARY)
        return protocol_error(ws, err, "unknown opcode");
    if ((ws->opcode == OP_CONTINUATION) != (ws->message_opcode != 0))
        return protocol_error(ws, err, "fragments are out of order");
    if (ws->opcode != OP_CONTINUATION) {
        ws->message_opcode = ws->opcode;
        ws->message_started = false;
    }
    return 0;
}

static int end_close(struct websocket *ws, struct vk_err *err)
{
    unsigned code = WEBSOCKET_CLOSE_NO_STATUS;

    if (ws->control_len == 1)
        return protocol_error(ws, err, "close frame of one byte");
    if (ws->control_len >= 2)
        code = (unsigned)ws->control[0] << 8 | ws->control[1];
    ws->peer_closed = true;
    if (!ws->close_sent) {
        ws->close_sent = true;
        /* The code comes back as it came (RFC 6455 5.5.1). */
        send_frame(ws, OP_CLOSE,
                   (struct vk_str){(const char *)ws->control, ws->control_len ? 2 : 0});
    }
    ws->events->closed(ws->user, code);
    return 0;
}

static int end_control(struct websocket *ws, struct vk_err *err)
{
    if (ws->opcode == OP_CLOSE)
        return end_close(ws, err);
    if (ws->opcode == OP_PING && !ws->close_sent)
        send_frame(ws, OP_PONG, (struct vk_str){(const char *)ws->control, ws->control_len});
    return 0;
}

static void unmask(struct websocket *ws, char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)((uint8_t)bytes[i] ^ ws->mask[(ws->offset + i) & 3]);
    ws->offset += n;
}

static void deliver(struct websocket *ws, struct vk_str piece, bool last)
{
    bool first = !ws->message_started;
    enum websocket_opcode opcode = (enum websocket_opcode)ws->message_opcode;

    ws->message_started = true;
    if (last)
        ws->message_opcode = 0;
    ws->events->message(ws->user, opcode, piece, first, last);
}

/* The payload's next n bytes; n may be 0 for an empty frame. */
static int take_payload(struct websocket *ws, char *bytes, size_t n, struct vk_err *err)
{
    unmask(ws, bytes, n);
    ws->left -= n;
    if (is_control(ws->opcode)) {
        memcpy(ws->control + ws->control_len, bytes, n);
        ws->control_len += (unsigned)n;
    } else if (n || ws->fin) {
        deliver(ws, (struct vk_str){bytes, n}, ws->fin && ws->left == 0);
    }
    if (ws->left)
        return 0;
    ws->head_len = 0;
    return is_control(ws->opcode) ? end_control(ws, err) : 0;
}

/* Collects the head. Returns the bytes used; *ret_complete says that payload follows. */
static size_t take_head(struct websocket *ws, const char *bytes, size_t n, bool *ret_complete)
{
    size_t used = 0;

    *ret_complete = false;
    while (used < n) {
        ws->head[ws->head_len++] = (uint8_t)bytes[used++];
        if (ws->head_len >= 2 && ws->head_len == head_size(ws->head)) {
            *ret_complete = true;
            break;
        }
    }
    return used;
}

int websocket_feed(struct websocket *ws, char *bytes, size_t n, struct vk_err *err)
{
    while (n && !ws->peer_closed) {
        size_t used = 0;
        bool in_payload = ws->left > 0;

        if (!in_payload) {
            used = take_head(ws, bytes, n, &in_payload);
            if (ws->head_len >= 2 && !(ws->head[1] & BIT_MASK))
                return protocol_error(ws, err, "the client's frame is not masked");
            if (in_payload && begin_frame(ws, err) < 0)
                return -(int)err->code;
            bytes += used;
            n -= used;
        }
        if (!in_payload)
            break;
        used = n < ws->left ? n : (size_t)ws->left;
        /* An empty frame ends with its head; anything else waits for bytes. */
        if (!used && ws->left)
            break;
        if (take_payload(ws, bytes, used, err) < 0)
            return -(int)err->code;
        bytes += used;
        n -= used;
    }
    return 0;
}

bool websocket_accept_key(const char *key, char out[29])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf text VK_BUF_AUTO;
    struct vk_str decoded;
    uint8_t digest[20];

    vk_buf_init(&text, 256);
    if (!key || !crypto_base64_decode(vk_str_of(key), arena, &decoded) || decoded.n != 16)
        return false;
    vk_buf_printf(&text, "%s%s", key, guid);
    crypto_sha1(vk_buf_peek(&text), vk_buf_len(&text), digest);
    vk_buf_clear(&text);
    crypto_base64((struct vk_str){(const char *)digest, sizeof(digest)}, &text);
    return vk_strcpy_to(out, 29, vk_buf_peek(&text));
}
