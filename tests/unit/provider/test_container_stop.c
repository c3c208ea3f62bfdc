/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM by a shell, between a scripted ARM and a scripted terminal. */
#include "base/clock.h"
#include "provider/container_stop.h"
#include "tests/unit/aci/scripted_arm.h"
#include "tests/unit/aci/stream_peer.h"

#define DEADLINE_MS 60000
#define ECHO "$ echo te''ll;kill -TERM 1||echo refu''sed\r\n"

struct row {
    const char *name;
    const char *shown; /* when the line has come; or NULL */
    unsigned closes;   /* then, with this code; 0: the connection is cut */
    enum provider_stop_result expected;
    const char *said;
};

static const struct row rows[] = {
    {"obeys", ECHO "tell\r\n$ ", 1000, PROVIDER_STOP_ENDED, ""},
    {"ends at once", ECHO "tell\r\n", 1000, PROVIDER_STOP_ENDED, ""},
    {"lost", ECHO "tell\r\n$ ", 0, PROVIDER_STOP_TOLD, ""},
    {"no shell", "exec: \"/bin/sh\": no such file", 1000, PROVIDER_STOP_REFUSED,
     "can't be sent a SIGTERM: its image has no usable /bin/sh: exec: \"/bin/sh\""},
    {"nothing at all", NULL, 1000, PROVIDER_STOP_REFUSED, "no usable /bin/sh"},
    {"echo alone", ECHO, 1000, PROVIDER_STOP_REFUSED, "no usable /bin/sh"},
    {"may not", ECHO "tell\r\nsh: kill: (1) - Operation not permitted\r\nrefused\r\n", 1000,
     PROVIDER_STOP_REFUSED, "may not signal"},
};

struct world {
    struct scripted_arm arm;
    char *answer;
    struct script_step step;
    struct resolver *resolver;
    struct stream_peer peer;
    struct exec_streams *streams;
    struct container_stops *stops;
    const struct row *row;
    bool finished, hold;
    size_t results[3];
    struct vk_err err;
};

static void on_done(void *user, enum provider_stop_result result, const struct vk_err *err)
{
    struct world *w = user;

    w->finished = true;
    w->results[result]++;
    w->err = err ? *err : (struct vk_err){0};
}

static void on_input(struct stream_peer *peer)
{
    struct world *w = peer->user;

    if (!memchr(vk_buf_peek(&peer->input), '\n', vk_buf_len(&peer->input)))
        return;
    if (w->row->shown)
        stream_peer_say(peer, vk_str_of(w->row->shown));
    if (w->row->closes)
        websocket_close(&peer->ws, w->row->closes, "");
    else if (!w->hold)
        tls_conn_close(peer->conn);
}

static void make_stops(struct world *w, bool is_possible)
{
    container_stops_free(w->stops);
    w->stops = container_stops_new(w->arm.server.loop, w->arm.groups, w->streams, is_possible);
}

static int setup(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    scripted_arm_start(&w->arm);
    w->resolver = resolver_new(w->arm.server.loop);
    stream_peer_start(&w->peer, w->arm.server.loop, "DNS:localhost,IP:127.0.0.1");
    w->peer.on_input = on_input;
    w->peer.user = w;
    const struct exec_streams_config config = {.resolver = w->resolver, .ca_file = w->peer.ca_file};
    w->streams = exec_streams_new(w->arm.server.loop, &config);
    make_stops(w, true);
    w->answer =
        vk_asprintf("{\"webSocketUri\":\"wss://localhost:%d/s\",\"password\":\"p\"}", w->peer.port);
    w->step = (struct script_step){200, w->answer, NULL, NULL};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    container_stops_free(w->stops);
    exec_streams_free(w->streams);
    stream_peer_stop(&w->peer);
    resolver_free(w->resolver);
    scripted_arm_stop(&w->arm);
    vk_free(w->answer);
    vk_free(w);
    return 0;
}

static const struct pod_identity web = {"ns", "web", "u1"};

static void wait_finished(struct world *w)
{
    if (!vk_loop_run_until(w->arm.server.loop, &w->finished, DEADLINE_MS))
        fail_msg("did not end; input so far: %s", vk_buf_peek(&w->peer.input));
}

static void wait_alone(struct world *w)
{
    const bool never = false;

    for (int i = 0; w->peer.conn && i < DEADLINE_MS; i++)
        (void)vk_loop_run_until(w->arm.server.loop, &never, 1);
    assert_null(w->peer.conn);
}

static void what_the_shell_shows_decides(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        w->row = &rows[i];
        w->finished = w->peer.has_password = false;
        vk_buf_clear(&w->peer.input);
        memset(w->results, 0, sizeof(w->results));
        script_play(&w->arm.server, &w->step, 1);
        (void)container_stop_start(w->stops, &web, "c", on_done, w);
        assert_false(w->finished);
        wait_finished(w);
        if (!w->results[rows[i].expected] || !strstr(w->err.msg, rows[i].said))
            fail_msg("%s: %s", rows[i].name, w->err.msg);
        assert_true(w->peer.longest <= EXEC_STREAM_MESSAGE_SAFE);
        assert_non_null(strstr(vk_buf_peek(&w->arm.server.asked), "\"command\":\"/bin/sh\""));
        wait_alone(w);
    }
}

static void what_arm_answers_decides(void **state)
{
    static const struct {
        struct script_step step;
        enum provider_stop_result expected;
    } answers[] = {
        {{404, "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"none\"}}", NULL, NULL},
         PROVIDER_STOP_ENDED},
        {{403, "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}", NULL, NULL},
         PROVIDER_STOP_REFUSED},
        {{400, "{\"error\":{\"code\":\"BadRequest\",\"message\":\"no\"}}", NULL, NULL},
         PROVIDER_STOP_REFUSED},
    };
    struct world *w = *state;

    for (size_t i = 0; i < VK_COUNT(answers); i++) {
        w->finished = false;
        memset(w->results, 0, sizeof(w->results));
        script_play(&w->arm.server, &answers[i].step, 1);
        (void)container_stop_start(w->stops, &web, "c", on_done, w);
        wait_finished(w);
        assert_int_equal(w->results[answers[i].expected], 1);
    }
}

static void a_transient_error_is_tried_again(void **state)
{
    struct world *w = *state;
    const struct script_step steps[] = {
        {503, "{\"error\":{\"code\":\"ServiceUnavailable\",\"message\":\"later\"}}", NULL, NULL},
        {200, w->answer, NULL, NULL},
    };

    w->row = &rows[0];
    script_play(&w->arm.server, steps, VK_COUNT(steps));
    (void)container_stop_start(w->stops, &web, "c", on_done, w);
    wait_finished(w);
    assert_int_equal(w->results[PROVIDER_STOP_ENDED], 1);
}

static void a_node_that_may_not_costs_no_request(void **state)
{
    struct world *w = *state;

    make_stops(w, false);
    (void)container_stop_start(w->stops, &web, "c", on_done, w);
    assert_false(w->finished);
    wait_finished(w);
    assert_int_equal(w->results[PROVIDER_STOP_REFUSED], 1);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(vk_buf_len(&w->arm.server.asked), 0);
}

/* One was told and does not end; so many others wait that it is watched no longer. */
static void who_was_told_makes_room_for_who_waits(void **state)
{
    static const struct row deaf = {"deaf", ECHO "tell\r\n$ ", 0, PROVIDER_STOP_TOLD, ""};
    struct world *w = *state;
    struct container_stop *rest[CONTAINER_STOPS_MAX];
    const bool never = false;

    w->row = &deaf;
    w->hold = true;
    script_play(&w->arm.server, &w->step, 1);
    (void)container_stop_start(w->stops, &web, "c", on_done, w);
    for (int i = 0; !vk_buf_len(&w->peer.input) && i < DEADLINE_MS; i++)
        (void)vk_loop_run_until(w->arm.server.loop, &never, 1);
    for (int i = 0; i < 50; i++)
        (void)vk_loop_run_until(w->arm.server.loop, &never, 1);
    assert_false(w->finished);
    for (size_t i = 0; i < CONTAINER_STOPS_MAX; i++)
        rest[i] = container_stop_start(w->stops, &web, "c", on_done, w);
    for (size_t i = 0; i < CONTAINER_STOPS_MAX - 1; i++)
        container_stop_cancel(rest[i]);
    wait_finished(w);
    assert_int_equal(w->results[PROVIDER_STOP_TOLD], 1);
    container_stop_cancel(rest[CONTAINER_STOPS_MAX - 1]);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(what_the_shell_shows_decides),
        WITH_WORLD(what_arm_answers_decides),
        WITH_WORLD(a_transient_error_is_tried_again),
        WITH_WORLD(a_node_that_may_not_costs_no_request),
        WITH_WORLD(who_was_told_makes_room_for_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
