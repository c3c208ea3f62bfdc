/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/streaming/spdy.h"

#define ZLIB_CONST
#include <zlib.h>

#include "base/alloc.h"
#include "kubelet/streaming/spdy_dictionary.h"

/* SPDY Protocol draft 3.1, section 2.6 */
enum {
    TYPE_SYN_STREAM = 1,
    TYPE_SYN_REPLY = 2,
    TYPE_RST_STREAM = 3,
    TYPE_PING = 6,
    TYPE_GOAWAY = 7,
    TYPE_HEADERS = 8,
    FLAG_FIN = 1,
    FLAG_UNIDIRECTIONAL = 2,
    HEAD_SIZE = 8,
    VERSION = 3,
    MAX_CONTROL = 8 * 1024,       /* compressed control payload */
    MAX_HEADER_BLOCK = 16 * 1024, /* inflated */
    MAX_DATA = 0xffffff,
};

struct stream {
    uint32_t id; /* 0: slot is free */
    bool in_closed, out_closed;
};

enum frame_state { FRAME_HEAD, FRAME_CONTROL, FRAME_DATA, FRAME_DEAD };

struct spdy {
    const struct spdy_events *events;
    void *user;
    /* the frame being read */
    enum frame_state state;
    uint8_t head[HEAD_SIZE];
    unsigned head_len;
    uint32_t left; /* payload bytes still to come */
    uint32_t data_id;
    uint16_t type;
    uint8_t flags;
    uint8_t control[MAX_CONTROL];
    uint32_t control_len;
    /* header blocks */
    z_stream zlib;
    bool inflating, no_more_streams, replied;
    /* session */
    uint32_t last_id;
    bool goaway_sent;
    unsigned max_streams;
    struct stream *streams;
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static void put_control_head(uint8_t *p, unsigned type, uint32_t n)
{
    p[0] = 0x80;
    p[1] = VERSION;
    p[2] = 0;
    p[3] = (uint8_t)type;
    put32(p + 4, n); /* flags are 0 in all that a server sends */
}

static void send_bytes(struct spdy *s, const uint8_t *p, size_t n)
{
    s->events->send(s->user, (struct vk_str){(const char *)p, n});
}

struct spdy *spdy_new(const struct spdy_events *events, void *user, unsigned max_streams)
{
    struct spdy *s = vk_calloc(1, sizeof(*s));

    s->events = events;
    s->user = user;
    s->max_streams = max_streams;
    s->streams = vk_calloc(max_streams, sizeof(*s->streams));
    return s;
}

void spdy_no_more_streams(struct spdy *s)
{
    s->no_more_streams = true;
    if (s->inflating)
        inflateEnd(&s->zlib);
    s->inflating = false;
}

void spdy_free(struct spdy *s)
{
    if (!s)
        return;
    spdy_no_more_streams(s);
    vk_free(s->streams);
    vk_free(s);
}

/* id 0 finds a free slot. */
static struct stream *find(struct spdy *s, uint32_t id)
{
    for (unsigned i = 0; i < s->max_streams; i++)
        if (s->streams[i].id == id)
            return &s->streams[i];
    return NULL;
}

static void free_if_closed(struct stream *t)
{
    if (t && t->in_closed && t->out_closed)
        *t = (struct stream){0};
}

static struct stream *find_open(struct spdy *s, uint32_t id)
{
    struct stream *t = id ? find(s, id) : NULL;

    return t && !t->out_closed && !s->goaway_sent ? t : NULL;
}

static void send_data_frame(struct spdy *s, uint32_t id, struct vk_str bytes, unsigned flags)
{
    uint8_t head[HEAD_SIZE];

    put32(head, id);
    put32(head + 4, (uint32_t)flags << 24 | (uint32_t)bytes.n);
    send_bytes(s, head, sizeof(head));
    if (bytes.n)
        s->events->send(s->user, bytes);
}

bool spdy_send(struct spdy *s, uint32_t id, struct vk_str bytes)
{
    if (!find_open(s, id))
        return false;
    while (bytes.n) {
        size_t n = bytes.n < MAX_DATA ? bytes.n : MAX_DATA;

        send_data_frame(s, id, (struct vk_str){bytes.p, n}, 0);
        bytes = (struct vk_str){bytes.p + n, bytes.n - n};
    }
    return true;
}

bool spdy_fin(struct spdy *s, uint32_t id)
{
    struct stream *t = find_open(s, id);

    if (!t)
        return false;
    t->out_closed = true;
    free_if_closed(t);
    send_data_frame(s, id, VK_STR(""), FLAG_FIN);
    return true;
}

static void send_reset(struct spdy *s, uint32_t id, enum spdy_status status)
{
    uint8_t frame[HEAD_SIZE + 8];

    put_control_head(frame, TYPE_RST_STREAM, 8);
    put32(frame + 8, id);
    put32(frame + 12, (uint32_t)status);
    send_bytes(s, frame, sizeof(frame));
}

bool spdy_reset(struct spdy *s, uint32_t id, enum spdy_status status)
{
    struct stream *t = id ? find(s, id) : NULL;

    if (!t || s->goaway_sent)
        return false;
    *t = (struct stream){0};
    send_reset(s, id, status);
    return true;
}

static void send_goaway(struct spdy *s, uint32_t status)
{
    uint8_t frame[HEAD_SIZE + 8];

    if (s->goaway_sent)
        return;
    s->goaway_sent = true;
    put_control_head(frame, TYPE_GOAWAY, 8);
    put32(frame + 8, s->last_id);
    put32(frame + 12, status);
    send_bytes(s, frame, sizeof(frame));
}

void spdy_goaway(struct spdy *s)
{
    send_goaway(s, 0);
}

static int protocol_error(struct spdy *s, struct vk_err *err, const char *what)
{
    s->state = FRAME_DEAD;
    send_goaway(s, 1);
    return vk_err_set(err, VK_PROTOCOL, "SPDY: %s", what);
}

/*
 * SYN_REPLY with no headers. Its zlib stream is made of stored blocks, so that no deflate state is
 * kept. The empty block at the end is needed: Go's reader hands its window out only there, and
 * fails at the second reply without it.
 */
static void send_reply(struct spdy *s, uint32_t id)
{
    static const uint8_t blocks[] = {
        0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0, /* stored, 4 bytes: a count of 0 */
        0, 0, 0, 0xff, 0xff,             /* stored, empty */
    };
    uint8_t frame[HEAD_SIZE + 4 + 6 + sizeof(blocks)];
    size_t n = HEAD_SIZE;

    put32(frame + n, id);
    n += 4;
    if (!s->replied) {
        /* zlib head: 32 KiB window, preset dictionary. */
        frame[n++] = 0x78;
        frame[n++] = 0xf9;
        put32(frame + n, SPDY_DICTIONARY_ADLER32);
        n += 4;
        s->replied = true;
    }
    memcpy(frame + n, blocks, sizeof(blocks));
    n += sizeof(blocks);
    put_control_head(frame, TYPE_SYN_REPLY, (uint32_t)(n - HEAD_SIZE));
    send_bytes(s, frame, n);
}

/* One zlib stream runs through all header blocks of the session, flushed at the end of each. */
static bool inflate_block(struct spdy *s, const uint8_t *p, size_t n, uint8_t *out, size_t *ret_n)
{
    z_stream *z = &s->zlib;

    if (!s->inflating && inflateInit2(z, 15) != Z_OK)
        return false;
    s->inflating = true;
    z->next_in = p;
    z->avail_in = (uInt)n;
    z->next_out = out;
    z->avail_out = MAX_HEADER_BLOCK;
    while (z->avail_in) {
        int rc = inflate(z, Z_SYNC_FLUSH);

        if (rc == Z_NEED_DICT)
            rc = inflateSetDictionary(z, spdy_dictionary(), SPDY_DICTIONARY_SIZE);
        /* Z_STREAM_END too is an error: a session never ends its stream. A full buffer is too large
         * a block. */
        if (rc != Z_OK || !z->avail_out)
            return false;
    }
    *ret_n = MAX_HEADER_BLOCK - z->avail_out;
    return true;
}

/* A string behind its length of four bytes, moved over the length so that a NUL fits behind it. */
static const char *take_string(uint8_t *block, size_t n, size_t *at)
{
    uint32_t len;
    char *text = (char *)block + *at;

    if (n - *at < 4)
        return NULL;
    len = get32(block + *at);
    if (len > n - *at - 4)
        return NULL;
    memmove(text, text + 4, len);
    text[len] = '\0';
    *at += 4 + len;
    return memchr(text, '\0', len) ? NULL : text;
}

static bool parse_block(uint8_t *block, size_t n, struct spdy_header headers[SPDY_MAX_HEADERS],
                        size_t *ret_n)
{
    size_t at = 4;
    uint32_t count;

    if (n < 4)
        return false;
    count = get32(block);
    if (count > SPDY_MAX_HEADERS)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        headers[i].name = take_string(block, n, &at);
        headers[i].value = headers[i].name ? take_string(block, n, &at) : NULL;
        if (!headers[i].value)
            return false;
    }
    *ret_n = count;
    return at == n;
}

static void open_stream(struct spdy *s, uint32_t id, const struct spdy_header *headers, size_t n)
{
    /* Nobody in Kubernetes opens streams without a way back; such a one would be over as soon as it
     * ends, and so escape the limit of those that are open. */
    struct stream *t = s->flags & FLAG_UNIDIRECTIONAL ? NULL : find(s, 0);

    if (!t || !s->events->stream(s->user, id, headers, n)) {
        send_reset(s, id, t ? SPDY_CANCEL : SPDY_REFUSED_STREAM);
        return;
    }
    *t = (struct stream){.id = id};
    send_reply(s, id);
    s->events->opened(s->user, id);
    if (!(s->flags & FLAG_FIN))
        return;
    t = find(s, id);
    if (!t)
        return;
    t->in_closed = true;
    free_if_closed(t);
    s->events->eof(s->user, id);
}

static int on_headers(struct spdy *s, struct vk_err *err)
{
    bool is_syn = s->type == TYPE_SYN_STREAM;
    uint32_t fixed = is_syn ? 10 : 4; /* bytes before the block */
    /* One byte more: the last value is terminated behind the block. */
    uint8_t block[MAX_HEADER_BLOCK + 1];
    struct spdy_header headers[SPDY_MAX_HEADERS];
    size_t n, count;
    uint32_t id;

    if (s->no_more_streams)
        return protocol_error(s, err, "a stream after the last one");
    if (s->control_len < fixed)
        return protocol_error(s, err, "short SYN_STREAM");
    /* Blocks of refused streams are inflated too, or the state of the next one breaks. */
    if (!inflate_block(s, s->control + fixed, s->control_len - fixed, block, &n))
        return protocol_error(s, err, "header block can't be inflated");
    if (!parse_block(block, n, headers, &count))
        return protocol_error(s, err, "malformed header block");
    if (!is_syn)
        return 0;
    id = get32(s->control) & 0x7fffffff;
    if (!(id & 1) || id <= s->last_id) {
        send_reset(s, id ? id : 1, SPDY_PROTOCOL_ERROR);
        return 0;
    }
    s->last_id = id;
    if (!s->goaway_sent)
        open_stream(s, id, headers, count);
    return 0;
}

static int on_reset(struct spdy *s, struct vk_err *err)
{
    uint32_t id;
    struct stream *t;

    if (s->control_len != 8)
        return protocol_error(s, err, "malformed RST_STREAM");
    id = get32(s->control) & 0x7fffffff;
    t = id ? find(s, id) : NULL;
    if (!t)
        return 0;
    *t = (struct stream){0};
    s->events->reset(s->user, id, get32(s->control + 4));
    return 0;
}

static int on_ping(struct spdy *s, struct vk_err *err)
{
    uint8_t frame[HEAD_SIZE + 4];

    if (s->control_len != 4)
        return protocol_error(s, err, "malformed PING");
    /* Odd ids are the client's own; we send none, so that an even one answers nothing. */
    if (!(s->control[3] & 1) || s->goaway_sent)
        return 0;
    put_control_head(frame, TYPE_PING, 4);
    memcpy(frame + HEAD_SIZE, s->control, 4);
    send_bytes(s, frame, sizeof(frame));
    return 0;
}

static int on_control(struct spdy *s, struct vk_err *err)
{
    switch (s->type) {
    case TYPE_SYN_STREAM:
    case TYPE_HEADERS:
        return on_headers(s, err);
    case TYPE_RST_STREAM:
        return on_reset(s, err);
    case TYPE_PING:
        return on_ping(s, err);
    case TYPE_GOAWAY:
        s->events->goaway(s->user);
        return 0;
    case TYPE_SYN_REPLY:
        return protocol_error(s, err, "SYN_REPLY from a client");
    default:
        /* SETTINGS, WINDOW_UPDATE and the rest mean nothing in this dialect. */
        return 0;
    }
}

static int begin_frame(struct spdy *s, struct vk_err *err)
{
    s->head_len = 0;
    s->flags = s->head[4];
    s->left = get32(s->head + 4) & MAX_DATA;
    if (!(s->head[0] & 0x80)) {
        s->data_id = get32(s->head);
        s->state = FRAME_DATA;
        return s->data_id ? 0 : protocol_error(s, err, "DATA on stream 0");
    }
    if (s->head[0] != 0x80 || s->head[1] != VERSION)
        return protocol_error(s, err, "not version 3");
    if (s->left > MAX_CONTROL)
        return protocol_error(s, err, "control frame is too long");
    s->type = (uint16_t)(s->head[2] << 8 | s->head[3]);
    s->control_len = 0;
    s->state = FRAME_CONTROL;
    return 0;
}

static void end_data(struct spdy *s)
{
    struct stream *t = find(s, s->data_id);

    s->state = FRAME_HEAD;
    if (!(s->flags & FLAG_FIN) || !t || t->in_closed)
        return;
    t->in_closed = true;
    free_if_closed(t);
    s->events->eof(s->user, s->data_id);
}

/* A callback may have closed the stream: it is looked up for each piece. */
static void on_data(struct spdy *s, struct vk_str piece)
{
    struct stream *t = find(s, s->data_id);

    s->left -= (uint32_t)piece.n;
    if (t && !t->in_closed && piece.n)
        s->events->data(s->user, s->data_id, piece);
    if (!s->left)
        end_data(s);
}

static struct vk_str take(struct vk_str *bytes, size_t max)
{
    struct vk_str piece = {bytes->p, bytes->n < max ? bytes->n : max};

    *bytes = (struct vk_str){bytes->p + piece.n, bytes->n - piece.n};
    return piece;
}

static int feed_head(struct spdy *s, struct vk_str *bytes, struct vk_err *err)
{
    struct vk_str piece = take(bytes, HEAD_SIZE - s->head_len);

    memcpy(s->head + s->head_len, piece.p, piece.n);
    s->head_len += (unsigned)piece.n;
    if (s->head_len < HEAD_SIZE)
        return 0;
    if (begin_frame(s, err) < 0)
        return -(int)err->code;
    if (s->left)
        return 0;
    /* A frame without payload ends with its head. */
    if (s->state == FRAME_DATA) {
        end_data(s);
        return 0;
    }
    s->state = FRAME_HEAD;
    return on_control(s, err);
}

static int feed_control(struct spdy *s, struct vk_str *bytes, struct vk_err *err)
{
    struct vk_str piece = take(bytes, s->left);

    memcpy(s->control + s->control_len, piece.p, piece.n);
    s->control_len += (uint32_t)piece.n;
    s->left -= (uint32_t)piece.n;
    if (s->left)
        return 0;
    s->state = FRAME_HEAD;
    return on_control(s, err);
}

int spdy_feed(struct spdy *s, struct vk_str bytes, struct vk_err *err)
{
    while (bytes.n) {
        int rc = 0;

        switch (s->state) {
        case FRAME_HEAD:
            rc = feed_head(s, &bytes, err);
            break;
        case FRAME_CONTROL:
            rc = feed_control(s, &bytes, err);
            break;
        case FRAME_DATA:
            on_data(s, take(&bytes, s->left));
            break;
        case FRAME_DEAD:
            return vk_err_set(err, VK_PROTOCOL, "SPDY: session is over");
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}
