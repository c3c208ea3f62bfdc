/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/provider/provider_world.h"

static bool one_done(struct world *w)
{
    return w->done >= 1;
}
static bool is_synced(struct world *w)
{
    return w->synced;
}
static bool has_first(struct world *w)
{
    return strstr(vk_buf_peek(&w->logged), "one\n") != NULL;
}
static bool has_second(struct world *w)
{
    return strstr(vk_buf_peek(&w->logged), "two\n") != NULL;
}

static void sink_write(void *user, struct vk_str bytes)
{
    struct world *w = user;
    assert_false(w->sink_full);
    vk_buf_addstr(&w->logged, bytes);
}

static bool sink_is_full(void *user)
{
    const struct world *w = user;
    return w->sink_full;
}

static struct log_stream *start(struct world *w, struct container_log_options options)
{
    const struct pod_identity id = world_id("web", "u1");
    const struct log_sink sink = {.write = sink_write, .is_full = sink_is_full, .user = w};
    return w->provider.ops->get_container_logs(w->provider.p, &id, "c", &options, &sink, world_done,
                                               w);
}

#define LINE1 "2024-05-01T00:00:01Z one\\n"
#define LINE2 "2024-05-01T00:00:02Z two\\n"

static void a_log_is_read_whole_by_tail_and_with_times(void **state)
{
    struct world *w = *state;
    w->arm.log = LINE1 "2024-05-01T00:00:02Z cut";
    (void)start(w, (struct container_log_options){.tail_lines = -1});
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->logged), "one\ncut");
    assert_string_equal(w->arm.last_logs_query, "all");
    w->done = 0;
    vk_buf_clear(&w->logged);
    (void)start(w, (struct container_log_options){.tail_lines = 7, .timestamps = true});
    UNTIL(w, one_done);
    assert_string_equal(vk_buf_peek(&w->logged),
                        "2024-05-01T00:00:01Z one\n2024-05-01T00:00:02Z cut");
    assert_string_equal(w->arm.last_logs_query, "tail");
}

static void limits_cut_the_stream(void **state)
{
    struct world *w = *state;
    w->arm.log = LINE1 LINE2;
    (void)start(w, (struct container_log_options){.tail_lines = -1, .limit_bytes = 6});
    UNTIL(w, one_done);
    assert_string_equal(vk_buf_peek(&w->logged), "one\ntw");
    w->done = 0;
    vk_buf_clear(&w->logged);
    (void)start(w, (struct container_log_options){.tail_lines = 0});
    UNTIL(w, one_done);
    assert_string_equal(vk_buf_peek(&w->logged), "");
}

static void no_log_yet_is_not_found(void **state)
{
    struct world *w = *state;
    (void)start(w, (struct container_log_options){.tail_lines = -1, .follow = true});
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_NOT_FOUND);
    assert_string_equal(w->err.reason, "ContainerLogNotAvailable");
}

static bool is_reported(struct world *w)
{
    return w->reports > 0;
}
static bool waits_again(struct world *w)
{
    return w->state == CONTAINER_WAITING && w->last_state == CONTAINER_TERMINATED;
}
static bool runs_again(struct world *w)
{
    return w->state == CONTAINER_RUNNING && w->last_state == CONTAINER_TERMINATED;
}

struct former {
    const char *state, *log, *expected; /* NULL: an error */
};

/* ACI has the log of the last run until the next one begins. */
static void a_former_run_is_told_while_the_next_one_waits(void **state)
{
    static const struct former table[] = {
        {"Waiting", LINE1 LINE2, "one\ntwo\n"},
        {"Waiting", LINE1 "2024-05-01T00:01:00Z of the next", NULL},
        {"Running", LINE1 LINE2, NULL},
    };
    struct world *w = *state;
    w->existing = "u1";
    struct arm_group *g = world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    g->ended_at = "2024-05-01T00:00:02Z";
    g->restarts = 1;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        g->state = table[i].state;
        if (i == 0)
            world_start(w);
        if (g->state[0] == 'W')
            UNTIL(w, waits_again);
        else
            UNTIL(w, runs_again);
        w->arm.log = table[i].log;
        w->done = 0;
        vk_buf_clear(&w->logged);
        (void)start(
            w, (struct container_log_options){.tail_lines = -1, .previous = true, .follow = true});
        UNTIL(w, one_done);
        assert_int_equal(w->err.code, table[i].expected ? VK_OK : VK_NOT_FOUND);
        assert_string_equal(vk_buf_peek(&w->logged), table[i].expected ? table[i].expected : "");
    }
}

/* Without an attachment a log that lost its place tells nothing until it is known of which run it
 * is. */
static void following_ends_with_the_run_that_was_followed(void **state)
{
    struct world *w = *state;
    w->existing = "u1";
    struct arm_group *g = world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    world_start(w);
    UNTIL(w, is_reported);
    w->arm.log = LINE1;
    (void)start(w, (struct container_log_options){.tail_lines = -1, .follow = true});
    UNTIL(w, has_first);
    w->arm.log = "2024-05-01T00:00:09Z of the next\\n";
    g->restarts = 1;
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->logged), "one\n");
}

static void following_goes_on_until_the_container_ended(void **state)
{
    struct world *w = *state;
    w->existing = "u1";
    struct arm_group *g = world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    world_start(w);
    UNTIL(w, is_synced);
    w->arm.log = LINE1;
    (void)start(w, (struct container_log_options){.tail_lines = -1, .follow = true});
    UNTIL(w, has_first);
    w->arm.log = LINE1 LINE2;
    UNTIL(w, has_second);
    assert_int_equal(w->done, 0);
    w->arm.log = LINE1 LINE2 "2024-05-01T00:00:03Z last";
    g->state = "Terminated";
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->logged), "one\ntwo\nlast");
}

static void a_full_sink_stops_the_stream_until_it_resumes(void **state)
{
    struct world *w = *state;
    w->arm.log = LINE1 LINE2;
    w->sink_full = true;
    struct log_stream *s = start(w, (struct container_log_options){.tail_lines = -1});
    const bool never = false;
    assert_false(vk_loop_run_until(w->loop, &never, 100));
    assert_int_equal(w->done, 0);
    w->sink_full = false;
    w->provider.ops->log_stream_resume(w->provider.p, s);
    UNTIL(w, one_done);
    assert_string_equal(vk_buf_peek(&w->logged), "one\ntwo\n");
}

struct sink {
    bool full;
    unsigned asked;
    struct vk_buf got;
};

static void sink_of_its_own_write(void *user, struct vk_str bytes)
{
    vk_buf_addstr(&((struct sink *)user)->got, bytes);
}

static bool sink_of_its_own_is_full(void *user)
{
    struct sink *sink = user;
    sink->asked++;
    return sink->full;
}

static struct log_stream *start_into(struct world *w, struct sink *sink, bool follow)
{
    const struct pod_identity id = world_id("web", "u1");
    const struct container_log_options options = {.tail_lines = -1, .follow = follow};
    const struct log_sink to = {
        .write = sink_of_its_own_write, .is_full = sink_of_its_own_is_full, .user = sink};
    *sink = (struct sink){.full = true};
    vk_buf_init(&sink->got, 8u << 20);
    return w->provider.ops->get_container_logs(w->provider.p, &id, "c", &options, &to, world_done,
                                               w);
}

static void until_it_holds_some(struct world *w, const struct sink *sink)
{
    const bool never = false;
    for (int i = 0; i < 1000 && !sink->asked; i++)
        (void)vk_loop_run_until(w->loop, &never, 20);
    assert_true(sink->asked > 0);
}

/* One client that does not read holds a whole answer; the next one a share, and reads again. */
static void clients_that_wait_share_what_they_hold(void **state)
{
    struct world *w = *state;
    struct vk_buf log VK_BUF_AUTO, text VK_BUF_AUTO;
    struct sink whole, shared;
    vk_buf_init(&log, 8u << 20);
    vk_buf_init(&text, 8u << 20);
    for (int i = 0; i < 70000; i++) {
        vk_buf_printf(&log, "2024-05-01T%02d:%02d:%02dZ line %d, which says nothing but this\\n",
                      i / 36000, i / 600 % 60, i / 10 % 60, i);
        vk_buf_printf(&text, "line %d, which says nothing but this\n", i);
    }
    w->arm.log = vk_buf_peek(&log);
    struct log_stream *first = start_into(w, &whole, false);
    until_it_holds_some(w, &whole);
    struct log_stream *second = start_into(w, &shared, false);
    until_it_holds_some(w, &shared);
    assert_int_equal(w->arm.logs, 2);
    /* What comes while a client waits is none of what it asked for. */
    vk_buf_adds(&log, "2024-05-01T09:00:00Z later\\n");
    w->arm.log = vk_buf_peek(&log);
    shared.full = false;
    w->provider.ops->log_stream_resume(w->provider.p, second);
    UNTIL(w, one_done);
    assert_string_equal(vk_buf_peek(&shared.got), vk_buf_peek(&text));
    assert_in_range(w->arm.logs, 12, 40);
    w->done = 0;
    whole.full = false;
    w->provider.ops->log_stream_resume(w->provider.p, first);
    UNTIL(w, one_done);
    assert_string_equal(vk_buf_peek(&whole.got), vk_buf_peek(&text));
    assert_int_equal(w->err.code, VK_OK);
    vk_buf_release(&whole.got);
    vk_buf_release(&shared.got);
}

static void a_cancelled_stream_says_no_more(void **state)
{
    struct world *w = *state;
    w->arm.log = LINE1;
    struct log_stream *s = start(w, (struct container_log_options){.tail_lines = -1});
    w->provider.ops->log_stream_cancel(w->provider.p, s);
    (void)start(w, (struct container_log_options){.tail_lines = -1});
    UNTIL(w, one_done);
    assert_int_equal(w->done, 1);
    assert_string_equal(vk_buf_peek(&w->logged), "one\n");
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_log_is_read_whole_by_tail_and_with_times),
        IN_WORLD(limits_cut_the_stream),
        IN_WORLD(no_log_yet_is_not_found),
        IN_WORLD(a_former_run_is_told_while_the_next_one_waits),
        IN_WORLD(following_ends_with_the_run_that_was_followed),
        IN_WORLD(following_goes_on_until_the_container_ended),
        IN_WORLD(a_full_sink_stops_the_stream_until_it_resumes),
        IN_WORLD(clients_that_wait_share_what_they_hold),
        IN_WORLD(a_cancelled_stream_says_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
