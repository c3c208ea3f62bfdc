/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a finished pod's group, and what stays readable of it. */
#include "provider/retirement.h"

#include "tests/unit/provider/provider_world.h"

static bool is_synced(struct world *w)
{
    return w->synced;
}
static bool one_done(struct world *w)
{
    return w->done >= 1;
}
static bool is_succeeded(struct world *w)
{
    return vk_streq(w->phase, "Succeeded");
}

static void sink_write(void *user, struct vk_str bytes)
{
    struct world *w = user;
    vk_buf_addstr(&w->logged, bytes);
}

static bool sink_is_full(void *user)
{
    (void)user;
    return false;
}

static void read_log(struct world *w, struct container_log_options options)
{
    const struct pod_identity id = world_id("web", "u1");
    const struct log_sink sink = {.write = sink_write, .is_full = sink_is_full, .user = w};
    w->done = 0;
    vk_buf_clear(&w->logged);
    (void)w->provider.ops->get_container_logs(w->provider.p, &id, "c", &options, &sink, world_done,
                                              w);
    assert_int_equal(w->done, 0);
    UNTIL(w, one_done);
}

static void finish_pod(struct world *w)
{
    world_start(w);
    UNTIL(w, is_synced);
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    world_group(w, "web", "u1")->provisioning = "Succeeded";
    world_group(w, "web", "u1")->state = "Terminated";
    UNTIL(w, is_succeeded);
    w->done = 0;
}

static void retire(struct world *w)
{
    const struct pod_identity id = world_id("web", "u1");
    w->done = 0;
    w->provider.ops->retire_pod(w->provider.p, &id, world_done, w);
    assert_int_equal(w->done, 0);
    UNTIL(w, one_done);
}

#define THREE_LINES                                                                                \
    "2024-05-01T00:00:01Z one\\n2024-05-01T00:00:02Z two\\n2024-05-01T00:00:03Z three\\n"

static void the_log_stays_readable_after_the_group(void **state)
{
    struct world *w = *state;
    static const struct {
        struct container_log_options options;
        const char *expected;
    } rows[] = {
        {{.tail_lines = -1}, "one\ntwo\nthree\n"},
        {{.tail_lines = -1, .follow = true}, "one\ntwo\nthree\n"},
        {{.tail_lines = 2}, "two\nthree\n"},
        {{.tail_lines = 3}, "one\ntwo\nthree\n"},
        {{.tail_lines = 9}, "one\ntwo\nthree\n"},
        {{.tail_lines = 0}, ""},
        {{.tail_lines = 1, .timestamps = true}, "2024-05-01T00:00:03Z three\n"},
        {{.tail_lines = -1, .limit_bytes = 5}, "one\nt"},
        {{.tail_lines = -1, .since_wall_ns = 1714521603000000000}, "three\n"},
    };
    w->arm.log = THREE_LINES;
    finish_pod(w);
    retire(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_null(world_group(w, "web", "u1"));
    /* Nothing is asked of ARM. */
    w->arm.log = "2024-05-01T00:00:01Z other\\n";
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        read_log(w, rows[i].options);
        assert_int_equal(w->err.code, VK_OK);
        assert_string_equal(vk_buf_peek(&w->logged), rows[i].expected);
    }
    const struct pod_identity id = world_id("web", "u1");
    w->provider.ops->forget_pod(w->provider.p, &id);
    w->arm.log = NULL;
    read_log(w, (struct container_log_options){.tail_lines = -1});
    assert_int_equal(w->err.code, VK_NOT_FOUND);
    assert_non_null(strstr(w->err.msg, "no copy of the log of container c is kept"));
}

static void a_container_without_a_log_keeps_nobody(void **state)
{
    struct world *w = *state;
    finish_pod(w);
    retire(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_null(world_group(w, "web", "u1"));
}

static void a_log_that_can_not_be_read_holds_the_group_for_some_tries(void **state)
{
    struct world *w = *state;
    finish_pod(w);
    w->arm.logs_code = "ContainerGroupTransitioning";
    w->arm.logs_status = 409;
    for (int i = 0; i < 2; i++) {
        retire(w);
        assert_true(vk_err_is_transient(&w->err));
        assert_non_null(world_group(w, "web", "u1"));
    }
    retire(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_null(world_group(w, "web", "u1"));
}

static void a_log_that_is_forbidden_holds_nobody(void **state)
{
    struct world *w = *state;
    finish_pod(w);
    w->arm.logs_status = 403;
    w->arm.logs_code = "AuthorizationFailed";
    retire(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_null(world_group(w, "web", "u1"));
}

static void stopping_in_the_middle_completes_nothing(void **state)
{
    struct world *w = *state;
    const struct pod_identity id = world_id("web", "u1");
    finish_pod(w);
    w->provider.ops->retire_pod(w->provider.p, &id, world_done, w);
    w->provider.ops->stop(w->provider.p);
    const bool never = false;
    assert_false(vk_loop_run_until(w->loop, &never, 50));
    assert_int_equal(w->done, 0);
    assert_non_null(world_group(w, "web", "u1"));
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(the_log_stays_readable_after_the_group),
        IN_WORLD(a_container_without_a_log_keeps_nobody),
        IN_WORLD(a_log_that_can_not_be_read_holds_the_group_for_some_tries),
        IN_WORLD(a_log_that_is_forbidden_holds_nobody),
        IN_WORLD(stopping_in_the_middle_completes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
