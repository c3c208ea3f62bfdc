/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aci/emulator/log_follow.h"
#include "aci/emulator/runc_engine.h"
#include "aci/emulator/runc_error.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define START_ERROR_MAX 4096
/* Read per turn of the loop, so that one loud container does not starve the others. */
#define LOG_READ_MAX 32768

static void remove_instance(struct runc_instance *i);

static void close_log(struct runc_instance *i)
{
    vk_fd_remove(i->log_source);
    i->log_source = NULL;
    if (i->log_fd >= 0)
        close(i->log_fd);
    i->log_fd = -1;
}

void runc_instance_free(struct runc_instance *i)
{
    vk_list_remove(&i->node);
    vk_timer_disarm(&i->timer);
    close_log(i);
    log_follow_end(&i->followers);
    container_log_free(i->log);
    vk_free(i->name);
    vk_free(i->id);
    vk_free(i->directory);
    vk_free(i->bundle);
    vk_free(i->cgroup);
    vk_free(i);
}

void runc_instance_stop(struct runc_instance *i)
{
    i->on_started = NULL;
    i->on_exited = NULL;
    if (i->state == RUNC_INSTANCE_RUNNING)
        kill(i->pid, SIGKILL);
}

/* False at the end of the output, or when there is none at the moment. */
static bool read_log(struct runc_instance *i)
{
    char block[LOG_READ_MAX];
    ssize_t n = read(i->log_fd, block, sizeof(block));
    if (n > 0) {
        const struct vk_str bytes = {.p = block, .n = (size_t)n};
        container_log_append(i->log, bytes, vk_wall_ns());
        log_follow_output(&i->followers, bytes);
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    close_log(i);
    return false;
}

static void on_log(void *user, uint32_t events)
{
    (void)events;
    (void)read_log(user);
}

static void gone(struct runc_instance *i)
{
    struct engine_sandbox *s = i->sandbox;
    runc_unprepare(i);
    i->state = RUNC_INSTANCE_GONE;
    if (!i->started)
        runc_instance_free(i);
    runc_sandbox_progress(s);
}

static void on_removed(void *user, const struct runc_result *result)
{
    struct runc_instance *i = user;
    if (!result->ok) {
        char *text VK_AUTOFREE = vk_strndup(result->error_text.p, result->error_text.n);
        log_v(2, "runc delete failed", LS("container", i->id), LS("err", text));
    }
    gone(i);
}

static void remove_instance(struct runc_instance *i)
{
    char *root VK_AUTOFREE = vk_asprintf("%s/run/runc", i->sandbox->engine->state_dir);
    const char *const argv[] = {"runc", "--root", root, "delete", "-f", i->id, NULL};
    struct runc_command command = {
        .lane = RUNC_LANE_RUNTIME,
        .argv = argv,
        .output_fd = -1,
        .deadline_ms = RUNC_DEADLINE_MS,
    };
    i->state = RUNC_INSTANCE_REMOVING;
    runc_processes_run(i->sandbox->engine->processes, &command, on_removed, i);
}

static void on_exit_status(void *user, int status)
{
    struct runc_instance *i = user;
    struct runc_engine *e = i->sandbox->engine;
    struct engine_exit ended = {.finished_wall_ns = vk_wall_ns()};
    ended.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    ended.exit_code = ended.signal ? 128 + ended.signal : WEXITSTATUS(status);
    /* Some process of it may have been killed and the first one carried on to a good end. */
    ended.oom_killed = ended.exit_code != 0 && cgroup_oom_kills(&e->cgroups, i->cgroup) > 0;
    /* All writers ended with the first process: what is left fits into the pipe. */
    while (i->log_fd >= 0 && read_log(i))
        ;
    close_log(i);
    log_follow_end(&i->followers);
    container_log_end(i->log);
    engine_exited_fn exited = i->on_exited;
    void *to = i->user;
    i->on_exited = NULL;
    log_v(3, "Container ended", LS("container", i->id), LI("exitCode", ended.exit_code),
          LB("oom", ended.oom_killed));
    remove_instance(i);
    if (exited)
        exited(to, &ended);
}

/* The runtime writes the pid before it lets the process go: that is when it started. */
static bool read_pid(const struct runc_instance *i, pid_t *ret_pid, int64_t *ret_wall_ns)
{
    char *path VK_AUTOFREE = vk_asprintf("%s/pid", i->bundle);
    FILE *f = fopen(path, "re");
    struct stat st;
    int64_t pid = 0;
    char line[32];
    bool ok = f && fgets(line, sizeof(line), f) &&
              vk_str_int64(vk_str_trim(vk_str_of(line)), 2, INT_MAX, &pid) &&
              fstat(fileno(f), &st) == 0;
    if (f)
        fclose(f);
    if (ok) {
        *ret_pid = (pid_t)pid;
        *ret_wall_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    }
    return ok;
}

/* Earlier runs of the name are of no more interest once this one has its own log. */
static void forget_earlier(struct runc_instance *i)
{
    VK_LIST_FOREACH(it, &i->sandbox->instances)
    {
        struct runc_instance *other = VK_LIST_ENTRY(it, struct runc_instance, node);
        if (other == i || !vk_streq(other->name, i->name))
            continue;
        other->started = false;
        if (other->state == RUNC_INSTANCE_GONE)
            runc_instance_free(other);
    }
}

/* The runtime prints its error where the container's output goes. */
static void start_error(struct runc_instance *i, const struct runc_result *result,
                        struct vk_err *err)
{
    static const char prefix[] = "runc run failed: ";
    char text[START_ERROR_MAX];
    ssize_t n = i->log_fd < 0 ? 0 : read(i->log_fd, text, sizeof(text));
    struct vk_str said = vk_str_trim((struct vk_str){.p = text, .n = n > 0 ? (size_t)n : 0});
    const char *at = said.n ? memmem(said.p, said.n, prefix, sizeof(prefix) - 1) : NULL;
    if (at) {
        at += sizeof(prefix) - 1;
        said.n -= (size_t)(at - said.p);
        said.p = at;
    }
    if (result->timed_out)
        (void)vk_err_set(err, VK_UNAVAILABLE, "container %s did not start within %d s", i->name,
                         RUNC_DEADLINE_MS / 1000);
    else if (result->status < 0)
        (void)vk_err_set(err, VK_INTERNAL, "runc could not be run; is it installed?");
    else
        (void)vk_err_set(err, runc_error_is_machines(said) ? VK_UNAVAILABLE : VK_INVALID, "%.*s",
                         said.n < 400 ? (int)said.n : 400,
                         said.n ? said.p : "the container did not start");
}

static void on_run(void *user, const struct runc_result *result)
{
    struct runc_instance *i = user;
    struct runc_engine *e = i->sandbox->engine;
    engine_started_fn started = i->on_started;
    void *to = i->user;
    int64_t started_wall_ns = 0;
    i->on_started = NULL;
    if (!result->ok || !read_pid(i, &i->pid, &started_wall_ns)) {
        struct vk_err err = {0};
        start_error(i, result, &err);
        close_log(i);
        log_v(2, "Container did not start", LS("container", i->id), LERR(&err));
        i->on_exited = NULL;
        remove_instance(i);
        if (started)
            started(to, 0, &err);
        return;
    }
    i->state = RUNC_INSTANCE_RUNNING;
    i->started = true;
    runc_processes_watch(e->processes, i->pid, on_exit_status, i);
    i->log_source = vk_loop_add_fd(e->loop, i->log_fd, EPOLLIN, "container log", on_log, i);
    forget_earlier(i);
    if (i->sandbox->state >= RUNC_SANDBOX_STOPPING)
        kill(i->pid, SIGKILL);
    else if (started)
        started(to, started_wall_ns, NULL);
}

static void report_failure(void *user)
{
    struct runc_instance *i = user;
    engine_started_fn started = i->on_started;
    void *to = i->user;
    struct vk_err err = i->err;
    i->on_started = NULL;
    i->on_exited = NULL;
    log_v(2, "Container did not start", LS("container", i->id), LERR(&err));
    gone(i);
    if (started)
        started(to, 0, &err);
}

static int launch(struct runc_instance *i, struct vk_err *err)
{
    struct runc_engine *e = i->sandbox->engine;
    int ends[2];
    char *log_path VK_AUTOFREE = vk_asprintf("%s.log", i->directory);
    int rc = container_log_new(log_path, &i->log, err);
    if (rc < 0)
        return rc;
    /* One pipe for both streams: ACI's log is one text in the order of writing. */
    if (pipe2(ends, O_CLOEXEC) < 0)
        return vk_err_errno(err, errno, "pipe for the log of container %s", i->name);
    i->log_fd = ends[0];
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    char *root VK_AUTOFREE = vk_asprintf("%s/run/runc", e->state_dir);
    char *runc_log VK_AUTOFREE = vk_asprintf("%s/runc.log", i->bundle);
    char *pid_file VK_AUTOFREE = vk_asprintf("%s/pid", i->bundle);
    const char *const argv[] = {"runc",       "--root", root, "--log",   runc_log, "run", "-d",
                                "--pid-file", pid_file, "-b", i->bundle, i->id,    NULL};
    struct runc_command command = {
        .lane = RUNC_LANE_RUNTIME,
        .argv = argv,
        .output_fd = ends[1],
        .deadline_ms = RUNC_DEADLINE_MS,
    };
    i->state = RUNC_INSTANCE_STARTING;
    runc_processes_run(e->processes, &command, on_run, i);
    close(ends[1]);
    return 0;
}

void runc_instance_start(struct engine *engine, struct engine_sandbox *s,
                         const struct engine_container_spec *spec, engine_started_fn started,
                         engine_exited_fn exited, void *user)
{
    struct runc_engine *e = runc_engine_of(engine);
    if (s->state != RUNC_SANDBOX_READY)
        return; /* it goes: pending starts end without a call */
    struct runc_instance *i = vk_calloc(1, sizeof(*i));
    unsigned number = ++s->instance_number;
    i->sandbox = s;
    i->log_fd = -1;
    i->name = vk_strdup(spec->name);
    i->id = vk_asprintf("%s.%s.%u", s->folder, spec->name, number);
    i->directory = vk_asprintf("%s/%s.%u", s->files.directory, spec->name, number);
    i->bundle = vk_asprintf("%s/run/%s", e->state_dir, i->id);
    i->cgroup = vk_asprintf("%s/%s.%u", s->cgroup, spec->name, number);
    i->on_started = started;
    i->on_exited = exited;
    i->user = user;
    vk_timer_init(&i->timer, e->loop, "container start", report_failure, i);
    vk_list_init(&i->followers);
    vk_list_init(&i->node);
    vk_list_add_tail(&s->instances, &i->node);
    int rc = sandbox_files_is_name(spec->name)
                 ? runc_prepare(i, spec, &i->err)
                 : vk_err_set(&i->err, VK_INVALID, "\"%.100s\" is no container name", spec->name);
    if (rc == 0)
        rc = launch(i, &i->err);
    if (rc < 0) {
        i->state = RUNC_INSTANCE_FAILED;
        vk_timer_arm(&i->timer, 0);
    }
}

/* The newest of that name which has run. */
static struct runc_instance *find_started(struct engine_sandbox *s, const char *name)
{
    struct runc_instance *found = NULL;
    VK_LIST_FOREACH(it, &s->instances)
    {
        struct runc_instance *i = VK_LIST_ENTRY(it, struct runc_instance, node);
        if (i->started && vk_streq(i->name, name))
            found = i;
    }
    return found;
}

struct runc_instance *runc_instance_running(struct engine_sandbox *s, const char *name)
{
    struct runc_instance *i = find_started(s, name);
    return i && i->state == RUNC_INSTANCE_RUNNING ? i : NULL;
}

struct engine_log_follow *runc_instance_follow(struct engine *e, struct engine_sandbox *s,
                                               const char *name, engine_output_fn output,
                                               engine_done_fn ended, void *user)
{
    (void)e;
    struct runc_instance *i = runc_instance_running(s, name);
    return i ? log_follow_new(&i->followers, output, ended, user) : NULL;
}

void runc_instance_kill(struct engine *e, struct engine_sandbox *s, const char *name, int signal)
{
    (void)e;
    struct runc_instance *i = runc_instance_running(s, name);
    if (i)
        kill(i->pid, signal);
}

int runc_instance_logs(struct engine *e, struct engine_sandbox *s, const char *name, int64_t tail,
                       bool timestamps, struct vk_buf *out, struct vk_err *err)
{
    (void)e;
    struct runc_instance *i = find_started(s, name);
    if (!i)
        return vk_err_set(err, VK_NOT_FOUND, "container %s has not started", name);
    container_log_read(i->log, tail, timestamps, out);
    return 0;
}

bool runc_instance_usage(struct engine *engine, struct engine_sandbox *s, const char *name,
                         struct engine_usage *ret)
{
    struct runc_instance *i = find_started(s, name);
    struct engine_usage all;
    if (!i || i->state != RUNC_INSTANCE_RUNNING ||
        !runc_cgroup_usage(runc_engine_of(engine), i->cgroup, &all))
        return false;
    (void)sandbox_net_counters(i->pid, &all.rx_bytes, &all.tx_bytes);
    *ret = all;
    return true;
}
