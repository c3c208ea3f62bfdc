/* SPDX-License-Identifier: Apache-2.0 */
/* The grpc action against a server of one connection that knows as much HTTP/2 as it must. */
#include "kubelet/pods/probe_grpc.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/loop.h"
#include "base/tcp.h"

#define PATIENCE_MS 60000
#define PREFACE_LEN 24
#define FRAME_HEAD 9
enum { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_SETTINGS = 4 };
#define END_STREAM 0x1
#define END_HEADERS 0x4

struct server {
    int listener, port;
    pthread_t thread;
    /* What it answers. */
    const char *message; /* with its frame's head; NULL: none, all is said in the head */
    size_t message_n;
    const char *status, *text; /* grpc-status, grpc-message; NULL: none */
    /* What it was asked. */
    char request[256];
    size_t request_n;
};

static bool read_all(int fd, void *to, size_t n)
{
    for (char *p = to; n > 0;) {
        const ssize_t got = read(fd, p, n);

        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

/* Reads frames until the request has ended; false when the peer leaves before. */
static bool read_request(struct server *s, int fd)
{
    unsigned char head[FRAME_HEAD];
    char payload[16384];

    if (!read_all(fd, payload, PREFACE_LEN))
        return false;
    while (read_all(fd, head, sizeof(head))) {
        const size_t n = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];

        if (n > sizeof(payload) || !read_all(fd, payload, n))
            return false;
        if (head[3] == FRAME_DATA && s->request_n + n <= sizeof(s->request)) {
            memcpy(s->request + s->request_n, payload, n);
            s->request_n += n;
        }
        if ((head[3] == FRAME_DATA || head[3] == FRAME_HEADERS) && (head[4] & END_STREAM))
            return true;
    }
    return false;
}

static void add_frame(struct vk_buf *out, int type, int flags, int stream, struct vk_str payload)
{
    const char head[FRAME_HEAD] = {
        0, (char)(payload.n >> 8), (char)payload.n, (char)type, (char)flags, 0, 0, 0, (char)stream};

    vk_buf_add(out, head, sizeof(head));
    vk_buf_addstr(out, payload);
}

/* HPACK: a literal that joins no table. */
static void add_field(struct vk_buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    vk_buf_addc(out, 0);
    vk_buf_addc(out, (char)strlen(name));
    vk_buf_adds(out, name);
    vk_buf_addc(out, (char)strlen(value));
    vk_buf_adds(out, value);
}

static void answer(const struct server *s, int fd)
{
    struct vk_buf out VK_BUF_AUTO, fields VK_BUF_AUTO;

    vk_buf_init(&out, 4096);
    vk_buf_init(&fields, 1024);
    add_frame(&out, FRAME_SETTINGS, 0, 0, VK_STR(""));
    add_frame(&out, FRAME_SETTINGS, 1, 0, VK_STR(""));
    vk_buf_addc(&fields, (char)0x88); /* :status 200 */
    add_field(&fields, "content-type", "application/grpc");
    if (s->message) {
        add_frame(&out, FRAME_HEADERS, END_HEADERS, 1, vk_buf_str(&fields));
        add_frame(&out, FRAME_DATA, 0, 1, (struct vk_str){s->message, s->message_n});
        vk_buf_clear(&fields);
    }
    add_field(&fields, "grpc-status", s->status);
    add_field(&fields, "grpc-message", s->text);
    add_frame(&out, FRAME_HEADERS, END_HEADERS | END_STREAM, 1, vk_buf_str(&fields));
    (void)!write(fd, vk_buf_peek(&out), vk_buf_len(&out));
}

static void *run_server(void *user)
{
    struct server *s = user;
    const int fd = accept(s->listener, NULL, NULL);
    char rest[256];

    if (fd < 0)
        return NULL;
    if (read_request(s, fd))
        answer(s, fd);
    while (read(fd, rest, sizeof(rest)) > 0)
        ;
    close(fd);
    return NULL;
}

struct seen {
    bool done;
    enum probe_outcome_kind kind;
    char output[512];
};

static void on_done(void *user, const struct probe_outcome *outcome)
{
    struct seen *s = user;

    s->done = true;
    s->kind = outcome->kind;
    snprintf(s->output, sizeof(s->output), "%s", outcome->output);
}

static struct seen probe_port(int port, const char *service, int64_t timeout_ms)
{
    struct vk_loop *loop = vk_loop_new();
    struct http_client *client = http_client_new(loop);
    struct seen seen = {0};
    const struct probe_grpc_request request = {.host = "127.0.0.1",
                                               .port = port,
                                               .service = service,
                                               .user_agent = "kube-probe/1.37",
                                               .timeout_ms = timeout_ms};

    probe_grpc_start(client, &request, on_done, &seen);
    assert_false(seen.done);
    assert_true(vk_loop_run_until(loop, &seen.done, PATIENCE_MS));
    http_client_free(client);
    vk_loop_free(loop);
    return seen;
}

static struct seen probe(struct server *s, const char *service)
{
    struct seen seen;
    struct vk_err err;

    if (tcp_listen("127.0.0.1", 0, &s->listener, &s->port, &err) < 0)
        fail_msg("%s", err.msg);
    /* The thread blocks. */
    assert_int_equal(fcntl(s->listener, F_SETFL, 0), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, run_server, s), 0);
    seen = probe_port(s->port, service, PATIENCE_MS);
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    return seen;
}

static void answers_are_judged_by_their_status(void **state)
{
    static const struct {
        const char *message;
        size_t n;
        const char *status, *text;
        enum probe_outcome_kind kind;
        const char *output;
    } cases[] = {
#define MESSAGE(text) text, sizeof(text) - 1
        {MESSAGE("\0\0\0\0\2\x08\1"), "0", NULL, PROBE_SUCCEEDED, "service healthy"},
        {MESSAGE("\0\0\0\0\2\x08\2"), "0", NULL, PROBE_FAILED,
         "service unhealthy (responded with \"NOT_SERVING\")"},
        {MESSAGE("\0\0\0\0\0"), "0", NULL, PROBE_FAILED,
         "service unhealthy (responded with \"UNKNOWN\")"},
        {MESSAGE("\0\0\0\0\3\x08"), "0", NULL, PROBE_FAILED,
         "error: health rpc probe failed: the answer is no HealthCheckResponse"},
        {NULL, 0, "12", "unknown service%21", PROBE_FAILED,
         "error: this server does not implement the grpc health protocol "
         "(grpc.health.v1.Health): unknown service!"},
        {NULL, 0, "5", "unknown service", PROBE_FAILED,
         "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"},
        {NULL, 0, NULL, NULL, PROBE_FAILED,
         "error: health rpc probe failed: HTTP status 200 without a gRPC status"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct server s = {.message = cases[i].message,
                           .message_n = cases[i].n,
                           .status = cases[i].status,
                           .text = cases[i].text};
        const struct seen seen = probe(&s, i == 0 ? "shop" : NULL);

        assert_string_equal(seen.output, cases[i].output);
        assert_int_equal(seen.kind, cases[i].kind);
        if (i == 0)
            assert_memory_equal(s.request, "\0\0\0\0\6\x0a\4shop", 11);
        else
            assert_memory_equal(s.request, "\0\0\0\0\0", 5);
    }
}

static void nobody_there_is_a_failure(void **state)
{
    const struct seen s = probe_port(1, NULL, PATIENCE_MS);

    (void)state;
    assert_int_equal(s.kind, PROBE_FAILED);
    assert_true(vk_starts(s.output, "error: failed to connect service at \"127.0.0.1:1\": "));
}

static void silence_is_a_timeout(void **state)
{
    int fd, port;
    struct vk_err err;
    struct seen s;

    (void)state;
    assert_int_equal(tcp_listen("127.0.0.1", 0, &fd, &port, &err), 0);
    s = probe_port(port, NULL, 1000);
    assert_int_equal(s.kind, PROBE_FAILED);
    assert_true(vk_starts(s.output, "timeout: failed to connect service \"127.0.0.1:"));
    close(fd);
}

static void messages_of_others_are_read_with_care(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int status;
    } cases[] = {
        {MESSAGE(""), -1},
        {MESSAGE("\1\0\0\0\2\x08\1"), -1},        /* compressed */
        {MESSAGE("\0\0\0\0\2\x08\1x"), -1},       /* more than it says */
        {MESSAGE("\0\0\0\0\1\x08"), -1},          /* a varint is missing */
        {MESSAGE("\0\0\0\0\2\x08\x81"), -1},      /* and goes on */
        {MESSAGE("\0\0\0\0\4\x12\5ab"), -1},      /* longer than the message */
        {MESSAGE("\0\0\0\0\6\x12\2ab\x08\1"), 1}, /* a field that we do not know */
        {MESSAGE("\0\0\0\0\4\x08\2\x08\1"), 1},   /* the last one counts */
        {MESSAGE("\0\0\0\0\7\x15"
                 "abcd\x08\1"),
         1},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_int_equal(probe_grpc_read_status((struct vk_str){cases[i].bytes, cases[i].n}),
                         cases[i].status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_judged_by_their_status),
        cmocka_unit_test(nobody_there_is_a_failure),
        cmocka_unit_test(silence_is_a_timeout),
        cmocka_unit_test(messages_of_others_are_read_with_care),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
