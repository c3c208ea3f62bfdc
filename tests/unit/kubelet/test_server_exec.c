/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/streaming_world.h"

#include "base/clock.h"

#define EXEC "/exec/default/web/c?"

/* A remote command over SPDY with its streams open. */
struct command {
    struct wire wire;
    struct spdy_peer peer;
};
enum { STATUS = 1, INPUT = 3, OUTPUT = 5, ERRORS = 7, RESIZE = 7 };

static void command_start(struct streaming_world *s, struct command *c, const char *head,
                          const char *const *types)
{
    streaming_connect(s, &c->wire);
    spdy_peer_init(&c->peer);
    assert_non_null(strstr(streaming_ask(s, &c->wire, head), "HTTP/1.1 101 "));
    for (uint32_t i = 0; types[i]; i++)
        peer_open_type(&c->peer, 2 * i + 1, types[i]);
    wire_from_peer(&c->wire, &c->peer);
}

static void command_release(struct command *c)
{
    spdy_peer_release(&c->peer);
    wire_release(&c->wire);
}

static bool command_read(struct command *c)
{
    wire_to_peer(&c->wire, &c->peer);
    return true;
}

static const char *const all_types[] = {"error", "stdin", "stdout", "stderr", NULL};
static const char *const terminal_types[] = {"error", "stdin", "stdout", "resize", NULL};
#define ALL "&input=1&output=1&error=1"

static void command_over_spdy_ends_with_its_exit_code(void **state)
{
    struct streaming_world *s = *state;
    struct command c;

    command_start(s, &c, SPDY_HEAD(EXEC "command=both" ALL, VERSIONS), all_types);
    UNTIL(s, command_read(&c) && c.peer.goaway && c.wire.is_closed);
    assert_string_equal(peer_text(&c.peer, OUTPUT), "out\n");
    assert_string_equal(peer_text(&c.peer, ERRORS), "err\n");
    assert_non_null(strstr(peer_text(&c.peer, STATUS), "exit status 3"));
    assert_int_equal(process_world.runs, 1);
    assert_int_equal(process_world.cancels, 0);
    command_release(&c);
}

static void words_of_the_command_arrive_intact(void **state)
{
    static const char expected[] = "words\0a \"b c\"\0\0$x\0\xc3\xa9\n&=+";
    struct streaming_world *s = *state;
    struct command c;

    command_start(s, &c,
                  SPDY_HEAD(EXEC "command=words&command=a+%22b+c%22&command=&command=%24x&command="
                                 "%C3%A9%0A%26%3D%2B&output=1",
                            VERSIONS),
                  (const char *const[]){"error", "stdout", NULL});
    UNTIL(s, command_read(&c) && c.peer.goaway);
    assert_int_equal(vk_buf_len(&peer_stream(&c.peer, 3)->bytes), sizeof(expected));
    assert_memory_equal(peer_text(&c.peer, 3), expected, sizeof(expected));
    command_release(&c);
}

static void input_is_echoed_byte_for_byte_and_its_end_is_seen(void **state)
{
    struct streaming_world *s = *state;
    size_t size = 4 << 20, step = 32 * 1024;
    char *bytes = vk_malloc(size);
    struct command c;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    command_start(s, &c, SPDY_HEAD(EXEC "command=cat" ALL, VERSIONS), all_types);
    for (size_t at = 0; at < size; at += step) {
        peer_data(&c.peer, INPUT, (struct vk_str){bytes + at, step}, false);
        wire_from_peer(&c.wire, &c.peer);
    }
    UNTIL(s, command_read(&c) && vk_buf_len(&peer_stream(&c.peer, OUTPUT)->bytes) == size);
    assert_false(peer_stream(&c.peer, OUTPUT)->fin);
    peer_data(&c.peer, INPUT, VK_STR(""), true);
    wire_from_peer(&c.wire, &c.peer);
    UNTIL(s, command_read(&c) && c.peer.goaway);
    assert_memory_equal(peer_text(&c.peer, OUTPUT), bytes, size);
    assert_string_equal(peer_text(&c.peer, STATUS), "{\"status\":\"Success\"}");
    vk_free(bytes);
    command_release(&c);
}

static void terminal_is_resized(void **state)
{
    struct streaming_world *s = *state;
    struct command c;

    command_start(s, &c, SPDY_HEAD(EXEC "command=cat&input=1&output=1&error=1&tty=1", VERSIONS),
                  terminal_types);
    peer_data(&c.peer, RESIZE, VK_STR("{\"Width\":111,\"Height\":33}\n"), false);
    wire_from_peer(&c.wire, &c.peer);
    UNTIL(s, process_world.columns == 111);
    assert_int_equal(process_world.rows, 33);
    peer_data(&c.peer, RESIZE, VK_STR("{\"Width\":80,\"Height\":24}\n"), false);
    peer_data(&c.peer, INPUT, VK_STR("x"), true);
    wire_from_peer(&c.wire, &c.peer);
    UNTIL(s, command_read(&c) && c.peer.goaway);
    assert_int_equal(process_world.columns, 80);
    command_release(&c);
}

static void failure_of_the_provider_is_told_in_the_status(void **state)
{
    struct streaming_world *s = *state;
    struct command c;

    command_start(s, &c, SPDY_HEAD(EXEC "command=fail" ALL, VERSIONS), all_types);
    UNTIL(s, command_read(&c) && c.peer.goaway);
    assert_string_equal(peer_text(&c.peer, STATUS),
                        "{\"status\":\"Failure\",\"message\":\"Internal error occurred: error "
                        "executing command in container: the platform said no\",\"reason\":"
                        "\"InternalError\",\"code\":500}");
    command_release(&c);
}

static void attach_has_no_command(void **state)
{
    struct streaming_world *s = *state;
    struct command c;

    command_start(s, &c,
                  SPDY_HEAD("/attach/default/web/uid-1/c?input=1&output=1&error=1", VERSIONS),
                  all_types);
    peer_data(&c.peer, INPUT, VK_STR("to the main process"), true);
    wire_from_peer(&c.wire, &c.peer);
    UNTIL(s, command_read(&c) && c.peer.goaway);
    assert_string_equal(peer_text(&c.peer, OUTPUT), "to the main process");
    assert_int_equal(process_world.attaches, 1);
    command_release(&c);
}

static void websocket_command(struct streaming_world *s, const char *head, unsigned opcode,
                              struct vk_str input, struct vk_str last, const char *expected)
{
    struct vk_buf text VK_BUF_AUTO;
    struct vk_buf frames VK_BUF_AUTO;
    struct ws_message m;
    struct vk_str in;
    struct wire w;

    vk_buf_init(&text, 8192);
    vk_buf_init(&frames, 8192);
    streaming_connect(s, &w);
    assert_non_null(strstr(streaming_ask(s, &w, head), "HTTP/1.1 101 "));
    if (input.n)
        ws_frame(&frames, opcode, input);
    if (last.n)
        ws_frame(&frames, opcode, last);
    wire_send(&w, vk_buf_str(&frames));
    UNTIL(s, w.is_closed);
    in = vk_buf_str(&w.in);
    while (ws_take(&in, &m))
        vk_buf_printf(&text, "%u:%.*s|", m.opcode, (int)m.payload.n, m.payload.p);
    assert_string_equal(vk_buf_peek(&text), expected);
    wire_release(&w);
}

static void command_over_websocket(void **state)
{
    struct streaming_world *s = *state;

    websocket_command(
        s,
        WEBSOCKET_HEAD(EXEC "command=cat" ALL, "Sec-WebSocket-Protocol: v6.channel.k8s.io, "
                                               "v5.channel.k8s.io\r\n"),
        2, VK_STR("\0hi"), VK_STR("\xff\0"), "2:\1|2:\1hi|2:\3{\"status\":\"Success\"}|8:\3\xe8|");
    websocket_command(s,
                      WEBSOCKET_HEAD(EXEC "command=fail&output=1",
                                     "Sec-WebSocket-Protocol: v4.base64.channel.k8s.io\r\n"),
                      1, VK_STR(""), VK_STR(""),
                      "1:1|1:3eyJzdGF0dXMiOiJGYWlsdXJlIiwibWVzc2FnZSI6IkludGVybmFsIGVycm9yIG9jY3Vy"
                      "cmVkOiBlcnJvciBleGVjdXRpbmcgY29tbWFuZCBpbiBjb250YWluZXI6IHRoZSBwbGF0Zm9ybSBz"
                      "YWlkIG5vIiwicmVhc29uIjoiSW50ZXJuYWxFcnJvciIsImNvZGUiOjUwMH0=|8:\3\xe8|");
    websocket_command(s, WEBSOCKET_HEAD(EXEC "command=both&output=1", ""), 2, VK_STR(""),
                      VK_STR(""),
                      "2:\1|2:\1out\n|2:\3command terminated with non-zero exit code: exit status "
                      "3|8:\3\xe8|");
}

/* ---- answers before the upgrade ---- */

static const struct {
    const char *request, *status, *text;
} refusals[] = {
    {SPDY_HEAD(EXEC "command=true", VERSIONS), "400",
     "you must specify at least 1 of stdin, stdout, stderr"},
    {SPDY_HEAD(EXEC "command=true&tty=1&error=1", VERSIONS), "400", "you must specify at least 1"},
    {SPDY_HEAD(EXEC "output=1", VERSIONS), "400", "at least one command"},
    {SPDY_HEAD(EXEC "command=%zz&output=1", VERSIONS), "400", "malformed"},
    {SPDY_HEAD("/exec/default/other/c?command=true&output=1", VERSIONS), "404",
     "pod does not exist"},
    {SPDY_HEAD("/exec/other/web/c?command=true&output=1", VERSIONS), "404", "pod does not exist"},
    {SPDY_HEAD("/exec/default/web/uid-2/c?command=true&output=1", VERSIONS), "404",
     "pod not found"},
    {SPDY_HEAD("/exec/default/web/d?command=true&output=1", VERSIONS), "500",
     "container not found (\"d\")"},
    {SPDY_HEAD("/exec/default/web?command=true&output=1", VERSIONS), "404", "page not found"},
    {"GET " EXEC "command=true&output=1 HTTP/1.1\r\nHost: a\r\n\r\n", "400",
     "Upgrade request required"},
    {"PUT " EXEC "command=true&output=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "405",
     "method not allowed"},
    {"GET " EXEC "command=true&output=1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
     "Upgrade: h2c\r\n\r\n",
     "400", "unable to upgrade"},
    {SPDY_HEAD(EXEC "command=true&output=1", ""), "400",
     "unable to upgrade: header X-Stream-Protocol-Version does not exist in request with 4 "
     "headers"},
    {SPDY_HEAD(EXEC "command=true&output=1", "X-Stream-Protocol-Version: v5.channel.k8s.io\r\n"),
     "403",
     "unable to upgrade: unable to negotiate protocol: client supports [v5.channel.k8s.io], server "
     "accepts [v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io channel.k8s.io]"},
    {WEBSOCKET_HEAD(EXEC "command=true&output=1", "Sec-WebSocket-Protocol: x, y\r\n"), "403",
     "requested protocol(s) are not supported: [x y]"},
    {"GET " EXEC "command=true&output=1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
     "Upgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\r\n",
     "400", "version 13"},
    {"GET " EXEC "command=true&output=1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
     "400", "Sec-WebSocket-Key"},
    {"POST " EXEC "command=true&output=1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
     "Upgrade: websocket\r\nContent-Length: 0\r\n\r\n",
     "405", "GET"},
};

static void expect_refusal(struct streaming_world *s, const char *request, const char *status,
                           const char *text)
{
    char line[32];
    struct wire w;

    streaming_connect(s, &w);
    snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
    if (!strstr(streaming_ask(s, &w, request), line))
        fail_msg("%s: not %s", request, status);
    UNTIL(s, strstr(vk_buf_peek(&w.in), "\n"));
    if (!strstr(vk_buf_peek(&w.in), text))
        fail_msg("%s: \"%s\" without \"%s\"", request, vk_buf_peek(&w.in), text);
    wire_release(&w);
}

static void bad_requests_are_refused_before_the_upgrade(void **state)
{
    struct streaming_world *s = *state;

    for (size_t i = 0; i < VK_COUNT(refusals); i++)
        expect_refusal(s, refusals[i].request, refusals[i].status, refusals[i].text);
    assert_int_equal(process_world.runs, 0);
}

static void a_token_among_the_subprotocols_is_never_repeated(void **state)
{
    struct streaming_world *s = *state;
    struct wire wire;
    const char *head;

    expect_refusal(s,
                   WEBSOCKET_HEAD(EXEC "command=true&output=1",
                                  "Sec-WebSocket-Protocol: v6.channel.k8s.io, "
                                  "base64url.bearer.authorization.k8s.io.c2VjcmV0\r\n"),
                   "403", "not supported: [v6.channel.k8s.io]; supports [");
    streaming_connect(s, &wire);
    head = streaming_ask(
        s, &wire,
        WEBSOCKET_HEAD(EXEC "command=true&output=1",
                       "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.c2VjcmV0\r\n"
                       "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"));
    assert_non_null(strstr(head, "HTTP/1.1 101 "));
    assert_non_null(strstr(head, "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"));
    assert_null(strstr(head, "c2VjcmV0"));
    UNTIL(s, wire.is_closed);
    wire_release(&wire);
}

static void what_the_provider_lacks_is_501(void **state)
{
    struct streaming_world *s = *state;

    s->ops.run_in_container = NULL;
    s->ops.attach_to_container = NULL;
    expect_refusal(s, SPDY_HEAD(EXEC "command=true&output=1", VERSIONS), "501",
                   "provider memory can't run commands in containers");
    expect_refusal(s, SPDY_HEAD("/attach/default/web/c?output=1", VERSIONS), "501",
                   "provider memory can't attach to containers");
}

static void nothing_runs_in_a_container_that_has_ended(void **state)
{
    struct streaming_world *s = *state;

    memory_report(&s->w->memory, "web", "uid-1", "Running", CONTAINER_TERMINATED, 1);
    expect_refusal(s, SPDY_HEAD(EXEC "command=true&output=1", VERSIONS), "500",
                   "container not found (\"c\")");
}

/* ---- clients that go, stall and break the rules ---- */

static void vanished_client_ends_the_process(void **state)
{
    struct streaming_world *s = *state;

    for (int way = 0; way < 4; way++) {
        struct command c;

        process_world.cancels = 0;
        command_start(s, &c, SPDY_HEAD(EXEC "command=cat" ALL, VERSIONS), all_types);
        UNTIL(s, process_world.last && process_world.last->has_started);
        if (way == 0) {
            shutdown(c.wire.fd, SHUT_WR);
        } else if (way == 1) {
            const struct linger now = {.l_onoff = 1, .l_linger = 0};

            setsockopt(c.wire.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
            wire_close(&c.wire);
        } else if (way == 2) {
            peer_goaway(&c.peer);
            wire_from_peer(&c.wire, &c.peer);
        } else {
            wire_send(&c.wire, VK_STR("\x80\x07garbage"));
        }
        UNTIL(s, process_world.cancels == 1);
        assert_null(process_world.last);
        UNTIL(s, c.wire.is_closed);
        command_release(&c);
    }
    assert_int_equal(process_world.finishes, 0);
}

static void stalled_client_stops_the_source(void **state)
{
    struct streaming_world *s = *state;
    size_t total = 40u << 20, at_rest;
    struct command c;

    command_start(s, &c, SPDY_HEAD(EXEC "command=flood&command=40&output=1", VERSIONS),
                  (const char *const[]){"error", "stdout", NULL});
    wire_stall(&c.wire, true);
    UNTIL(s, process_world.flooded > 0);
    /* At rest once two looks far apart see the same: the kernel's buffers are full too. */
    do {
        bool never = false;

        at_rest = process_world.flooded;
        vk_loop_run_until(s->w->loop, &never, 100);
    } while (process_world.flooded != at_rest);
    assert_true(at_rest < total / 2);
    assert_int_equal(process_world.finishes, 0);
    c.wire.drops = true;
    wire_stall(&c.wire, false);
    UNTIL(s, c.wire.is_closed);
    assert_int_equal(process_world.flooded, total);
    assert_true(c.wire.received > total);
    command_release(&c);
}

static void rest_is_delivered_to_a_client_that_stalls_at_the_end(void **state)
{
    struct streaming_world *s = *state;
    struct command c;

    command_start(s, &c, SPDY_HEAD(EXEC "command=flood&command=8&output=1", VERSIONS),
                  (const char *const[]){"error", "stdout", NULL});
    while (process_world.flooded < (8u << 20)) {
        size_t before = c.wire.received;

        /* Just enough that the process ends while the client is still behind. */
        wire_stall(&c.wire, false);
        UNTIL(s, c.wire.received > before);
        wire_stall(&c.wire, true);
    }
    UNTIL(s, process_world.finishes == 1);
    assert_false(c.wire.is_closed);
    wire_stall(&c.wire, false);
    UNTIL(s, command_read(&c) && c.peer.goaway);
    assert_int_equal(vk_buf_len(&peer_stream(&c.peer, 3)->bytes), 8u << 20);
    assert_string_equal(peer_text(&c.peer, STATUS), "{\"status\":\"Success\"}");
    command_release(&c);
}

static void process_that_takes_nothing_stops_the_client(void **state)
{
    static char piece[FLOOD_PIECE];
    struct streaming_world *s = *state;
    size_t size = 24u << 20, at_rest;
    struct command c;

    command_start(s, &c, SPDY_HEAD(EXEC "command=stall" ALL, VERSIONS), all_types);
    for (size_t at = 0; at < size; at += sizeof(piece))
        peer_data(&c.peer, INPUT, (struct vk_str){piece, sizeof(piece)}, false);
    peer_data(&c.peer, INPUT, VK_STR(""), true);
    wire_from_peer(&c.wire, &c.peer);
    do {
        bool never = false;

        at_rest = vk_buf_len(&c.wire.out);
        vk_loop_run_until(s->w->loop, &never, 100);
    } while (!process_world.taken || vk_buf_len(&c.wire.out) != at_rest);
    assert_true(at_rest > size / 4);
    assert_true(process_world.taken < 2 * STALL_LIMIT);
    /* It takes again: all arrives, and the end behind it. */
    process_world.last->what[0] = 'c';
    process_world.last->is_stalled = false;
    process_world.last->events->input_drained(process_world.last->user);
    UNTIL(s, command_read(&c) && c.peer.goaway);
    assert_int_equal(process_world.taken, size);
    command_release(&c);
}

static void client_that_goes_while_nobody_reads_it_is_noticed(void **state)
{
    static char piece[FLOOD_PIECE];
    struct streaming_world *s = *state;
    struct command c;

    command_start(s, &c, SPDY_HEAD(EXEC "command=stall" ALL, VERSIONS), all_types);
    /* More than the process takes and the session holds, by less than the smallest window of TCP:
     * a FIN behind a closed window never arrives. */
    for (size_t i = 0; i < 11; i++)
        peer_data(&c.peer, INPUT, (struct vk_str){piece, sizeof(piece)}, false);
    peer_data(&c.peer, INPUT, (struct vk_str){piece, sizeof(piece) / 2}, false);
    wire_from_peer(&c.wire, &c.peer);
    UNTIL(s, process_world.last && process_world.last->is_stalled && !vk_buf_len(&c.wire.out));
    shutdown(c.wire.fd, SHUT_WR);
    UNTIL(s, process_world.cancels == 1);
    command_release(&c);
}

static void a_session_that_is_idle_for_four_hours_ends(void **state)
{
    const int64_t minute_ms = 60 * 1000;
    struct streaming_world *s = *state;
    struct command idle, alive;

    command_start(s, &idle, SPDY_HEAD(EXEC "command=cat" ALL, VERSIONS), all_types);
    command_start(s, &alive, SPDY_HEAD(EXEC "command=cat" ALL, VERSIONS), all_types);
    UNTIL(s, process_world.runs == 2);
    vk_clock_freeze(vk_mono_ms() + 239 * minute_ms, vk_wall_ms());
    peer_ping(&alive.peer);
    wire_from_peer(&alive.wire, &alive.peer);
    UNTIL(s, command_read(&alive) && alive.peer.pings == 1);
    assert_int_equal(process_world.cancels, 0);
    vk_clock_advance(2 * minute_ms);
    UNTIL(s, idle.wire.is_closed);
    assert_int_equal(process_world.cancels, 1);
    assert_false(alive.wire.is_closed);
    vk_clock_thaw();
    command_release(&idle);
    command_release(&alive);
    UNTIL(s, process_world.cancels == 2);
}

static void websocket_pings_are_answered_while_input_stalls(void **state)
{
    static char piece[FLOOD_PIECE + 1];
    struct streaming_world *s = *state;
    struct vk_buf frames VK_BUF_AUTO;
    struct wire w;

    vk_buf_init(&frames, 8 << 20);
    streaming_connect(s, &w);
    streaming_ask(
        s, &w,
        WEBSOCKET_HEAD(EXEC "command=stall" ALL, "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"));
    for (size_t i = 0; i < 4; i++)
        ws_frame(&frames, 2, (struct vk_str){piece, sizeof(piece)});
    ws_frame(&frames, 9, VK_STR("still there?"));
    wire_send(&w, vk_buf_str(&frames));
    UNTIL(s, strstr(vk_buf_peek(&w.in) + 3, "\x8a\x0cstill there?"));
    assert_true(process_world.last->is_stalled);
    /* So much that reading stops: a sign of life comes unasked. */
    vk_buf_clear(&w.in);
    vk_buf_clear(&frames);
    for (size_t i = 0; i < 20; i++)
        ws_frame(&frames, 2, (struct vk_str){piece, sizeof(piece)});
    wire_send(&w, vk_buf_str(&frames));
    UNTIL(s, vk_buf_len(&w.in) >= 2);
    assert_memory_equal(vk_buf_peek(&w.in), "\x8a\0", 2);
    assert_true(process_world.taken < 2 * STALL_LIMIT);
    wire_release(&w);
    UNTIL(s, process_world.cancels == 1);
}

static void server_that_goes_cancels_what_runs(void **state)
{
    struct streaming_world *s = *state;
    struct command c;

    command_start(s, &c, SPDY_HEAD(EXEC "command=cat" ALL, VERSIONS), all_types);
    UNTIL(s, process_world.last && process_world.last->has_started);
    http_server_free(vk_take(s->server.http));
    assert_int_equal(process_world.cancels, 1);
    command_release(&c);
}

static void many_commands_at_once(void **state)
{
    enum { COUNT = 50 };
    struct streaming_world *s = *state;
    struct command *all = vk_calloc(COUNT, sizeof(*all));

    for (size_t i = 0; i < COUNT; i++)
        command_start(s, &all[i], SPDY_HEAD(EXEC "command=both" ALL, VERSIONS), all_types);
    for (size_t i = 0; i < COUNT; i++) {
        UNTIL(s, command_read(&all[i]) && all[i].peer.goaway);
        assert_string_equal(peer_text(&all[i].peer, OUTPUT), "out\n");
        command_release(&all[i]);
    }
    assert_int_equal(process_world.finishes, COUNT);
    vk_free(all);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, streaming_setup, streaming_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(command_over_spdy_ends_with_its_exit_code),
        CASE(words_of_the_command_arrive_intact),
        CASE(input_is_echoed_byte_for_byte_and_its_end_is_seen),
        CASE(terminal_is_resized),
        CASE(failure_of_the_provider_is_told_in_the_status),
        CASE(attach_has_no_command),
        CASE(command_over_websocket),
        CASE(bad_requests_are_refused_before_the_upgrade),
        CASE(a_token_among_the_subprotocols_is_never_repeated),
        CASE(what_the_provider_lacks_is_501),
        CASE(nothing_runs_in_a_container_that_has_ended),
        CASE(vanished_client_ends_the_process),
        CASE(stalled_client_stops_the_source),
        CASE(rest_is_delivered_to_a_client_that_stalls_at_the_end),
        CASE(process_that_takes_nothing_stops_the_client),
        CASE(client_that_goes_while_nobody_reads_it_is_noticed),
        CASE(a_session_that_is_idle_for_four_hours_ends),
        CASE(websocket_pings_are_answered_while_input_stalls),
        CASE(server_that_goes_cancels_what_runs),
        CASE(many_commands_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
