/* SPDX-License-Identifier: Apache-2.0 */
/* The framing against real shells on pseudo-terminals, and its decoder at every split point. */
#include "provider/exec_shell.c"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MUCH ((size_t)2 << 20)
#define LOST_MS 60000
#define NONCE "0123456789abcdef0123456789abcdef"

/* --- a shell on a terminal --- */

struct seen {
    struct vk_buf output, error;
    struct exec_shell *sh;
    const char *then; /* input that goes when the first output was seen, then its end */
    int code, rc;
    struct vk_err err;
};

static void on_output(void *user, struct vk_str bytes)
{
    struct seen *seen = user;
    vk_buf_addstr(&seen->output, bytes);
}

static void on_error(void *user, struct vk_str bytes)
{
    struct seen *seen = user;
    vk_buf_addstr(&seen->error, bytes);
}

static const struct exec_shell_events events = {.output = on_output, .error_output = on_error};

static const struct shell {
    const char *name, *path, *arg, *as; /* as: what stands in for /bin/sh */
} shells[] = {
    {"dash", "/bin/dash", NULL, "/bin/dash"},
    {"bash", "/bin/bash", NULL, "/bin/bash"},
    {"busybox", "/bin/busybox", "sh", "/bin/busybox sh"},
};

static void seen_init(struct seen *seen)
{
    *seen = (struct seen){0};
    vk_buf_init(&seen->output, 4 * MUCH);
    vk_buf_init(&seen->error, 4 * MUCH);
}

static void seen_release(struct seen *seen)
{
    exec_shell_free(seen->sh);
    vk_buf_release(&seen->output);
    vk_buf_release(&seen->error);
}

static void make(struct seen *seen, const char *const *argv, bool tty)
{
    struct exec_shell_config config = {.command = argv, .tty = tty, .nonce = NONCE};
    while (argv[config.command_count])
        config.command_count++;
    assert_int_equal(exec_shell_new(&config, &events, seen, &seen->sh, &seen->err), 0);
}

/* The first line names /bin/sh; the test runs it with the shell under test. */
static void use_shell(struct exec_shell *sh, const char *as)
{
    char *line VK_AUTOFREE = vk_strndup(vk_buf_peek(&sh->out), vk_buf_len(&sh->out));
    char *at = strstr(line, EXEC_SHELL_PROGRAM);
    assert_non_null(at);
    vk_buf_clear(&sh->out);
    vk_buf_add(&sh->out, line, (size_t)(at - line));
    vk_buf_adds(&sh->out, as);
    vk_buf_adds(&sh->out, at + strlen(EXEC_SHELL_PROGRAM));
}

static void pump(struct seen *seen, int fd)
{
    char bytes[4096];
    while (seen->rc == 0) {
        struct vk_buf *out = exec_shell_out(seen->sh);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (vk_buf_len(out) > 0)
            p.events |= POLLOUT;
        else if (exec_shell_is_done(seen->sh))
            return;
        assert_int_equal(poll(&p, 1, LOST_MS), 1);
        if (p.revents & POLLOUT) {
            const size_t n = vk_buf_len(out) < 50 ? vk_buf_len(out) : 50;
            const ssize_t sent = write(fd, vk_buf_peek(out), n);
            if (sent > 0)
                vk_buf_consume(out, (size_t)sent);
        }
        if (!(p.revents & (POLLIN | POLLHUP)))
            continue;
        const ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n <= 0 && errno == EAGAIN)
            continue;
        if (n <= 0) /* the terminal is closed */
            return;
        seen->rc =
            exec_shell_feed(seen->sh, (struct vk_str){.p = bytes, .n = (size_t)n}, &seen->err);
        if (seen->then && vk_buf_len(&seen->output) > 0) {
            exec_shell_input(seen->sh, vk_str_of(seen->then));
            exec_shell_end_input(seen->sh);
            seen->then = NULL;
        }
    }
}

static void run_with_path(struct seen *seen, const struct shell *shell, const char *path)
{
    char *env[] = {vk_strdup(path), NULL};
    char *args[] = {vk_strdup(shell->path), shell->arg ? vk_strdup(shell->arg) : NULL, NULL};
    int fd;
    const pid_t pid = forkpty(&fd, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGPIPE, SIG_DFL);
        /* A caller that runs in the background lets them ignore these. */
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGQUIT, SIG_DFL);
        execve(shell->path, args, env);
        _exit(120);
    }
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    use_shell(seen->sh, shell->as);
    pump(seen, fd);
    close(fd);
    kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    seen->code = -1;
    (void)exec_shell_has_exited(seen->sh, &seen->code);
    vk_free(args[0]);
    vk_free(args[1]);
    vk_free(env[0]);
}

static void run(struct seen *seen, const struct shell *shell)
{
    run_with_path(seen, shell, "PATH=/usr/bin:/bin");
    if (seen->rc < 0)
        print_error("%s: %s\n", shell->name, seen->err.msg);
    assert_int_equal(seen->rc, 0);
}

#define FOR_EACH_SHELL(s)                                                                          \
    for (const struct shell *s = shells; s < shells + VK_COUNT(shells); s++)                       \
        if (access(s->path, X_OK) == 0)

static char *much(size_t n)
{
    char *bytes = vk_malloc(n);
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (char)(unsigned char)(x >> 24);
    }
    return bytes;
}

/* --- with the shells --- */

static void command_has_its_arguments_streams_and_exit_code(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c",  "printf '%s|' \"$@\"; echo no >&2; exit 37",
                          "it's",    "a b", "$x \"q\" `id` \\",
                          "l1\nl2",  "",    NULL};
    FOR_EACH_SHELL(s)
    {
        struct seen seen;
        seen_init(&seen);
        make(&seen, argv, false);
        exec_shell_end_input(seen.sh);
        run(&seen, s);
        assert_string_equal(vk_buf_peek(&seen.output), "a b|$x \"q\" `id` \\|l1\nl2||");
        assert_string_equal(vk_buf_peek(&seen.error), "no\n");
        assert_int_equal(seen.code, 37);
        seen_release(&seen);
    }
}

static void two_megabytes_come_back_on_both_streams(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "tee /dev/stderr", NULL};
    char *bytes = much(MUCH);
    FOR_EACH_SHELL(s)
    {
        struct seen seen;
        seen_init(&seen);
        make(&seen, argv, false);
        exec_shell_input(seen.sh, (struct vk_str){.p = bytes, .n = MUCH});
        exec_shell_end_input(seen.sh);
        run(&seen, s);
        assert_int_equal(vk_buf_len(&seen.output), MUCH);
        assert_int_equal(vk_buf_len(&seen.error), MUCH);
        assert_memory_equal(vk_buf_peek(&seen.output), bytes, MUCH);
        assert_memory_equal(vk_buf_peek(&seen.error), bytes, MUCH);
        assert_int_equal(seen.code, 0);
        seen_release(&seen);
    }
    vk_free(bytes);
}

static void idle_input_does_not_keep_an_ended_command(void **state)
{
    (void)state;
    const char *argv[] = {"true", NULL};
    FOR_EACH_SHELL(s)
    {
        struct seen seen;
        seen_init(&seen);
        make(&seen, argv, false);
        run(&seen, s);
        assert_int_equal(seen.code, 0);
        seen_release(&seen);
    }
}

static void output_is_live_while_input_is_open(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "echo ready; read x; echo got $x; cat", NULL};
    FOR_EACH_SHELL(s)
    {
        struct seen seen;
        seen_init(&seen);
        make(&seen, argv, false);
        seen.then = "one\ntwo\n";
        run(&seen, s);
        assert_string_equal(vk_buf_peek(&seen.output), "ready\ngot one\ntwo\n");
        assert_int_equal(seen.code, 0);
        seen_release(&seen);
    }
}

static void unread_input_does_not_hang(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "exit 3", NULL};
    char *bytes = much(MUCH / 8);
    FOR_EACH_SHELL(s)
    {
        struct seen seen;
        seen_init(&seen);
        make(&seen, argv, false);
        exec_shell_input(seen.sh, (struct vk_str){.p = bytes, .n = MUCH / 8});
        exec_shell_end_input(seen.sh);
        run(&seen, s);
        assert_int_equal(seen.code, 3);
        seen_release(&seen);
    }
    vk_free(bytes);
}

static void unknown_program_ends_with_127(void **state)
{
    (void)state;
    const char *argv[] = {"no-such-program", "x", NULL};
    FOR_EACH_SHELL(s)
    {
        struct seen seen;
        seen_init(&seen);
        make(&seen, argv, false);
        exec_shell_end_input(seen.sh);
        run(&seen, s);
        assert_int_equal(seen.code, 127);
        assert_non_null(strstr(vk_buf_peek(&seen.error), "no-such-program"));
        seen_release(&seen);
    }
}

static void terminal_reaches_the_command_and_its_code_comes_back(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "test -t 0 && test -t 1 && echo ask; read x; exit 9",
                          NULL};
    FOR_EACH_SHELL(s)
    {
        struct seen seen;
        seen_init(&seen);
        make(&seen, argv, true);
        seen.then = "answer\r";
        run(&seen, s);
        assert_string_equal(vk_buf_peek(&seen.output), "ask\r\nanswer\r\n");
        assert_true(vk_starts(exec_shell_terminal(seen.sh), "/dev/pts/"));
        assert_int_equal(seen.code, 9);
        seen_release(&seen);
    }
}

static void interrupt_ends_the_command_with_130(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "echo on; exec sleep 100", NULL};
    FOR_EACH_SHELL(s)
    {
        struct seen seen;
        seen_init(&seen);
        make(&seen, argv, true);
        seen.then = "\x03";
        run(&seen, s);
        assert_int_equal(seen.code, 130);
        seen_release(&seen);
    }
}

static void missing_tool_is_named_before_input_is_taken(void **state)
{
    (void)state;
    const char *argv[] = {"true", NULL};
    struct seen seen;
    seen_init(&seen);
    make(&seen, argv, false);
    exec_shell_input(seen.sh, VK_STR("precious"));
    run_with_path(&seen, &shells[0], "PATH=/nowhere");
    assert_int_equal(seen.err.code, VK_UNSUPPORTED);
    assert_non_null(strstr(seen.err.msg, "no stty"));
    assert_int_equal(exec_shell_held(seen.sh), 8);
    seen_release(&seen);
}

/* --- the decoder alone --- */

struct transcript {
    const char *text, *output, *error;
    bool tty;
    int code; /* -1: not done */
    bool bad;
};

static const struct transcript transcripts[] = {
    {"$ \1R\n\1B"
     "aGVs!#!#bG8=YQ==[" NONCE " 37]{}",
     "helloa", "\x01\x01", false, 37, false},
    {"\1R\n\1B"
     "{[" NONCE " 0]!#}",
     "", "\x01", false, 0, false},
    {"\1R\n\1B"
     "[" NONCE " 0]{",
     "", "", false, -1, false},
    {"\1R\n\1B"
     "[" NONCE " 256]",
     "", "", false, -1, true},
    {"\1R\n\1B"
     "[0" NONCE " 1]",
     "", "", false, -1, true},
    {"\1R\n\1B"
     "[" NONCE " 1][" NONCE " 1]",
     "", "", false, 1, true},
    {"\1R\n\1B"
     "aGV{",
     "", "", false, -1, true},
    {"\1R\n\1B"
     "!}",
     "", "", false, -1, true},
    {"\1R\n\1B"
     "{aGVs",
     "", "", false, -1, true},
    {"\1R\n\1B"
     "=",
     "", "", false, -1, true},
    {"\1R\n\1B"
     "ab=c",
     "", "", false, -1, true},
    {"\1R\n\1B"
     "ab\n",
     "", "", false, -1, true},
    {"\1Q", "", "", false, -1, true},
    {"\1R\r\n", "", "", false, -1, true},
    {"\1Mod\r\n", "", "", false, -1, true},
    {"\1R\n\1B/dev/pts/0]"
     "hi\1[x\1\1[0123y\r\n\1[" NONCE " 5]rest",
     "hi\1[x\1\1[0123y\r\n", "", true, 5, false},
    {"\1R\n\1B]"
     "hi\1[" NONCE " x]",
     "hi", "", true, -1, true},
    {"\1R\n\1B/dev/pts/0\n]", "", "", true, -1, true},
    {"\1R\n\1B"
     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0]",
     "", "", true, -1, true},
    {"\1R\nhi", "", "", true, -1, true},
};

static void check(const struct transcript *t, size_t first, size_t step)
{
    const char *argv[] = {"true", NULL};
    const size_t n = strlen(t->text);
    struct seen seen;
    seen_init(&seen);
    make(&seen, argv, t->tty);
    for (size_t at = 0, size = first; at < n && seen.rc == 0; at += size, size = step) {
        size = size < n - at ? size : n - at;
        seen.rc =
            exec_shell_feed(seen.sh, (struct vk_str){.p = t->text + at, .n = size}, &seen.err);
    }
    assert_int_equal(seen.rc < 0, t->bad);
    assert_string_equal(vk_buf_peek(&seen.output), t->output);
    assert_string_equal(vk_buf_peek(&seen.error), t->error);
    if (!t->bad) {
        int code = -1;
        assert_int_equal(exec_shell_is_done(seen.sh), t->code >= 0);
        assert_true(t->code < 0 || exec_shell_has_exited(seen.sh, &code));
        if (t->code >= 0)
            assert_int_equal(code, t->code);
    }
    seen_release(&seen);
}

static void transcripts_decode_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(transcripts); i++) {
        const size_t n = strlen(transcripts[i].text);
        for (size_t at = 1; at <= n; at++)
            check(&transcripts[i], at, n);
        check(&transcripts[i], 1, 1);
    }
}

static void commands_have_a_limit(void **state)
{
    (void)state;
    char *word VK_AUTOFREE = vk_malloc(EXEC_SHELL_COMMAND_MAX + 1);
    memset(word, 'x', EXEC_SHELL_COMMAND_MAX);
    word[EXEC_SHELL_COMMAND_MAX] = '\0';
    const char *argv[] = {word};
    struct exec_shell_config config = {.command = argv, .command_count = 1, .nonce = NONCE};
    struct exec_shell *sh;
    struct vk_err err;
    assert_int_equal(exec_shell_new(&config, &events, NULL, &sh, &err), -VK_TOO_LARGE);
    config.command_count = 0;
    assert_int_equal(exec_shell_new(&config, &events, NULL, &sh, &err), -VK_INVALID);
    assert_true(sizeof(boot_line) <= 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_has_its_arguments_streams_and_exit_code),
        cmocka_unit_test(two_megabytes_come_back_on_both_streams),
        cmocka_unit_test(idle_input_does_not_keep_an_ended_command),
        cmocka_unit_test(output_is_live_while_input_is_open),
        cmocka_unit_test(unread_input_does_not_hang),
        cmocka_unit_test(unknown_program_ends_with_127),
        cmocka_unit_test(terminal_reaches_the_command_and_its_code_comes_back),
        cmocka_unit_test(interrupt_ends_the_command_with_130),
        cmocka_unit_test(missing_tool_is_named_before_input_is_taken),
        cmocka_unit_test(transcripts_decode_at_every_split),
        cmocka_unit_test(commands_have_a_limit),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
