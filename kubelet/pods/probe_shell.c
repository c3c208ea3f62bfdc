/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/probe_shell.h"

#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/list.h"

#define OPEN_DEADLINE_MS 60000
#define REOPEN_INITIAL_MS 10000
#define REOPEN_MAX_MS 300000
#define SECOND_MS 1000
#define MAX_COMMAND ((size_t)256 << 10)
#define READY_NUMBER 0

/*
 * %b undoes what keeps a command on one line. The variables' names are none that a container has,
 * since what it exports would reach the commands. Of a result: 1, number, exit code, 2, output, 3.
 */
static const char script[] = "printf '\\0010 0\\002\\003'\n"
                             "while IFS= read -r _vkp_n && IFS= read -r _vkp_c; do\n"
                             "_vkp_c=$(printf '%b' \"$_vkp_c\")\n"
                             "_vkp_o=$(eval \"$_vkp_c\" 2>&1 </dev/null)\n"
                             "printf '\\001%s %s\\002%s\\003' \"$_vkp_n\" \"$?\" \"$_vkp_o\"\n"
                             "done\n";

enum shell_state { SHELL_CLOSED, SHELL_OPENING, SHELL_OPEN };
enum reader_state { READ_NOTHING, READ_HEAD, READ_OUTPUT };

struct probe_shells {
    struct vk_loop *loop;
    const struct provider *provider;
    size_t open;
    /* Openings that may begin at once, in thousandths; grows with time. */
    int64_t tokens, tokens_mono_ms;
};

struct probe_shell {
    struct probe_shells *all;
    char *namespace_, *name, *uid, *container;
    enum shell_state state;
    struct exec_session *session;
    struct vk_list queue;     /* struct probe_exec; the first one runs while sent is set */
    bool sent;                /* the shell has the first one's command */
    int64_t number;           /* of the last command */
    struct vk_timer deadline; /* of the opening, or of the command */
    struct vk_timer pump;     /* what is to be done outside of the caller's call */
    struct backoff backoff;
    int64_t reopen_mono_ms;
    char *trouble; /* why it was lost the last time */

    enum reader_state reading;
    struct vk_buf head, output;
};

struct probe_exec {
    struct probe_shell *shell;
    struct vk_list link; /* in shell->queue */
    struct vk_buf command;
    char *shown;
    int64_t number, timeout_ms;
    probe_outcome_fn done;
    void *user;
};

/* ---- the budget ---- */

struct probe_shells *probe_shells_new(struct vk_loop *loop, const struct provider *provider)
{
    struct probe_shells *all = vk_calloc(1, sizeof(*all));

    all->loop = loop;
    all->provider = provider;
    all->tokens = INT64_C(1000) * PROBE_SHELLS_BURST;
    all->tokens_mono_ms = vk_mono_ms();
    return all;
}

void probe_shells_free(struct probe_shells *all)
{
    vk_free(all);
}

/* 0: one may be opened, and it is counted; else how long that takes. */
static int64_t take_token(struct probe_shells *all)
{
    const int64_t now = vk_mono_ms(), most = INT64_C(1000) * PROBE_SHELLS_BURST;

    all->tokens += (now - all->tokens_mono_ms) * PROBE_SHELLS_PER_SECOND;
    all->tokens_mono_ms = now;
    if (all->tokens > most)
        all->tokens = most;
    if (all->tokens < 1000)
        return (1000 - all->tokens) / PROBE_SHELLS_PER_SECOND + 1;
    all->tokens -= 1000;
    return 0;
}

/* ---- what goes to the shell and what comes back ---- */

static void add_quoted(struct vk_buf *out, const char *text)
{
    vk_buf_addc(out, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            vk_buf_adds(out, "'\\\\''");
        else if (*c == '\\')
            vk_buf_adds(out, "\\\\");
        else if (*c == '\n')
            vk_buf_adds(out, "\\n");
        else
            vk_buf_addc(out, *c);
    }
    vk_buf_addc(out, '\'');
}

void probe_shell_write_command(struct vk_buf *out, int64_t number, const struct json_strs *command)
{
    vk_buf_printf(out, "%lld\n", (long long)number);
    for (size_t i = 0; i < command->n; i++) {
        if (i > 0)
            vk_buf_addc(out, ' ');
        add_quoted(out, command->v[i]);
    }
    vk_buf_addc(out, '\n');
}

static void free_exec(struct probe_exec *e)
{
    vk_list_remove(&e->link);
    vk_buf_release(&e->command);
    vk_free(e->shown);
    vk_free(e);
}

static struct probe_exec *first_of(const struct probe_shell *s)
{
    return vk_list_is_empty(&s->queue) ? NULL
                                       : VK_LIST_ENTRY(s->queue.next, struct probe_exec, link);
}

/* The first one has ended. done may free the shell: nothing is done with it afterwards. */
static void finish_first(struct probe_shell *s, enum probe_outcome_kind kind, const char *output)
{
    struct probe_exec *e = first_of(s);
    const struct probe_outcome outcome = {.kind = kind, .output = output};
    const probe_outcome_fn done = e->done;
    void *user = e->user;

    s->sent = false;
    vk_timer_disarm(&s->deadline);
    free_exec(e);
    vk_timer_arm(&s->pump, 0);
    done(user, &outcome);
}

static void drop_session(struct probe_shell *s)
{
    const struct provider *p = s->all->provider;
    struct exec_session *session = vk_take(s->session);

    if (s->state != SHELL_CLOSED)
        s->all->open--;
    s->state = SHELL_CLOSED;
    s->sent = false;
    s->reading = READ_NOTHING;
    vk_timer_disarm(&s->deadline);
    if (session)
        p->ops->exec_cancel(p->p, session);
}

static void note_trouble(struct probe_shell *s, const char *why)
{
    vk_free(s->trouble);
    s->trouble = vk_strdup(why);
    s->reopen_mono_ms = vk_mono_ms() + backoff_next_ms(&s->backoff);
    vk_timer_arm(&s->pump, 0);
}

/* The shell is lost: what waits for it is told when its turn comes. */
static void lose(struct probe_shell *s, const char *why)
{
    drop_session(s);
    note_trouble(s, why);
}

static void on_result(struct probe_shell *s)
{
    struct probe_exec *e = first_of(s);
    const struct vk_str head = vk_buf_str(&s->head);
    struct vk_str rest;
    int64_t number, code;

    if (!vk_str_int64(vk_str_cut(head, ' ', &rest), 0, INT64_MAX, &number) ||
        !vk_str_int64(rest, 0, 255, &code))
        return;
    if (s->state == SHELL_OPENING && number == READY_NUMBER) {
        s->state = SHELL_OPEN;
        vk_timer_disarm(&s->deadline);
        vk_timer_arm(&s->pump, 0);
        return;
    }
    if (!e || !s->sent || e->number != number)
        return;
    backoff_reset(&s->backoff);
    finish_first(s, code == 0 ? PROBE_SUCCEEDED : PROBE_FAILED,
                 vk_str_empty(vk_buf_peek(&s->output)) ? "" : vk_buf_peek(&s->output));
}

/* True: a result is complete. */
static bool read_byte(struct probe_shell *s, char c)
{
    if (c == '\001') {
        s->reading = READ_HEAD;
        vk_buf_clear(&s->head);
        vk_buf_clear(&s->output);
    } else if (c == '\002' && s->reading == READ_HEAD) {
        s->reading = READ_OUTPUT;
    } else if (c == '\003' && s->reading == READ_OUTPUT) {
        s->reading = READ_NOTHING;
        return true;
    } else if (s->reading == READ_HEAD) {
        vk_buf_addc(&s->head, c);
    } else if (s->reading == READ_OUTPUT && vk_buf_len(&s->output) < PROBE_OUTPUT_MAX) {
        vk_buf_addc(&s->output, c);
    }
    return false;
}

/* ---- the session ---- */

static void on_output(void *user, struct vk_str bytes)
{
    struct probe_shell *s = user;

    /* One command is under way at a time: behind its result nothing is of interest. */
    for (size_t i = 0; i < bytes.n; i++)
        if (read_byte(s, bytes.p[i])) {
            on_result(s);
            return;
        }
}

static void on_error_output(void *user, struct vk_str bytes)
{
    (void)user;
    (void)bytes;
}

static bool is_full(void *user)
{
    (void)user;
    return false;
}

static void on_input_drained(void *user)
{
    (void)user;
}

static void on_finished(void *user, const struct exec_result *result, const struct vk_err *err)
{
    struct probe_shell *s = user;
    const bool was_idle = s->state == SHELL_OPEN && !s->sent;
    char *why VK_AUTOFREE =
        err ? vk_strdup(err->msg)
            : vk_asprintf("the shell for probes ended with exit code %d", result->exit_code);

    s->session = NULL;
    if (was_idle)
        drop_session(s);
    else
        lose(s, why);
}

static const struct exec_events events = {.output = on_output,
                                          .error_output = on_error_output,
                                          .is_full = is_full,
                                          .input_drained = on_input_drained,
                                          .finished = on_finished};

static void open_session(struct probe_shell *s)
{
    static const char *const command[] = {"/bin/sh", "-c", script};
    const struct provider *p = s->all->provider;

    s->state = SHELL_OPENING;
    s->all->open++;
    s->reading = READ_NOTHING;
    vk_timer_arm(&s->deadline, OPEN_DEADLINE_MS);
    s->session = p->ops->run_in_container(
        p->p,
        &(struct exec_request){
            .id = {.namespace_ = s->namespace_, .name = s->name, .uid = s->uid},
            .container = s->container,
            .command = command,
            .command_count = VK_COUNT(command),
            .has_input = true,
            .has_output = true,
            .has_error = true,
        },
        &events, s);
}

static void send_first(struct probe_shell *s)
{
    const struct provider *p = s->all->provider;
    struct probe_exec *e = first_of(s);

    s->sent = true;
    vk_timer_arm(&s->deadline, e->timeout_ms);
    (void)p->ops->exec_write(p->p, s->session, vk_buf_str(&e->command));
}

/* Why none can be opened now; NULL: one can. */
static const char *obstacle(const struct probe_shell *s)
{
    const struct provider *p = s->all->provider;

    if (!p->ops->run_in_container || !p->ops->exec_write)
        return "this node can't run commands in containers";
    if (vk_mono_ms() < s->reopen_mono_ms)
        return s->trouble;
    if (s->all->open >= PROBE_SHELLS_MAX)
        return "this node runs as many shells for exec probes as it may";
    return NULL;
}

static void on_pump(void *user)
{
    struct probe_shell *s = user;
    const char *why;
    int64_t wait_ms;

    if (!first_of(s) || s->sent || s->state == SHELL_OPENING)
        return;
    if (s->state == SHELL_OPEN) {
        send_first(s);
        return;
    }
    why = obstacle(s);
    if (why) {
        char *said VK_AUTOFREE = vk_strdup(why);

        finish_first(s, PROBE_ERRORED, said);
        return;
    }
    wait_ms = take_token(s->all);
    if (wait_ms > 0)
        vk_timer_arm(&s->pump, wait_ms);
    else
        open_session(s);
}

static void on_deadline(void *user)
{
    struct probe_shell *s = user;
    const struct probe_exec *e = first_of(s);
    char *text VK_AUTOFREE = NULL;

    if (s->state == SHELL_OPENING) {
        lose(s, "the shell for probes did not start within a minute");
        return;
    }
    /* Whatever the command is busy with ends with the shell. */
    drop_session(s);
    if (!e)
        return;
    text = vk_asprintf("command timed out: \"%s\" timed out after %llds", e->shown,
                       (long long)(e->timeout_ms / SECOND_MS));
    finish_first(s, PROBE_FAILED, text);
}

struct probe_shell *probe_shell_new(struct probe_shells *all, const struct pod_identity *id,
                                    const char *container)
{
    struct probe_shell *s = vk_calloc(1, sizeof(*s));

    s->all = all;
    s->namespace_ = vk_strdup(id->namespace_);
    s->name = vk_strdup(id->name);
    s->uid = vk_strdup(id->uid);
    s->container = vk_strdup(container);
    s->backoff = (struct backoff){.initial_ms = REOPEN_INITIAL_MS, .max_ms = REOPEN_MAX_MS};
    vk_list_init(&s->queue);
    vk_buf_init(&s->head, 64);
    vk_buf_init(&s->output, PROBE_OUTPUT_MAX);
    vk_timer_init(&s->deadline, all->loop, "exec probe", on_deadline, s);
    vk_timer_init(&s->pump, all->loop, "exec probe queue", on_pump, s);
    return s;
}

void probe_shell_close(struct probe_shell *s)
{
    drop_session(s);
    /* What waited for this run of the container is told; the next run has nothing to do with it. */
    vk_free(s->trouble);
    s->trouble = vk_strdup("the container was started anew");
    s->reopen_mono_ms = first_of(s) ? vk_mono_ms() + SECOND_MS : 0;
    backoff_reset(&s->backoff);
    vk_timer_arm(&s->pump, 0);
}

void probe_shell_free(struct probe_shell *s)
{
    if (!s)
        return;
    drop_session(s);
    vk_timer_disarm(&s->pump);
    VK_LIST_FOREACH(it, &s->queue)
    free_exec(VK_LIST_ENTRY(it, struct probe_exec, link));
    vk_buf_release(&s->head);
    vk_buf_release(&s->output);
    vk_free(s->trouble);
    vk_free(s->namespace_);
    vk_free(s->name);
    vk_free(s->uid);
    vk_free(s->container);
    vk_free(s);
}

/* ---- one probe ---- */

static char *show(const struct json_strs *command)
{
    struct vk_buf out VK_BUF_AUTO;

    vk_buf_init(&out, 512);
    for (size_t i = 0; i < command->n && vk_buf_len(&out) < 200; i++)
        vk_buf_printf(&out, "%s%.200s", i > 0 ? " " : "", command->v[i]);
    return vk_buf_take(&out);
}

struct probe_exec *probe_exec_start(struct probe_shell *s, const struct json_strs *command,
                                    int64_t timeout_ms, probe_outcome_fn done, void *user)
{
    struct probe_exec *e = vk_calloc(1, sizeof(*e));

    e->shell = s;
    e->number = ++s->number;
    e->shown = show(command);
    e->timeout_ms = timeout_ms;
    e->done = done;
    e->user = user;
    vk_buf_init(&e->command, MAX_COMMAND);
    probe_shell_write_command(&e->command, e->number, command);
    vk_list_init(&e->link);
    vk_list_add_tail(&s->queue, &e->link);
    if (!vk_timer_is_armed(&s->pump))
        vk_timer_arm(&s->pump, 0);
    return e;
}

void probe_exec_cancel(struct probe_exec *e)
{
    struct probe_shell *s;

    if (!e)
        return;
    s = e->shell;
    /* A command that runs can't be ended alone. */
    if (s->sent && first_of(s) == e)
        drop_session(s);
    free_exec(e);
    vk_timer_arm(&s->pump, 0);
}
