/* SPDX-License-Identifier: Apache-2.0 */
/* /containerLogs: a log of any length whole or visibly cut, and the kubelet's words where there is
 * none. */
#include "tests/unit/kubelet/streaming_world.h"

#define LINES 2000000
#define LOGS "GET /containerLogs/default/"
#define END " HTTP/1.1\r\nHost: a\r\n\r\n"

/* ---- a log of numbered lines ---- */

struct log_stream {
    struct log_sink sink;
    provider_done_fn done;
    void *user;
    struct vk_timer timer;
    size_t next, lines;
    bool breaks; /* after the last line, instead of an end */
};
static struct {
    size_t lines, written, cancels;
    bool breaks, is_missing;
    struct vk_loop *loop;
    struct log_stream *open; /* NULL: none */
} source;

static void source_free(struct log_stream *l)
{
    vk_timer_disarm(&l->timer);
    source.open = NULL;
    vk_free(l);
}

static void source_go_on(void *user)
{
    struct log_stream *l = user;
    struct vk_err err;
    char line[32];

    while (l->next < l->lines && !l->sink.is_full(l->sink.user)) {
        const int n = snprintf(line, sizeof(line), "%zu\n", l->next++);

        l->sink.write(l->sink.user, (struct vk_str){line, (size_t)n});
        source.written++;
    }
    if (l->next < l->lines)
        return;
    if (source.is_missing)
        (void)vk_err_set(&err, VK_NOT_FOUND, "ask the platform");
    else
        (void)vk_err_set(&err, VK_UNAVAILABLE, "the log ends in the middle");
    l->done(l->user, l->breaks || source.is_missing ? &err : NULL);
    source_free(l);
}

static struct log_stream *source_open(void *p, const struct pod_identity *id, const char *container,
                                      const struct container_log_options *options,
                                      const struct log_sink *sink, provider_done_fn done,
                                      void *user)
{
    struct log_stream *l = vk_calloc(1, sizeof(*l));

    (void)p, (void)id, (void)container, (void)options;
    assert_null(source.open);
    *l = (struct log_stream){
        .sink = *sink, .done = done, .user = user, .lines = source.lines, .breaks = source.breaks};
    vk_timer_init(&l->timer, source.loop, "log", source_go_on, l);
    vk_timer_arm(&l->timer, 0);
    source.open = l;
    return l;
}

static void source_resume(void *p, struct log_stream *l)
{
    (void)p;
    vk_timer_arm(&l->timer, 0);
}

static void source_cancel(void *p, struct log_stream *l)
{
    (void)p;
    source.cancels++;
    source_free(l);
}

static int setup(void **state)
{
    struct streaming_world *s;

    if (streaming_setup(state))
        return -1;
    s = *state;
    memset(&source, 0, sizeof(source));
    source.loop = s->w->loop;
    s->ops.get_container_logs = source_open;
    s->ops.log_stream_resume = source_resume;
    s->ops.log_stream_cancel = source_cancel;
    return 0;
}

/* ---- a client that takes the chunks apart as they come ---- */

struct reader {
    struct wire wire;
    size_t chunk_left; /* with the line end behind it */
    bool in_chunk, is_whole;
    char line[32];
    size_t line_n, lines;
};

static void read_text(struct reader *r, struct vk_str text)
{
    char expected[32];

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '\n') {
            assert_true(r->line_n < sizeof(r->line) - 1);
            r->line[r->line_n++] = text.p[i];
            continue;
        }
        r->line[r->line_n] = '\0';
        snprintf(expected, sizeof(expected), "%zu", r->lines);
        if (strcmp(r->line, expected) != 0)
            fail_msg("line %zu is '%s'", r->lines, r->line);
        r->lines++;
        r->line_n = 0;
    }
}

/* Takes what has come. */
static void read_chunks(struct reader *r)
{
    struct vk_buf *in = &r->wire.in;

    while (vk_buf_len(in) && !r->is_whole) {
        struct vk_str rest = vk_buf_str(in);

        if (!r->in_chunk) {
            const char *end = memchr(rest.p, '\n', rest.n);

            if (!end)
                return;
            r->chunk_left = strtoul(rest.p, NULL, 16) + 2;
            r->is_whole = r->chunk_left == 2;
            r->in_chunk = true;
            vk_buf_consume(in, (size_t)(end + 1 - rest.p));
            continue;
        }
        if (rest.n > r->chunk_left)
            rest.n = r->chunk_left;
        /* The last two bytes are no text. */
        if (r->chunk_left > 2)
            read_text(r, (struct vk_str){rest.p,
                                         rest.n < r->chunk_left - 2 ? rest.n : r->chunk_left - 2});
        r->chunk_left -= rest.n;
        r->in_chunk = r->chunk_left > 0;
        vk_buf_consume(in, rest.n);
    }
}

static bool reader_is_done(struct reader *r)
{
    read_chunks(r);
    return r->is_whole || r->wire.is_closed;
}

static void reader_start(struct streaming_world *s, struct reader *r)
{
    const char *head;

    *r = (struct reader){0};
    streaming_connect(s, &r->wire);
    head = streaming_ask(s, &r->wire, LOGS "web/c?follow=true" END);
    assert_memory_equal(head, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(head, "chunked"));
}

static void two_million_lines_arrive_whole(void **state)
{
    struct streaming_world *s = *state;
    struct reader r;

    source.lines = LINES;
    reader_start(s, &r);
    UNTIL(s, reader_is_done(&r));
    assert_true(r.is_whole);
    assert_int_equal(r.lines, LINES);
    assert_null(source.open);
    /* The connection goes on. */
    vk_buf_clear(&r.wire.in);
    assert_memory_equal(streaming_ask(s, &r.wire, "GET /healthz" END), "HTTP/1.1 200 ", 13);
    wire_release(&r.wire);
    assert_int_equal(source.cancels, 0);
}

static void a_log_that_breaks_off_is_never_taken_for_whole(void **state)
{
    struct streaming_world *s = *state;
    struct reader r;

    source.lines = 1000;
    source.breaks = true;
    reader_start(s, &r);
    UNTIL(s, reader_is_done(&r));
    assert_false(r.is_whole);
    wire_release(&r.wire);
}

static size_t seen;

static bool stands_still(void)
{
    const size_t before = seen;

    seen = source.written;
    return seen && seen == before;
}

static void a_client_that_does_not_read_stops_the_source_and_its_leaving_ends_it(void **state)
{
    struct streaming_world *s = *state;
    struct reader r;

    source.lines = (size_t)100 * LINES;
    reader_start(s, &r);
    wire_stall(&r.wire, true);
    seen = 0;
    UNTIL(s, source.open->sink.is_full(source.open->sink.user) && stands_still());
    assert_true(source.written < source.lines);
    wire_stall(&r.wire, false);
    seen = source.written;
    UNTIL(s, !reader_is_done(&r) && source.written > seen);
    wire_release(&r.wire);
    UNTIL(s, source.cancels == 1);
    assert_null(source.open);
}

/* ---- no log ---- */

static void answer_is(struct streaming_world *s, const char *request, const char *status,
                      const char *body)
{
    struct wire w;

    streaming_connect(s, &w);
    assert_memory_equal(streaming_ask(s, &w, request) + 9, status, strlen(status));
    UNTIL(s, vk_buf_len(&w.in) >= strlen(body));
    if (!vk_str_is(vk_buf_str(&w.in), body))
        fail_msg("'%s' instead of '%s'", vk_buf_peek(&w.in), body);
    wire_release(&w);
}

static void report_waiting(struct streaming_world *s, const char *reason)
{
    struct container_status c = {
        .name = "c", .image = "app:1", .state = {.kind = CONTAINER_WAITING, .reason = reason}};
    const struct provider_pod_status status = {
        .id = memory_id("young", "uid-2"),
        .group_exists = true,
        .status = {.phase = "Pending", .container_statuses = {.v = &c, .n = 1}},
    };

    s->w->memory.up->status_changed(s->w->memory.up->k, &status);
}

static void a_container_that_waits_has_the_kubelets_words(void **state)
{
    static const struct {
        const char *reason, *said;
    } rows[] = {
        {"ContainerCreating", "ContainerCreating"},
        {"PodInitializing", "PodInitializing"},
        {"ErrImagePull", "image can't be pulled"},
        {"ImagePullBackOff", "trying and failing to pull image"},
        {"CreateContainerConfigError", "CreateContainerConfigError"},
    };
    struct streaming_world *s = *state;

    s->w->memory.run_at_once = false;
    fake_add(&s->w->api, "young", "uid-2", SPEC_ALWAYS, NULL);
    UNTIL(s, world_count(s->w, POD_WORKER_STARTING) == 1);
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        char *body VK_AUTOFREE =
            vk_asprintf("container \"c\" in pod \"young\" is waiting to start: %s\n", rows[i].said);

        report_waiting(s, rows[i].reason);
        answer_is(s, LOGS "young/c" END, "400", body);
    }
}

static void a_crash_loop_without_a_log_has_them_too(void **state)
{
    struct container_status c = {.name = "c",
                                 .image = "app:1",
                                 .state = {.kind = CONTAINER_WAITING, .reason = "CrashLoopBackOff"},
                                 .last_state = {.kind = CONTAINER_TERMINATED, .exit_code = 128}};
    const struct provider_pod_status status = {
        .id = memory_id("web", "uid-1"),
        .group_exists = true,
        .status = {.phase = "Running", .container_statuses = {.v = &c, .n = 1}},
    };
    struct streaming_world *s = *state;

    source.is_missing = true;
    answer_is(s, LOGS "web/c" END, "400", "ask the platform\n");
    s->w->memory.up->status_changed(s->w->memory.up->k, &status);
    answer_is(s, LOGS "web/c" END, "400",
              "container \"c\" in pod \"web\" is waiting to start: CrashLoopBackOff\n");
    source.is_missing = false;
    source.lines = 2;
    answer_is(s, LOGS "web/c" END, "200", "2\r\n0\n\r\n2\r\n1\n\r\n0\r\n\r\n");
}

static void what_is_not_there_is_named(void **state)
{
    struct streaming_world *s = *state;

    answer_is(s, LOGS "none/c" END, "404",
              "pod \"none\" does not exist in namespace \"default\" on this node\n");
    answer_is(s, LOGS "web/other" END, "404", "container \"other\" not found in pod \"web\"\n");
    answer_is(s, LOGS "web/c?previous=true" END, "400",
              "previous terminated container \"c\" in pod \"web\" not found\n");
    answer_is(s, LOGS "web/c?tailLines=-1" END, "422",
              "tailLines: '-1' must be an integer of at least 0\n");
    s->ops.get_container_logs = NULL;
    answer_is(s, LOGS "web/c" END, "501", "provider memory keeps no logs\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, streaming_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_million_lines_arrive_whole),
        CASE(a_log_that_breaks_off_is_never_taken_for_whole),
        CASE(a_client_that_does_not_read_stops_the_source_and_its_leaving_ends_it),
        CASE(a_container_that_waits_has_the_kubelets_words),
        CASE(a_crash_loop_without_a_log_has_them_too),
        CASE(what_is_not_there_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
