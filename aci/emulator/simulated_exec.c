/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/simulated_exec.h"

#include <string.h>

#include "base/alloc.h"

#define PIECE_MAX ((size_t)16384)
#define HELD_MAX ((size_t)1 << 20)
#define HIGH_WATER ((size_t)64 << 10)
#define END_OF_INPUT '\x04'
#define LINE_MAX_BYTES ((size_t)1024)

struct engine_exec {
    struct vk_list link;
    const struct engine_exec_events *events; /* NULL: closed */
    void *user;
    bool failed, started, paused, full;
    bool ending, over; /* no more input counts; all is told */
    struct simulated_exec_place place;
    struct vk_buf line; /* as far as it is typed */
    struct vk_buf shown;
    struct vk_err err;
    struct vk_timer timer;
};

static void exec_free(struct engine_exec *x)
{
    vk_list_remove(&x->link);
    vk_timer_disarm(&x->timer);
    vk_buf_release_secret(&x->line);
    vk_buf_release_secret(&x->shown);
    vk_free(x);
}

/* One step a turn; each callback may close or pause. */
static void on_turn(void *user)
{
    struct engine_exec *x = user;
    struct vk_str all = vk_buf_str(&x->shown);

    if (!x->events) {
        exec_free(x);
        return;
    }
    if (x->over || (x->started && x->paused))
        return;
    vk_timer_arm(&x->timer, 0);
    if (!x->started) {
        x->started = true;
        x->over = x->failed;
        x->events->started(x->user, x->failed ? &x->err : NULL);
    } else if (all.n) {
        char piece[PIECE_MAX];
        size_t n = all.n < sizeof(piece) ? all.n : sizeof(piece);

        memcpy(piece, all.p, n);
        vk_buf_consume(&x->shown, n);
        x->events->output(x->user, (struct vk_str){.p = piece, .n = n});
    } else if (x->full) {
        x->full = false;
        x->events->drained(x->user);
    } else if (x->ending) {
        x->over = true;
        x->events->ended(x->user);
    } else {
        vk_timer_disarm(&x->timer);
    }
}

struct engine_exec *simulated_exec_new(struct vk_loop *loop,
                                       const struct simulated_exec_place *place,
                                       const struct engine_exec_spec *spec,
                                       const struct engine_exec_events *events, void *user)
{
    struct engine_exec *x = vk_calloc(1, sizeof(*x));

    x->events = events;
    x->user = user;
    x->place = *place;
    x->failed = true;
    if (!place->running)
        vk_err_set(&x->err, VK_CONFLICT, "container %s is not running", spec->container);
    else if (strchr(spec->program, ' '))
        vk_err_set(&x->err, VK_INVALID,
                   "exec failed: unable to start container process: exec: \"%.200s\": executable "
                   "file not found in $PATH",
                   spec->program);
    else
        x->failed = false;
    vk_buf_init_secret(&x->line, LINE_MAX_BYTES);
    vk_buf_init_secret(&x->shown, HELD_MAX);
    vk_list_init(&x->link);
    if (x->failed)
        x->place.terminate = NULL;
    else
        vk_list_add_tail(place->running, &x->link);
    vk_timer_init(&x->timer, loop, "simulated exec", on_turn, x);
    vk_timer_arm(&x->timer, 0);
    return x;
}

static void show(struct engine_exec *x, char c)
{
    if (vk_buf_len(&x->shown) < HELD_MAX)
        vk_buf_addc(&x->shown, c);
}

static void run_echo(struct engine_exec *x, struct vk_str words)
{
    for (size_t i = 0; i < words.n; i++)
        if (words.p[i] != '\'' && words.p[i] != '"')
            show(x, words.p[i]);
    show(x, '\r');
    show(x, '\n');
}

static void run_line(struct engine_exec *x)
{
    struct vk_str rest = vk_buf_str(&x->line);

    while (rest.n) {
        struct vk_str or_else, command = vk_str_cut(rest, ';', &rest);

        /* Everything that it knows succeeds. */
        command = vk_str_trim(vk_str_cut(command, '|', &or_else));
        if (vk_str_starts(command, VK_STR("echo ")))
            run_echo(x, (struct vk_str){.p = command.p + 5, .n = command.n - 5});
        else if (vk_str_is(command, "kill -TERM 1") && x->place.terminate)
            x->place.terminate(x->place.container);
    }
    vk_buf_clear(&x->line);
}

static void type(struct engine_exec *x, char c)
{
    show(x, c);
    if (c == '\r')
        show(x, '\n');
    if (c == '\r' || c == '\n')
        run_line(x);
    else if (vk_buf_len(&x->line) < LINE_MAX_BYTES)
        vk_buf_addc(&x->line, c);
}

bool simulated_exec_write(struct engine *e, struct engine_exec *x, struct vk_str bytes)
{
    (void)e;
    for (size_t i = 0; i < bytes.n && !x->ending; i++) {
        x->ending = bytes.p[i] == END_OF_INPUT;
        if (vk_buf_len(&x->shown) + 2 > HELD_MAX)
            break;
        if (!x->ending)
            type(x, bytes.p[i]);
    }
    x->full = x->full || vk_buf_len(&x->shown) > HIGH_WATER;
    vk_timer_arm(&x->timer, 0);
    return !x->full;
}

void simulated_exec_pause(struct engine *e, struct engine_exec *x, bool paused)
{
    (void)e;
    x->paused = paused;
    vk_timer_arm(&x->timer, 0);
}

void simulated_exec_close(struct engine *e, struct engine_exec *x)
{
    (void)e;
    x->events = NULL;
    vk_timer_arm(&x->timer, 0);
}

void simulated_exec_end(struct vk_list *running)
{
    while (!vk_list_is_empty(running)) {
        struct engine_exec *x = VK_LIST_ENTRY(running->next, struct engine_exec, link);

        vk_list_remove(&x->link);
        x->ending = true;
        x->place.terminate = NULL;
        vk_timer_arm(&x->timer, 0);
    }
}
