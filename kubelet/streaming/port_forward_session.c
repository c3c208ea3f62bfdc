/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/streaming/port_forward_session.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/websocket.h"
#include "kubelet/streaming/spdy.h"

#define FEED_PIECE (16ul * 1024)
#define MAX_REQUEST_ID 32

struct pair {
    struct vk_list link;
    char request_id[MAX_REQUEST_ID];
    uint32_t data_id, error_id; /* 0: not open yet */
    uint16_t port;              /* of the data stream */
    int64_t since_ms;
    bool is_open; /* both streams are acknowledged, the owner has it */
    bool has_client_ended, has_pod_ended;
    void *owner;
};

struct port_forward_session {
    const struct port_forward_events *events;
    void *user;
    struct spdy *spdy;
    bool is_tunnel;
    struct websocket ws;
    struct vk_err tunnel_error; /* of a feed inside of the websocket's */
    int64_t now_ms;
    struct vk_list pairs;
    bool has_ended;
};

/* ---- pairs ---- */

static struct pair *find_stream(struct port_forward_session *s, uint32_t id)
{
    VK_LIST_FOREACH(it, &s->pairs)
    {
        struct pair *p = VK_LIST_ENTRY(it, struct pair, link);

        if (p->data_id == id || p->error_id == id)
            return p;
    }
    return NULL;
}

static struct pair *find_pair(struct port_forward_session *s, uint32_t id)
{
    struct pair *p = id ? find_stream(s, id) : NULL;

    return p && p->data_id == id && p->is_open && !s->has_ended ? p : NULL;
}

static struct pair *find_request(struct port_forward_session *s, const char *request_id)
{
    VK_LIST_FOREACH(it, &s->pairs)
    {
        struct pair *p = VK_LIST_ENTRY(it, struct pair, link);

        /* An id may come again once its pair is complete, as the kubelet allows it. */
        if (!p->is_open && vk_streq(p->request_id, request_id))
            return p;
    }
    return NULL;
}

static void pair_free(struct pair *p)
{
    vk_list_remove(&p->link);
    vk_free(p);
}

/* Without a word of the owner, who never had it or ended it itself. */
static void fail_pair(struct port_forward_session *s, struct pair *p, const char *text)
{
    uint32_t data_id = p->data_id, error_id = p->error_id;

    pair_free(p);
    if (error_id) {
        spdy_send(s->spdy, error_id, vk_str_of(text));
        spdy_fin(s->spdy, error_id);
    }
    spdy_reset(s->spdy, data_id, SPDY_CANCEL);
}

/* ---- streams ---- */

struct stream_request {
    bool is_data;
    uint16_t port;
    char request_id[MAX_REQUEST_ID];
};

static bool read_headers(uint32_t id, const struct spdy_header *headers, size_t n,
                         struct stream_request *ret)
{
    const char *type = NULL, *port = NULL, *request_id = NULL;
    int64_t number;

    for (size_t i = 0; i < n; i++) {
        if (vk_streq(headers[i].name, "streamtype"))
            type = headers[i].value;
        else if (vk_streq(headers[i].name, "port"))
            port = headers[i].value;
        else if (vk_streq(headers[i].name, "requestid"))
            request_id = headers[i].value;
    }
    if (!port || !vk_str_int64(vk_str_of(port), 1, UINT16_MAX, &number))
        return false;
    ret->port = (uint16_t)number;
    ret->is_data = vk_streq(type, "data");
    if (!ret->is_data && !vk_streq(type, "error"))
        return false;
    if (!vk_str_empty(request_id))
        return vk_strcpy_to(ret->request_id, sizeof(ret->request_id), request_id);
    /* Very old clients name none and open the two streams one behind the other. */
    snprintf(ret->request_id, sizeof(ret->request_id), "%u", ret->is_data ? id - 2 : id);
    return true;
}

static bool on_stream(void *user, uint32_t id, const struct spdy_header *headers, size_t n)
{
    struct port_forward_session *s = user;
    struct stream_request request;
    struct pair *p;

    if (s->has_ended || !read_headers(id, headers, n, &request))
        return false;
    p = find_request(s, request.request_id);
    if (p && (request.is_data ? p->data_id : p->error_id))
        return false;
    if (!p) {
        p = vk_calloc(1, sizeof(*p));
        vk_strcpy_to(p->request_id, sizeof(p->request_id), request.request_id);
        p->since_ms = s->now_ms;
        vk_list_add_tail(&s->pairs, &p->link);
    }
    if (request.is_data) {
        p->data_id = id;
        p->port = request.port;
    } else {
        p->error_id = id;
    }
    return true;
}

static void on_opened(void *user, uint32_t id)
{
    struct port_forward_session *s = user;
    struct pair *p = find_stream(s, id);
    void *owner;

    if (!p || !p->data_id || !p->error_id)
        return;
    p->is_open = true;
    owner = s->events->open(s->user, p->data_id, p->port);
    /* The owner may have failed it just now. */
    p = find_stream(s, id);
    if (!p)
        return;
    p->owner = owner;
    if (p->has_client_ended)
        s->events->eof(s->user, owner);
}

static void on_data(void *user, uint32_t id, struct vk_str piece)
{
    struct port_forward_session *s = user;
    struct pair *p = find_stream(s, id);

    if (!p || p->data_id != id || s->has_ended)
        return;
    if (p->is_open)
        s->events->data(s->user, p->owner, piece);
    else
        fail_pair(s, p, "data came before the error stream");
}

static void on_eof(void *user, uint32_t id)
{
    struct port_forward_session *s = user;
    struct pair *p = find_stream(s, id);

    /* The error stream is ended by the client as soon as it is open. */
    if (!p || p->data_id != id || s->has_ended)
        return;
    p->has_client_ended = true;
    if (p->is_open)
        s->events->eof(s->user, p->owner);
    /* The owner may have ended or failed it just now. */
    p = find_stream(s, id);
    if (p && p->has_pod_ended)
        pair_free(p);
}

static void on_reset(void *user, uint32_t id, uint32_t status)
{
    struct port_forward_session *s = user;
    struct pair *p = find_stream(s, id);

    (void)status;
    if (!p || s->has_ended)
        return;
    if (p->data_id == id) {
        struct pair over = *p;

        pair_free(p);
        spdy_fin(s->spdy, over.error_id);
        if (over.is_open)
            s->events->reset(s->user, over.owner);
    } else if (!p->is_open) {
        fail_pair(s, p, "");
    }
}

static void on_leave(void *user)
{
    struct port_forward_session *s = user;

    if (s->has_ended)
        return;
    s->has_ended = true;
    s->events->gone(s->user);
}

static void on_spdy_send(void *user, struct vk_str bytes)
{
    struct port_forward_session *s = user;

    if (s->is_tunnel)
        websocket_send(&s->ws, WEBSOCKET_BINARY, bytes);
    else
        s->events->send(s->user, bytes);
}

/* ---- the tunnel ---- */

static void on_message(void *user, enum websocket_opcode opcode, struct vk_str piece, bool first,
                       bool last)
{
    struct port_forward_session *s = user;

    (void)opcode;
    (void)first;
    (void)last;
    if (s->tunnel_error.code != VK_OK || s->has_ended)
        return;
    if (spdy_feed(s->spdy, piece, &s->tunnel_error) < 0)
        websocket_close(&s->ws, WEBSOCKET_CLOSE_PROTOCOL, "malformed SPDY");
}

static void on_websocket_closed(void *user, unsigned code)
{
    (void)code;
    on_leave(user);
}

static void on_websocket_send(void *user, struct vk_str bytes)
{
    struct port_forward_session *s = user;

    s->events->send(s->user, bytes);
}

static int feed_tunnel(struct port_forward_session *s, struct vk_str bytes, struct vk_err *err)
{
    char piece[FEED_PIECE]; /* unmasked in place */

    while (bytes.n) {
        size_t n = bytes.n < sizeof(piece) ? bytes.n : sizeof(piece);

        memcpy(piece, bytes.p, n);
        bytes = (struct vk_str){bytes.p + n, bytes.n - n};
        if (websocket_feed(&s->ws, piece, n, err) < 0)
            return -(int)err->code;
        if (s->tunnel_error.code != VK_OK) {
            *err = s->tunnel_error;
            return -(int)err->code;
        }
    }
    return 0;
}

/* ---- for the owner ---- */

struct port_forward_session *
port_forward_session_new(bool is_tunnel, const struct port_forward_events *events, void *user)
{
    static const struct spdy_events spdy = {
        .stream = on_stream,
        .opened = on_opened,
        .data = on_data,
        .eof = on_eof,
        .reset = on_reset,
        .goaway = on_leave,
        .send = on_spdy_send,
    };
    static const struct websocket_events websocket = {
        .message = on_message, .closed = on_websocket_closed, .send = on_websocket_send};
    struct port_forward_session *s = vk_calloc(1, sizeof(*s));

    s->events = events;
    s->user = user;
    s->is_tunnel = is_tunnel;
    vk_list_init(&s->pairs);
    s->spdy = spdy_new(&spdy, s, PORT_FORWARD_MAX_STREAMS);
    websocket_init(&s->ws, &websocket, s);
    return s;
}

void port_forward_session_free(struct port_forward_session *s)
{
    if (!s)
        return;
    VK_LIST_FOREACH(it, &s->pairs)
    pair_free(VK_LIST_ENTRY(it, struct pair, link));
    spdy_free(s->spdy);
    vk_free(s);
}

int port_forward_session_feed(struct port_forward_session *s, struct vk_str bytes, int64_t now_ms,
                              struct vk_err *err)
{
    int result;

    s->now_ms = now_ms;
    result = s->is_tunnel ? feed_tunnel(s, bytes, err) : spdy_feed(s->spdy, bytes, err);
    if (result < 0)
        s->has_ended = true;
    return result;
}

void port_forward_session_expire(struct port_forward_session *s, int64_t now_ms)
{
    VK_LIST_FOREACH(it, &s->pairs)
    {
        struct pair *p = VK_LIST_ENTRY(it, struct pair, link);
        char text[128];

        if (p->is_open || now_ms - p->since_ms < PORT_FORWARD_PAIR_MS)
            continue;
        snprintf(text, sizeof(text), "request %s: timed out waiting for streams", p->request_id);
        fail_pair(s, p, text);
    }
}

void port_forward_send(struct port_forward_session *s, uint32_t id, struct vk_str bytes)
{
    if (find_pair(s, id))
        spdy_send(s->spdy, id, bytes);
}

void port_forward_end(struct port_forward_session *s, uint32_t id)
{
    struct pair *p = find_pair(s, id);
    uint32_t error_id;

    if (!p || p->has_pod_ended)
        return;
    p->has_pod_ended = true;
    error_id = p->error_id;
    spdy_fin(s->spdy, id);
    spdy_fin(s->spdy, error_id);
    if (p->has_client_ended)
        pair_free(p);
}

void port_forward_fail(struct port_forward_session *s, uint32_t id, const char *text)
{
    struct pair *p = find_pair(s, id);

    if (p)
        fail_pair(s, p, text);
}

void port_forward_session_close(struct port_forward_session *s)
{
    s->has_ended = true;
    spdy_goaway(s->spdy);
    if (s->is_tunnel)
        websocket_close(&s->ws, WEBSOCKET_CLOSE_NORMAL, NULL);
}

void port_forward_session_heartbeat(struct port_forward_session *s)
{
    if (s->is_tunnel)
        websocket_pong(&s->ws);
}
