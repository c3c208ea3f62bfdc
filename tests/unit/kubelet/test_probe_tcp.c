/* SPDX-License-Identifier: Apache-2.0 */
/* The tcpSocket action against listening and closed ports. */
#include "kubelet/pods/probe_tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/tcp.h"

#define PATIENCE_MS 60000

struct seen {
    bool done;
    int count;
    enum probe_outcome_kind kind;
    char output[256];
};

static void on_done(void *user, const struct probe_outcome *outcome)
{
    struct seen *s = user;

    s->done = true;
    s->count++;
    s->kind = outcome->kind;
    snprintf(s->output, sizeof(s->output), "%s", outcome->output);
}

static struct seen probe(const char *host, int64_t port, int64_t timeout_ms)
{
    struct vk_loop *loop = vk_loop_new();
    struct resolver *resolver = resolver_new(loop);
    struct seen s = {0};
    const struct probe_tcp_request request = {.host = host, .port = port, .timeout_ms = timeout_ms};

    probe_tcp_start(loop, resolver, &request, on_done, &s);
    assert_false(s.done);
    assert_true(vk_loop_run_until(loop, &s.done, PATIENCE_MS));
    assert_int_equal(s.count, 1);
    resolver_free(resolver);
    vk_loop_free(loop);
    return s;
}

static void an_open_port_succeeds(void **state)
{
    int fd, port;
    struct vk_err err;

    (void)state;
    assert_int_equal(tcp_listen("127.0.0.1", 0, &fd, &port, &err), 0);
    assert_int_equal(probe("127.0.0.1", port, PATIENCE_MS).kind, PROBE_SUCCEEDED);
    assert_int_equal(probe("localhost", port, PATIENCE_MS).kind, PROBE_SUCCEEDED);
    close(fd);
}

static void a_closed_port_fails_in_the_words_of_the_kubelet(void **state)
{
    const struct seen s = probe("127.0.0.1", 1, PATIENCE_MS);

    (void)state;
    assert_int_equal(s.kind, PROBE_FAILED);
    assert_string_equal(s.output, "dial tcp 127.0.0.1:1: connect: connection refused");
}

/* A label of 64 letters: no server of names has to be asked. */
static void a_name_that_nobody_has_fails(void **state)
{
    static const char name[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid";
    const struct seen s = probe(name, 80, PATIENCE_MS);

    (void)state;
    assert_int_equal(s.kind, PROBE_FAILED);
    assert_true(vk_starts(s.output, "dial tcp aaa"));
    assert_null(strstr(s.output, "i/o timeout"));
}

/* A listener whose queue is full answers nothing, as a packet filter does. */
static void silence_is_a_timeout(void **state)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fillers[4];
    struct seen s;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    for (size_t i = 0; i < VK_COUNT(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&a, sizeof(a));
    }
    s = probe("127.0.0.1", ntohs(a.sin_port), 200);
    assert_int_equal(s.kind, PROBE_FAILED);
    assert_true(vk_ends(s.output, ": i/o timeout"));
    for (size_t i = 0; i < VK_COUNT(fillers); i++)
        close(fillers[i]);
    close(fd);
}

static void a_cancelled_probe_says_nothing(void **state)
{
    struct vk_loop *loop = vk_loop_new();
    struct seen s = {0};
    bool never = false;
    const struct probe_tcp_request request = {
        .host = "127.0.0.1", .port = 1, .timeout_ms = PATIENCE_MS};

    (void)state;
    probe_tcp_cancel(probe_tcp_start(loop, NULL, &request, on_done, &s));
    vk_loop_run_until(loop, &never, 50);
    assert_int_equal(s.count, 0);
    vk_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_port_succeeds),
        cmocka_unit_test(a_closed_port_fails_in_the_words_of_the_kubelet),
        cmocka_unit_test(a_name_that_nobody_has_fails),
        cmocka_unit_test(silence_is_a_timeout),
        cmocka_unit_test(a_cancelled_probe_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
