/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/exec_stream.h"

#include <libwebsockets.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/tcp_silence.h"
#include "base/tls_address.h"
#include "base/url.h"

#define IDLE_MS (4ll * 60 * 60 * 1000)
#define CONNECT_MS 30000
#define CLOSE_MS 5000
/* Azure's load balancers forget a connection after four silent minutes. */
#define PING_MS 60000
#define ADDRESSES_MAX 8
/* What libwebsockets keeps a name in. */
#define HOST_MAX 120
/* Messages in one turn of the loop: others want their turn, too. */
#define MESSAGES_PER_TURN 64
#define PROTOCOL "aci-exec"

struct exec_streams {
    struct vk_loop *loop;
    struct resolver *resolver;
    struct lws_vhost *vhost; /* NULL: the trust anchors can't be read */
    char *ca_file;
    size_t message_max;
    int64_t idle_ms, connect_ms, silence_ms;
    struct vk_list list;
    size_t count;
};

struct exec_stream {
    struct vk_list link;
    struct exec_streams *owner;
    enum exec_stream_kind kind;
    const struct exec_stream_events *events; /* NULL: closed by its user, sends what waits */
    void *user;
    char *host, *host_port, *path;
    int port;
    struct vk_secret password;
    struct resolver_query *query;
    char *addresses[ADDRESSES_MAX];
    size_t address_count, next_address;
    struct lws *wsi;
    bool is_open, is_paused, wants_room, wants_ping;
    int64_t last_traffic_mono_ms, connect_until_mono_ms;
    struct vk_buf out;
    struct vk_timer timer; /* next address, deadline of the connection, pings and idling, closing */
    struct tcp_silence silence;
    struct vk_err err;   /* why the last address failed */
    unsigned close_code; /* of the peer; 0: none yet */
};

static void connect_next(struct exec_stream *s);

/* --- end --- */

static void stream_free(struct exec_stream *s)
{
    vk_list_remove(&s->link);
    s->owner->count--;
    if (s->query)
        resolver_cancel(s->query);
    if (s->wsi) {
        lws_set_opaque_user_data(s->wsi, NULL);
        lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    }
    vk_timer_disarm(&s->timer);
    tcp_silence_stop(&s->silence);
    for (size_t i = 0; i < s->address_count; i++)
        vk_free(s->addresses[i]);
    vk_secret_release(&s->password);
    vk_buf_release_secret(&s->out);
    vk_free(s->host);
    vk_free(s->host_port);
    vk_free(s->path);
    vk_free(s);
}

static void end(struct exec_stream *s, const struct vk_err *err)
{
    const struct exec_stream_events *events = s->events;
    void *user = s->user;
    struct vk_err why;

    if (err) {
        why = *err;
        log_v(2, "Stream of ACI ended", LS("host", s->host_port), LERR(err));
    }
    stream_free(s);
    if (events)
        events->closed(user, err ? &why : NULL);
}

static void fail(struct exec_stream *s, enum vk_code code, const char *what)
{
    struct vk_err err;

    (void)vk_err_set(&err, code, "the stream to %s %s", s->host_port ? s->host_port : "ACI", what);
    end(s, &err);
}

void exec_stream_cancel(struct exec_stream *s)
{
    if (s)
        stream_free(s);
}

void exec_stream_close(struct exec_stream *s)
{
    if (!s)
        return;
    if (!s->is_open) {
        stream_free(s);
        return;
    }
    s->events = NULL;
    exec_stream_pause(s, false);
    vk_timer_arm(&s->timer, CLOSE_MS);
    lws_callback_on_writable(s->wsi);
}

/* --- both directions --- */

size_t exec_stream_send(struct exec_stream *s, struct vk_str bytes)
{
    const size_t room = EXEC_STREAM_QUEUE_MAX - vk_buf_len(&s->out);
    const size_t n = bytes.n < room ? bytes.n : room;

    if (s->kind != EXEC_STREAM_EXEC)
        return 0;
    vk_buf_add(&s->out, bytes.p, n);
    s->wants_room = s->wants_room || n < bytes.n;
    if (s->is_open && n)
        lws_callback_on_writable(s->wsi);
    return n;
}

void exec_stream_pause(struct exec_stream *s, bool paused)
{
    if (s->is_paused == paused)
        return;
    s->is_paused = paused;
    if (s->is_open)
        lws_rx_flow_control(s->wsi, !paused);
}

static bool write_message(struct exec_stream *s, struct vk_str bytes,
                          enum lws_write_protocol protocol)
{
    unsigned char message[LWS_PRE + EXEC_STREAM_MESSAGE_MAX];
    int sent;

    memcpy(message + LWS_PRE, bytes.p, bytes.n);
    sent = lws_write(s->wsi, message + LWS_PRE, bytes.n, protocol);
    vk_wipe(message, LWS_PRE + bytes.n);
    return sent >= (int)bytes.n;
}

/* False: the connection is lost. */
static bool send_some(struct exec_stream *s)
{
    if (s->kind == EXEC_STREAM_EXEC && !vk_secret_is_empty(&s->password)) {
        const bool is_sent = write_message(s, vk_secret_reveal(&s->password), LWS_WRITE_TEXT);

        vk_secret_release(&s->password);
        if (!is_sent)
            return false;
    }
    for (int i = 0; i < MESSAGES_PER_TURN && vk_buf_len(&s->out); i++) {
        struct vk_str piece = vk_buf_str(&s->out);

        if (lws_send_pipe_choked(s->wsi))
            break;
        piece.n = piece.n < s->owner->message_max ? piece.n : s->owner->message_max;
        if (!write_message(s, piece, LWS_WRITE_BINARY))
            return false;
        vk_buf_consume(&s->out, piece.n);
        s->last_traffic_mono_ms = vk_mono_ms();
    }
    if (s->wants_ping && !lws_send_pipe_choked(s->wsi)) {
        s->wants_ping = false;
        if (!write_message(s, VK_STR(""), LWS_WRITE_PING))
            return false;
    }
    if (vk_buf_len(&s->out) || s->wants_ping)
        lws_callback_on_writable(s->wsi);
    return true;
}

/* As the callback of libwebsockets: non-zero closes. */
static int on_writable(struct exec_stream *s)
{
    if (!s->is_open)
        return 0;
    if (!send_some(s))
        return -1;
    if (!s->events && !vk_buf_len(&s->out) && !lws_partial_buffered(s->wsi)) {
        lws_close_reason(s->wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
        lws_set_opaque_user_data(s->wsi, NULL);
        s->wsi = NULL;
        stream_free(s);
        return -1;
    }
    if (s->events && s->wants_room && vk_buf_len(&s->out) <= EXEC_STREAM_QUEUE_MAX / 2) {
        s->wants_room = false;
        if (s->events->drained)
            s->events->drained(s->user);
    }
    return 0;
}

static void on_silence(void *user)
{
    struct exec_stream *s = user;

    if (s->events)
        fail(s, VK_UNAVAILABLE, "was lost: its host answers no more");
    else
        stream_free(s);
}

static void on_open(struct exec_stream *s)
{
    s->is_open = true;
    tcp_silence_start(&s->silence, s->owner->loop, lws_get_socket_fd(s->wsi), s->owner->silence_ms,
                      on_silence, s);
    s->last_traffic_mono_ms = vk_mono_ms();
    vk_timer_arm(&s->timer, s->owner->idle_ms < PING_MS ? s->owner->idle_ms : PING_MS);
    if (s->is_paused)
        lws_rx_flow_control(s->wsi, 0);
    if (s->kind == EXEC_STREAM_ATTACH)
        vk_secret_release(&s->password);
    lws_callback_on_writable(s->wsi);
    if (s->events->opened)
        s->events->opened(s->user);
}

static void on_received(struct exec_stream *s, struct vk_str bytes)
{
    s->last_traffic_mono_ms = vk_mono_ms();
    if (s->events && bytes.n)
        s->events->received(s->user, bytes);
}

/* --- what libwebsockets says --- */

static void on_closed(struct exec_stream *s)
{
    s->wsi = NULL;
    if (s->close_code == LWS_CLOSE_STATUS_NORMAL) {
        end(s, NULL);
        return;
    }
    if (s->close_code == LWS_CLOSE_STATUS_POLICY_VIOLATION)
        (void)vk_err_set(&s->err, VK_UNAUTHENTICATED, "%s closed the stream with 1008",
                         s->host_port);
    else if (s->close_code)
        (void)vk_err_set(&s->err, VK_UNAVAILABLE, "%s closed the stream with %u", s->host_port,
                         s->close_code);
    else
        (void)vk_err_set(&s->err, VK_UNAVAILABLE, "the stream to %s was lost", s->host_port);
    end(s, &s->err);
}

/* A refusal is the host's, whatever its address; else the next address may do. */
static void on_connect_failed(struct exec_stream *s, struct lws *wsi, const char *text)
{
    const int status = (int)lws_http_client_http_response(wsi);

    s->wsi = NULL;
    if (status >= 400) {
        (void)vk_err_set(&s->err, vk_code_of_http(status), "%s refused the stream: HTTP %d",
                         s->host_port, status);
        s->err.http_status = status;
        s->next_address = s->address_count;
    } else if (s->err.code == VK_OK) {
        (void)vk_err_set(&s->err, VK_UNAVAILABLE, "can't open the stream to %s: %s", s->host_port,
                         text ? text : "no connection");
    }
    /* From the loop, since this may be said from inside the start of the connection. */
    vk_timer_arm(&s->timer, 0);
}

static int on_handshake(struct exec_stream *s, struct lws *wsi, unsigned char **at, size_t room)
{
    const struct vk_str password = vk_secret_reveal(&s->password);

    if (tls_is_address(s->host) && !tls_peer_has_address(lws_get_ssl(wsi), s->host)) {
        (void)vk_err_set(&s->err, VK_UNAVAILABLE, "the certificate of %s is not for this address",
                         s->host_port);
        return -1;
    }
    if (s->kind == EXEC_STREAM_EXEC)
        return 0;
    return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
                                        (const unsigned char *)password.p, (int)password.n, at,
                                        *at + room);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *unused, void *in,
                  size_t len)
{
    struct exec_stream *s = wsi ? lws_get_opaque_user_data(wsi) : NULL;

    (void)unused;
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (s)
            on_connect_failed(s, wsi, in);
        return 0;
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return s ? on_handshake(s, wsi, in, len) : -1;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        if (s)
            on_open(s);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (s && on_writable(s) < 0)
            return -1;
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (s)
            on_received(s, (struct vk_str){.p = in, .n = len});
        break;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        if (s)
            s->close_code =
                len >= 2 ? (unsigned)((uint8_t *)in)[0] << 8 | ((uint8_t *)in)[1] : 1005;
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (s)
            on_closed(s);
        return 0;
    default:
        return 0;
    }
    /* Its user may have left from inside an event. */
    return lws_get_opaque_user_data(wsi) ? 0 : -1;
}

/* --- the connection --- */

static void connect_next(struct exec_stream *s)
{
    struct lws_client_connect_info info = {
        .context = vk_loop_lws(s->owner->loop),
        .vhost = s->owner->vhost,
        .port = s->port,
        .path = s->path,
        .host = s->host_port,
        .origin = s->host,
        .ssl_connection = LCCSCF_USE_SSL,
        .local_protocol_name = PROTOCOL,
        .alpn = "http/1.1",
        .opaque_user_data = s,
    };
    struct lws *wsi;

    if (s->next_address == s->address_count) {
        end(s, &s->err);
        return;
    }
    s->err = (struct vk_err){0};
    info.address = s->addresses[s->next_address++];
    /* The library compares names only; see on_handshake. */
    if (tls_is_address(s->host))
        info.ssl_connection |= LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
    vk_timer_arm(&s->timer, s->connect_until_mono_ms - vk_mono_ms());
    wsi = lws_client_connect_via_info(&info);
    if (wsi) {
        s->wsi = wsi;
    } else if (s->err.code == VK_OK) {
        (void)vk_err_set(&s->err, VK_UNAVAILABLE, "can't connect to %s", s->host_port);
        vk_timer_arm(&s->timer, 0);
    }
}

static void on_resolved(void *user, const char *const *addresses, size_t count,
                        const struct vk_err *err)
{
    struct exec_stream *s = user;

    s->query = NULL;
    if (err) {
        s->err = *err;
        s->err.code = VK_UNAVAILABLE;
        end(s, &s->err);
        return;
    }
    for (size_t i = 0; i < count && i < ADDRESSES_MAX; i++)
        s->addresses[s->address_count++] = vk_strdup(addresses[i]);
    connect_next(s);
}

static void on_timer(void *user)
{
    struct exec_stream *s = user;

    if (s->err.code != VK_OK && !s->wsi && !s->query) {
        connect_next(s);
    } else if (!s->is_open) {
        fail(s, VK_TIMEOUT, "was not open in time");
    } else if (!s->events) {
        stream_free(s);
    } else if (vk_mono_ms() - s->last_traffic_mono_ms >= s->owner->idle_ms) {
        fail(s, VK_TIMEOUT, "was idle for too long");
    } else {
        s->wants_ping = true;
        lws_callback_on_writable(s->wsi);
        vk_timer_arm(&s->timer, PING_MS);
    }
}

/* What goes into a header must not end it. */
static bool is_printable(struct vk_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return false;
    }
    return true;
}

static int read_uri(struct exec_stream *s, const char *uri, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct url url;

    if (!is_printable(vk_str_of(uri)) || strlen(uri) > EXEC_URI_MAX ||
        url_parse(uri, arena, &url, err) < 0 || !vk_streq(url.scheme, "wss") ||
        strlen(url.host) > HOST_MAX)
        return vk_err_set(err, VK_PROTOCOL, "ACI named no usable address of a stream");
    s->host = vk_strdup(url.host);
    s->host_port = vk_asprintf(strchr(url.host, ':') ? "[%s]:%d" : "%s:%d", url.host, url.port);
    s->port = url.port;
    s->path = vk_asprintf("%s%s%s", url.path, *url.query ? "?" : "", url.query);
    return 0;
}

static int prepare(struct exec_stream *s, const struct exec_endpoint *endpoint, struct vk_err *err)
{
    if (read_uri(s, endpoint->uri, err) < 0)
        return -(int)err->code;
    if (endpoint->password.n > EXEC_PASSWORD_MAX ||
        (s->kind == EXEC_STREAM_ATTACH && !is_printable(endpoint->password)))
        return vk_err_set(err, VK_PROTOCOL, "ACI gave no usable password for a stream");
    if (!s->owner->vhost)
        return vk_err_set(err, VK_UNAVAILABLE, "the trust anchors in %s can't be read",
                          s->owner->ca_file ? s->owner->ca_file : "the system's store");
    if (s->owner->count > EXEC_STREAMS_MAX)
        return vk_err_set(err, VK_UNAVAILABLE, "%d streams to ACI are open already",
                          EXEC_STREAMS_MAX);
    return 0;
}

struct exec_stream *exec_stream_open(struct exec_streams *streams, enum exec_stream_kind kind,
                                     const struct exec_endpoint *endpoint,
                                     const struct exec_stream_events *events, void *user)
{
    struct exec_stream *s = vk_calloc(1, sizeof(*s));

    s->owner = streams;
    s->kind = kind;
    s->events = events;
    s->user = user;
    vk_buf_init_secret(&s->out, EXEC_STREAM_QUEUE_MAX);
    vk_timer_init(&s->timer, streams->loop, "stream of ACI", on_timer, s);
    vk_list_init(&s->link);
    vk_list_add_tail(&streams->list, &s->link);
    streams->count++;
    if (prepare(s, endpoint, &s->err) < 0) {
        /* There is no address: this ends it from the loop. */
        vk_timer_arm(&s->timer, 0);
        return s;
    }
    vk_secret_set(&s->password, endpoint->password.p, endpoint->password.n);
    s->connect_until_mono_ms = vk_mono_ms() + streams->connect_ms;
    vk_timer_arm(&s->timer, streams->connect_ms);
    s->query = resolver_lookup(streams->resolver, s->host, on_resolved, s);
    return s;
}

/* --- all streams --- */

struct exec_streams *exec_streams_new(struct vk_loop *loop,
                                      const struct exec_streams_config *config)
{
    static const struct lws_protocols protocols[] = {
        {.name = PROTOCOL, .callback = on_lws, .rx_buffer_size = EXEC_STREAM_MESSAGE_MAX},
        {.name = NULL}};
    /* No keep-alive of the library's: it hangs up on a peer whose answer a pause keeps from us. */
    static const lws_retry_bo_t no_retry = {0};
    struct exec_streams *streams = vk_calloc(1, sizeof(*streams));
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .vhost_name = PROTOCOL,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .retry_and_idle_policy = &no_retry,
        .http_proxy_address = "",
        .ka_time = 15,
        .ka_probes = 3,
        .ka_interval = 5,
        .client_ssl_ca_filepath = config->ca_file,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                   (config->ca_file ? LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS : 0),
    };

    streams->loop = loop;
    streams->resolver = config->resolver;
    streams->ca_file = config->ca_file ? vk_strdup(config->ca_file) : NULL;
    streams->message_max = config->message_max ? config->message_max : EXEC_STREAM_MESSAGE_SAFE;
    if (streams->message_max > EXEC_STREAM_MESSAGE_MAX)
        streams->message_max = EXEC_STREAM_MESSAGE_MAX;
    streams->idle_ms = config->idle_ms ? config->idle_ms : IDLE_MS;
    streams->silence_ms = config->silence_ms ? config->silence_ms : TCP_SILENCE_MS;
    streams->connect_ms = config->connect_ms ? config->connect_ms : CONNECT_MS;
    vk_list_init(&streams->list);
    streams->vhost = lws_create_vhost(vk_loop_lws(loop), &info);
    return streams;
}

void exec_streams_free(struct exec_streams *streams)
{
    if (!streams)
        return;
    VK_LIST_FOREACH(it, &streams->list)
    {
        stream_free(VK_LIST_ENTRY(it, struct exec_stream, link));
    }
    if (streams->vhost)
        lws_vhost_destroy(streams->vhost);
    vk_free(streams->ca_file);
    vk_free(streams);
}

size_t exec_streams_len(const struct exec_streams *streams)
{
    return streams->count;
}
