/* SPDX-License-Identifier: Apache-2.0 */
/* Exec probes through a real shell of this machine, which stands for the container's. */
#include "kubelet/pods/probe_shell.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/str.h"

#define PATIENCE_MS 60000

/* ---- a provider whose containers are processes of this machine ---- */

struct world {
    struct vk_loop *loop;
    const char *shell[3]; /* what stands in for /bin/sh; NULL: there is none */
    struct provider_ops ops;
    struct provider provider;
    struct probe_shells *shells;
    int opened, open;
};
struct exec_session {
    struct world *world;
    const struct exec_events *events;
    void *user;
    int fd;
    pid_t pid;
    struct vk_fd *source;
    struct vk_timer failure;
};

static void session_free(struct exec_session *s)
{
    s->world->open--;
    vk_timer_disarm(&s->failure);
    vk_fd_remove(s->source);
    if (s->fd >= 0)
        close(s->fd);
    if (s->pid > 0) {
        kill(-s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    vk_free(s);
}

static void finish(struct exec_session *s, const struct vk_err *err)
{
    const struct exec_result result = {.exit_code = 3};

    s->events->finished(s->user, &result, err);
    session_free(s);
}

static void on_readable(void *user, uint32_t events)
{
    struct exec_session *s = user;
    char bytes[4096];
    const ssize_t n = read(s->fd, bytes, sizeof(bytes));

    (void)events;
    if (n > 0)
        s->events->output(s->user, (struct vk_str){bytes, (size_t)n});
    else
        finish(s, NULL);
}

static void on_failure(void *user)
{
    struct vk_err err;

    vk_err_set(&err, VK_UNSUPPORTED, "the image has no /bin/sh");
    finish(user, &err);
}

static struct exec_session *run(void *p, const struct exec_request *request,
                                const struct exec_events *events, void *user)
{
    struct world *w = p;
    struct exec_session *s = vk_calloc(1, sizeof(*s));
    int ends[2];

    assert_string_equal(request->command[0], "/bin/sh");
    assert_int_equal(request->command_count, 3);
    w->opened++;
    w->open++;
    *s = (struct exec_session){.world = w, .events = events, .user = user, .fd = -1};
    vk_timer_init(&s->failure, w->loop, "no shell", on_failure, s);
    if (!w->shell[0]) {
        vk_timer_arm(&s->failure, 0);
        return s;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    s->pid = fork();
    if (s->pid == 0) {
        const char *argv[6] = {w->shell[0]};
        size_t n = w->shell[1] ? 2 : 1;

        setpgid(0, 0);
        argv[n - 1] = w->shell[n - 1];
        argv[n++] = "-c";
        argv[n] = request->command[2];
        dup2(ends[1], STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(ends[1]);
    s->fd = ends[0];
    s->source = vk_loop_add_fd(w->loop, s->fd, EPOLLIN, "shell", on_readable, s);
    return s;
}

static bool write_to(void *p, struct exec_session *s, struct vk_str bytes)
{
    (void)p;
    assert_int_equal(write(s->fd, bytes.p, bytes.n), bytes.n);
    return true;
}

static void cancel(void *p, struct exec_session *s)
{
    (void)p;
    session_free(s);
}

static int set_up(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    w->loop = vk_loop_new();
    w->shell[0] = "/bin/sh";
    w->ops = (struct provider_ops){
        .run_in_container = run, .exec_write = write_to, .exec_cancel = cancel};
    w->provider = (struct provider){.ops = &w->ops, .p = w};
    w->shells = probe_shells_new(w->loop, &w->provider);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    assert_int_equal(w->open, 0);
    probe_shells_free(w->shells);
    vk_loop_free(w->loop);
    vk_free(w);
    return 0;
}

static struct probe_shell *shell_of(struct world *w)
{
    return probe_shell_new(
        w->shells, &(struct pod_identity){.namespace_ = "default", .name = "web", .uid = "u"}, "c");
}

struct seen {
    bool done;
    int count;
    enum probe_outcome_kind kind;
    char output[PROBE_OUTPUT_MAX + 1];
};

static void on_done(void *user, const struct probe_outcome *outcome)
{
    struct seen *s = user;

    s->done = true;
    s->count++;
    s->kind = outcome->kind;
    snprintf(s->output, sizeof(s->output), "%s", outcome->output);
}

#define COMMAND(...)                                                                               \
    (struct json_strs)                                                                             \
    {                                                                                              \
        .v = (const char *[]){__VA_ARGS__},                                                        \
        .n = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                                \
    }

static struct seen probe(struct world *w, struct probe_shell *shell, struct json_strs command,
                         int64_t timeout_ms)
{
    struct seen s = {0};

    probe_exec_start(shell, &command, timeout_ms, on_done, &s);
    assert_false(s.done);
    assert_true(vk_loop_run_until(w->loop, &s.done, PATIENCE_MS));
    assert_int_equal(s.count, 1);
    return s;
}

/* ---- tests ---- */

static void commands_arrive_as_they_are(void **state)
{
    static const char *const shells[][2] = {
        {"/bin/sh", NULL}, {"/bin/bash", NULL}, {"/bin/busybox", "sh"}};
    struct world *w = *state;

    for (size_t i = 0; i < VK_COUNT(shells); i++) {
        struct probe_shell *s;
        struct seen seen;

        if (access(shells[i][0], X_OK) != 0)
            continue;
        w->shell[0] = shells[i][0];
        w->shell[1] = shells[i][1];
        s = shell_of(w);
        w->opened = 0;
        seen = probe(w, s, COMMAND("true"), PATIENCE_MS);
        assert_int_equal(seen.kind, PROBE_SUCCEEDED);
        assert_string_equal(seen.output, "");
        seen = probe(w, s, COMMAND("false"), PATIENCE_MS);
        assert_int_equal(seen.kind, PROBE_FAILED);
        seen = probe(
            w, s,
            COMMAND("printf", "[%s]", "a  b", "it's", "$HOME `x` \\n \\\\", "two\nlines", "", "*"),
            PATIENCE_MS);
        assert_string_equal(seen.output, "[a  b][it's][$HOME `x` \\n \\\\][two\nlines][][*]");
        assert_int_equal(seen.kind, PROBE_SUCCEEDED);
        seen = probe(w, s, COMMAND("sh", "-c", "echo out; echo err >&2\nexit 9"), PATIENCE_MS);
        assert_int_equal(seen.kind, PROBE_FAILED);
        assert_string_equal(seen.output, "out\nerr");
        /* Input of a command is empty: it can't eat the next one. */
        seen = probe(w, s, COMMAND("cat"), PATIENCE_MS);
        assert_int_equal(seen.kind, PROBE_SUCCEEDED);
        assert_int_equal(w->opened, 1);
        probe_shell_free(s);
    }
}

static void output_is_cut(void **state)
{
    struct world *w = *state;
    struct probe_shell *s = shell_of(w);
    const struct seen seen = probe(
        w, s,
        COMMAND("sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo 0123456789; i=$((i+1)); done"),
        PATIENCE_MS);

    assert_int_equal(seen.kind, PROBE_SUCCEEDED);
    assert_int_equal(strlen(seen.output), PROBE_OUTPUT_MAX);
    assert_int_equal(probe(w, s, COMMAND("true"), PATIENCE_MS).kind, PROBE_SUCCEEDED);
    assert_int_equal(w->opened, 1);
    probe_shell_free(s);
}

static void a_command_that_hangs_fails_and_costs_the_shell(void **state)
{
    struct world *w = *state;
    struct probe_shell *s = shell_of(w);
    const struct seen seen = probe(w, s, COMMAND("sleep", "1000"), 1000);

    assert_int_equal(seen.kind, PROBE_FAILED);
    assert_string_equal(seen.output, "command timed out: \"sleep 1000\" timed out after 1s");
    assert_int_equal(w->open, 0);
    assert_int_equal(probe(w, s, COMMAND("true"), PATIENCE_MS).kind, PROBE_SUCCEEDED);
    assert_int_equal(w->opened, 2);
    probe_shell_free(s);
}

static void an_image_without_a_shell_says_so_and_is_not_tried_again_at_once(void **state)
{
    struct world *w = *state;
    struct probe_shell *s = shell_of(w);

    w->shell[0] = NULL;
    for (int i = 0; i < 3; i++) {
        const struct seen seen = probe(w, s, COMMAND("true"), PATIENCE_MS);

        assert_int_equal(seen.kind, PROBE_ERRORED);
        assert_string_equal(seen.output, "the image has no /bin/sh");
    }
    assert_int_equal(w->opened, 1);
    probe_shell_free(s);
}

static void probes_of_one_container_take_turns(void **state)
{
    struct world *w = *state;
    struct probe_shell *s = shell_of(w);
    struct seen seen[3] = {0};
    const struct json_strs commands[] = {COMMAND("echo", "a"), COMMAND("echo", "b"),
                                         COMMAND("echo", "c")};

    for (size_t i = 0; i < VK_COUNT(seen); i++)
        probe_exec_start(s, &commands[i], PATIENCE_MS, on_done, &seen[i]);
    assert_true(vk_loop_run_until(w->loop, &seen[2].done, PATIENCE_MS));
    assert_string_equal(seen[0].output, "a");
    assert_string_equal(seen[1].output, "b");
    assert_string_equal(seen[2].output, "c");
    assert_int_equal(w->opened, 1);
    probe_shell_free(s);
}

static void what_a_lost_shell_was_busy_with_is_no_failure(void **state)
{
    struct world *w = *state;
    struct probe_shell *s = shell_of(w);
    struct seen seen = probe(w, s, COMMAND("sh", "-c", "kill -9 0; sleep 100"), PATIENCE_MS);

    assert_int_equal(seen.kind, PROBE_ERRORED);
    assert_string_equal(seen.output, "the shell for probes ended with exit code 3");
    probe_shell_free(s);
}

static void a_new_run_of_the_container_gets_a_new_shell(void **state)
{
    struct world *w = *state;
    struct probe_shell *s = shell_of(w);
    struct seen seen = {0};
    const struct json_strs command = COMMAND("sleep", "1000");

    assert_int_equal(probe(w, s, COMMAND("true"), PATIENCE_MS).kind, PROBE_SUCCEEDED);
    probe_exec_start(s, &command, PATIENCE_MS, on_done, &seen);
    probe_shell_close(s);
    assert_true(vk_loop_run_until(w->loop, &seen.done, PATIENCE_MS));
    assert_int_equal(seen.kind, PROBE_ERRORED);
    probe_shell_close(s);
    assert_int_equal(probe(w, s, COMMAND("true"), PATIENCE_MS).kind, PROBE_SUCCEEDED);
    assert_int_equal(w->opened, 2);
    probe_shell_free(s);
}

static void a_cancelled_probe_says_nothing(void **state)
{
    struct world *w = *state;
    struct probe_shell *s = shell_of(w);
    struct seen cancelled = {0};
    const struct json_strs command = COMMAND("echo", "x");
    struct probe_exec *e = probe_exec_start(s, &command, PATIENCE_MS, on_done, &cancelled);

    probe_exec_cancel(e);
    assert_string_equal(probe(w, s, COMMAND("echo", "y"), PATIENCE_MS).output, "y");
    assert_int_equal(cancelled.count, 0);
    probe_exec_start(s, &command, PATIENCE_MS, on_done, &cancelled);
    probe_shell_free(s);
    assert_int_equal(cancelled.count, 0);
}

/* The real clock goes on meanwhile: a second's worth may come on top, no more. */
static void openings_have_a_budget(void **state)
{
    enum { COUNT = 2 * PROBE_SHELLS_BURST };
    struct world *w = *state;
    struct probe_shell *shells[COUNT];
    struct seen *seen = vk_calloc(COUNT, sizeof(*seen));
    const struct json_strs command = COMMAND("true");
    const int64_t begin = vk_mono_ms();
    bool never = false;
    int64_t spent_s;

    w->shell[0] = NULL;
    for (size_t i = 0; i < COUNT; i++) {
        shells[i] = shell_of(w);
        probe_exec_start(shells[i], &command, PATIENCE_MS, on_done, &seen[i]);
    }
    for (int i = 0; i < PATIENCE_MS && w->opened <= PROBE_SHELLS_BURST; i++)
        vk_loop_run_until(w->loop, &never, 1);
    vk_loop_run_until(w->loop, &never, 500);
    spent_s = (vk_mono_ms() - begin) / 1000 + 1;
    assert_true(w->opened > PROBE_SHELLS_BURST);
    assert_true(w->opened <= PROBE_SHELLS_BURST + spent_s * PROBE_SHELLS_PER_SECOND);
    for (size_t i = 0; i < COUNT; i++)
        probe_shell_free(shells[i]);
    vk_free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(commands_arrive_as_they_are),
        TEST(output_is_cut),
        TEST(a_command_that_hangs_fails_and_costs_the_shell),
        TEST(an_image_without_a_shell_says_so_and_is_not_tried_again_at_once),
        TEST(probes_of_one_container_take_turns),
        TEST(what_a_lost_shell_was_busy_with_is_no_failure),
        TEST(a_new_run_of_the_container_gets_a_new_shell),
        TEST(a_cancelled_probe_says_nothing),
        TEST(openings_have_a_budget),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
