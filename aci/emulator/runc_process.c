/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/secret.h"

static const unsigned lane_limit[RUNC_LANE_COUNT] = {
    [RUNC_LANE_IMAGES] = 4,
    [RUNC_LANE_RUNTIME] = 16,
    [RUNC_LANE_REMOVAL] = 1,
    [RUNC_LANE_CLONES] = 4,
};
static const char *const minimal_env[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    NULL,
};

struct child {
    struct vk_list node;
    struct runc_processes *owner;
    pid_t pid;           /* 0 while it waits for its lane */
    runc_command_fn fn;  /* of a command */
    runc_exit_fn on_end; /* of a watched process */
    void *user;
    /* Commands. */
    enum runc_lane lane;
    char **argv, **env;
    int fds[4]; /* stdin, stdout, stderr, secret; -1 where there is none */
    bool captured;
    int64_t deadline_ms;
    bool timed_out;
    int status;
    struct vk_timer timer;
};

/* A child that ended before anybody asked for it. */
struct orphan {
    pid_t pid;
    int status;
};

#define ORPHANS_MAX 4096

struct runc_processes {
    struct vk_loop *loop;
    struct vk_list running, ended;
    struct vk_list waiting[RUNC_LANE_COUNT];
    unsigned active[RUNC_LANE_COUNT];
    struct orphan *orphans;
    size_t orphan_count, orphan_cap;
};

static void start_waiting(struct runc_processes *ps, enum runc_lane lane);

static char **copy_strings(const char *const *strings)
{
    size_t n = 0;
    while (strings[n])
        n++;
    char **copy = vk_calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = vk_strdup(strings[i]);
    return copy;
}

static void free_strings(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++)
        vk_free(strings[i]);
    vk_free(strings);
}

/*
 * An in-memory file instead of a pipe: neither side ever waits for the other, and the end of the
 * process is the only event. The seal bounds what a child can write.
 */
static int memory_file(const char *name, struct vk_str content, size_t limit)
{
    int fd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    size_t done = 0;
    while (done < content.n) {
        ssize_t n = pwrite(fd, content.p + done, content.n - done, (off_t)done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done < content.n || (limit && (ftruncate(fd, (off_t)limit) < 0 ||
                                       fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0))) {
        close(fd);
        return -1;
    }
    /* Above the child's standard descriptors, so that no dup2 below overwrites another's source. */
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 16);
    close(fd);
    return high;
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 16);
    if (fd >= 0)
        close(fd);
    return high;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void child_free(struct child *c)
{
    vk_list_remove(&c->node);
    vk_timer_disarm(&c->timer);
    for (size_t i = 0; i < VK_COUNT(c->fds); i++)
        close_fd(&c->fds[i]);
    free_strings(c->argv);
    free_strings(c->env);
    vk_free(c);
}

/* 0, or the errno of what failed. Signals are as in a fresh process: ours are blocked or ignored.
 */
static int spawn(char *const *argv, char *const *env, const int fds[4], pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    for (int i = 0; i < 4; i++)
        if (fds[i] >= 0)
            posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    /* Libraries and whoever started us do not all set CLOEXEC. */
    posix_spawn_file_actions_addclosefrom_np(&actions, fds[3] >= 0 ? 4 : 3);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    int rc = posix_spawnp(ret_pid, argv[0], &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static void read_output(int fd, struct vk_buf *out)
{
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_CUR) : 0;
    if (size <= 0)
        return;
    size_t want = (size_t)size < RUNC_OUTPUT_MAX ? (size_t)size : RUNC_OUTPUT_MAX;
    char *p = vk_buf_reserve(out, want);
    ssize_t n = p ? pread(fd, p, want, 0) : -1;
    if (n > 0)
        vk_buf_commit(out, (size_t)n);
}

static void command_end(struct child *c)
{
    struct runc_processes *ps = c->owner;
    struct vk_buf out VK_BUF_AUTO, error_text VK_BUF_AUTO;
    vk_buf_init(&out, RUNC_OUTPUT_MAX + 1);
    vk_buf_init(&error_text, RUNC_OUTPUT_MAX + 1);
    if (c->captured) {
        read_output(c->fds[1], &out);
        read_output(c->fds[2], &error_text);
    }
    struct runc_result result = {
        .ok = c->status == 0 && !c->timed_out,
        .timed_out = c->timed_out,
        .status = c->status,
        .out = vk_buf_str(&out),
        .error_text = vk_str_trim(vk_buf_str(&error_text)),
    };
    runc_command_fn fn = c->fn;
    void *user = c->user;
    child_free(c);
    fn(user, &result);
    /* Orphans are kept for the callback of the command that left them behind. */
    unsigned active = 0;
    for (size_t i = 0; i < RUNC_LANE_COUNT; i++)
        active += ps->active[i];
    if (!active && vk_list_is_empty(&ps->ended))
        ps->orphan_count = 0;
}

/* Timer of a child: the end of one that needs no signal, or the deadline of one that runs. */
static void child_timer(void *user)
{
    struct child *c = user;
    if (c->pid) {
        c->timed_out = true;
        kill(-c->pid, SIGKILL);
        kill(c->pid, SIGKILL);
        return;
    }
    if (c->on_end) {
        runc_exit_fn fn = c->on_end;
        void *to = c->user;
        int status = c->status;
        child_free(c);
        fn(to, status);
        return;
    }
    command_end(c);
}

static void command_start(struct child *c)
{
    struct runc_processes *ps = c->owner;
    vk_list_remove(&c->node);
    int rc = c->captured && (c->fds[1] < 0 || c->fds[2] < 0)
                 ? EMFILE
                 : spawn(c->argv, c->env ? c->env : (char *const *)(uintptr_t)minimal_env, c->fds,
                         &c->pid);
    if (rc) {
        log_warning("Command did not start", LS("command", c->argv[0]), LS("err", strerror(rc)));
        c->pid = 0;
        c->status = -1;
        vk_list_add_tail(&ps->ended, &c->node);
        vk_timer_arm(&c->timer, 0);
        return;
    }
    /* The container's log must end when its last writer ends: no copy of it stays with us. */
    close_fd(&c->fds[0]);
    close_fd(&c->fds[3]);
    if (!c->captured) {
        close_fd(&c->fds[1]);
        close_fd(&c->fds[2]);
    }
    ps->active[c->lane]++;
    vk_list_add_tail(&ps->running, &c->node);
    vk_timer_arm(&c->timer, c->deadline_ms);
}

static void start_waiting(struct runc_processes *ps, enum runc_lane lane)
{
    while (ps->active[lane] < lane_limit[lane] && !vk_list_is_empty(&ps->waiting[lane]))
        command_start(VK_LIST_ENTRY(ps->waiting[lane].next, struct child, node));
}

static struct child *child_new(struct runc_processes *ps, void *user)
{
    struct child *c = vk_calloc(1, sizeof(*c));
    c->owner = ps;
    c->user = user;
    for (size_t i = 0; i < VK_COUNT(c->fds); i++)
        c->fds[i] = -1;
    vk_list_init(&c->node);
    vk_timer_init(&c->timer, ps->loop, "child process", child_timer, c);
    return c;
}

void runc_processes_run(struct runc_processes *ps, const struct runc_command *command,
                        runc_command_fn fn, void *user)
{
    struct child *c = child_new(ps, user);
    c->fn = fn;
    c->lane = command->lane;
    c->argv = copy_strings(command->argv);
    c->env = command->env ? copy_strings(command->env) : NULL;
    c->deadline_ms = command->deadline_ms;
    c->captured = command->output_fd < 0;
    c->fds[0] = command->input.n ? memory_file("input", command->input, 0) : open_null();
    if (command->secret.n)
        c->fds[3] = memory_file("secret", command->secret, 0);
    if (c->captured) {
        c->fds[1] = memory_file("output", VK_STR(""), RUNC_OUTPUT_MAX);
        c->fds[2] = memory_file("error", VK_STR(""), RUNC_OUTPUT_MAX);
    } else {
        c->fds[1] = fcntl(command->output_fd, F_DUPFD_CLOEXEC, 16);
        c->fds[2] = fcntl(command->output_fd, F_DUPFD_CLOEXEC, 16);
    }
    vk_list_add_tail(&ps->waiting[c->lane], &c->node);
    start_waiting(ps, c->lane);
}

static struct child *find_running(struct runc_processes *ps, pid_t pid)
{
    VK_LIST_FOREACH(it, &ps->running)
    {
        struct child *c = VK_LIST_ENTRY(it, struct child, node);
        if (c->pid == pid)
            return c;
    }
    return NULL;
}

void runc_processes_watch(struct runc_processes *ps, pid_t pid, runc_exit_fn fn, void *user)
{
    struct child *c = child_new(ps, user);
    c->on_end = fn;
    siginfo_t info;
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        c->pid = pid;
        vk_list_add_tail(&ps->running, &c->node);
        return;
    }
    /* Ended and reaped before; the latest of that number is the one. */
    c->status = SIGKILL;
    for (size_t i = ps->orphan_count; i-- > 0;) {
        if (ps->orphans[i].pid == pid) {
            c->status = ps->orphans[i].status;
            break;
        }
    }
    vk_list_add_tail(&ps->ended, &c->node);
    vk_timer_arm(&c->timer, 0);
}

void runc_processes_unwatch(struct runc_processes *ps, pid_t pid)
{
    struct child *c = find_running(ps, pid);
    if (c && c->on_end)
        child_free(c);
}

/* The oldest half goes when there are too many: nobody asked for those while they were fresh. */
static void keep_orphan(struct runc_processes *ps, pid_t pid, int status)
{
    if (ps->orphan_count == ORPHANS_MAX) {
        ps->orphan_count = ORPHANS_MAX / 2;
        memmove(ps->orphans, ps->orphans + ORPHANS_MAX / 2,
                ps->orphan_count * sizeof(*ps->orphans));
    }
    ps->orphans = vk_grow(ps->orphans, &ps->orphan_cap, ps->orphan_count + 1, sizeof(*ps->orphans));
    ps->orphans[ps->orphan_count++] = (struct orphan){.pid = pid, .status = status};
}

/* Reaps all that ended first, then calls back: a callback may find any of them. */
static void on_sigchld(void *user, int signo)
{
    (void)signo;
    struct runc_processes *ps = user;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *c = find_running(ps, pid);
        if (!c) {
            keep_orphan(ps, pid, status);
            continue;
        }
        c->pid = 0;
        c->status = status;
        vk_list_remove(&c->node);
        vk_list_add_tail(&ps->ended, &c->node);
        if (c->fn)
            ps->active[c->lane]--;
        vk_timer_arm(&c->timer, 0);
    }
    for (unsigned lane = 0; lane < RUNC_LANE_COUNT; lane++)
        start_waiting(ps, (enum runc_lane)lane);
}

struct runc_processes *runc_processes_new(struct vk_loop *loop)
{
    struct runc_processes *ps = vk_calloc(1, sizeof(*ps));
    ps->loop = loop;
    vk_list_init(&ps->running);
    vk_list_init(&ps->ended);
    for (size_t i = 0; i < RUNC_LANE_COUNT; i++)
        vk_list_init(&ps->waiting[i]);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    vk_loop_on_signal(loop, SIGCHLD, on_sigchld, ps);
    return ps;
}

static void ignore_sigchld(void *user, int signo)
{
    (void)user;
    (void)signo;
}

void runc_processes_free(struct runc_processes *ps)
{
    if (!ps)
        return;
    vk_loop_on_signal(ps->loop, SIGCHLD, ignore_sigchld, NULL);
    VK_LIST_FOREACH(it, &ps->running)
    {
        struct child *c = VK_LIST_ENTRY(it, struct child, node);
        if (c->fn) {
            kill(-c->pid, SIGKILL);
            kill(c->pid, SIGKILL);
            waitpid(c->pid, NULL, 0);
        }
        child_free(c);
    }
    VK_LIST_FOREACH(it, &ps->ended)
    child_free(VK_LIST_ENTRY(it, struct child, node));
    for (size_t i = 0; i < RUNC_LANE_COUNT; i++) {
        VK_LIST_FOREACH(it, &ps->waiting[i])
        child_free(VK_LIST_ENTRY(it, struct child, node));
    }
    vk_free(ps->orphans);
    vk_free(ps);
}

int runc_process_run_now(const char *const *argv, struct vk_str input, int64_t deadline_ms)
{
    int null = open_null();
    int in = memory_file("input", input, 0);
    const int fds[4] = {in, null, null, -1};
    char **copy = copy_strings(argv);
    pid_t pid = 0;
    int result = -1;
    int rc = spawn(copy, (char *const *)(uintptr_t)minimal_env, fds, &pid);
    if (rc == 0) {
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd wait = {.fd = pidfd, .events = POLLIN};
        if (pidfd < 0 || poll(&wait, 1, (int)deadline_ms) != 1) {
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL);
        }
        int status = 0;
        if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
            result = WEXITSTATUS(status);
        if (pidfd >= 0)
            close(pidfd);
    }
    free_strings(copy);
    if (in >= 0)
        close(in);
    if (null >= 0)
        close(null);
    return result;
}
