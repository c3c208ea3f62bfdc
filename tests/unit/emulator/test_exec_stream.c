/* SPDX-License-Identifier: Apache-2.0 */
/* Exec and attach from the POST to the close frame, on the simulated engine's terminal. */
#include "tests/unit/emulator/emulator_world.h"
#include "tests/unit/emulator/websocket_client.h"

#include "aci/emulator/arm_front.h"
#include "aci/emulator/exec_stream.c"

#define WEB WORLD_GROUP("web")
#define PART(what) WORLD_RG "/containerGroups/web/containers/" what WORLD_VERSION
#define EXEC PART("c/exec")
#define ATTACH PART("c/attach")
#define SHELL "{'command':'/bin/sh','terminalSize':{'rows':41,'cols':133}}"
enum { CONTINUE = 0, TEXT = 1, BINARY = 2, CLOSE = 8 };

static struct world w;
/* The same emulator without TLS, for a client that is not curl. */
static struct http_server *plain;
static char *target, *password;

static void limit_input(struct emulator_options *o)
{
    o->exec_input_limit = 5;
}

static void begin_with(void (*change)(struct emulator_options *o))
{
    const struct http_server_config config = {.listener = {.address = "127.0.0.1", .plain = true},
                                              .max_body = 1 << 20};
    struct vk_err err = {0};

    world_begin(&w, change);
    if (http_server_new(w.loop, &config, arm_front_handle, w.emulator, &plain, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(world_arm(&w, "PUT", WEB, GROUP("", CONTAINER("c", ""))), 201);
    world_await(&w, WEB, "Running");
}

static int set_up(void **state)
{
    (void)state;
    begin_with(NULL);
    return 0;
}

static int set_up_limited(void **state)
{
    (void)state;
    begin_with(limit_input);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_server_free(plain);
    world_end(&w);
    vk_free(vk_take(target));
    vk_free(vk_take(password));
    return 0;
}

/* A session; sets target and password. */
static void open_session(const char *path, const char *body)
{
    const char *uri, *at;

    if (world_arm(&w, "POST", path, body) != 200)
        fail_msg("%s", w.answer.text);
    uri = json_string_or(w.answer.body, "webSocketUri", "");
    assert_true(vk_starts(uri, "wss://127.0.0.1:"));
    at = strchr(uri + 6, '/');
    assert_non_null(at);
    vk_free(target);
    vk_free(password);
    target = vk_strdup(at);
    password = vk_strdup(json_string_or(w.answer.body, "password", ""));
}

static void connect_session(struct websocket_client *c, const char *headers)
{
    socket_connect(c, w.loop, http_server_port(plain), target, headers);
}

static void await_end(struct websocket_client *c, unsigned code)
{
    socket_await(c, c->close_code && c->ended);
    assert_int_equal(c->close_code, code);
    socket_close(c);
    for (int i = 0; i < 1000 && exec_stream_count(w.emulator); i++)
        socket_turn(w.loop, 1);
    assert_int_equal(exec_stream_count(w.emulator), 0);
}

static void begin_shell(struct websocket_client *c)
{
    open_session(EXEC, SHELL);
    connect_session(c, "");
    socket_send(c, TEXT, password);
    socket_await(c, c->frames);
    assert_int_equal(c->first_length, 0);
}

static void typed_text_comes_back_until_the_program_ends(void **state)
{
    struct websocket_client c;

    (void)state;
    begin_shell(&c);
    assert_non_null(strstr(target, "/execstream/sessionId/"));
    assert_true(vk_ends(target, "?api-version=1.0&rows=41&cols=133"));
    socket_send(&c, BINARY, "type a\r");
    socket_send(&c, TEXT, "b");
    socket_send(&c, BINARY, "");
    socket_await_text(&c, "type a\r\nb");
    socket_send(&c, BINARY, "\x04");
    await_end(&c, 1000);
}

static void shell_knows_two_words(void **state)
{
    struct websocket_client c;

    (void)state;
    begin_shell(&c);
    socket_send(&c, BINARY, "echo he''re;kill -TERM 1||echo no''t\n");
    socket_await_text(&c, "echo he''re;kill -TERM 1||echo no''t\nhere\r\n");
    await_end(&c, 1000);
}

static void frames_may_arrive_in_any_pieces(void **state)
{
    struct vk_buf bytes VK_BUF_AUTO;
    struct websocket_client c;
    size_t split = 0, n;

    (void)state;
    vk_buf_init(&bytes, 4096);
    do {
        open_session(EXEC, SHELL);
        vk_buf_clear(&bytes);
        socket_frame(&bytes, TEXT, false, (struct vk_str){.p = password, .n = 20});
        socket_frame(&bytes, CONTINUE, true, vk_str_of(password + 20));
        socket_frame(&bytes, BINARY, true, VK_STR("typed\x04"));
        n = vk_buf_len(&bytes);
        connect_session(&c, "");
        socket_await(&c, c.status);
        socket_write(&c, vk_buf_peek(&bytes), split);
        socket_turn(w.loop, 1);
        socket_write(&c, vk_buf_peek(&bytes) + split, n - split);
        socket_await(&c, c.close_code);
        assert_string_equal(vk_buf_peek(&c.shown), "typed");
        await_end(&c, 1000);
    } while (++split <= n);
}

static void bytes_behind_the_handshake_count(void **state)
{
    struct websocket_client c;

    (void)state;
    open_session(EXEC, SHELL);
    connect_session(&c, "");
    socket_send(&c, TEXT, password);
    socket_send(&c, BINARY, "early\x04");
    await_end(&c, 1000);
}

static void what_is_no_password_is_a_policy_violation(void **state)
{
    static const struct {
        unsigned opcode;
        bool right;
        size_t repeat;
    } cases[] = {{TEXT, false, 1}, {BINARY, true, 1}, {TEXT, true, 2}, {TEXT, true, 30}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_buf said VK_BUF_AUTO;
        struct websocket_client c;

        vk_buf_init(&said, 8192);
        open_session(EXEC, SHELL);
        for (size_t k = 0; k < cases[i].repeat; k++)
            vk_buf_adds(&said, cases[i].right ? password : "guess");
        connect_session(&c, "");
        socket_send(&c, cases[i].opcode, vk_buf_peek(&said));
        socket_await(&c, c.close_code);
        assert_int_equal(c.frames, 0);
        await_end(&c, 1008);
        /* The session is used up. */
        connect_session(&c, "");
        socket_await(&c, c.status);
        assert_int_equal(c.status, 404);
        socket_close(&c);
    }
}

static void password_must_come_in_time(void **state)
{
    struct websocket_client c;

    (void)state;
    open_session(EXEC, SHELL);
    connect_session(&c, "");
    socket_await(&c, c.status);
    assert_int_equal(exec_stream_count(w.emulator), 1);
    on_timer(VK_LIST_ENTRY(w.emulator->streams.next, struct exec_stream, link));
    await_end(&c, 1008);
}

static void password_may_stand_in_the_handshake(void **state)
{
    struct websocket_client c;
    char *right VK_AUTOFREE = NULL, *bearer VK_AUTOFREE = NULL;

    (void)state;
    open_session(EXEC, SHELL);
    right = vk_asprintf("Authorization: %s\r\n", password);
    connect_session(&c, right);
    socket_await(&c, c.frames);
    socket_send(&c, TEXT, "x\x04");
    socket_await(&c, c.close_code);
    assert_string_equal(vk_buf_peek(&c.shown), "x");
    await_end(&c, 1000);
    open_session(EXEC, SHELL);
    bearer = vk_asprintf("Authorization: Bearer %s\r\n", password);
    connect_session(&c, bearer);
    socket_await(&c, c.status);
    assert_int_equal(c.status, 401);
    socket_close(&c);
}

static void handshake_is_checked_before_the_session_is_used(void **state)
{
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    static const struct {
        const char *headers;
        int status;
    } cases[] = {{"", 400},
                 {"Connection: Upgrade\r\nUpgrade: h2c\r\n" KEY, 400},
                 {UPGRADE KEY, 426},
                 {UPGRADE KEY "Sec-WebSocket-Version: 8\r\n", 426},
                 {UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n", 400}};
    struct websocket_client c;
    char *log VK_AUTOFREE = NULL;

    (void)state;
    open_session(EXEC, SHELL);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_buf head VK_BUF_AUTO;

        vk_buf_init(&head, 4096);
        vk_buf_printf(&head, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target,
                      cases[i].headers);
        /* A refused request first, so that the client's own handshake is out of the way. */
        socket_connect(&c, w.loop, http_server_port(plain), "/none", "");
        socket_await(&c, c.status);
        c.status = 0;
        vk_buf_clear(&c.raw);
        socket_write(&c, vk_buf_peek(&head), vk_buf_len(&head));
        socket_await(&c, c.status);
        assert_int_equal(c.status, cases[i].status);
        socket_close(&c);
    }
    log = vk_asprintf("/logstream%s", target + strlen("/execstream"));
    socket_connect(&c, w.loop, http_server_port(plain), log, "");
    socket_await(&c, c.status);
    assert_int_equal(c.status, 404);
    socket_close(&c);
    connect_session(&c, "");
    socket_send(&c, TEXT, password);
    socket_send(&c, TEXT, "\x04");
    await_end(&c, 1000);
}

static void program_that_is_not_found_is_told_on_the_screen(void **state)
{
    struct websocket_client c;

    (void)state;
    open_session(EXEC, "{'command':'ls /'}");
    assert_true(vk_ends(target, "&rows=24&cols=80"));
    connect_session(&c, "");
    socket_send(&c, TEXT, password);
    socket_await(&c, c.close_code);
    assert_non_null(strstr(vk_buf_peek(&c.shown), "\"ls /\": executable file not found"));
    await_end(&c, 1000);
}

static void posts_are_refused_like_arm_does(void **state)
{
    static const struct {
        const char *path, *body, *code;
        int status;
    } cases[] = {
        {PART("d/exec"), SHELL, "ContainerNotFound", 404},
        {PART("d/attach"), NULL, "ContainerNotFound", 404},
        {WORLD_RG "/containerGroups/none/containers/c/exec" WORLD_VERSION, SHELL,
         "ResourceNotFound", 404},
        {EXEC, "{'command':''}", "InvalidRequestContent", 400},
        {EXEC, "{'terminalSize':{'rows':1,'cols':1}}", "InvalidRequestContent", 400},
        {EXEC, "{'command':'sh','terminalSize':{'rows':-1,'cols':1}}", "InvalidRequestContent",
         400},
        {EXEC, "{'command':'sh','terminalSize':{'rows':1,'cols':70000}}", "InvalidRequestContent",
         400},
        {EXEC, "[", "InvalidRequestContent", 400},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        assert_int_equal(world_arm(&w, "POST", cases[i].path, cases[i].body), cases[i].status);
        assert_string_equal(world_error(&w), cases[i].code);
    }
    assert_int_equal(world_arm(&w, "POST", WORLD_RG "/containerGroups/web/stop" WORLD_VERSION, ""),
                     204);
    assert_int_equal(world_arm(&w, "POST", EXEC, SHELL), 409);
    assert_string_equal(world_error(&w), "ContainerGroupDeploymentNotReady");
    assert_int_equal(world_arm(&w, "POST", ATTACH, NULL), 409);
}

static void session_of_a_group_that_is_gone_ends_at_once(void **state)
{
    struct websocket_client c;

    (void)state;
    open_session(EXEC, SHELL);
    assert_int_equal(world_arm(&w, "DELETE", WEB, NULL), 200);
    assert_int_equal(world_arm(&w, "PUT", WEB, GROUP("", CONTAINER("c", ""))), 201);
    world_await(&w, WEB, "Running");
    connect_session(&c, "");
    socket_send(&c, TEXT, password);
    await_end(&c, 1011);
}

static void deletion_of_the_group_ends_its_sockets(void **state)
{
    struct websocket_client exec, log;
    char *header VK_AUTOFREE = NULL;

    (void)state;
    begin_shell(&exec);
    open_session(ATTACH, NULL);
    header = vk_asprintf("Authorization: %s\r\n", password);
    connect_session(&log, header);
    socket_await(&log, log.status);
    assert_int_equal(world_arm(&w, "DELETE", WEB, NULL), 200);
    socket_await(&exec, exec.close_code && exec.ended);
    assert_int_equal(exec.close_code, 1000);
    socket_close(&exec);
    await_end(&log, 1000);
}

static void vanished_client_leaves_nothing(void **state)
{
    struct websocket_client c;

    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        const struct linger now = {.l_onoff = 1, .l_linger = 0};

        begin_shell(&c);
        if (reset)
            assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
        socket_close(&c);
        for (int i = 0; i < 5000 && exec_stream_count(w.emulator); i++)
            socket_turn(w.loop, 1);
        assert_int_equal(exec_stream_count(w.emulator), 0);
    }
    begin_shell(&c);
    socket_send(&c, CLOSE, "\x03\xe9");
    await_end(&c, 1001);
    begin_shell(&c);
    socket_write(&c, "\x82\x01x", 3);
    await_end(&c, 1002);
}

static void only_the_first_bytes_of_a_message_arrive_where_so_ordered(void **state)
{
    struct vk_buf pieces VK_BUF_AUTO;
    struct websocket_client c;

    (void)state;
    vk_buf_init(&pieces, 4096);
    begin_shell(&c);
    socket_send(&c, BINARY, "123456789");
    socket_send(&c, TEXT, "abcde");
    socket_frame(&pieces, BINARY, false, VK_STR("ABC"));
    socket_frame(&pieces, CONTINUE, false, VK_STR("DEF"));
    socket_frame(&pieces, CONTINUE, true, VK_STR("GHI"));
    socket_write(&c, vk_buf_peek(&pieces), vk_buf_len(&pieces));
    socket_send(&c, BINARY, "\x04");
    socket_await(&c, c.close_code);
    assert_string_equal(vk_buf_peek(&c.shown), "12345abcdeABCDE");
    await_end(&c, 1000);
}

static void slow_reader_stops_the_input_and_loses_nothing(void **state)
{
    /* Kernel buffers of both sides together hold less. */
    enum { FRAMES = 2000, PAYLOAD = 16000, HELD_MAX = 24000000 };
    struct vk_buf frame VK_BUF_AUTO;
    struct websocket_client c;
    static char payload[PAYLOAD];
    size_t sent = 0, idle = 0, total, most_held = 0;

    (void)state;
    memset(payload, 'p', sizeof(payload));
    vk_buf_init(&frame, 1 << 20);
    socket_frame(&frame, BINARY, true, (struct vk_str){.p = payload, .n = sizeof(payload)});
    total = FRAMES * vk_buf_len(&frame);
    begin_shell(&c);
    while (sent < total && idle < 50) {
        size_t at = sent % vk_buf_len(&frame);
        ssize_t n = send(c.fd, vk_buf_peek(&frame) + at, vk_buf_len(&frame) - at, MSG_NOSIGNAL);

        if (n > 0) {
            sent += (size_t)n;
            idle = 0;
        } else {
            idle++;
            socket_turn(w.loop, 2);
        }
        most_held = sent;
    }
    assert_true(most_held < HELD_MAX);
    while (sent < total) {
        size_t at = sent % vk_buf_len(&frame);
        ssize_t n = send(c.fd, vk_buf_peek(&frame) + at, vk_buf_len(&frame) - at, MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t)n;
        socket_turn(w.loop, 1);
        while (socket_read(&c))
            ;
    }
    socket_await(&c, vk_buf_len(&c.shown) == (size_t)FRAMES * PAYLOAD);
    socket_send(&c, BINARY, "\x04");
    await_end(&c, 1000);
}

static void set_replay(const char *body, int status)
{
    char *text VK_AUTOFREE = group_body(body);

    assert_int_equal(world_call(&w, w.control, "POST", "/attach", text, NULL, NULL, 0), status);
}

static void attach_replays_where_so_set_and_reads_nothing(void **state)
{
    static const char *const settings[] = {"none", "all"};

    (void)state;
    set_replay("{'replay':'some'}", 400);
    set_replay("[", 400);
    for (size_t i = 0; i < VK_COUNT(settings); i++) {
        char *setting VK_AUTOFREE = vk_asprintf("{'replay':'%s'}", settings[i]);
        struct websocket_client c;

        set_replay(setting, 200);
        assert_string_equal(json_string_or(w.answer.body, "replay", ""), settings[i]);
        open_session(ATTACH, NULL);
        assert_true(vk_starts(target, "/logstream/sessionId/"));
        assert_true(vk_ends(target, "?api-version=1.0"));
        connect_session(&c, "");
        socket_send(&c, TEXT, password);
        socket_send(&c, TEXT, "not for the container\x04");
        socket_await(&c, c.status);
        if (i)
            socket_await_text(&c, "simulated container c started\n");
        assert_int_equal(
            world_arm(&w, "POST", WORLD_RG "/containerGroups/web/stop" WORLD_VERSION, ""), 204);
        socket_await(&c, c.close_code);
        assert_string_equal(vk_buf_peek(&c.shown), i ? "simulated container c started\n" : "");
        await_end(&c, 1000);
        assert_int_equal(
            world_arm(&w, "POST", WORLD_RG "/containerGroups/web/start" WORLD_VERSION, ""), 202);
        world_await(&w, WEB, "Running");
    }
}

static void follower_that_does_not_read_is_cut_off(void **state)
{
    static char block[64 << 10];
    struct exec_stream *s;
    struct websocket_client c;
    size_t given = 0;

    (void)state;
    open_session(ATTACH, NULL);
    connect_session(&c, "");
    socket_send(&c, TEXT, password);
    socket_await(&c, c.status);
    s = VK_LIST_ENTRY(w.emulator->streams.next, struct exec_stream, link);
    while (s->state != STREAM_OPEN)
        socket_turn(w.loop, 1);
    /* All in one turn of the loop: nothing leaves the queue meanwhile. */
    while (s->state == STREAM_OPEN) {
        on_log(s, (struct vk_str){.p = block, .n = sizeof(block)});
        given += sizeof(block);
        assert_true(given <= (7 << 20));
    }
    assert_true(given > (5 << 20));
    socket_await(&c, c.close_code);
    assert_int_equal(vk_buf_len(&c.shown), given);
    await_end(&c, 1011);
}

static void connection_waits_for_the_answer_to_the_close_frame_until_a_deadline(void **state)
{
    struct websocket_client c;

    (void)state;
    begin_shell(&c);
    c.keeps_silent = true;
    socket_send(&c, BINARY, "\x04");
    socket_await(&c, c.close_code);
    socket_turn(w.loop, 200);
    (void)socket_read(&c);
    assert_false(c.ended);
    assert_int_equal(exec_stream_count(w.emulator), 1);
    on_timer(VK_LIST_ENTRY(w.emulator->streams.next, struct exec_stream, link));
    await_end(&c, 1000);
}

static void silent_socket_is_pinged(void **state)
{
    struct websocket_client c;

    (void)state;
    begin_shell(&c);
    on_timer(VK_LIST_ENTRY(w.emulator->streams.next, struct exec_stream, link));
    socket_await(&c, c.pings == 1);
    socket_send(&c, BINARY, "\x04");
    await_end(&c, 1000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(typed_text_comes_back_until_the_program_ends),
        TEST(shell_knows_two_words),
        TEST(frames_may_arrive_in_any_pieces),
        TEST(bytes_behind_the_handshake_count),
        TEST(what_is_no_password_is_a_policy_violation),
        TEST(password_must_come_in_time),
        TEST(password_may_stand_in_the_handshake),
        TEST(handshake_is_checked_before_the_session_is_used),
        TEST(program_that_is_not_found_is_told_on_the_screen),
        TEST(posts_are_refused_like_arm_does),
        TEST(session_of_a_group_that_is_gone_ends_at_once),
        TEST(deletion_of_the_group_ends_its_sockets),
        TEST(vanished_client_leaves_nothing),
        cmocka_unit_test_setup_teardown(only_the_first_bytes_of_a_message_arrive_where_so_ordered,
                                        set_up_limited, tear_down),
        TEST(slow_reader_stops_the_input_and_loses_nothing),
        TEST(attach_replays_where_so_set_and_reads_nothing),
        TEST(follower_that_does_not_read_is_cut_off),
        TEST(connection_waits_for_the_answer_to_the_close_frame_until_a_deadline),
        TEST(silent_socket_is_pinged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
