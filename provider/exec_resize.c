/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/exec_resize.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"

#define PACE_MS 400
/* In the life of one exec. */
#define RESIZES_MAX 500

struct exec_resize {
    struct exec_sessions *sessions;
    char *namespace_, *name, *uid, *container;
    char *terminal;
    uint16_t rows, columns;               /* of the terminal */
    uint16_t wanted_rows, wanted_columns; /* of the client's */
    unsigned count;
    struct exec_session *session;
    struct vk_timer timer; /* armed: the last one was started not long ago */
};

static void start(struct exec_resize *r);

static void ignore_output(void *user, struct vk_str bytes)
{
    (void)user;
    (void)bytes;
}

static bool is_never_full(void *user)
{
    (void)user;
    return false;
}

static void on_drained(void *user)
{
    (void)user;
}

/* A size that can't be set is not tried again; the client's next one is. */
static void on_finished(void *user, const struct exec_result *result, const struct vk_err *err)
{
    struct exec_resize *r = user;

    r->session = NULL;
    log_v(2, "Terminal of an exec resized", LS("pod", r->name), LI("code", result->exit_code),
          LS("err", err ? err->msg : ""));
    if (!vk_timer_is_armed(&r->timer))
        start(r);
}

static void start(struct exec_resize *r)
{
    static const struct exec_events events = {.output = ignore_output,
                                              .error_output = ignore_output,
                                              .is_full = is_never_full,
                                              .input_drained = on_drained,
                                              .finished = on_finished};
    char rows[8], columns[8];
    const char *const command[] = {"/bin/sh",   "-c", "exec stty rows \"$1\" cols \"$2\" <\"$0\"",
                                   r->terminal, rows, columns};
    const struct exec_request request = {
        .id = {.namespace_ = r->namespace_, .name = r->name, .uid = r->uid},
        .container = r->container,
        .command = command,
        .command_count = VK_COUNT(command),
    };

    if ((r->rows == r->wanted_rows && r->columns == r->wanted_columns) || !r->wanted_rows ||
        r->count == RESIZES_MAX)
        return;
    r->rows = r->wanted_rows;
    r->columns = r->wanted_columns;
    r->count++;
    (void)snprintf(rows, sizeof(rows), "%u", r->rows);
    (void)snprintf(columns, sizeof(columns), "%u", r->columns);
    vk_timer_arm(&r->timer, PACE_MS);
    r->session = exec_session_run(r->sessions, &request, &events, r);
}

static void on_timer(void *user)
{
    struct exec_resize *r = user;

    if (!r->session)
        start(r);
}

void exec_resize_is(struct exec_resize *r, uint16_t rows, uint16_t columns)
{
    r->rows = rows;
    r->columns = columns;
}

void exec_resize_to(struct exec_resize *r, const char *terminal, uint16_t rows, uint16_t columns)
{
    if (!*terminal || !rows || !columns)
        return;
    if (!r->terminal)
        r->terminal = vk_strdup(terminal);
    r->wanted_rows = rows;
    r->wanted_columns = columns;
    if (!r->session && !vk_timer_is_armed(&r->timer))
        start(r);
}

struct exec_resize *exec_resize_new(struct vk_loop *loop, struct exec_sessions *sessions,
                                    const struct exec_request *request)
{
    struct exec_resize *r = vk_calloc(1, sizeof(*r));

    r->sessions = sessions;
    r->namespace_ = vk_strdup(request->id.namespace_);
    r->name = vk_strdup(request->id.name);
    r->uid = vk_strdup(request->id.uid);
    r->container = vk_strdup(request->container);
    vk_timer_init(&r->timer, loop, "exec resize", on_timer, r);
    return r;
}

void exec_resize_free(struct exec_resize *r)
{
    if (!r)
        return;
    if (r->session)
        exec_session_cancel(r->session);
    vk_timer_disarm(&r->timer);
    vk_free(r->namespace_);
    vk_free(r->name);
    vk_free(r->uid);
    vk_free(r->container);
    vk_free(r->terminal);
    vk_free(r);
}
