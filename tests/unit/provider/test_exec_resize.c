/* SPDX-License-Identifier: Apache-2.0 */
/* Execs are started in a fake, which keeps what it was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define exec_session_run fake_run
#define exec_session_cancel fake_cancel
#include "provider/exec_resize.c"

#define DEADLINE_MS 60000

struct exec_session {
    const struct exec_events *events;
    void *user;
    unsigned runs, cancels;
    bool runs_now;
    char said[128]; /* the last one's words behind the script */
    struct vk_loop *loop;
    struct exec_resize *resize;
};

/* sessions is this test's, by the name of another type. */
static struct exec_session *fake_of(struct exec_sessions *sessions)
{
    return (struct exec_session *)(void *)sessions;
}

struct exec_session *fake_run(struct exec_sessions *sessions, const struct exec_request *request,
                              const struct exec_events *events, void *user)
{
    struct exec_session *f = fake_of(sessions);

    assert_false(f->runs_now);
    assert_int_equal(request->command_count, 6);
    assert_false(request->tty || request->has_input);
    assert_string_equal(request->id.uid, "u1");
    assert_string_equal(request->container, "c");
    (void)snprintf(f->said, sizeof(f->said), "%s %s %s", request->command[3], request->command[4],
                   request->command[5]);
    f->events = events;
    f->user = user;
    f->runs++;
    f->runs_now = true;
    return f;
}

void fake_cancel(struct exec_session *f)
{
    assert_true(f->runs_now);
    f->runs_now = false;
    f->cancels++;
}

static void finish(struct exec_session *f, int code)
{
    const struct exec_result result = {.exit_code = code};

    f->runs_now = false;
    f->events->finished(f->user, &result, NULL);
}

/* True when another one runs within the time that it may take. */
static bool runs_again(struct exec_session *f)
{
    return vk_loop_run_until(f->loop, &f->runs_now, DEADLINE_MS);
}

/* Until no timer is left that could start one. */
static void expect_rest(struct exec_session *f)
{
    const bool never = false;
    const unsigned before = f->runs;

    while (vk_timer_is_armed(&f->resize->timer))
        (void)vk_loop_run_until(f->loop, &never, 10);
    assert_int_equal(f->runs, before);
}

static int setup(void **state)
{
    static const char *const command[] = {"sh"};
    const struct exec_request request = {
        .id = {.namespace_ = "default", .name = "web", .uid = "u1"},
        .container = "c",
        .command = command,
        .command_count = 1,
        .tty = true,
    };
    struct exec_session *f = vk_calloc(1, sizeof(*f));

    f->loop = vk_loop_new();
    f->resize = exec_resize_new(f->loop, (struct exec_sessions *)(void *)f, &request);
    exec_resize_is(f->resize, 24, 80);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct exec_session *f = *state;

    exec_resize_free(f->resize);
    vk_loop_free(f->loop);
    vk_free(f);
    return 0;
}

static void a_new_size_runs_stty_against_the_terminal(void **state)
{
    struct exec_session *f = *state;

    exec_resize_to(f->resize, "/dev/pts/3", 30, 100);
    assert_int_equal(f->runs, 1);
    assert_string_equal(f->said, "/dev/pts/3 30 100");
    finish(f, 0);
    expect_rest(f);
}

static void what_the_terminal_has_or_nobody_knows_runs_nothing(void **state)
{
    struct exec_session *f = *state;

    exec_resize_to(f->resize, "/dev/pts/3", 24, 80);
    exec_resize_to(f->resize, "", 30, 100);
    exec_resize_to(f->resize, "/dev/pts/3", 0, 100);
    exec_resize_to(f->resize, "/dev/pts/3", 30, 0);
    expect_rest(f);
    assert_int_equal(f->runs, 0);
}

static void sizes_that_come_quickly_are_taken_together(void **state)
{
    struct exec_session *f = *state;

    exec_resize_to(f->resize, "/dev/pts/3", 30, 100);
    exec_resize_to(f->resize, "/dev/pts/3", 31, 101);
    exec_resize_to(f->resize, "/dev/pts/3", 32, 102);
    assert_int_equal(f->runs, 1);
    finish(f, 0);
    /* Not at once, either. */
    assert_int_equal(f->runs, 1);
    assert_true(runs_again(f));
    assert_int_equal(f->runs, 2);
    assert_string_equal(f->said, "/dev/pts/3 32 102");
    finish(f, 0);
    expect_rest(f);
}

static void one_runs_at_a_time_however_long_it_takes(void **state)
{
    struct exec_session *f = *state;

    exec_resize_to(f->resize, "/dev/pts/3", 30, 100);
    expect_rest(f);
    exec_resize_to(f->resize, "/dev/pts/3", 31, 101);
    assert_int_equal(f->runs, 1);
    finish(f, 0);
    assert_int_equal(f->runs, 2);
    assert_string_equal(f->said, "/dev/pts/3 31 101");
}

static void there_and_back_again_runs_only_what_is_left_to_do(void **state)
{
    struct exec_session *f = *state;

    exec_resize_to(f->resize, "/dev/pts/3", 30, 100);
    exec_resize_to(f->resize, "/dev/pts/3", 31, 101);
    exec_resize_to(f->resize, "/dev/pts/3", 30, 100);
    finish(f, 0);
    expect_rest(f);
    assert_int_equal(f->runs, 1);
}

static void a_size_that_can_not_be_set_is_not_tried_again(void **state)
{
    struct exec_session *f = *state;

    exec_resize_to(f->resize, "/dev/pts/3", 30, 100);
    finish(f, 1);
    expect_rest(f);
    exec_resize_to(f->resize, "/dev/pts/3", 31, 101);
    assert_int_equal(f->runs, 2);
    assert_string_equal(f->said, "/dev/pts/3 31 101");
}

static void there_is_an_end_to_their_number(void **state)
{
    struct exec_session *f = *state;

    f->resize->count = RESIZES_MAX - 1;
    exec_resize_to(f->resize, "/dev/pts/3", 30, 100);
    assert_int_equal(f->runs, 1);
    finish(f, 0);
    exec_resize_to(f->resize, "/dev/pts/3", 31, 101);
    expect_rest(f);
}

static void its_end_cancels_the_exec(void **state)
{
    struct exec_session *f = *state;

    exec_resize_to(f->resize, "/dev/pts/3", 30, 100);
    exec_resize_free(vk_take(f->resize));
    assert_int_equal(f->cancels, 1);
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(a_new_size_runs_stty_against_the_terminal),
        WITH_FAKE(what_the_terminal_has_or_nobody_knows_runs_nothing),
        WITH_FAKE(sizes_that_come_quickly_are_taken_together),
        WITH_FAKE(one_runs_at_a_time_however_long_it_takes),
        WITH_FAKE(there_and_back_again_runs_only_what_is_left_to_do),
        WITH_FAKE(a_size_that_can_not_be_set_is_not_tried_again),
        WITH_FAKE(there_is_an_end_to_their_number),
        WITH_FAKE(its_end_cancels_the_exec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
