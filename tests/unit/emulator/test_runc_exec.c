/* SPDX-License-Identifier: Apache-2.0 */
/* Programs on terminals in real containers. Skipped where the machine cannot run them. */
#include "tests/unit/emulator/engine_driver.h"

#include <sys/prctl.h>

#include "aci/emulator/runc_exec_process.h"
#include "base/log.h"

/* One exec and all that it said. */
struct session {
    struct engine_exec *exec;
    bool started, failed, drained, ended;
    struct vk_err err;
    struct vk_buf shown;
    const char *awaited;
    bool seen;
    bool pause_on_output; /* once */
    size_t received;
    bool count_only;
};

static void on_exec_started(void *user, const struct vk_err *err)
{
    struct session *x = user;
    x->started = true;
    x->failed = err != NULL;
    if (err)
        x->err = *err;
}

static void on_output(void *user, struct vk_str bytes)
{
    struct session *x = user;
    x->received += bytes.n;
    if (!x->count_only)
        vk_buf_addstr(&x->shown, bytes);
    if (x->awaited && strstr(vk_buf_peek(&x->shown), x->awaited))
        x->seen = true;
    if (x->pause_on_output) {
        x->pause_on_output = false;
        x->seen = true;
        engine->ops->exec_pause(engine, x->exec, true);
    }
}

static void on_drained(void *user)
{
    struct session *x = user;
    x->drained = true;
}

static void on_ended(void *user)
{
    struct session *x = user;
    x->ended = true;
}

static const struct engine_exec_events exec_events = {
    .started = on_exec_started, .output = on_output, .drained = on_drained, .ended = on_ended};

static void begin_exec(struct session *x, struct outcome *s, const char *program)
{
    const struct engine_exec_spec spec = {
        .container = "main", .program = program, .rows = 41, .cols = 133};
    *x = (struct session){0};
    vk_buf_init(&x->shown, 4 << 20);
    x->exec = engine->ops->exec_start(engine, s->sandbox, &spec, &exec_events, x);
    assert_non_null(x->exec);
    assert_false(x->started);
}

static void run_exec(struct session *x, struct outcome *s, const char *program)
{
    begin_exec(x, s, program);
    wait_for(&x->started);
    assert_string_equal(x->err.msg, "");
}

static void end_exec(struct session *x)
{
    engine->ops->exec_close(engine, x->exec);
    vk_buf_release(&x->shown);
}

static void type(struct session *x, const char *text)
{
    assert_true(engine->ops->exec_write(engine, x->exec, vk_str_of(text)));
}

/* Until the terminal shows the text; what comes behind it is left for the next. */
static void await_text(struct session *x, const char *text)
{
    x->awaited = text;
    x->seen = strstr(vk_buf_peek(&x->shown), text) != NULL;
    if (!vk_loop_run_until(loop, &x->seen, WAIT_MS))
        fail_msg("no \"%s\" in \"%s\"", text, vk_buf_peek(&x->shown));
    x->awaited = NULL;
    const char *found = strstr(vk_buf_peek(&x->shown), text);
    vk_buf_consume(&x->shown, (size_t)(found - vk_buf_peek(&x->shown)) + strlen(text));
}

static void run_container(struct outcome *s, struct outcome *c, const char *id)
{
    create(s, (struct engine_sandbox_spec){.id = id, .hostname = id});
    run_shell(s, c, "main", "sleep 1000");
}

static bool fails_to_start(struct outcome *s, const char *program, const char *why)
{
    struct session x;
    bool as_said;
    begin_exec(&x, s, program);
    wait_for(&x.started);
    as_said = x.failed && strstr(x.err.msg, why);
    if (!as_said)
        print_error("%s: %s\n", program, x.err.msg);
    assert_false(x.ended);
    end_exec(&x);
    return as_said;
}

static void shell_has_a_terminal_of_the_given_size_and_the_containers_environment(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x;
    run_container(&s, &c, "size");
    run_exec(&x, &s, "/bin/sh");
    type(&x, "stty size; tty\n");
    await_text(&x, "41 133\r\n/dev/pts/0\r\n");
    type(&x, "echo $TERM-$FROM_IMAGE-$(pwd)-$(hostname)\n");
    await_text(&x, "xterm-yes-/tmp-size\r\n");
    type(&x, "echo to-stderr >&2\n");
    await_text(&x, "\nto-stderr\r\n");
    type(&x, "exit 3\n");
    wait_for(&x.ended);
    end_exec(&x);
    remove_sandbox(&s);
}

static void size_is_there_before_the_program_runs(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x;
    create(&s, (struct engine_sandbox_spec){.id = "early", .hostname = "early"});
    run_shell(&s, &c, "main",
              "printf '#!/bin/sh\\nstty size\\n' >/bin/size; chmod +x /bin/size; sleep 1000");
    for (int i = 0; i < 5; i++) {
        run_exec(&x, &s, "size");
        wait_for(&x.ended);
        assert_string_equal(vk_buf_peek(&x.shown), "41 133\r\n");
        end_exec(&x);
    }
    remove_sandbox(&s);
}

static void control_characters_interrupt_and_end(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x;
    run_container(&s, &c, "keys");
    run_exec(&x, &s, "sh");
    type(&x, "sh -c 'echo on; sleep 1000; echo not reached'\n");
    await_text(&x, "\non\r\n");
    type(&x, "\x03");
    type(&x, "echo status $?\n");
    await_text(&x, "status 130\r\n");
    /* What is typed before a program reads goes to the shell's line editor. */
    type(&x, "sh -c 'echo cat; exec cat'\n");
    await_text(&x, "\ncat\r\n");
    type(&x, "typed\n");
    await_text(&x, "typed\r\ntyped\r\n");
    type(&x, "\x04");
    await_text(&x, "# ");
    type(&x, "echo cat ended\n");
    await_text(&x, "\ncat ended\r\n");
    await_text(&x, "# ");
    assert_false(x.ended);
    type(&x, "\x04");
    wait_for(&x.ended);
    end_exec(&x);
    remove_sandbox(&s);
}

static void command_is_one_program_looked_up_literally(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    run_container(&s, &c, "lookup");
    assert_true(fails_to_start(&s, "ls /", "\"ls /\""));
    assert_true(fails_to_start(&s, "/does/not/exist", "no such file or directory"));
    assert_true(fails_to_start(&s, "/etc/passwd", "permission denied"));
    engine->ops->container_kill(engine, s.sandbox, "main", SIGKILL);
    wait_for(&c.exited);
    assert_true(fails_to_start(&s, "sh", "container main is not running"));
    char *run VK_AUTOFREE = vk_asprintf("%s/run", state_dir);
    assert_false(has_entry(run, "exec."));
    remove_sandbox(&s);
}

static void output_of_20_mb_waits_for_its_reader(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x;
    static const bool never;
    run_container(&s, &c, "loud");
    run_exec(&x, &s, "sh");
    x.count_only = true;
    x.pause_on_output = true;
    /* 20 MB behind a marker that tells whether the program got through. */
    type(&x,
         "stty -echo -opost; dd if=/dev/zero bs=1000000 count=20 2>/dev/null; touch /done; exit\n");
    wait_for(&x.seen);
    size_t held = x.received;
    (void)vk_loop_run_until(loop, &never, 300);
    assert_int_equal(x.received, held);
    assert_false(x.ended);
    for (int i = 0; i < 50 && !x.ended; i++) {
        x.pause_on_output = true;
        x.seen = false;
        engine->ops->exec_pause(engine, x.exec, false);
        wait_for(&x.seen);
    }
    x.pause_on_output = false;
    engine->ops->exec_pause(engine, x.exec, false);
    int64_t begin = vk_mono_us();
    wait_for(&x.ended);
    print_message("20 MB of terminal output: %lld ms\n", (long long)(vk_mono_us() - begin) / 1000);
    assert_true(x.received >= 20000000 && x.received < 20000000 + 4096);
    end_exec(&x);
    remove_sandbox(&s);
}

static void pause_holds_the_rest_after_the_end(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x;
    static const bool never;
    run_container(&s, &c, "rest");
    run_exec(&x, &s, "sh");
    await_text(&x, "# ");
    engine->ops->exec_pause(engine, x.exec, true);
    type(&x, "stty -echo; echo the very end; exit\n");
    (void)vk_loop_run_until(loop, &never, 300);
    assert_false(x.ended);
    engine->ops->exec_pause(engine, x.exec, false);
    wait_for(&x.ended);
    assert_non_null(strstr(vk_buf_peek(&x.shown), "the very end\r\n"));
    end_exec(&x);
    remove_sandbox(&s);
}

static void input_waits_for_the_program(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x;
    static char block[16384];
    size_t sent = 0;
    run_container(&s, &c, "input");
    run_exec(&x, &s, "sh");
    type(&x, "stty raw -echo; echo ready; sleep 1; head -c 5000000 | md5sum; exit\n");
    await_text(&x, "ready\n");
    memset(block, 'x', sizeof(block));
    while (sent < 5000000) {
        size_t n = 5000000 - sent < sizeof(block) ? 5000000 - sent : sizeof(block);
        x.drained = false;
        sent += n;
        if (!engine->ops->exec_write(engine, x.exec, (struct vk_str){.p = block, .n = n}))
            wait_for(&x.drained);
    }
    wait_for(&x.ended);
    /* md5 of five million times "x" */
    char *expected VK_AUTOFREE = NULL;
    FILE *f = popen("head -c 5000000 /dev/zero | tr '\\0' x | md5sum | cut -c1-32", "re");
    char line[64] = "";
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    pclose(f);
    expected = vk_strndup(line, 32);
    assert_non_null(strstr(vk_buf_peek(&x.shown), expected));
    end_exec(&x);
    remove_sandbox(&s);
}

static bool process_is_in(const char *cgroup, const char *program)
{
    DIR *d = opendir("/proc");
    bool found = false;
    for (const struct dirent *e; d && !found && (e = readdir(d));) {
        char *path VK_AUTOFREE = vk_asprintf("/proc/%s/cgroup", e->d_name);
        char *comm VK_AUTOFREE = vk_asprintf("/proc/%s/comm", e->d_name);
        found = file_mentions(path, cgroup) && file_mentions(comm, program);
    }
    if (d)
        closedir(d);
    return found;
}

/* The session is closed like that of a client that is gone; how long its program lives on. */
static int64_t abandon(struct outcome *s, const char *script, const char *program)
{
    struct session x;
    struct runc_instance *i = runc_instance_running(s->sandbox, "main");
    static const bool never;
    run_exec(&x, s, "sh");
    type(&x, script);
    await_text(&x, "\nready\r\n");
    for (int n = 0; n < 1000 && !process_is_in(i->cgroup, program); n++)
        (void)vk_loop_run_until(loop, &never, 10);
    assert_true(process_is_in(i->cgroup, program));
    int64_t begin = vk_mono_ms();
    end_exec(&x);
    while (process_is_in(i->cgroup, program)) {
        assert_true(vk_mono_ms() - begin < 60000);
        (void)vk_loop_run_until(loop, &never, 20);
    }
    return vk_mono_ms() - begin;
}

static void hang_up_ends_the_program_and_kills_it_after_a_grace(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    run_container(&s, &c, "gone");
    /* By the hang-up, not by the end of the grace: once is enough, where the machine stands still.
     */
    int64_t ms = 2900;
    for (int i = 0; i < 5 && ms >= 2900; i++)
        ms = abandon(&s, "echo ready; exec tail -f /dev/null\n", "tail");
    assert_true(ms < 2900);
    ms = abandon(&s, "trap '' HUP; echo ready; exec tail -f /dev/null\n", "tail");
    assert_true(ms >= 2900);
    /* Nothing of it keeps the sandbox. */
    assert_false(c.exited);
    remove_sandbox(&s);
}

static void end_of_the_container_ends_its_terminals(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x, late;
    run_container(&s, &c, "ends");
    run_exec(&x, &s, "sh");
    await_text(&x, "# ");
    engine->ops->container_kill(engine, s.sandbox, "main", SIGKILL);
    wait_for(&x.ended);
    end_exec(&x);
    wait_for(&c.exited);
    c = (struct outcome){0};
    run_shell(&s, &c, "main", "sleep 1000");
    run_exec(&x, &s, "sh");
    begin_exec(&late, &s, "sh");
    remove_sandbox(&s);
    wait_for(&x.ended);
    wait_for(&late.started);
    end_exec(&x);
    end_exec(&late);
}

static void close_before_the_start_leaves_nothing(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x;
    static const bool never;
    run_container(&s, &c, "early-close");
    struct runc_instance *i = runc_instance_running(s.sandbox, "main");
    begin_exec(&x, &s, "sh");
    end_exec(&x);
    assert_false(x.started);
    for (int n = 0; n < 1000 && !vk_list_is_empty(&runc_engine_of(engine)->execs); n++)
        (void)vk_loop_run_until(loop, &never, 10);
    assert_true(vk_list_is_empty(&runc_engine_of(engine)->execs));
    assert_false(process_is_in(i->cgroup, "\nsh"));
    char *run VK_AUTOFREE = vk_asprintf("%s/run", state_dir);
    assert_false(has_entry(run, "exec."));
    remove_sandbox(&s);
}

static void on_followed(void *user, struct vk_str bytes)
{
    vk_buf_addstr(user, bytes);
}

static void on_follow_ended(void *user)
{
    vk_buf_adds(user, "<end>");
}

static void follower_reads_from_now_on_until_the_end(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x;
    struct vk_buf said VK_BUF_AUTO;
    vk_buf_init(&said, 1 << 20);
    create(&s, (struct engine_sandbox_spec){.id = "follow", .hostname = "follow"});
    assert_null(
        engine->ops->log_follow(engine, s.sandbox, "main", on_followed, on_follow_ended, &said));
    run_shell(&s, &c, "main",
              "echo before; touch /tmp/up; until [ -e /tmp/go ]; do sleep 0.02; done; printf now; "
              "echo err >&2");
    run_exec(&x, &s, "sh");
    type(&x, "until [ -e /tmp/up ]; do sleep 0.02; done; echo it is up\n");
    await_text(&x, "\nit is up\r\n");
    char *log = logs_of(&s, "main", -1, false);
    while (!vk_streq(log, "before\n")) {
        static const bool never;
        vk_free(log);
        (void)vk_loop_run_until(loop, &never, 10);
        log = logs_of(&s, "main", -1, false);
    }
    vk_free(log);
    struct engine_log_follow *f =
        engine->ops->log_follow(engine, s.sandbox, "main", on_followed, on_follow_ended, &said);
    assert_non_null(f);
    type(&x, "touch /tmp/go\n");
    wait_for(&c.exited);
    assert_string_equal(vk_buf_peek(&said), "nowerr\n<end>");
    engine->ops->log_unfollow(engine, f);
    wait_for(&x.ended);
    end_exec(&x);
    remove_sandbox(&s);
}

static void engine_ends_with_open_terminals(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    struct session x;
    run_container(&s, &c, "last");
    run_exec(&x, &s, "sh");
    end_exec(&x);
    run_exec(&x, &s, "sh");
    end_exec(&x);
    char *name VK_AUTOFREE = vk_strdup(runc_engine_of(engine)->name);
    char *cgroup VK_AUTOFREE = vk_asprintf("/%s", name);
    engine->ops->free(engine);
    engine = NULL;
    vk_loop_free(loop);
    assert_nothing_left(name, state_dir, name, cgroup);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    log_init(LOG_TEXT, getenv("VK_TEST_V") ? 4 : 0);
    const char *missing = fixture_missing();
    if (missing) {
        print_message("skipped: %s\n", missing);
    } else if (!fixture_start(&fixture, "", "")) {
        fixture_stop(&fixture);
        return 1;
    }
    state_dir = vk_asprintf("%s/state", fixture.directory);
    if (!missing) {
        struct outcome o = {0};
        const struct engine_image_spec image = {.image = IMAGE};
        engine = new_engine();
        engine->ops->pull(engine, &image, on_pulled, &o);
        if (!vk_loop_run_until(loop, &o.pulled, WAIT_MS) || o.err.code)
            print_message("pull: %s\n", o.err.msg);
    }
#define TEST(f)                                                                                    \
    {                                                                                              \
        .name = #f, .test_func = missing ? fixture_skipped : (f)                                   \
    }
    const struct CMUnitTest tests[] = {
        TEST(shell_has_a_terminal_of_the_given_size_and_the_containers_environment),
        TEST(size_is_there_before_the_program_runs),
        TEST(control_characters_interrupt_and_end),
        TEST(command_is_one_program_looked_up_literally),
        TEST(output_of_20_mb_waits_for_its_reader),
        TEST(pause_holds_the_rest_after_the_end),
        TEST(input_waits_for_the_program),
        TEST(hang_up_ends_the_program_and_kills_it_after_a_grace),
        TEST(end_of_the_container_ends_its_terminals),
        TEST(close_before_the_start_leaves_nothing),
        TEST(follower_reads_from_now_on_until_the_end),
        TEST(engine_ends_with_open_terminals),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (engine)
        engine->ops->free(engine);
    if (!missing)
        fixture_stop(&fixture);
    vk_free(state_dir);
    return failed;
}
