/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of exec and attach between a scripted ARM and a scripted terminal. */
#include "base/crypto.h"
#include "provider/exec_session.h"
#include "provider/exec_shell.h"
#include "tests/unit/aci/scripted_arm.h"
#include "tests/unit/aci/stream_peer.h"

#define DEADLINE_MS 60000

struct row {
    const char *name;
    /* What the terminal shows instead of the shell's marks; or NULL. */
    const char *preamble;
    /* Behind the marks; "@" stands for the nonce. */
    const char *text;
    bool hangs_up; /* then */
    enum vk_code expected;
    int exit_code;
    const char *output, *error, *said;
};

static const struct row rows[] = {
    {"both outputs and a code", NULL, "aGk=!#[@ 37]{}", false, VK_OK, 37, "hi", "\1", ""},
    {"a code, and outputs that stay open", NULL, "aGk=[@ 6]", false, VK_OK, 6, "hi", "", ""},
    {"no shell", "exec: no such file", NULL, true, VK_UNSUPPORTED, 0, "", "", "no such file"},
    {"no tool", "\1Mod\n", NULL, false, VK_UNSUPPORTED, 0, "", "", "no od"},
    {"somebody else's bytes", NULL, "aGk= [", false, VK_PROTOCOL, 0, "hi", "", "malformed"},
    {"hung up", NULL, "aGk=", true, VK_UNAVAILABLE, 0, "hi", "", "closed before"},
};

struct world {
    struct scripted_arm arm;
    struct script_step step;
    char *answer;
    struct resolver *resolver;
    struct stream_peer peer;
    struct exec_streams *streams;
    struct exec_sessions *sessions;
    struct exec_session *session;
    const struct row *row;
    bool started, scripted, finished;
    unsigned ended;
    int exit_code;
    struct vk_err err;
    struct vk_buf output, error;
};

static void on_output(void *user, struct vk_str bytes)
{
    vk_buf_addstr(&((struct world *)user)->output, bytes);
}

static void on_error_output(void *user, struct vk_str bytes)
{
    vk_buf_addstr(&((struct world *)user)->error, bytes);
}

static bool on_is_full(void *user)
{
    (void)user;
    return false;
}

static void on_input_drained(void *user)
{
    (void)user;
}

static void on_ended(void *user, const char *uid)
{
    struct world *w = user;

    assert_string_equal(uid, "u1");
    w->ended++;
}

static void on_finished(void *user, const struct exec_result *result, const struct vk_err *err)
{
    struct world *w = user;

    assert_false(w->finished);
    w->finished = true;
    w->session = NULL;
    w->exit_code = result->exit_code;
    w->err = err ? *err : (struct vk_err){0};
}

static const struct exec_events events = {.output = on_output,
                                          .error_output = on_error_output,
                                          .is_full = on_is_full,
                                          .input_drained = on_input_drained,
                                          .finished = on_finished};

/* The nonce is in the script, which came in base64. */
static void say_text(struct world *w, const char *text)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str rest = vk_buf_str(&w->peer.input), script;
    struct vk_buf out;

    (void)vk_str_cut(rest, '\n', &rest);
    rest = vk_str_cut(rest, '\n', &(struct vk_str){0});
    assert_true(crypto_base64_decode(rest, arena, &script));
    const char *nonce = strstr(script.p, "printf '[");
    assert_non_null(nonce);
    vk_buf_init(&out, 4096);
    for (const char *c = text; *c; c++) {
        if (*c == '@')
            vk_buf_add(&out, nonce + strlen("printf '["), EXEC_SHELL_NONCE_LEN);
        else
            vk_buf_addc(&out, *c);
    }
    stream_peer_say(&w->peer, vk_buf_str(&out));
    vk_buf_release(&out);
}

static size_t lines_of(const struct vk_buf *buf)
{
    size_t n = 0;

    for (size_t i = 0; i < vk_buf_len(buf); i++)
        n += vk_buf_peek(buf)[i] == '\n';
    return n;
}

static void on_terminal_input(struct stream_peer *peer)
{
    struct world *w = peer->user;
    const size_t lines = lines_of(&peer->input);

    if (!w->started && lines >= 1) {
        w->started = true;
        stream_peer_say(peer, w->row->preamble ? vk_str_of(w->row->preamble) : VK_STR("$ \1R\n"));
        if (!w->row->text && w->row->hangs_up)
            websocket_close(&peer->ws, 1000, "");
    }
    if (!w->scripted && w->row->text && lines >= 2) {
        w->scripted = true;
        stream_peer_say(peer, VK_STR("\1B"));
        say_text(w, w->row->text);
        if (w->row->hangs_up)
            websocket_close(&peer->ws, 1000, "");
    }
}

static int setup(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    scripted_arm_start(&w->arm);
    w->resolver = resolver_new(w->arm.server.loop);
    stream_peer_start(&w->peer, w->arm.server.loop, "DNS:localhost,IP:127.0.0.1");
    w->peer.on_input = on_terminal_input;
    w->peer.user = w;
    const struct exec_streams_config config = {.resolver = w->resolver, .ca_file = w->peer.ca_file};
    w->streams = exec_streams_new(w->arm.server.loop, &config);
    const struct exec_sessions_config execs = {
        .groups = w->arm.groups, .streams = w->streams, .ended = on_ended, .user = w};
    w->sessions = exec_sessions_new(w->arm.server.loop, &execs);
    w->answer =
        vk_asprintf("{\"webSocketUri\":\"wss://localhost:%d/s\",\"password\":\"p\"}", w->peer.port);
    w->step = (struct script_step){200, w->answer, NULL, NULL};
    vk_buf_init(&w->output, 1u << 20);
    vk_buf_init(&w->error, 1u << 20);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    exec_sessions_free(w->sessions);
    exec_streams_free(w->streams);
    stream_peer_stop(&w->peer);
    resolver_free(w->resolver);
    scripted_arm_stop(&w->arm);
    vk_buf_release(&w->output);
    vk_buf_release(&w->error);
    vk_free(w->answer);
    vk_free(w);
    return 0;
}

static const char *const command[] = {"true"};
static const struct exec_request request = {.id = {"ns", "web", "u1"},
                                            .container = "c",
                                            .command = command,
                                            .command_count = 1,
                                            .has_output = true,
                                            .has_error = true};

static void wait_finished(struct world *w)
{
    if (!vk_loop_run_until(w->arm.server.loop, &w->finished, DEADLINE_MS))
        fail_msg("did not end; input so far: %s", vk_buf_peek(&w->peer.input));
}

/* The terminal is left behind by its session, and may still be sent something. */
static void wait_alone(struct world *w)
{
    const bool never = false;

    for (int i = 0; w->peer.conn && i < DEADLINE_MS; i++)
        (void)vk_loop_run_until(w->arm.server.loop, &never, 1);
    assert_null(w->peer.conn);
}

static void commands_end_with_a_code_or_a_sentence(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        const struct row *row = &rows[i];

        w->row = row;
        w->ended = 0;
        w->started = w->scripted = w->finished = w->peer.has_password = false;
        vk_buf_clear(&w->peer.input);
        vk_buf_clear(&w->output);
        vk_buf_clear(&w->error);
        script_play(&w->arm.server, &w->step, 1);
        w->session = exec_session_run(w->sessions, &request, &events, w);
        assert_false(w->finished);
        wait_finished(w);
        if (w->err.code != row->expected || !strstr(w->err.msg, row->said))
            fail_msg("%s: %s: %s", row->name, vk_code_name(w->err.code), w->err.msg);
        assert_int_equal(w->ended, row->hangs_up);
        assert_int_equal(w->exit_code, row->exit_code);
        assert_string_equal(vk_buf_peek(&w->output), row->output);
        assert_string_equal(vk_buf_peek(&w->error), row->error);
        assert_non_null(strstr(vk_buf_peek(&w->arm.server.asked), "\"command\":\"/bin/sh\""));
        wait_alone(w);
    }
}

static void what_can_not_start_ends_from_the_loop(void **state)
{
    static const struct script_step refused = {
        409, "{\"error\":{\"code\":\"Conflict\",\"message\":\"not running\"}}", NULL, NULL};
    struct world *w = *state;
    struct exec_request nothing = request;

    nothing.command_count = 0;
    (void)exec_session_run(w->sessions, &nothing, &events, w);
    assert_false(w->finished);
    wait_finished(w);
    assert_int_equal(w->err.code, VK_INVALID);
    w->finished = false;
    script_play(&w->arm.server, &refused, 1);
    (void)exec_session_run(w->sessions, &request, &events, w);
    wait_finished(w);
    assert_int_equal(w->err.code, VK_CONFLICT);
}

static void input_is_held_up_to_a_limit(void **state)
{
    struct world *w = *state;
    struct exec_request typing = request;
    char *bytes VK_AUTOFREE = vk_calloc(1, EXEC_SESSION_INPUT_HIGH);

    typing.has_input = true;
    w->row = &rows[0];
    script_play(&w->arm.server, &w->step, 1);
    w->session = exec_session_run(w->sessions, &typing, &events, w);
    assert_true(exec_session_write(w->session, VK_STR("a")));
    assert_false(
        exec_session_write(w->session, (struct vk_str){.p = bytes, .n = EXEC_SESSION_INPUT_HIGH}));
    exec_session_cancel(w->session);
    assert_false(w->finished);
}

static void attach(struct world *w, bool tty)
{
    struct exec_request attached = request;
    const unsigned before = w->peer.connections;
    const bool never = false;

    attached.command_count = 0;
    attached.has_input = true;
    attached.tty = tty;
    w->finished = false;
    vk_buf_clear(&w->output);
    script_play(&w->arm.server, &w->step, 1);
    w->session = exec_session_attach(w->sessions, &attached, &events, w);
    for (int i = 0; w->peer.connections == before && i < DEADLINE_MS; i++)
        (void)vk_loop_run_until(w->arm.server.loop, &never, 1);
    assert_int_equal(w->peer.connections, before + 1);
}

static void wait_output(struct world *w, const char *expected)
{
    const bool never = false;

    for (int i = 0; vk_buf_len(&w->output) < strlen(expected) && i < DEADLINE_MS; i++)
        (void)vk_loop_run_until(w->arm.server.loop, &never, 1);
    assert_string_equal(vk_buf_peek(&w->output), expected);
}

static void an_attachment_shows_output_until_input_comes(void **state)
{
    struct world *w = *state;

    attach(w, false);
    assert_true(exec_session_write(w->session, VK_STR("")));
    exec_session_end_input(w->session);
    stream_peer_say(&w->peer, VK_STR("a\nb\r\nc"));
    wait_output(w, "a\nb\r\nc");
    assert_false(w->finished);
    (void)exec_session_write(w->session, VK_STR("x"));
    assert_false(w->finished);
    wait_finished(w);
    assert_int_equal(w->err.code, VK_UNSUPPORTED);
    assert_non_null(strstr(w->err.msg, "gives no input"));
    wait_alone(w);
}

static void a_terminal_that_is_attached_gets_whole_line_ends(void **state)
{
    struct world *w = *state;

    attach(w, true);
    stream_peer_say(&w->peer, VK_STR("a\nb\r"));
    wait_output(w, "a\r\nb\r");
    stream_peer_say(&w->peer, VK_STR("\n\n"));
    wait_output(w, "a\r\nb\r\n\r\n");
    exec_session_cancel(w->session);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(commands_end_with_a_code_or_a_sentence),
        WITH_WORLD(what_can_not_start_ends_from_the_loop),
        WITH_WORLD(input_is_held_up_to_a_limit),
        WITH_WORLD(an_attachment_shows_output_until_input_comes),
        WITH_WORLD(a_terminal_that_is_attached_gets_whole_line_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
