/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/exec_session.h"

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/list.h"
#include "base/log.h"
#include "provider/exec_resize.h"
#include "provider/exec_shell.h"
#include "provider/group_identity.h"

/* A client tells the size of its terminal just behind the request. */
#define SIZE_WAIT_MS 250
/* A process that the command leaves behind may hold its outputs open for ever. */
#define LINGER_MS 3000

struct exec_sessions {
    struct vk_loop *loop;
    struct exec_sessions_config config;
    struct vk_list list;
};

struct exec_session {
    struct vk_list link;
    struct exec_sessions *owner;
    const struct exec_events *events;
    void *user;
    char group[GROUP_NAME_MAX + 1];
    char *container, *namespace_, *uid;
    bool has_output, has_error;
    bool ends_lines;            /* an attachment of a terminal, which is raw and wants "\r\n" */
    bool had_return;            /* its last byte so far was "\r" */
    uint16_t rows, columns;     /* of the client's terminal */
    struct exec_resize *resize; /* NULL: no terminal */
    struct exec_shell *shell;   /* NULL: an attachment */
    struct exec_call *call;
    struct exec_stream *stream;
    bool is_input_full;
    bool is_busy, is_cancelled; /* in an upcall; its receiver left meanwhile */
    struct vk_timer timer;      /* start or failure to come, later the end of the linger */
    struct vk_err failure;
};

static void session_free(struct exec_session *s)
{
    vk_list_remove(&s->link);
    exec_call_cancel(s->call);
    exec_stream_cancel(s->stream);
    vk_timer_disarm(&s->timer);
    exec_shell_free(s->shell);
    exec_resize_free(s->resize);
    vk_free(s->container);
    vk_free(s->namespace_);
    vk_free(s->uid);
    vk_free(s);
}

static void finish(struct exec_session *s, int exit_code, const struct vk_err *err)
{
    const struct exec_events *events = s->events;
    const struct exec_result result = {.exit_code = exit_code};
    void *user = s->user;
    struct vk_err why;

    if (err)
        why = *err;
    session_free(s);
    events->finished(user, &result, err ? &why : NULL);
}

static void fail(struct exec_session *s, enum vk_code code, const char *what)
{
    struct vk_err err;

    (void)vk_err_set(&err, code, "%s", what);
    finish(s, 0, &err);
}

/* --- input --- */

static size_t waiting_input(const struct exec_session *s)
{
    return exec_shell_held(s->shell) + vk_buf_len(exec_shell_out(s->shell));
}

/* Hands the stream what it has room for. */
static void pump(struct exec_session *s)
{
    struct vk_buf *out = exec_shell_out(s->shell);

    if (s->stream)
        vk_buf_consume(out, exec_stream_send(s->stream, vk_buf_str(out)));
}

/* Who gives none is shown the output: kubectl run -i, for one, whose command asks for nothing. */
static void refuse_input(struct exec_session *s)
{
    (void)vk_err_set(&s->failure, VK_UNSUPPORTED,
                     "Azure Container Instances gives no input to the process of a container that "
                     "runs; attach without -i shows its output, exec starts a process that takes "
                     "input");
    vk_timer_arm(&s->timer, 0);
}

bool exec_session_write(struct exec_session *s, struct vk_str bytes)
{
    if (!s->shell) {
        if (bytes.n)
            refuse_input(s);
        return true;
    }
    exec_shell_input(s->shell, bytes);
    pump(s);
    s->is_input_full = waiting_input(s) >= EXEC_SESSION_INPUT_HIGH;
    return !s->is_input_full;
}

void exec_session_end_input(struct exec_session *s)
{
    if (!s->shell)
        return;
    exec_shell_end_input(s->shell);
    pump(s);
}

static void on_drained(void *user)
{
    struct exec_session *s = user;

    pump(s);
    if (s->is_input_full && waiting_input(s) < EXEC_SESSION_INPUT_HIGH / 2) {
        s->is_input_full = false;
        s->events->input_drained(s->user);
    }
}

/* --- output --- */

static void on_output(void *user, struct vk_str bytes)
{
    struct exec_session *s = user;

    if (s->has_output && !s->is_cancelled)
        s->events->output(s->user, bytes);
}

/* A container has no terminal: what would end a line of it is added. */
static void on_attached_output(struct exec_session *s, struct vk_str bytes)
{
    struct vk_buf out VK_BUF_AUTO;

    if (!s->ends_lines) {
        on_output(s, bytes);
        return;
    }
    vk_buf_init(&out, 2 * bytes.n + 1);
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n' && !s->had_return)
            vk_buf_addc(&out, '\r');
        vk_buf_addc(&out, bytes.p[i]);
        s->had_return = bytes.p[i] == '\r';
    }
    on_output(s, vk_buf_str(&out));
}

static void on_error_output(void *user, struct vk_str bytes)
{
    struct exec_session *s = user;

    if (s->has_error && !s->is_cancelled)
        s->events->error_output(s->user, bytes);
}

static const struct exec_shell_events shell_events = {.output = on_output,
                                                      .error_output = on_error_output};

static void pause_if_full(struct exec_session *s)
{
    if (!s->events->is_full(s->user))
        return;
    exec_stream_pause(s->stream, true);
    /* What the client did not read yet says nothing of who holds the outputs. */
    vk_timer_disarm(&s->timer);
}

static void linger(struct exec_session *s)
{
    int code;

    if (s->shell && exec_shell_has_exited(s->shell, &code))
        vk_timer_arm(&s->timer, LINGER_MS);
}

void exec_session_resume(struct exec_session *s)
{
    if (!s->stream)
        return;
    exec_stream_pause(s->stream, false);
    linger(s);
}

/* The client's size may have come after the start. */
static void follow_size(struct exec_session *s)
{
    if (s->resize && exec_shell_is_ready(s->shell))
        exec_resize_to(s->resize, exec_shell_terminal(s->shell), s->rows, s->columns);
}

/* The shell waits for our word before it leaves, so that no output is lost with the terminal. */
static void end_well(struct exec_session *s, int code)
{
    pump(s);
    exec_stream_close(vk_take(s->stream));
    finish(s, code, NULL);
}

static void on_received(void *user, struct vk_str bytes)
{
    struct exec_session *s = user;
    struct vk_err err;
    int code = 0, rc = 0;

    s->is_busy = true;
    if (s->shell)
        rc = exec_shell_feed(s->shell, bytes, &err);
    else
        on_attached_output(s, bytes);
    s->is_busy = false;
    if (s->is_cancelled) {
        session_free(s);
    } else if (rc < 0) {
        finish(s, 0, &err);
    } else if (s->shell && exec_shell_is_done(s->shell) && exec_shell_has_exited(s->shell, &code)) {
        end_well(s, code);
    } else {
        if (s->shell)
            pump(s);
        follow_size(s);
        linger(s);
        pause_if_full(s);
    }
}

static void fail_without_shell(struct exec_session *s)
{
    const char *words = exec_shell_preamble(s->shell);
    struct vk_err err;

    (void)vk_err_set(&err, VK_UNSUPPORTED,
                     "the container's image has no usable " EXEC_SHELL_PROGRAM
                     ", which running commands in it needs%s%s",
                     *words ? ": " : "", words);
    finish(s, 0, &err);
}

static void on_closed(void *user, const struct vk_err *err)
{
    struct exec_session *s = user;

    s->stream = NULL;
    s->owner->config.ended(s->owner->config.user, s->uid);
    if (err)
        finish(s, 0, err);
    else if (!s->shell)
        finish(s, 0, NULL);
    else if (!exec_shell_is_ready(s->shell))
        fail_without_shell(s);
    else
        fail(s, VK_UNAVAILABLE, "the terminal was closed before the command ended");
}

/* --- start --- */

static void on_endpoint(void *user, const struct exec_endpoint *endpoint, const struct vk_err *err)
{
    static const struct exec_stream_events events = {
        .received = on_received, .drained = on_drained, .closed = on_closed};
    struct exec_session *s = user;

    s->call = NULL;
    if (err) {
        finish(s, 0, err);
        return;
    }
    s->stream =
        exec_stream_open(s->owner->config.streams, s->shell ? EXEC_STREAM_EXEC : EXEC_STREAM_ATTACH,
                         endpoint, &events, s);
    if (s->shell)
        pump(s);
}

static void start(struct exec_session *s)
{
    const struct exec_target target = {
        .group = s->group, .container = s->container, .owner = s->namespace_};

    if (s->resize)
        exec_resize_is(s->resize, s->rows, s->columns);
    if (s->shell)
        s->call = exec_start(s->owner->config.groups, &target, EXEC_SHELL_PROGRAM, s->rows,
                             s->columns, on_endpoint, s);
    else
        s->call = exec_attach(s->owner->config.groups, &target, on_endpoint, s);
}

static void on_timer(void *user)
{
    struct exec_session *s = user;
    int code;

    if (s->failure.code != VK_OK)
        finish(s, 0, &s->failure);
    else if (s->shell && exec_shell_has_exited(s->shell, &code))
        end_well(s, code);
    else
        start(s);
}

static struct exec_session *session_new(struct exec_sessions *sessions,
                                        const struct exec_request *request,
                                        const struct exec_events *events, void *user)
{
    struct exec_session *s = vk_calloc(1, sizeof(*s));

    s->owner = sessions;
    s->events = events;
    s->user = user;
    group_name(request->id.namespace_, request->id.name, request->id.uid, s->group);
    s->container = vk_strdup(request->container);
    s->namespace_ = vk_strdup(request->id.namespace_);
    s->uid = vk_strdup(request->id.uid);
    s->has_output = request->has_output;
    s->has_error = request->has_error;
    s->rows = request->rows;
    s->columns = request->columns;
    vk_timer_init(&s->timer, sessions->loop, "exec session", on_timer, s);
    vk_timer_arm(&s->timer, 0);
    vk_list_init(&s->link);
    vk_list_add_tail(&sessions->list, &s->link);
    return s;
}

struct exec_session *exec_session_run(struct exec_sessions *sessions,
                                      const struct exec_request *request,
                                      const struct exec_events *events, void *user)
{
    struct exec_session *s = session_new(sessions, request, events, user);
    struct exec_shell_config config = {
        .command = request->command, .command_count = request->command_count, .tty = request->tty};
    uint8_t random[EXEC_SHELL_NONCE_LEN / 2];

    crypto_random(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        (void)snprintf(config.nonce + 2 * i, 3, "%02x", random[i]);
    if (exec_shell_new(&config, &shell_events, s, &s->shell, &s->failure) < 0)
        return s;
    if (!request->has_input)
        exec_shell_end_input(s->shell);
    if (request->tty)
        s->resize = exec_resize_new(sessions->loop, sessions, request);
    if (request->tty && !s->rows)
        vk_timer_arm(&s->timer, SIZE_WAIT_MS);
    return s;
}

struct exec_session *exec_session_attach(struct exec_sessions *sessions,
                                         const struct exec_request *request,
                                         const struct exec_events *events, void *user)
{
    struct exec_session *s = session_new(sessions, request, events, user);

    s->ends_lines = request->tty;
    return s;
}

void exec_session_resize(struct exec_session *s, uint16_t rows, uint16_t columns)
{
    s->rows = rows;
    s->columns = columns;
    if (!s->shell)
        return;
    if (!s->call && !s->stream && s->failure.code == VK_OK)
        vk_timer_arm(&s->timer, 0);
    follow_size(s);
}

void exec_session_cancel(struct exec_session *s)
{
    if (s->is_busy)
        s->is_cancelled = true;
    else
        session_free(s);
}

struct exec_sessions *exec_sessions_new(struct vk_loop *loop,
                                        const struct exec_sessions_config *config)
{
    struct exec_sessions *sessions = vk_calloc(1, sizeof(*sessions));

    sessions->loop = loop;
    sessions->config = *config;
    vk_list_init(&sessions->list);
    return sessions;
}

void exec_sessions_free(struct exec_sessions *sessions)
{
    if (!sessions)
        return;
    /* A session may take another one with it. */
    while (!vk_list_is_empty(&sessions->list))
        session_free(VK_LIST_ENTRY(sessions->list.next, struct exec_session, link));
    vk_free(sessions);
}
