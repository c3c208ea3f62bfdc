/* SPDX-License-Identifier: Apache-2.0 */
/* /portForward/{ns}/{pod}[/{uid}] */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "kubelet/server/client_link.h"
#include "kubelet/server/handlers.h"
#include "kubelet/server/stream_target.h"
#include "kubelet/server/tcp_stream.h"
#include "kubelet/server/upgrade.h"
#include "kubelet/streaming/port_forward_channels.h"

enum { OVER_SPDY, OVER_WEBSOCKET, OVER_CHANNELS, OVER_BASE64_CHANNELS };
static const struct upgrade_protocol protocols[] = {
    {"portforward.k8s.io", false, OVER_SPDY},
    {"SPDY/3.1+portforward.k8s.io", true, OVER_WEBSOCKET},
    {"v4.channel.k8s.io", true, OVER_CHANNELS},
    {"v4.base64.channel.k8s.io", true, OVER_BASE64_CHANNELS},
    {"", true, OVER_CHANNELS},
};

struct port_forward {
    struct vk_loop *loop;
    struct client_link link;
    struct port_forward_session *engine; /* NULL: channels are spoken */
    struct port_forward_channels *channels;
    struct vk_list forwards;
    char address[64]; /* of the pod */
    char *pod, *uid;
    size_t full; /* connections that take nothing now */
    bool is_gone;
};

/* One connection to the pod. */
struct forward {
    struct vk_list link;
    struct port_forward *owner;
    uint32_t id;
    uint16_t port;
    struct tcp_stream *tcp;
    bool is_full;
};

static void set_full(struct forward *f, bool is_full)
{
    struct port_forward *p = f->owner;

    if (f->is_full == is_full)
        return;
    f->is_full = is_full;
    p->full += is_full ? 1 : -(size_t)1;
    /* SPDY as it is spoken here has no window per stream: one slow port stops the session, as it
     * does with the kubelet. */
    client_link_pause(&p->link, p->full > 0);
}

static void forward_free(struct forward *f)
{
    set_full(f, false);
    tcp_stream_free(f->tcp);
    vk_list_remove(&f->link);
    vk_free(f);
}

/* ---- the engine ---- */

static void engine_send(struct port_forward *p, uint32_t id, struct vk_str bytes)
{
    if (p->channels)
        port_forward_channels_send(p->channels, id, bytes);
    else
        port_forward_send(p->engine, id, bytes);
}

static void engine_end(struct port_forward *p, uint32_t id)
{
    if (p->channels)
        port_forward_channels_end(p->channels, id);
    else
        port_forward_end(p->engine, id);
}

static void engine_fail(struct port_forward *p, uint32_t id, const char *text)
{
    if (p->channels)
        port_forward_channels_fail(p->channels, id, text);
    else
        port_forward_fail(p->engine, id, text);
}

static int engine_feed(struct port_forward *p, struct vk_str bytes, struct vk_err *err)
{
    return p->channels ? port_forward_channels_feed(p->channels, bytes, err)
                       : port_forward_session_feed(p->engine, bytes, vk_mono_ms(), err);
}

/* ---- the pod's side ---- */

/* Over channels the last connection of the pod ends the session, too. */
static void end_if_gone(struct port_forward *p)
{
    if (p->is_gone)
        client_link_end(&p->link);
}

static void on_pod_data(void *user, struct vk_str bytes)
{
    struct forward *f = user;

    engine_send(f->owner, f->id, bytes);
    if (client_link_is_full(&f->owner->link))
        tcp_stream_pause(f->tcp, true);
}

static void on_pod_eof(void *user)
{
    struct forward *f = user;

    engine_end(f->owner, f->id);
    end_if_gone(f->owner);
}

static void on_pod_drained(void *user)
{
    set_full(user, false);
}

static void on_pod_finished(void *user)
{
    forward_free(user);
}

static void on_pod_failed(void *user, bool was_connected, const struct vk_err *err)
{
    struct forward *f = user;
    struct port_forward *p = f->owner;
    char text[640] = "";

    /* A text makes kubectl end all that it forwards: for a connection that stood, the reset alone
     * is the truth. */
    if (!was_connected)
        snprintf(text, sizeof(text), "error forwarding port %u to pod %s, uid %s: %s", f->port,
                 p->pod, p->uid, err->msg);
    log_v(2, "Forwarded connection failed", LS("pod", p->pod), LI("port", f->port), LERR(err));
    engine_fail(p, f->id, text);
    forward_free(f);
    end_if_gone(p);
}

static const struct tcp_stream_events tcp_events = {
    .data = on_pod_data,
    .eof = on_pod_eof,
    .drained = on_pod_drained,
    .finished = on_pod_finished,
    .failed = on_pod_failed,
};

/* ---- the client's side ---- */

static void *on_open(void *user, uint32_t id, uint16_t port)
{
    struct port_forward *p = user;
    struct forward *f = vk_calloc(1, sizeof(*f));

    f->owner = p;
    f->id = id;
    f->port = port;
    vk_list_add_tail(&p->forwards, &f->link);
    f->tcp = tcp_stream_new(p->loop, p->address, port, &tcp_events, f);
    return f;
}

static void on_client_data(void *user, void *pair, struct vk_str bytes)
{
    struct forward *f = pair;

    (void)user;
    tcp_stream_write(f->tcp, bytes);
    set_full(f, tcp_stream_is_full(f->tcp));
}

static void on_client_eof(void *user, void *pair)
{
    struct forward *f = pair;

    (void)user;
    tcp_stream_end(f->tcp);
}

static void on_client_reset(void *user, void *pair)
{
    (void)user;
    forward_free(pair);
}

static void on_engine_gone(void *user)
{
    struct port_forward *p = user;

    p->is_gone = true;
}

static void on_send(void *user, struct vk_str bytes)
{
    struct port_forward *p = user;

    client_link_send(&p->link, bytes);
}

static const struct port_forward_events engine_events = {
    .open = on_open,
    .data = on_client_data,
    .eof = on_client_eof,
    .reset = on_client_reset,
    .gone = on_engine_gone,
    .send = on_send,
};

/* ---- the connection ---- */

static void free_forwards(struct port_forward *p)
{
    VK_LIST_FOREACH(it, &p->forwards)
    forward_free(VK_LIST_ENTRY(it, struct forward, link));
}

static void on_data(void *user, struct vk_str bytes)
{
    struct port_forward *p = user;
    struct vk_err err;

    if (engine_feed(p, bytes, &err) < 0) {
        log_v(2, "Port-forward ended by a protocol error", LS("pod", p->pod), LERR(&err));
        p->is_gone = true;
    }
    if (!p->is_gone)
        return;
    free_forwards(p);
    client_link_end(&p->link);
}

static void on_drained(void *user)
{
    struct port_forward *p = user;

    VK_LIST_FOREACH(it, &p->forwards)
    tcp_stream_pause(VK_LIST_ENTRY(it, struct forward, link)->tcp, false);
}

static void on_tick(void *user)
{
    struct port_forward *p = user;

    if (p->engine)
        port_forward_session_expire(p->engine, vk_mono_ms());
}

static void on_heartbeat(void *user)
{
    struct port_forward *p = user;

    if (p->channels)
        port_forward_channels_heartbeat(p->channels);
    else
        port_forward_session_heartbeat(p->engine);
}

static void on_gone(void *user)
{
    free_forwards(user);
}

static void on_closed(void *user)
{
    struct port_forward *p = user;

    free_forwards(p);
    port_forward_session_free(p->engine);
    port_forward_channels_free(p->channels);
    vk_free(p->pod);
    vk_free(p->uid);
    vk_free(p);
}

static const struct client_link_events link_events = {
    .data = on_data,
    .drained = on_drained,
    .tick = on_tick,
    .heartbeat = on_heartbeat,
    .gone = on_gone,
    .closed = on_closed,
};

static struct port_forward *port_forward_new(struct vk_loop *loop,
                                             const struct stream_target *target, int protocol,
                                             const struct port_forward_ports *ports)
{
    struct port_forward *p = vk_calloc(1, sizeof(*p));

    p->loop = loop;
    vk_list_init(&p->forwards);
    vk_strcpy_to(p->address, sizeof(p->address), target->pod_ip);
    p->pod = vk_strdup(target->id.name);
    p->uid = vk_strdup(target->id.uid);
    if (protocol == OVER_CHANNELS || protocol == OVER_BASE64_CHANNELS)
        p->channels =
            port_forward_channels_new(protocol == OVER_BASE64_CHANNELS, ports, &engine_events, p);
    else
        p->engine = port_forward_session_new(protocol == OVER_WEBSOCKET, &engine_events, p);
    client_link_init(&p->link, loop, &link_events, p);
    return p;
}

void handle_port_forward(const struct handler_context *c, struct http_exchange *x,
                         const struct route_params *params)
{
    struct port_forward_ports ports = {.n = 0};
    struct stream_target target;
    struct port_forward *p;
    struct upgrade upgrade;
    struct vk_err err;

    if (stream_target_pod(c, params, &target, &err) < 0) {
        handler_reply_error(x, &err, 500);
        return;
    }
    if (!upgrade_negotiate(x, protocols, VK_COUNT(protocols), &upgrade))
        return;
    if (upgrade.protocol->value >= OVER_CHANNELS &&
        port_forward_ports_read(http_exchange_head(x)->query, http_exchange_arena(x), &ports,
                                &err) < 0) {
        handler_reply_error(x, &err, 400);
        return;
    }
    p = port_forward_new(c->loop, &target, upgrade.protocol->value, &ports);
    client_link_open(&p->link, upgrade_accept(x, &upgrade, &client_link_conn_events, &p->link),
                     c->port_forwards);
    if (p->channels)
        port_forward_channels_open(p->channels);
}
