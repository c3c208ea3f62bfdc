/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/stream_peer.h"

#include "kubelet/streaming/remote_command.h"

/* What a session reported; pieces of input are joined, so that each split gives the same. */
struct record {
    struct remote_command *rc;
    struct vk_buf events, sent;
    bool in_input;
    bool echo;          /* input comes back as output */
    bool ends_at_input; /* the process ends at the first input */
    size_t sent_at_start;
};

static void note(struct record *r, const char *text)
{
    r->in_input = false;
    vk_buf_adds(&r->events, text);
}

static void on_started(void *user)
{
    struct record *r = user;

    r->sent_at_start = vk_buf_len(&r->sent);
    note(r, " started");
}

static void on_input(void *user, struct vk_str bytes)
{
    struct record *r = user;

    assert_true(bytes.n > 0);
    if (!r->in_input)
        note(r, " input:");
    r->in_input = true;
    vk_buf_addstr(&r->events, bytes);
    if (r->echo)
        remote_command_output(r->rc, bytes);
    if (r->ends_at_input)
        remote_command_finish(r->rc, 0, NULL);
}

static void on_input_end(void *user)
{
    note(user, " end");
}

static void on_resize(void *user, uint16_t rows, uint16_t columns)
{
    struct record *r = user;

    note(r, " ");
    vk_buf_printf(&r->events, "%ux%u", columns, rows);
}

static void on_gone(void *user)
{
    note(user, " gone");
}

static void on_send(void *user, struct vk_str bytes)
{
    vk_buf_addstr(&((struct record *)user)->sent, bytes);
}

static const struct remote_command_events events = {on_started, on_input, on_input_end,
                                                    on_resize,  on_gone,  on_send};

static const struct remote_command_streams all = {true, true, true, false};
static const struct remote_command_streams terminal = {true, true, false, true};

static void record_init(struct record *r, enum remote_command_protocol protocol,
                        const struct remote_command_streams *streams)
{
    *r = (struct record){0};
    vk_buf_init(&r->events, 4 << 20);
    vk_buf_init(&r->sent, PEER_LIMIT);
    r->rc = remote_command_new(protocol, streams, &events, r);
    remote_command_open(r->rc);
}

static void record_release(struct record *r)
{
    remote_command_free(r->rc);
    vk_buf_release(&r->events);
    vk_buf_release(&r->sent);
}

/* split 0: one byte at a time. */
static int feed_split(struct record *r, struct vk_str in, size_t split)
{
    struct vk_err err;
    size_t step = split ? split : 1;
    int rc = 0;

    for (size_t at = 0; at < in.n && rc == 0;) {
        size_t n = in.n - at < step ? in.n - at : step;

        rc = remote_command_feed(r->rc, (struct vk_str){in.p + at, n}, &err);
        at += n;
        if (split)
            step = in.n;
    }
    return rc;
}

static void feed(struct record *r, struct vk_buf *out)
{
    assert_int_equal(feed_split(r, vk_buf_str(out), vk_buf_len(out)), 0);
    vk_buf_clear(out);
}

static void open_streams(struct spdy_peer *p, const char *const *types)
{
    for (uint32_t i = 0; types[i]; i++)
        peer_open_type(p, 2 * i + 1, types[i]);
}

static const char *const all_types[] = {"error", "stdin", "stdout", "stderr", NULL};
static const char *const terminal_types[] = {"error", "stdin", "stdout", "resize", NULL};

static void spdy_session_is_the_same_at_every_split(void **state)
{
    struct spdy_peer p;

    (void)state;
    spdy_peer_init(&p);
    open_streams(&p, terminal_types);
    peer_data(&p, 7, VK_STR("{\"Width\":80,\"Height\":24}\n{\"Wid"), false);
    peer_data(&p, 3, VK_STR("hello "), false);
    peer_data(&p, 3, VK_STR("world"), false);
    peer_data(&p, 7, VK_STR("th\":132,\"Height\":50}\n"), false);
    peer_ping(&p);
    peer_data(&p, 1, VK_STR("nobody reads this"), true);
    peer_data(&p, 3, VK_STR("!"), true);
    peer_goaway(&p);
    for (size_t split = 0; split < vk_buf_len(&p.out); split++) {
        struct record r;

        record_init(&r, REMOTE_COMMAND_SPDY_V4, &terminal);
        assert_int_equal(feed_split(&r, vk_buf_str(&p.out), split), 0);
        assert_string_equal(vk_buf_peek(&r.events),
                            " started 80x24 input:hello world 132x50 input:! end gone");
        record_release(&r);
    }
    spdy_peer_release(&p);
}

struct channel_case {
    enum remote_command_protocol protocol;
    struct {
        unsigned opcode;
        struct vk_str text;
    } frames[8];
    const char *events;
};

static const struct channel_case channel_cases[] = {
    {REMOTE_COMMAND_V5_CHANNEL,
     {{2, VK_STR_INIT("\0hello ")},
      {2, VK_STR_INIT("\4{\"Width\":80,\"Height\":24}\n{\"Width\":")},
      {9, VK_STR_INIT("ping")},
      {2, VK_STR_INIT("\0world")},
      {2, VK_STR_INIT("\0014132")},
      {2, VK_STR_INIT("\4"
                      "132,\"Height\":50}")},
      {2, VK_STR_INIT("\xff\0")},
      {8, VK_STR_INIT("\3\xe8")}},
     " started input:hello  80x24 input:world 132x50 end gone"},
    {REMOTE_COMMAND_V4_CHANNEL,
     {{2, VK_STR_INIT("\0a")},
      {2, VK_STR_INIT("\0")},
      {2, VK_STR_INIT("")},
      {2, VK_STR_INIT("\xff\0")},
      {1, VK_STR_INIT("\0b")}},
     " started input:ab"},
    {REMOTE_COMMAND_V4_BASE64_CHANNEL,
     {{1, VK_STR_INIT("0aGVsbG8g")},
      {1, VK_STR_INIT("0")},
      {1, VK_STR_INIT("4eyJXaWR0aCI6ODAsIkhlaWdodCI6MjR9Cg==")},
      {1, VK_STR_INIT("0d29ybGQ=")},
      {8, VK_STR_INIT("")}},
     " started input:hello  80x24 input:world gone"},
    {REMOTE_COMMAND_BASE64_CHANNEL, {{1, VK_STR_INIT("0QQ==")}}, " started input:A"},
    {REMOTE_COMMAND_CHANNEL, {{2, VK_STR_INIT("\0A")}}, " started input:A"},
};

static void websocket_session_is_the_same_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(channel_cases); i++) {
        const struct channel_case *c = &channel_cases[i];
        struct vk_buf out VK_BUF_AUTO;

        vk_buf_init(&out, 4096);
        for (size_t f = 0; f < VK_COUNT(c->frames) && c->frames[f].opcode; f++)
            ws_frame(&out, c->frames[f].opcode, c->frames[f].text);
        for (size_t split = 0; split < vk_buf_len(&out); split++) {
            struct record r;

            record_init(&r, c->protocol, &terminal);
            assert_int_equal(feed_split(&r, vk_buf_str(&out), split), 0);
            assert_string_equal(vk_buf_peek(&r.events), c->events);
            record_release(&r);
        }
    }
}

static void websocket_client_is_greeted_on_its_lowest_channel(void **state)
{
    static const struct {
        struct remote_command_streams streams;
        enum remote_command_protocol protocol;
        struct vk_str greeting;
    } cases[] = {
        {{true, true, true, false}, REMOTE_COMMAND_V4_CHANNEL, VK_STR_INIT("\x82\1\1")},
        {{false, false, true, false}, REMOTE_COMMAND_V5_CHANNEL, VK_STR_INIT("\x82\1\2")},
        {{true, false, false, false}, REMOTE_COMMAND_CHANNEL, VK_STR_INIT("\x82\1\3")},
        {{true, true, true, false}, REMOTE_COMMAND_BASE64_CHANNEL, VK_STR_INIT("\x81\1\61")},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct record r;

        record_init(&r, cases[i].protocol, &cases[i].streams);
        assert_int_equal(r.sent_at_start, cases[i].greeting.n);
        assert_true(vk_str_eq(vk_buf_str(&r.sent), cases[i].greeting));
        record_release(&r);
    }
}

/* Which streams a session waits for; it says nothing before the client's first frame. */
static void start_waits_for_all_streams_of_the_version(void **state)
{
    static const struct {
        enum remote_command_protocol protocol;
        struct remote_command_streams streams;
        const char *types[6];
    } cases[] = {
        {REMOTE_COMMAND_SPDY_V4, {1, 1, 1, 0}, {"error", "stdin", "stdout", "stderr"}},
        {REMOTE_COMMAND_SPDY_V4, {0, 1, 0, 0}, {"error", "stdout"}},
        {REMOTE_COMMAND_SPDY_V4, {1, 1, 0, 1}, {"error", "stdin", "stdout", "resize"}},
        {REMOTE_COMMAND_SPDY_V3, {1, 1, 0, 1}, {"stdout", "resize", "stdin", "error"}},
        {REMOTE_COMMAND_SPDY_V2, {1, 1, 0, 1}, {"error", "stdin", "stdout"}},
        {REMOTE_COMMAND_SPDY_V1, {0, 1, 1, 1}, {"error", "stdout"}},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct spdy_peer p;
        struct record r;

        spdy_peer_init(&p);
        record_init(&r, cases[i].protocol, &cases[i].streams);
        assert_int_equal(vk_buf_len(&r.sent), 0);
        for (uint32_t t = 0; cases[i].types[t]; t++) {
            assert_string_equal(vk_buf_peek(&r.events), "");
            peer_open_type(&p, 2 * t + 1, cases[i].types[t]);
            feed(&r, &p.out);
        }
        assert_string_equal(vk_buf_peek(&r.events), " started");
        record_release(&r);
        spdy_peer_release(&p);
    }
}

static void streams_that_nobody_asked_for_are_refused(void **state)
{
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, REMOTE_COMMAND_SPDY_V4, &terminal);
    peer_open_type(&p, 1, "error");
    peer_open_type(&p, 3, "error");
    peer_open_type(&p, 5, "stderr");
    peer_open_type(&p, 7, "video");
    peer_open(&p, 9, (const char *const[]){"x", "stdin", NULL});
    feed(&r, &p.out);
    spdy_peer_feed(&p, vk_buf_str(&r.sent));
    assert_true(peer_stream(&p, 1)->replied);
    for (uint32_t id = 3; id <= 9; id += 2)
        assert_true(peer_stream(&p, id)->reset && !peer_stream(&p, id)->replied);
    assert_string_equal(vk_buf_peek(&r.events), "");
    record_release(&r);
    spdy_peer_release(&p);
}

static void input_before_the_last_stream_is_kept_up_to_a_limit(void **state)
{
    static char much[70000];
    struct spdy_peer p;
    struct record r;
    struct vk_err err;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, REMOTE_COMMAND_SPDY_V4, &terminal);
    open_streams(&p, (const char *const[]){"error", "stdin", "resize", NULL});
    peer_data(&p, 5, VK_STR("{\"Width\":7,\"Height\":5}"), false);
    peer_data(&p, 3, VK_STR("early"), true);
    feed(&r, &p.out);
    assert_string_equal(vk_buf_peek(&r.events), "");
    peer_open_type(&p, 7, "stdout");
    feed(&r, &p.out);
    assert_string_equal(vk_buf_peek(&r.events), " started 7x5 input:early end");
    record_release(&r);
    spdy_peer_release(&p);

    spdy_peer_init(&p);
    record_init(&r, REMOTE_COMMAND_SPDY_V4, &terminal);
    open_streams(&p, (const char *const[]){"error", "stdin", NULL});
    peer_data(&p, 3, (struct vk_str){much, sizeof(much)}, false);
    assert_int_equal(remote_command_feed(r.rc, vk_buf_str(&p.out), &err), -VK_TOO_LARGE);
    spdy_peer_feed(&p, vk_buf_str(&r.sent));
    assert_true(p.goaway);
    record_release(&r);
    spdy_peer_release(&p);
}

#define EXIT_7                                                                                     \
    "{\"status\":\"Failure\",\"message\":\"command terminated with non-zero exit code: exit "      \
    "status 7\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":"              \
    "\"ExitCode\",\"message\":\"7\"}]}}"
#define FAILED                                                                                     \
    "{\"status\":\"Failure\",\"message\":\"Internal error occurred: no \\\"sh\\\"\","              \
    "\"reason\":\"InternalError\",\"code\":500}"
#define SUCCESS "{\"status\":\"Success\"}"

static const struct {
    bool is_json;
    int exit_code;
    bool fails;
    const char *text;
} ends[] = {
    {true, 0, false, SUCCESS},
    {true, 7, false, EXIT_7},
    {true, 0, true, FAILED},
    {false, 0, false, ""},
    {false, 7, false, "command terminated with non-zero exit code: exit status 7"},
    {false, 0, true, "Internal error occurred: no \"sh\""},
};

static void finish(struct record *r, size_t end)
{
    struct vk_err err;

    vk_err_set(&err, VK_UNSUPPORTED, "no \"sh\"");
    remote_command_output(r->rc, VK_STR("out"));
    remote_command_error_output(r->rc, VK_STR("err"));
    remote_command_finish(r->rc, ends[end].exit_code, ends[end].fails ? &err : NULL);
    remote_command_output(r->rc, VK_STR("late"));
    remote_command_finish(r->rc, 1, NULL);
}

static void spdy_session_ends_with_status_fins_and_goaway(void **state)
{
    static const enum remote_command_protocol protocols[] = {
        REMOTE_COMMAND_SPDY_V1, REMOTE_COMMAND_SPDY_V2, REMOTE_COMMAND_SPDY_V3,
        REMOTE_COMMAND_SPDY_V4};

    (void)state;
    for (size_t v = 0; v < VK_COUNT(protocols); v++) {
        for (size_t i = 0; i < VK_COUNT(ends); i++) {
            struct spdy_peer p;
            struct record r;

            if (ends[i].is_json != (protocols[v] == REMOTE_COMMAND_SPDY_V4))
                continue;
            spdy_peer_init(&p);
            record_init(&r, protocols[v], &all);
            open_streams(&p, all_types);
            feed(&r, &p.out);
            finish(&r, i);
            spdy_peer_feed(&p, vk_buf_str(&r.sent));
            assert_string_equal(peer_text(&p, 1), ends[i].text);
            assert_string_equal(peer_text(&p, 3), "");
            assert_string_equal(peer_text(&p, 5), "out");
            assert_string_equal(peer_text(&p, 7), "err");
            for (uint32_t id = 1; id <= 7; id += 2)
                assert_true(peer_stream(&p, id)->fin);
            assert_true(p.goaway);
            record_release(&r);
            spdy_peer_release(&p);
        }
    }
}

static void websocket_session_ends_with_status_and_code_1000(void **state)
{
    static const enum remote_command_protocol protocols[] = {
        REMOTE_COMMAND_CHANNEL, REMOTE_COMMAND_V4_CHANNEL, REMOTE_COMMAND_V5_CHANNEL};

    (void)state;
    for (size_t v = 0; v < VK_COUNT(protocols); v++) {
        for (size_t i = 0; i < VK_COUNT(ends); i++) {
            struct vk_buf text VK_BUF_AUTO;
            struct vk_buf expected VK_BUF_AUTO;
            struct ws_message m;
            struct vk_str sent;
            struct record r;

            vk_buf_init(&text, 8192);
            vk_buf_init(&expected, 8192);
            if (ends[i].is_json != (protocols[v] != REMOTE_COMMAND_CHANNEL))
                continue;
            record_init(&r, protocols[v], &all);
            finish(&r, i);
            sent = vk_buf_str(&r.sent);
            while (ws_take(&sent, &m)) {
                vk_buf_printf(&text, "%u/", m.opcode);
                if (m.opcode == 8) {
                    assert_true(vk_str_eq(m.payload, VK_STR("\3\xe8")));
                    break;
                }
                vk_buf_printf(&text, "%d:%.*s ", m.payload.p[0], (int)m.payload.n - 1,
                              m.payload.p + 1);
            }
            assert_int_equal(sent.n, 0);
            vk_buf_adds(&expected, "2/1: 2/1:out 2/2:err ");
            if (*ends[i].text)
                vk_buf_printf(&expected, "2/3:%s ", ends[i].text);
            vk_buf_adds(&expected, "8/");
            assert_string_equal(vk_buf_peek(&text), vk_buf_peek(&expected));
            record_release(&r);
        }
    }
}

static void base64_output_is_one_text_per_piece(void **state)
{
    struct record r;

    (void)state;
    record_init(&r, REMOTE_COMMAND_V4_BASE64_CHANNEL, &all);
    vk_buf_clear(&r.sent);
    remote_command_output(r.rc, VK_STR("hi"));
    assert_true(vk_str_eq(vk_buf_str(&r.sent), VK_STR("\x81\5"
                                                      "1aGk=")));
    record_release(&r);
}

static void large_output_is_cut_into_messages_and_whole(void **state)
{
    static const enum remote_command_protocol protocols[] = {REMOTE_COMMAND_V5_CHANNEL,
                                                             REMOTE_COMMAND_V4_BASE64_CHANNEL};
    size_t size = 100001;
    char *bytes = vk_malloc(size);

    (void)state;
    memset(bytes, 'x', size);
    for (size_t v = 0; v < VK_COUNT(protocols); v++) {
        size_t got = 0;
        struct ws_message m;
        struct vk_str sent;
        struct record r;

        record_init(&r, protocols[v], &all);
        vk_buf_clear(&r.sent);
        remote_command_output(r.rc, (struct vk_str){bytes, size});
        sent = vk_buf_str(&r.sent);
        while (ws_take(&sent, &m)) {
            assert_true(m.payload.n <= 48 * 1024);
            got += v == 0 ? m.payload.n - 1 : (m.payload.n - 1) / 4 * 3;
            for (size_t i = m.payload.n - 1; v == 1 && m.payload.p[i] == '='; i--)
                got--;
        }
        assert_int_equal(sent.n, 0);
        assert_int_equal(got, size);
        record_release(&r);
    }
    vk_free(bytes);
}

static void malformed_base64_ends_the_session(void **state)
{
    static const char *const texts[] = {"0A", "0QUJ", "0QQ==QQ==", "0****", "0QQ=A", "0aGk=\n"};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(texts); i++) {
        struct vk_buf out VK_BUF_AUTO;

        vk_buf_init(&out, 4096);
        ws_frame(&out, 1, vk_str_of(texts[i]));
        for (size_t split = 0; split < vk_buf_len(&out); split++) {
            struct record r;

            record_init(&r, REMOTE_COMMAND_BASE64_CHANNEL, &all);
            assert_int_equal(feed_split(&r, vk_buf_str(&out), split), -VK_PROTOCOL);
            record_release(&r);
        }
    }
}

static void garbage_over_spdy_is_answered_by_goaway(void **state)
{
    struct spdy_peer p;
    struct record r;
    struct vk_err err;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, REMOTE_COMMAND_SPDY_V4, &all);
    assert_int_equal(remote_command_feed(r.rc, VK_STR("\x80\x07garbage"), &err), -VK_PROTOCOL);
    spdy_peer_feed(&p, vk_buf_str(&r.sent));
    assert_true(p.goaway);
    remote_command_finish(r.rc, 0, NULL);
    record_release(&r);
    spdy_peer_release(&p);
}

static void process_may_end_from_inside_an_event(void **state)
{
    struct spdy_peer p;
    struct record r;

    (void)state;
    spdy_peer_init(&p);
    record_init(&r, REMOTE_COMMAND_SPDY_V4, &all);
    r.ends_at_input = true;
    open_streams(&p, all_types);
    peer_data(&p, 3, VK_STR("one"), false);
    peer_data(&p, 3, VK_STR("two"), true);
    peer_goaway(&p);
    feed(&r, &p.out);
    assert_string_equal(vk_buf_peek(&r.events), " started input:one");
    spdy_peer_feed(&p, vk_buf_str(&r.sent));
    assert_string_equal(peer_text(&p, 1), SUCCESS);
    record_release(&r);
    spdy_peer_release(&p);
}

static void reset_streams(void **state)
{
    static const struct {
        uint32_t id;
        const char *events;
    } cases[] = {{1, " started gone"}, {3, " started end"}, {5, " started"}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct spdy_peer p;
        struct record r;

        spdy_peer_init(&p);
        record_init(&r, REMOTE_COMMAND_SPDY_V4, &all);
        open_streams(&p, all_types);
        peer_reset(&p, cases[i].id);
        feed(&r, &p.out);
        assert_string_equal(vk_buf_peek(&r.events), cases[i].events);
        vk_buf_clear(&r.sent);
        remote_command_output(r.rc, VK_STR("x"));
        assert_int_equal(vk_buf_len(&r.sent) == 0, cases[i].id != 3);
        record_release(&r);
        spdy_peer_release(&p);
    }
}

static void heartbeat_is_a_pong_where_there_are_pongs(void **state)
{
    struct record r;

    (void)state;
    record_init(&r, REMOTE_COMMAND_V5_CHANNEL, &all);
    vk_buf_clear(&r.sent);
    remote_command_heartbeat(r.rc);
    assert_true(vk_str_eq(vk_buf_str(&r.sent), VK_STR("\x8a\0")));
    record_release(&r);
    record_init(&r, REMOTE_COMMAND_SPDY_V4, &all);
    remote_command_heartbeat(r.rc);
    assert_int_equal(vk_buf_len(&r.sent), 0);
    record_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spdy_session_is_the_same_at_every_split),
        cmocka_unit_test(websocket_session_is_the_same_at_every_split),
        cmocka_unit_test(websocket_client_is_greeted_on_its_lowest_channel),
        cmocka_unit_test(start_waits_for_all_streams_of_the_version),
        cmocka_unit_test(streams_that_nobody_asked_for_are_refused),
        cmocka_unit_test(input_before_the_last_stream_is_kept_up_to_a_limit),
        cmocka_unit_test(spdy_session_ends_with_status_fins_and_goaway),
        cmocka_unit_test(websocket_session_ends_with_status_and_code_1000),
        cmocka_unit_test(base64_output_is_one_text_per_piece),
        cmocka_unit_test(large_output_is_cut_into_messages_and_whole),
        cmocka_unit_test(malformed_base64_ends_the_session),
        cmocka_unit_test(garbage_over_spdy_is_answered_by_goaway),
        cmocka_unit_test(process_may_end_from_inside_an_event),
        cmocka_unit_test(reset_streams),
        cmocka_unit_test(heartbeat_is_a_pong_where_there_are_pongs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
