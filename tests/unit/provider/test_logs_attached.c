/* SPDX-License-Identifier: Apache-2.0 */
/* Followed logs of a container whose attachment is a script. */
#include "tests/unit/aci/stream_peer.h"
#include "tests/unit/provider/provider_world.h"

#include "provider/log_pace.h"

static struct stream_peer peer;
static char *answer;
static unsigned reads_before;

static bool is_synced(struct world *w)
{
    return w->synced;
}
static bool one_done(struct world *w)
{
    return w->done >= 1;
}
static bool is_attached(struct world *w)
{
    (void)w;
    return peer.conn != NULL;
}
static bool is_detached(struct world *w)
{
    (void)w;
    return peer.conn == NULL;
}
static bool was_read_since(struct world *w)
{
    return w->arm.logs > reads_before;
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
    vk_buf_addstr(&((struct world *)user)->logged, bytes);
}

static bool sink_is_full(void *user)
{
    (void)user;
    return false;
}

#define LINE1 "2024-05-01T00:00:01Z one\\n"
#define LINE2 "2024-05-01T00:00:02Z two\\n"

/* Follows a log that begins with one line, until the attachment stands and was looked at. */
static void begin(struct world *w)
{
    const struct pod_identity id = world_id("web", "u1");
    const struct container_log_options options = {.tail_lines = -1, .follow = true};
    const struct log_sink sink = {.write = sink_write, .is_full = sink_is_full, .user = w};

    w->existing = "u1";
    (void)world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    world_start(w);
    UNTIL(w, is_synced);
    w->arm.log = LINE1;
    w->arm.attach = answer;
    (void)w->provider.ops->get_container_logs(w->provider.p, &id, "c", &options, &sink, world_done,
                                              w);
    UNTIL(w, has_first);
    UNTIL(w, is_attached);
    assert_string_equal(peer.authorization, "p");
    reads_before = w->arm.logs;
    UNTIL(w, was_read_since);
}

static void show_second(struct world *w)
{
    w->arm.log = LINE1 LINE2;
    stream_peer_say(&peer, VK_STR("two\n"));
    UNTIL(w, has_second);
}

static void a_line_that_is_shown_is_read_soon(void **state)
{
    struct world *w = *state;
    int64_t began;

    begin(w);
    began = vk_mono_ms();
    show_second(w);
    assert_true(vk_mono_ms() - began < LOG_PACE_QUIET_MS * 4 / 5);
    assert_int_equal(w->done, 0);
}

static void a_lost_attachment_leaves_the_polls(void **state)
{
    struct world *w = *state;

    begin(w);
    tls_conn_close(peer.conn);
    UNTIL(w, is_detached);
    w->arm.log = LINE1 LINE2;
    UNTIL(w, has_second);
    assert_int_equal(w->done, 0);
}

static void what_the_log_lost_at_the_end_comes_from_the_attachment(void **state)
{
    struct world *w = *state;

    begin(w);
    show_second(w);
    w->arm.log = "2024-05-01T00:00:05Z five\\n";
    reads_before = w->arm.logs;
    stream_peer_say(&peer, VK_STR("three\nfour\nfive\n"));
    UNTIL(w, was_read_since);
    assert_int_equal(w->done, 0);
    websocket_close(&peer.ws, 1000, "");
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->logged), "one\ntwo\nthree\nfour\nfive\n");
}

/* Its first lines are those of the next run, by the same text. */
static void the_log_of_the_next_run_is_not_followed(void **state)
{
    struct world *w = *state;

    begin(w);
    show_second(w);
    w->arm.log = "2024-05-01T00:00:07Z one\\n";
    stream_peer_say(&peer, VK_STR("last words"));
    websocket_close(&peer.ws, 1000, "");
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->logged), "one\ntwo\nlast words");
}

static int setup(void **state)
{
    struct world *w;

    (void)world_setup(state);
    w = *state;
    stream_peer_start(&peer, w->loop, "DNS:localhost,IP:127.0.0.1");
    answer =
        vk_asprintf("{\"webSocketUri\":\"wss://localhost:%d/s\",\"password\":\"p\"}", peer.port);
    aci_provider_free(w->aci);
    w->ca_file = peer.ca_file;
    world_provider(w);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    /* The peer lives in the loop, which goes last. */
    w->provider.ops->stop(w->provider.p);
    aci_provider_free(w->aci);
    stream_peer_stop(&peer);
    vk_free(vk_take(answer));
    w->ca_file = NULL;
    world_provider(w);
    return world_teardown(state);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_line_that_is_shown_is_read_soon),
        IN_WORLD(a_lost_attachment_leaves_the_polls),
        IN_WORLD(what_the_log_lost_at_the_end_comes_from_the_attachment),
        IN_WORLD(the_log_of_the_next_run_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
