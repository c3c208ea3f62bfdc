/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/remote_session.h"

#include "base/alloc.h"
#include "base/log.h"
#include "kubelet/server/client_link.h"
#include "kubelet/server/upgrade.h"

/* k8s v1.37.2 pkg/kubelet/server/server.go: DefaultStreamCreationTimeout */
#define STREAMS_MS 30000
/* Input kept for a process that takes none. The client is read on until so much is held, since its
 * pings must be answered and its leaving be seen. */
#define HELD_PAUSE (256ul * 1024)
#define HELD_MAX (1024ul * 1024)

static const struct upgrade_protocol protocols[] = {
    {"v4.channel.k8s.io", false, REMOTE_COMMAND_SPDY_V4},
    {"v3.channel.k8s.io", false, REMOTE_COMMAND_SPDY_V3},
    {"v2.channel.k8s.io", false, REMOTE_COMMAND_SPDY_V2},
    {"channel.k8s.io", false, REMOTE_COMMAND_SPDY_V1},
    {"v5.channel.k8s.io", true, REMOTE_COMMAND_V5_CHANNEL},
    {"v4.channel.k8s.io", true, REMOTE_COMMAND_V4_CHANNEL},
    {"v4.base64.channel.k8s.io", true, REMOTE_COMMAND_V4_BASE64_CHANNEL},
    {"channel.k8s.io", true, REMOTE_COMMAND_CHANNEL},
    {"base64.channel.k8s.io", true, REMOTE_COMMAND_BASE64_CHANNEL},
    {"", true, REMOTE_COMMAND_CHANNEL},
};

struct remote_session {
    const struct provider_ops *ops;
    void *provider;
    struct client_link link;
    struct remote_command *engine;
    struct vk_arena *arena; /* of the request */
    struct exec_request request;
    bool is_attach;
    struct exec_session *exec; /* NULL: not yet, or over */
    struct vk_timer streams;   /* until all streams are there */
    bool is_gone;
    /* input that the process does not take yet */
    bool is_input_full;
    struct vk_buf held;
    bool has_held_end;
};

/* ---- the process ---- */

static void on_output(void *user, struct vk_str bytes)
{
    struct remote_session *s = user;

    remote_command_output(s->engine, bytes);
}

static void on_error_output(void *user, struct vk_str bytes)
{
    struct remote_session *s = user;

    remote_command_error_output(s->engine, bytes);
}

static bool on_is_full(void *user)
{
    const struct remote_session *s = user;

    return client_link_is_full(&s->link);
}

static void update_pause(struct remote_session *s)
{
    client_link_pause(&s->link, s->is_input_full && vk_buf_len(&s->held) >= HELD_PAUSE);
}

static void on_input_drained(void *user)
{
    struct remote_session *s = user;

    s->is_input_full = false;
    if (vk_buf_len(&s->held)) {
        s->is_input_full = !s->ops->exec_write(s->provider, s->exec, vk_buf_str(&s->held));
        vk_buf_release_secret(&s->held);
        vk_buf_init_secret(&s->held, HELD_MAX);
    }
    if (s->has_held_end) {
        s->has_held_end = false;
        s->ops->exec_end_input(s->provider, s->exec);
    }
    update_pause(s);
}

static void on_finished(void *user, const struct exec_result *result, const struct vk_err *err)
{
    struct remote_session *s = user;
    struct vk_err failure;

    s->exec = NULL;
    if (err) {
        failure = *err;
        vk_err_wrap(&failure, s->is_attach ? "error attaching to container"
                                           : "error executing command in container");
        log_v(2, "Remote command failed", LS("pod", s->request.id.name),
              LS("container", s->request.container), LERR(err));
    }
    remote_command_finish(s->engine, err ? 0 : result->exit_code, err ? &failure : NULL);
    client_link_end(&s->link);
}

static const struct exec_events exec_events = {
    .output = on_output,
    .error_output = on_error_output,
    .is_full = on_is_full,
    .input_drained = on_input_drained,
    .finished = on_finished,
};

static void cancel(struct remote_session *s)
{
    struct exec_session *exec = vk_take(s->exec);

    if (exec)
        s->ops->exec_cancel(s->provider, exec);
}

/* ---- the protocol ---- */

static void on_started(void *user)
{
    struct remote_session *s = user;

    vk_timer_disarm(&s->streams);
    s->exec = (s->is_attach ? s->ops->attach_to_container
                            : s->ops->run_in_container)(s->provider, &s->request, &exec_events, s);
}

static void on_input(void *user, struct vk_str bytes)
{
    struct remote_session *s = user;

    if (!s->exec)
        return;
    if (!s->is_input_full)
        s->is_input_full = !s->ops->exec_write(s->provider, s->exec, bytes);
    else
        vk_buf_addstr(&s->held, bytes);
    update_pause(s);
}

static void on_input_end(void *user)
{
    struct remote_session *s = user;

    if (!s->exec)
        return;
    if (vk_buf_len(&s->held))
        s->has_held_end = true;
    else
        s->ops->exec_end_input(s->provider, s->exec);
}

static void on_resize(void *user, uint16_t rows, uint16_t columns)
{
    struct remote_session *s = user;

    if (s->exec && s->ops->exec_resize)
        s->ops->exec_resize(s->provider, s->exec, rows, columns);
}

static void on_engine_gone(void *user)
{
    struct remote_session *s = user;

    s->is_gone = true;
}

static void on_send(void *user, struct vk_str bytes)
{
    struct remote_session *s = user;

    client_link_send(&s->link, bytes);
}

static const struct remote_command_events engine_events = {
    .started = on_started,
    .input = on_input,
    .input_end = on_input_end,
    .resize = on_resize,
    .gone = on_engine_gone,
    .send = on_send,
};

/* ---- the connection ---- */

static void on_data(void *user, struct vk_str bytes)
{
    struct remote_session *s = user;
    struct vk_err err;

    if (remote_command_feed(s->engine, bytes, &err) < 0) {
        log_v(2, "Remote command ended by a protocol error", LS("pod", s->request.id.name),
              LS("container", s->request.container), LERR(&err));
        s->is_gone = true;
    } else if (s->held.failed) {
        log_v(2, "Remote command ended: too much input is held", LS("pod", s->request.id.name),
              LS("container", s->request.container));
        s->is_gone = true;
    }
    if (!s->is_gone)
        return;
    cancel(s);
    client_link_end(&s->link);
}

static void on_drained(void *user)
{
    struct remote_session *s = user;

    if (s->exec)
        s->ops->exec_resume(s->provider, s->exec);
}

static void on_heartbeat(void *user)
{
    struct remote_session *s = user;

    remote_command_heartbeat(s->engine);
}

static void on_gone(void *user)
{
    cancel(user);
}

static void on_closed(void *user)
{
    struct remote_session *s = user;

    cancel(s);
    vk_timer_disarm(&s->streams);
    remote_command_free(s->engine);
    vk_buf_release_secret(&s->held);
    vk_arena_free(s->arena);
    vk_free(s);
}

static const struct client_link_events link_events = {
    .data = on_data,
    .drained = on_drained,
    .heartbeat = on_heartbeat,
    .gone = on_gone,
    .closed = on_closed,
};

static void on_streams_late(void *user)
{
    struct remote_session *s = user;
    struct vk_err err;

    vk_err_set(&err, VK_TIMEOUT, "timed out waiting for client to create streams");
    remote_command_finish(s->engine, 0, &err);
    client_link_end(&s->link);
}

/* ---- */

/* The process may start after the exchange is over: all text is copied. */
static void keep_request(struct remote_session *s, const struct remote_request *request,
                         const struct pod_identity *id, const char *container)
{
    const char **words = vk_arena_array(s->arena, request->command.n + 1, sizeof(*words));

    for (size_t i = 0; i < request->command.n; i++)
        words[i] = vk_arena_strdup(s->arena, request->command.v[i]);
    s->request = (struct exec_request){
        .id = {.namespace_ = vk_arena_strdup(s->arena, id->namespace_),
               .name = vk_arena_strdup(s->arena, id->name),
               .uid = vk_arena_strdup(s->arena, id->uid)},
        .container = vk_arena_strdup(s->arena, container),
        .command = words,
        .command_count = request->command.n,
        .has_input = request->streams.has_input,
        .has_output = request->streams.has_output,
        .has_error = request->streams.has_error,
        .tty = request->streams.tty,
    };
}

void remote_session_serve(const struct handler_context *c, struct http_exchange *x,
                          const struct remote_request *request, const struct pod_identity *id,
                          const char *container, bool is_attach)
{
    struct remote_session *s;
    struct upgrade upgrade;

    if (!upgrade_negotiate(x, protocols, VK_COUNT(protocols), &upgrade))
        return;
    s = vk_calloc(1, sizeof(*s));
    s->ops = c->provider->ops;
    s->provider = c->provider->p;
    s->is_attach = is_attach;
    s->arena = vk_arena_new();
    keep_request(s, request, id, container);
    vk_buf_init_secret(&s->held, HELD_MAX);
    s->engine = remote_command_new((enum remote_command_protocol)upgrade.protocol->value,
                                   &request->streams, &engine_events, s);
    client_link_init(&s->link, c->loop, &link_events, s);
    vk_timer_init(&s->streams, c->loop, "streams of a remote command", on_streams_late, s);
    vk_timer_arm(&s->streams, STREAMS_MS);
    client_link_open(&s->link, upgrade_accept(x, &upgrade, &client_link_conn_events, &s->link),
                     c->remote_commands);
    remote_command_open(s->engine);
}
