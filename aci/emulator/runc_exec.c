/* SPDX-License-Identifier: Apache-2.0 */
/* Programs on a pseudo-terminal in a running container: runc exec with a console socket. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "aci/emulator/runc_engine.h"
#include "aci/emulator/runc_exec_process.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"

#define READ_MAX 16384
/* Read per turn of the loop, so that one loud terminal does not starve the others. */
#define READS_PER_TURN 8
#define INPUT_MAX ((size_t)1 << 20)
#define INPUT_HIGH_WATER ((size_t)64 << 10)
#define INPUT_LOW_WATER ((size_t)16 << 10)
/* From the hang-up to SIGKILL. */
#define HANGUP_GRACE_MS 3000
/* What a program left in its terminal: others that still write into it are not waited for. */
#define REST_MAX ((size_t)1 << 20)
#define ERROR_MAX 400

enum exec_state {
    EXEC_FAILED,   /* told by the timer */
    EXEC_STARTING, /* the runtime was asked */
    EXEC_RUNNING,
    EXEC_ENDED, /* the rest of its output is being read */
    EXEC_OVER,
};

struct engine_exec {
    struct vk_list node;
    struct runc_engine *engine;
    enum exec_state state;
    const struct engine_exec_events *events; /* NULL: closed */
    void *user;
    char *directory; /* of the console socket and the pid file; NULL once removed */
    int directory_fd, socket_fd, terminal_fd;
    struct vk_fd *source; /* of the terminal; NULL also while there is nothing to wait for */
    pid_t pid;
    bool paused, hung_up, full;
    size_t rest; /* bytes read since its end */
    struct vk_buf input;
    struct vk_err err;
    struct vk_timer timer;
};

static void on_terminal(void *user, uint32_t events);

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void remove_directory(struct engine_exec *x)
{
    static const char *const files[] = {"console", "pid", "log"};

    close_fd(&x->socket_fd);
    for (size_t i = 0; x->directory_fd >= 0 && i < VK_COUNT(files); i++)
        (void)unlinkat(x->directory_fd, files[i], 0);
    close_fd(&x->directory_fd);
    if (x->directory)
        (void)rmdir(x->directory);
    vk_free(vk_take(x->directory));
}

static void close_terminal(struct engine_exec *x)
{
    vk_fd_remove(vk_take(x->source));
    close_fd(&x->terminal_fd);
}

static void exec_free(struct engine_exec *x)
{
    vk_list_remove(&x->node);
    vk_timer_disarm(&x->timer);
    close_terminal(x);
    remove_directory(x);
    vk_buf_release_secret(&x->input);
    vk_free(x);
}

void runc_exec_free_all(struct runc_engine *e)
{
    VK_LIST_FOREACH(it, &e->execs)
    exec_free(VK_LIST_ENTRY(it, struct engine_exec, node));
}

/* A hang-up is reported whether asked for or not: without anything to do the source goes. */
static void update_source(struct engine_exec *x)
{
    bool reads = !x->paused && !x->hung_up;
    uint32_t events =
        (reads ? EPOLLIN : 0U) | (vk_buf_len(&x->input) && !x->hung_up ? EPOLLOUT : 0U);

    if (x->terminal_fd < 0 || x->state != EXEC_RUNNING || !events) {
        vk_fd_remove(vk_take(x->source));
    } else if (x->source) {
        vk_fd_set_events(x->source, events);
    } else {
        x->source = vk_loop_add_fd(x->engine->loop, x->terminal_fd, events, "exec terminal",
                                   on_terminal, x);
    }
}

/* --- output --- */

/* False when there is nothing to read now or any more. */
static bool read_terminal(struct engine_exec *x)
{
    char block[READ_MAX];
    ssize_t n = x->terminal_fd < 0 ? 0 : read(x->terminal_fd, block, sizeof(block));

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        /* EIO: nobody has the other side open. A process may open it again. */
        x->hung_up = n == 0 || errno != EAGAIN;
        return false;
    }
    if (x->state == EXEC_ENDED)
        x->rest += (size_t)n;
    x->events->output(x->user, (struct vk_str){.p = block, .n = (size_t)n});
    return true;
}

/* Closing and pausing may happen inside the callback. */
static bool may_read(const struct engine_exec *x)
{
    return x->events && !x->paused;
}

/* All that the program wrote stands in the terminal when its end is known. */
static void read_rest(struct engine_exec *x)
{
    bool more = true;

    for (int i = 0; more && i < READS_PER_TURN && may_read(x); i++)
        more = x->rest < REST_MAX && read_terminal(x);
    if (!may_read(x))
        return;
    if (more) {
        vk_timer_arm(&x->timer, 0);
        return;
    }
    x->state = EXEC_OVER;
    close_terminal(x);
    x->events->ended(x->user);
}

/* --- input --- */

static void write_terminal(struct engine_exec *x)
{
    while (vk_buf_len(&x->input)) {
        ssize_t n = write(x->terminal_fd, vk_buf_peek(&x->input), vk_buf_len(&x->input));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        vk_buf_consume(&x->input, (size_t)n);
    }
    if (x->full && vk_buf_len(&x->input) <= INPUT_LOW_WATER) {
        x->full = false;
        x->events->drained(x->user);
    }
}

static void on_terminal(void *user, uint32_t events)
{
    struct engine_exec *x = user;
    bool more = true;

    /* Nobody has the other side open, so nobody reads what was typed. */
    if ((events & EPOLLHUP) && x->paused)
        vk_buf_clear(&x->input);
    if (events & (EPOLLOUT | EPOLLHUP))
        write_terminal(x);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        for (int i = 0; more && i < READS_PER_TURN && may_read(x); i++)
            more = read_terminal(x);
    }
    if (x->events)
        update_source(x);
}

bool runc_exec_write(struct engine *e, struct engine_exec *x, struct vk_str bytes)
{
    (void)e;
    if (x->state != EXEC_STARTING && x->state != EXEC_RUNNING)
        return true;
    if (vk_buf_len(&x->input) + bytes.n > INPUT_MAX)
        log_v(1, "Exec input dropped", LI("bytes", (int64_t)bytes.n));
    else
        vk_buf_addstr(&x->input, bytes);
    x->full = x->full || vk_buf_len(&x->input) > INPUT_HIGH_WATER;
    update_source(x);
    return !x->full;
}

void runc_exec_pause(struct engine *e, struct engine_exec *x, bool paused)
{
    (void)e;
    x->paused = paused;
    if (x->state == EXEC_ENDED && !paused)
        vk_timer_arm(&x->timer, 0);
    update_source(x);
}

/* --- end --- */

static void on_exec_exit(void *user, int status)
{
    struct engine_exec *x = user;

    log_v(3, "Exec ended", LI("status", status));
    x->pid = 0;
    x->state = EXEC_ENDED;
    if (!x->events) {
        exec_free(x);
        return;
    }
    update_source(x);
    vk_timer_arm(&x->timer, 0);
}

static void on_timer(void *user)
{
    struct engine_exec *x = user;

    if (!x->events && x->pid) {
        /* It ignored the hang-up. The program leads a session and group of its own. */
        kill(-x->pid, SIGKILL);
        kill(x->pid, SIGKILL);
    } else if (!x->events && x->state != EXEC_STARTING) {
        exec_free(x);
    } else if (x->events && x->state == EXEC_FAILED) {
        x->state = EXEC_OVER;
        x->events->started(x->user, &x->err);
    } else if (x->state == EXEC_ENDED) {
        read_rest(x);
    }
}

void runc_exec_close(struct engine *e, struct engine_exec *x)
{
    (void)e;
    x->events = NULL;
    close_terminal(x);
    vk_timer_arm(&x->timer, x->pid ? HANGUP_GRACE_MS : 0);
}

/* --- start --- */

/* The runtime has connected and sent the terminal before it ends. */
static int receive_terminal(const struct engine_exec *x)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char name[256];
    struct iovec iov = {.iov_base = name, .iov_len = sizeof(name)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    int peer = accept4(x->socket_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), terminal = -1;

    if (peer < 0)
        return -1;
    if (recvmsg(peer, &message, MSG_CMSG_CLOEXEC) >= 0) {
        const struct cmsghdr *c = CMSG_FIRSTHDR(&message);

        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(&terminal, CMSG_DATA(c), sizeof(terminal));
    }
    close(peer);
    if (terminal >= 0)
        (void)fcntl(terminal, F_SETFL, O_RDWR | O_NONBLOCK);
    return terminal;
}

static pid_t read_pid(const struct engine_exec *x)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_err ignored;
    struct vk_str text;
    int64_t pid = 0;

    if (file_read(vk_arena_printf(arena, "%s/pid", x->directory), 64, arena, &text, &ignored) < 0 ||
        !vk_str_int64(vk_str_trim(text), 2, INT_MAX, &pid))
        return 0;
    return (pid_t)pid;
}

static void start_error(const struct runc_result *result, struct vk_err *err)
{
    struct vk_str said = result->error_text;

    if (result->timed_out)
        (void)vk_err_set(err, VK_UNAVAILABLE, "the program did not start within %d s",
                         RUNC_DEADLINE_MS / 1000);
    else if (result->status < 0)
        (void)vk_err_set(err, VK_INTERNAL, "runc could not be run; is it installed?");
    else if (result->ok || !said.n)
        (void)vk_err_set(err, VK_INTERNAL, "the runtime gave no terminal");
    else
        (void)vk_err_set(err, VK_INVALID, "%.*s", said.n < ERROR_MAX ? (int)said.n : ERROR_MAX,
                         said.p);
}

static void on_exec(void *user, const struct runc_result *result)
{
    struct engine_exec *x = user;

    if (result->ok) {
        x->pid = read_pid(x);
        x->terminal_fd = receive_terminal(x);
    }
    remove_directory(x);
    if (x->pid)
        runc_processes_watch(x->engine->processes, x->pid, on_exec_exit, x);
    if (!x->events) {
        x->state = x->pid ? EXEC_RUNNING : EXEC_OVER;
        runc_exec_close(&x->engine->base, x);
        return;
    }
    if (!x->pid || x->terminal_fd < 0) {
        struct vk_err err = {0};

        start_error(result, &err);
        log_v(2, "Exec did not start", LERR(&err));
        x->state = EXEC_OVER;
        x->events->started(x->user, &err);
        return;
    }
    x->state = EXEC_RUNNING;
    update_source(x);
    x->events->started(x->user, NULL);
}

/*
 * The socket is bound and handed to runc through the descriptor of its folder: the path of a state
 * folder may be longer than a socket's may be.
 */
static int open_socket(struct engine_exec *x, struct vk_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (mkdir(x->directory, 0700) < 0)
        return vk_err_errno(err, errno, "folder for an exec");
    x->directory_fd = open(x->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    x->socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/console",
                   x->directory_fd);
    if (x->directory_fd < 0 || x->socket_fd < 0 ||
        bind(x->socket_fd, (const void *)&address, sizeof(address)) < 0 ||
        listen(x->socket_fd, 1) < 0)
        return vk_err_errno(err, errno, "console socket");
    return 0;
}

static int write_process(const struct runc_instance *i, const struct engine_exec_spec *spec,
                         struct vk_buf *out, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str config;
    int rc = file_read(vk_arena_printf(arena, "%s/config.json", i->bundle), RUNC_CONFIG_MAX, arena,
                       &config, err);

    return rc < 0 ? rc : runc_exec_process_write(config, spec, out, err);
}

static int launch(struct engine_exec *x, const struct runc_instance *i,
                  const struct engine_exec_spec *spec, struct vk_err *err)
{
    struct runc_engine *e = x->engine;
    struct vk_buf process;
    int rc;

    x->directory =
        vk_asprintf("%s/run/exec.%llu", e->state_dir, (unsigned long long)++e->exec_number);
    vk_buf_init_secret(&process, RUNC_CONFIG_MAX);
    rc = write_process(i, spec, &process, err);
    if (rc == 0)
        rc = open_socket(x, err);
    if (rc == 0) {
        char *root VK_AUTOFREE = vk_asprintf("%s/run/runc", e->state_dir);
        char *log VK_AUTOFREE = vk_asprintf("%s/log", x->directory);
        char *pid_file VK_AUTOFREE = vk_asprintf("%s/pid", x->directory);
        char *console VK_AUTOFREE =
            vk_asprintf("/proc/%d/fd/%d/console", (int)getpid(), x->directory_fd);
        const char *const argv[] = {"runc",
                                    "--root",
                                    root,
                                    "--log",
                                    log,
                                    "exec",
                                    "--detach",
                                    "--console-socket",
                                    console,
                                    "--pid-file",
                                    pid_file,
                                    "--process",
                                    "/proc/self/fd/3",
                                    i->id,
                                    NULL};
        const struct runc_command command = {
            .lane = RUNC_LANE_RUNTIME,
            .argv = argv,
            .secret = vk_buf_str(&process),
            .output_fd = -1,
            .deadline_ms = RUNC_DEADLINE_MS,
        };

        x->state = EXEC_STARTING;
        runc_processes_run(e->processes, &command, on_exec, x);
    }
    vk_buf_release_secret(&process);
    return rc;
}

struct engine_exec *runc_exec_start(struct engine *engine, struct engine_sandbox *s,
                                    const struct engine_exec_spec *spec,
                                    const struct engine_exec_events *events, void *user)
{
    struct runc_engine *e = runc_engine_of(engine);
    const struct runc_instance *i = runc_instance_running(s, spec->container);
    struct engine_exec *x = vk_calloc(1, sizeof(*x));
    int rc;

    x->engine = e;
    x->events = events;
    x->user = user;
    x->directory_fd = x->socket_fd = x->terminal_fd = -1;
    vk_buf_init_secret(&x->input, INPUT_MAX);
    vk_timer_init(&x->timer, e->loop, "exec", on_timer, x);
    vk_list_init(&x->node);
    vk_list_add_tail(&e->execs, &x->node);
    rc = i ? launch(x, i, spec, &x->err)
           : vk_err_set(&x->err, VK_CONFLICT, "container %s is not running", spec->container);
    if (rc < 0) {
        remove_directory(x);
        x->state = EXEC_FAILED;
        vk_timer_arm(&x->timer, 0);
    }
    return x;
}
