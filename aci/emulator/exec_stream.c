/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/exec_stream.h"

#include <string.h>

#include "aci/emulator/arm_error.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/websocket.h"

#define PASSWORD_MAX 1024
#define PASSWORD_DEADLINE_MS 30000
/* From our close frame to the peer's: it may have much to read before. */
#define CLOSE_DEADLINE_MS 60000
/* Finds out that a peer is gone that we only send nothing to. */
#define PING_MS 30000
/* A follower that falls this far behind is cut off: the container never waits for it. */
#define BEHIND_MAX ((size_t)6 << 20)
#define LOG_MAX (16 * 1024 * 1024)
#define PIECE_MAX ((size_t)16384)

struct exec_stream {
    struct vk_list link; /* of emulator->streams */
    struct emulator *emulator;
    struct stream_session *session; /* owned */
    struct tls_conn *conn;
    struct websocket ws;
    enum {
        STREAM_LOCKED,
        STREAM_OPEN,
        STREAM_CLOSING, /* our close frame is sent, the peer's awaited */
        STREAM_CLOSED,
    } state;
    struct vk_buf password;
    size_t message_bytes; /* of the message being read, up to the input limit */
    struct engine_exec *exec;
    struct engine_log_follow *follow;
    struct vk_timer timer; /* deadline of the password, pings, deadline of the peer's close */
};

static void detach(struct exec_stream *s)
{
    struct engine *e = s->emulator->engine;

    if (s->exec)
        e->ops->exec_close(e, vk_take(s->exec));
    if (s->follow)
        e->ops->log_unfollow(e, vk_take(s->follow));
    vk_timer_disarm(&s->timer);
}

static void hang_up(struct exec_stream *s)
{
    s->state = STREAM_CLOSED;
    detach(s);
    tls_conn_close(s->conn);
}

/*
 * The connection stays until the peer has read up to the close frame and answered it (RFC 6455
 * 7.1.1): ending it at once could cost a slow reader the last output.
 */
static void finish(struct exec_stream *s, unsigned code, const char *reason)
{
    if (s->state >= STREAM_CLOSING)
        return;
    log_v(2, "Stream ends", LS("session", s->session->id), LI("code", code), LS("reason", reason));
    s->state = STREAM_CLOSING;
    detach(s);
    websocket_close(&s->ws, code, reason);
    tls_conn_pause(s->conn, false);
    vk_timer_arm(&s->timer, CLOSE_DEADLINE_MS);
}

static void send_output(struct exec_stream *s, struct vk_str bytes)
{
    while (bytes.n) {
        struct vk_str piece = {.p = bytes.p, .n = bytes.n < PIECE_MAX ? bytes.n : PIECE_MAX};

        websocket_send(&s->ws, WEBSOCKET_BINARY, piece);
        bytes.p += piece.n;
        bytes.n -= piece.n;
    }
}

/* The group's container as it runs now, or NULL: the session may be older than its group. */
static struct group *find_group(const struct exec_stream *s)
{
    struct group *g =
        groups_find_uid(s->emulator->groups, s->session->group_key, s->session->group_uid);

    return g && g->sandbox && group_container(g, s->session->container) ? g : NULL;
}

/* --- exec --- */

static void on_started(void *user, const struct vk_err *err)
{
    struct exec_stream *s = user;

    if (!err) {
        websocket_send(&s->ws, WEBSOCKET_BINARY, VK_STR(""));
        return;
    }
    /* The runtime's words stand on the screen; what the service closes with is not known. */
    send_output(s, vk_str_of(err->msg));
    send_output(s, VK_STR("\r\n"));
    finish(s, WEBSOCKET_CLOSE_NORMAL, "");
}

static void on_output(void *user, struct vk_str bytes)
{
    struct exec_stream *s = user;

    send_output(s, bytes);
    if (tls_conn_is_full(s->conn))
        s->emulator->engine->ops->exec_pause(s->emulator->engine, s->exec, true);
}

static void on_input_drained(void *user)
{
    struct exec_stream *s = user;

    tls_conn_pause(s->conn, false);
}

static void on_ended(void *user)
{
    finish(user, WEBSOCKET_CLOSE_NORMAL, "");
}

static void begin_exec(struct exec_stream *s)
{
    static const struct engine_exec_events events = {
        .started = on_started, .output = on_output, .drained = on_input_drained, .ended = on_ended};
    struct engine *e = s->emulator->engine;
    const struct group *g = find_group(s);
    const struct engine_exec_spec spec = {.container = s->session->container,
                                          .program = s->session->program,
                                          .rows = s->session->rows,
                                          .cols = s->session->cols};

    if (g)
        s->exec = e->ops->exec_start(e, g->sandbox, &spec, &events, s);
    else
        finish(s, WEBSOCKET_CLOSE_INTERNAL, "the container does not run any more");
}

/* Of one message only the first bytes arrive where the option says so. */
static void take_input(struct exec_stream *s, struct vk_str piece, bool first)
{
    size_t limit = (size_t)s->emulator->options->exec_input_limit;
    struct engine *e = s->emulator->engine;

    if (first)
        s->message_bytes = 0;
    if (limit) {
        size_t room = limit - s->message_bytes;

        piece.n = piece.n < room ? piece.n : room;
        s->message_bytes += piece.n;
    }
    if (piece.n && !e->ops->exec_write(e, s->exec, piece))
        tls_conn_pause(s->conn, true);
}

/* --- attach --- */

static void on_log(void *user, struct vk_str bytes)
{
    struct exec_stream *s = user;

    send_output(s, bytes);
    if (tls_conn_queued(s->conn) > BEHIND_MAX)
        finish(s, WEBSOCKET_CLOSE_INTERNAL, "the reader is too slow");
}

static void replay(struct exec_stream *s, struct engine_sandbox *sandbox)
{
    struct engine *e = s->emulator->engine;
    struct vk_buf log VK_BUF_AUTO;
    struct vk_err none;

    vk_buf_init(&log, LOG_MAX);
    if (e->ops->container_logs(e, sandbox, s->session->container, -1, false, &log, &none) == 0)
        send_output(s, vk_buf_str(&log));
}

static void begin_log(struct exec_stream *s)
{
    struct engine *e = s->emulator->engine;
    const struct group *g = find_group(s);

    if (g && s->emulator->attach_replays)
        replay(s, g->sandbox);
    if (g)
        s->follow = e->ops->log_follow(e, g->sandbox, s->session->container, on_log, on_ended, s);
    if (!s->follow)
        finish(s, WEBSOCKET_CLOSE_NORMAL, "");
}

/* --- the connection --- */

static void on_timer(void *user)
{
    struct exec_stream *s = user;

    if (s->state == STREAM_LOCKED) {
        finish(s, WEBSOCKET_CLOSE_POLICY, "no password came");
    } else if (s->state == STREAM_OPEN) {
        websocket_ping(&s->ws);
        vk_timer_arm(&s->timer, PING_MS);
    } else {
        hang_up(s);
    }
}

static void open_stream(struct exec_stream *s)
{
    s->state = STREAM_OPEN;
    vk_timer_arm(&s->timer, PING_MS);
    if (s->session->kind == STREAM_EXEC)
        begin_exec(s);
    else
        begin_log(s);
}

static void take_password(struct exec_stream *s, enum websocket_opcode opcode, struct vk_str piece,
                          bool last)
{
    vk_buf_addstr(&s->password, piece);
    if (opcode != WEBSOCKET_TEXT)
        finish(s, WEBSOCKET_CLOSE_POLICY, "the first message is the password, as text");
    else if (s->password.failed ||
             (last && !stream_session_accepts(s->session, vk_buf_str(&s->password))))
        finish(s, WEBSOCKET_CLOSE_POLICY, "the password is wrong");
    else if (last)
        open_stream(s);
}

static void on_message(void *user, enum websocket_opcode opcode, struct vk_str piece, bool first,
                       bool last)
{
    struct exec_stream *s = user;

    if (s->state == STREAM_LOCKED)
        take_password(s, opcode, piece, last);
    else if (s->state == STREAM_OPEN && s->exec)
        take_input(s, piece, first);
}

static void on_peer_close(void *user, unsigned code)
{
    struct exec_stream *s = user;

    log_v(2, "Stream closed by its client", LS("session", s->session->id), LI("code", code));
    hang_up(s);
}

static void on_send(void *user, struct vk_str bytes)
{
    struct exec_stream *s = user;

    tls_conn_write(s->conn, bytes);
}

static void on_data(void *conn_user, struct vk_str bytes)
{
    struct exec_stream *s = conn_user;
    char piece[PIECE_MAX];
    struct vk_err err;

    while (bytes.n && s->state != STREAM_CLOSED) {
        size_t n = bytes.n < sizeof(piece) ? bytes.n : sizeof(piece);

        memcpy(piece, bytes.p, n);
        bytes.p += n;
        bytes.n -= n;
        if (websocket_feed(&s->ws, piece, n, &err) < 0) {
            log_v(2, "Stream broken by its client", LS("session", s->session->id), LERR(&err));
            hang_up(s);
        }
    }
    vk_wipe(piece, sizeof(piece));
}

static void on_output_drained(void *conn_user)
{
    struct exec_stream *s = conn_user;

    if (s->exec)
        s->emulator->engine->ops->exec_pause(s->emulator->engine, s->exec, false);
}

static void on_eof(void *conn_user)
{
    hang_up(conn_user);
}

static void on_closed(void *conn_user)
{
    struct exec_stream *s = conn_user;

    log_v(2, "Stream gone", LS("session", s->session->id));
    detach(s);
    vk_list_remove(&s->link);
    vk_buf_release_secret(&s->password);
    stream_session_free(s->session);
    vk_free(s);
}

/* --- the handshake (RFC 6455 4.2) --- */

static int check_handshake(struct arm_request *r, char accept[29], struct vk_err *err)
{
    const struct http1_head *head = http_exchange_head(r->x);

    if (!http1_header_has(head, "Connection", "Upgrade") ||
        !http1_header_has(head, "Upgrade", "websocket"))
        return arm_error_set(err, 400, "InvalidRequest", "This address is for websockets.");
    if (!vk_streq(arm_request_header(r, "Sec-WebSocket-Version"), "13")) {
        arm_reply_header(r, "Sec-WebSocket-Version", "13");
        return arm_error_set(err, 426, "InvalidRequest", "The websocket version must be 13.");
    }
    if (!websocket_accept_key(arm_request_header(r, "Sec-WebSocket-Key"), accept))
        return arm_error_set(err, 400, "InvalidRequest", "The websocket key is malformed.");
    return 0;
}

static void upgrade(struct arm_request *r, struct stream_session *session, const char *accept,
                    bool is_authorized)
{
    static const struct tls_listener_events conn_events = {
        .data = on_data, .drained = on_output_drained, .eof = on_eof, .closed = on_closed};
    static const struct websocket_events ws_events = {
        .message = on_message, .closed = on_peer_close, .send = on_send};
    struct exec_stream *s = vk_calloc(1, sizeof(*s));

    s->emulator = r->emulator;
    s->session = session;
    vk_buf_init_secret(&s->password, PASSWORD_MAX);
    vk_timer_init(&s->timer, r->emulator->loop, "exec stream", on_timer, s);
    vk_list_init(&s->link);
    vk_list_add_tail(&r->emulator->streams, &s->link);
    websocket_init(&s->ws, &ws_events, s);
    http_exchange_header(r->x, "Sec-WebSocket-Accept", accept);
    s->conn = http_exchange_upgrade(vk_take(r->x), "websocket", &conn_events, s);
    arm_request_free(r);
    log_v(2, "Stream begins", LS("session", session->id), LS("container", session->container));
    if (is_authorized)
        open_stream(s);
    else
        vk_timer_arm(&s->timer, PASSWORD_DEADLINE_MS);
}

void exec_stream_connect(struct arm_request *r, enum stream_kind kind)
{
    const char *password = arm_request_header(r, "Authorization");
    struct stream_session *session = NULL;
    char accept[29];
    struct vk_err err;
    int rc = check_handshake(r, accept, &err);

    if (rc == 0) {
        session = stream_sessions_take(r->emulator->sessions, kind, r->operation);
        if (!session)
            rc = arm_error_set(&err, 404, "SessionNotFound",
                               "The session does not exist, has been used or has expired.");
        else if (password && !stream_session_accepts(session, vk_str_of(password)))
            rc = arm_error_set(&err, 401, "InvalidPassword", "The password is wrong.");
    }
    if (rc < 0) {
        stream_session_free(session);
        arm_reply_error(r, &err);
        return;
    }
    upgrade(r, session, accept, password != NULL);
}

size_t exec_stream_count(const struct emulator *e)
{
    size_t n = 0;

    VK_LIST_FOREACH(it, &e->streams)
    n++;
    return n;
}
