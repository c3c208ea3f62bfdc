/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "aci/emulator/simulated_exec.h"
#include "base/loop.h"

struct told {
    struct vk_loop *loop;
    bool has_started, has_failed, was_terminated;
};

static void on_started(void *user, const struct vk_err *err)
{
    struct told *t = user;

    t->has_started = true;
    t->has_failed = err != NULL;
    vk_loop_stop(t->loop);
}

static void on_output(void *user, struct vk_str bytes)
{
    (void)user;
    (void)bytes;
}

static void on_event(void *user)
{
    (void)user;
}

static void terminate(void *container)
{
    ((struct told *)container)->was_terminated = true;
}

static void on_end(void *loop)
{
    vk_loop_stop(loop);
}

/* Input may come before it is told that the exec failed. */
static void a_container_that_does_not_run_is_not_terminated(void **state)
{
    static const struct engine_exec_events events = {
        .started = on_started, .output = on_output, .drained = on_event, .ended = on_event};
    const struct engine_exec_spec spec = {.container = "c", .program = "/bin/sh"};
    struct told t = {.loop = vk_loop_new()};
    const struct simulated_exec_place place = {.terminate = terminate, .container = &t};
    struct engine_exec *x = simulated_exec_new(t.loop, &place, &spec, &events, &t);
    struct vk_timer end;

    (void)state;
    (void)simulated_exec_write(NULL, x, VK_STR("kill -TERM 1\r"));
    assert_false(t.was_terminated);
    vk_loop_run(t.loop);
    assert_true(t.has_started && t.has_failed);
    simulated_exec_close(NULL, x);
    /* It goes in the next turn. */
    vk_timer_init(&end, t.loop, "end", on_end, t.loop);
    vk_timer_arm(&end, 0);
    vk_loop_run(t.loop);
    vk_loop_free(t.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_that_does_not_run_is_not_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
