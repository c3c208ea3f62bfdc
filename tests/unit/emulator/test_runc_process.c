/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_process.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "base/clock.h"

#define WAIT_MS 60000

static struct vk_loop *loop;
static struct runc_processes *processes;

struct outcome {
    bool done;
    struct runc_result result; /* its texts are the copies below */
    char out[256], error_text[256];
    size_t out_n;
    int status;
};

static void copy_text(struct vk_str s, char out[256])
{
    size_t n = s.n < 255 ? s.n : 255;
    if (n)
        memcpy(out, s.p, n);
    out[n] = '\0';
}

static void on_command(void *user, const struct runc_result *result)
{
    struct outcome *o = user;
    assert_false(o->done);
    o->done = true;
    o->result = *result;
    o->out_n = result->out.n;
    copy_text(result->out, o->out);
    copy_text(result->error_text, o->error_text);
}

static void on_end(void *user, int status)
{
    struct outcome *o = user;
    assert_false(o->done);
    o->done = true;
    o->status = status;
}

static void begin(struct outcome *o, const char *script, struct runc_command command)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    if (!command.argv)
        command.argv = argv;
    if (!command.deadline_ms)
        command.deadline_ms = WAIT_MS;
    runc_processes_run(processes, &command, on_command, o);
    assert_false(o->done);
}

static void finish(struct outcome *o)
{
    assert_true(o->done || vk_loop_run_until(loop, &o->done, WAIT_MS));
}

static int set_up(void **state)
{
    (void)state;
    loop = vk_loop_new();
    processes = runc_processes_new(loop);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    runc_processes_free(processes);
    vk_loop_free(loop);
    return 0;
}

static const struct runc_command captured = {.lane = RUNC_LANE_RUNTIME, .output_fd = -1};

static void output_error_input_and_exit_code_arrive(void **state)
{
    (void)state;
    struct outcome o = {0};
    struct runc_command command = captured;
    command.input = VK_STR("text");
    command.secret = VK_STR("hidden");
    begin(&o, "cat; cat /proc/self/fd/3; echo ' bad ' >&2; exit 3", command);
    finish(&o);
    assert_string_equal(o.out, "texthidden");
    assert_string_equal(o.error_text, "bad");
    assert_false(o.result.ok);
    assert_int_equal(WEXITSTATUS(o.result.status), 3);
    o = (struct outcome){0};
    begin(&o, "cat; test ! -e /proc/self/fd/3", captured);
    finish(&o);
    assert_true(o.result.ok);
    assert_string_equal(o.out, "");
}

static void child_starts_with_default_signals_and_no_descriptors_of_ours(void **state)
{
    (void)state;
    struct outcome o = {0};
    begin(&o,
          "grep -E 'Sig(Blk|Ign)' /proc/self/status | sed s/180000000$/000000000/; "
          "ls /proc/self/fd | wc -l",
          captured);
    finish(&o);
    /* posix_spawn itself ignores 32 and 33, the C library's own. Descriptors 0, 1, 2 and the one
     * with which ls reads the folder. */
    assert_string_equal(o.out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n4\n");
}

static void deadline_kills_the_whole_command(void **state)
{
    (void)state;
    struct outcome o = {0};
    struct runc_command command = captured;
    command.deadline_ms = 100;
    int64_t start = vk_mono_ms();
    begin(&o, "sleep 1000 & sleep 1000", command);
    finish(&o);
    assert_true(o.result.timed_out);
    assert_false(o.result.ok);
    assert_in_range(vk_mono_ms() - start, 90, 5000);
}

static void missing_program_is_told_apart(void **state)
{
    (void)state;
    static const char *const argv[] = {"/no/such/program", NULL};
    struct outcome o = {0};
    struct runc_command command = captured;
    command.argv = argv;
    begin(&o, NULL, command);
    finish(&o);
    assert_false(o.result.ok);
    assert_int_equal(o.result.status, -1);
}

static void output_is_bounded(void **state)
{
    (void)state;
    struct outcome o = {0};
    begin(&o, "head -c 3000000 /dev/zero", captured);
    finish(&o);
    assert_int_equal(o.out_n, RUNC_OUTPUT_MAX);
    assert_false(o.result.ok);
}

static void output_goes_where_it_is_sent(void **state)
{
    (void)state;
    int ends[2];
    char text[64] = "";
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct outcome o = {0};
    begin(&o, "echo out; echo err >&2",
          (struct runc_command){.lane = RUNC_LANE_RUNTIME, .output_fd = ends[1]});
    close(ends[1]);
    finish(&o);
    assert_true(o.result.ok);
    assert_int_equal(read(ends[0], text, sizeof(text)), 8);
    assert_string_equal(text, "out\nerr\n");
    /* The end shows: no copy of the writing end stays with us. */
    assert_int_equal(read(ends[0], text, sizeof(text)), 0);
    close(ends[0]);
}

static void lanes_are_limited_and_independent(void **state)
{
    (void)state;
    enum { N = 10 };
    struct outcome o[N] = {{0}}, other = {0};
    for (int i = 0; i < N; i++)
        begin(&o[i], "read line", (struct runc_command){.lane = RUNC_LANE_IMAGES, .output_fd = -1});
    assert_int_equal(processes->active[RUNC_LANE_IMAGES], lane_limit[RUNC_LANE_IMAGES]);
    begin(&other, "true", captured);
    assert_int_equal(processes->active[RUNC_LANE_RUNTIME], 1);
    for (int i = 0; i < N; i++)
        finish(&o[i]);
    finish(&other);
    assert_int_equal(processes->active[RUNC_LANE_IMAGES], 0);
}

/* As a runtime does: starts a process, prints its number and goes. */
static pid_t leave_behind(const char *script)
{
    struct outcome o = {0};
    char *command VK_AUTOFREE = vk_asprintf("(%s) >/dev/null & echo $!", script);
    begin(&o, command, captured);
    finish(&o);
    pid_t pid = 0;
    assert_int_equal(sscanf(o.out, "%d", &pid), 1);
    return pid;
}

static void adopted_process_is_watched(void **state)
{
    (void)state;
    struct outcome o = {0};
    pid_t pid = leave_behind("exec sleep 1000");
    runc_processes_watch(processes, pid, on_end, &o);
    kill(pid, SIGTERM);
    finish(&o);
    assert_true(WIFSIGNALED(o.status));
    assert_int_equal(WTERMSIG(o.status), SIGTERM);
}

static struct outcome late;
static const char *self; /* this program */

/* Watches from inside the callback, where a fast container has ended already. */
static void watch_in_callback(void *user, const struct runc_result *result)
{
    pid_t pid = 0;
    char text[256];
    copy_text(result->out, text);
    assert_int_equal(sscanf(text, "%d", &pid), 1);
    bool *watched = user;
    *watched = true;
    runc_processes_watch(processes, pid, on_end, &late);
    assert_false(late.done);
}

static void exit_code_of_a_process_that_ended_first_is_not_lost(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        bool watched = false;
        late = (struct outcome){0};
        const char *const argv[] = {self, i % 2 ? "late" : "early", NULL};
        struct runc_command command = captured;
        command.argv = argv;
        command.deadline_ms = WAIT_MS;
        runc_processes_run(processes, &command, watch_in_callback, &watched);
        assert_true(vk_loop_run_until(loop, &watched, WAIT_MS));
        finish(&late);
        assert_true(WIFEXITED(late.status));
        assert_int_equal(WEXITSTATUS(late.status), 7);
    }
}

static void command_without_loop_has_a_deadline(void **state)
{
    (void)state;
    static const char *const echo[] = {"sh", "-c", "read x; test $x = word && exit 5", NULL};
    static const char *const slow[] = {"sleep", "1000", NULL};
    static const char *const none[] = {"/no/such/program", NULL};
    assert_int_equal(runc_process_run_now(echo, VK_STR("word\n"), WAIT_MS), 5);
    assert_int_equal(runc_process_run_now(slow, VK_STR(""), 50), -1);
    assert_int_equal(runc_process_run_now(none, VK_STR(""), WAIT_MS), -1);
}

static void end_kills_what_runs_and_forgets_what_waits(void **state)
{
    (void)state;
    struct outcome o[6] = {{0}};
    for (int i = 0; i < 6; i++)
        begin(&o[i], "sleep 1000",
              (struct runc_command){.lane = RUNC_LANE_IMAGES, .output_fd = -1});
    pid_t pid = VK_LIST_ENTRY(processes->running.next, struct child, node)->pid;
    assert_int_equal(kill(pid, 0), 0);
    runc_processes_free(processes);
    assert_int_not_equal(kill(pid, 0), 0);
    for (int i = 0; i < 6; i++)
        assert_false(o[i].done);
    processes = runc_processes_new(loop);
}

/* What a runtime does, without a shell, which might reap the process itself. */
static int leave_one_behind(bool early)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    printf("%d\n", pid);
    siginfo_t info;
    if (early)
        (void)waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    return 0;
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc == 2)
        return leave_one_behind(vk_streq(argv[1], "early"));
    signal(SIGPIPE, SIG_IGN);
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(output_error_input_and_exit_code_arrive),
        TEST(child_starts_with_default_signals_and_no_descriptors_of_ours),
        TEST(deadline_kills_the_whole_command),
        TEST(missing_program_is_told_apart),
        TEST(output_is_bounded),
        TEST(output_goes_where_it_is_sent),
        TEST(lanes_are_limited_and_independent),
        TEST(adopted_process_is_watched),
        TEST(exit_code_of_a_process_that_ended_first_is_not_lost),
        TEST(command_without_loop_has_a_deadline),
        TEST(end_kills_what_runs_and_forgets_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
