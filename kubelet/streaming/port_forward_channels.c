/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/streaming/port_forward_channels.h"

#include <string.h>

#include "base/alloc.h"
#include "base/url.h"
#include "kubelet/streaming/channels.h"

struct channel_pair {
    uint16_t port;
    bool is_over;
    void *owner;
};

struct port_forward_channels {
    const struct port_forward_events *events;
    void *user;
    struct channels channels;
    struct channel_pair pairs[PORT_FORWARD_CHANNEL_PORTS];
    size_t n, over;
    bool has_ended;
};

/* ---- the query ---- */

static int read_list(struct vk_str list, struct port_forward_ports *ports, struct vk_err *err)
{
    bool has_more;

    do {
        has_more = list.n && memchr(list.p, ',', list.n);
        const struct vk_str text = vk_str_cut(list, ',', &list);
        int64_t port;

        if (!vk_str_int64(text, 1, UINT16_MAX, &port))
            return vk_err_set(err, VK_INVALID, "unable to parse \"%.*s\" as a port",
                              (int)(text.n < 32 ? text.n : 32), text.p);
        if (ports->n == PORT_FORWARD_CHANNEL_PORTS)
            return vk_err_set(err, VK_INVALID, "more than %d ports in one session",
                              PORT_FORWARD_CHANNEL_PORTS);
        ports->v[ports->n++] = (uint16_t)port;
    } while (has_more);
    return 0;
}

int port_forward_ports_read(const char *query, struct vk_arena *arena,
                            struct port_forward_ports *ret, struct vk_err *err)
{
    struct port_forward_ports ports = {.n = 0};
    const char *list;

    for (size_t i = 0; (list = url_query_get(query, "port", i, arena)) != NULL; i++) {
        if (read_list(vk_str_of(list), &ports, err) < 0)
            return -(int)err->code;
    }
    if (!ports.n)
        return vk_err_set(err, VK_INVALID, "query parameter \"port\" is required");
    *ret = ports;
    return 0;
}

/* ---- pairs ---- */

/* NULL: over, or none. */
static struct channel_pair *find(struct port_forward_channels *s, uint32_t id)
{
    if (s->has_ended || !id || id > s->n || s->pairs[id - 1].is_over)
        return NULL;
    return &s->pairs[id - 1];
}

static void leave(struct port_forward_channels *s)
{
    if (s->has_ended)
        return;
    s->has_ended = true;
    s->events->gone(s->user);
}

static void pair_over(struct port_forward_channels *s, struct channel_pair *p)
{
    p->is_over = true;
    if (++s->over < s->n)
        return;
    channels_close(&s->channels, WEBSOCKET_CLOSE_NORMAL, NULL);
    leave(s);
}

/* ---- the client ---- */

static void on_data(void *user, unsigned channel, struct vk_str piece)
{
    struct port_forward_channels *s = user;
    const struct channel_pair *p = channel % 2 ? NULL : find(s, channel / 2 + 1);

    if (p && piece.n)
        s->events->data(s->user, p->owner, piece);
}

/* Not in this version of the protocol. */
static void on_end(void *user, unsigned channel)
{
    (void)user;
    (void)channel;
}

static void on_closed(void *user)
{
    leave(user);
}

static void on_send(void *user, struct vk_str bytes)
{
    struct port_forward_channels *s = user;

    s->events->send(s->user, bytes);
}

/* ---- for the owner ---- */

struct port_forward_channels *port_forward_channels_new(bool is_base64,
                                                        const struct port_forward_ports *ports,
                                                        const struct port_forward_events *events,
                                                        void *user)
{
    static const struct channels_events channels = {
        .data = on_data, .end = on_end, .closed = on_closed, .send = on_send};
    struct port_forward_channels *s = vk_calloc(1, sizeof(*s));

    s->events = events;
    s->user = user;
    s->n = ports->n;
    for (size_t i = 0; i < s->n; i++)
        s->pairs[i].port = ports->v[i];
    channels_init(&s->channels, is_base64, false, &channels, s);
    return s;
}

void port_forward_channels_free(struct port_forward_channels *s)
{
    vk_free(s);
}

void port_forward_channels_open(struct port_forward_channels *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        const char port[] = {(char)(s->pairs[i].port & 0xff), (char)(s->pairs[i].port >> 8)};

        channels_send(&s->channels, 2 * i, (struct vk_str){port, sizeof(port)});
        channels_send(&s->channels, 2 * i + 1, (struct vk_str){port, sizeof(port)});
    }
    for (unsigned i = 0; i < s->n && !s->has_ended; i++)
        s->pairs[i].owner = s->events->open(s->user, i + 1, s->pairs[i].port);
}

int port_forward_channels_feed(struct port_forward_channels *s, struct vk_str bytes,
                               struct vk_err *err)
{
    const int result = channels_feed(&s->channels, bytes, err);

    if (result < 0)
        s->has_ended = true;
    return result;
}

void port_forward_channels_send(struct port_forward_channels *s, uint32_t id, struct vk_str bytes)
{
    if (find(s, id) && bytes.n)
        channels_send(&s->channels, 2 * (id - 1), bytes);
}

void port_forward_channels_end(struct port_forward_channels *s, uint32_t id)
{
    struct channel_pair *p = find(s, id);

    if (!p)
        return;
    /* Nobody could tell the client that only one direction is over. */
    s->events->eof(s->user, p->owner);
    pair_over(s, p);
}

void port_forward_channels_fail(struct port_forward_channels *s, uint32_t id, const char *text)
{
    struct channel_pair *p = find(s, id);

    if (!p)
        return;
    if (*text)
        channels_send(&s->channels, 2 * (id - 1) + 1, vk_str_of(text));
    pair_over(s, p);
}

void port_forward_channels_close(struct port_forward_channels *s)
{
    s->has_ended = true;
    channels_close(&s->channels, WEBSOCKET_CLOSE_NORMAL, NULL);
}

void port_forward_channels_heartbeat(struct port_forward_channels *s)
{
    channels_heartbeat(&s->channels);
}
