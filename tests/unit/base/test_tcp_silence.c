/* SPDX-License-Identifier: Apache-2.0 */
/* base/tcp_silence: what counts as an answer; the kernel's part with peers that vanish or wait. */
#include "base/tcp_silence.c"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/tcp.h"

#define PATIENCE_MS 20000
#define LIMIT_MS 1000

/* ---- what counts ---- */

/* Looks, 1 s apart: what was asked until then, how old the last answer is; lost at look `lost`, or
 * never. */
struct look {
    unsigned asked;
    int64_t age_ms;
};
struct story {
    const char *name;
    struct look looks[12];
    int lost; /* index; -1: never */
};

static const struct story stories[] = {
    {"nothing is said at all", {{0, 5000}, {0, 6000}, {0, 7000}, {0, 8000}, {0, 9000}}, -1},
    {"each question is answered", {{1, 10}, {2, 10}, {3, 10}, {4, 10}, {5, 10}, {6, 10}}, -1},
    {"sent again and again", {{0, 900}, {1, 1900}, {2, 2900}, {2, 3900}, {3, 4900}}, 4},
    {"one question, never answered", {{0, 900}, {1, 1900}, {1, 2900}, {1, 3900}, {1, 4900}}, 4},
    {"answered just in time",
     {{0, 900}, {1, 1900}, {2, 2900}, {2, 3900}, {2, 500}, {2, 1500}, {2, 2500}, {2, 3500}},
     -1},
    {"asked right before a look, answered right after it",
     {{0, 60000}, {1, 61000}, {0, 998}, {0, 1998}, {0, 2998}, {0, 3998}, {0, 4998}},
     -1},
    {"probes count from nought after an answer",
     {{2, 2000}, {0, 400}, {1, 1400}, {1, 2400}, {2, 3400}, {2, 4400}, {2, 5400}},
     5},
    {"answered by the clock of the kernel, a little late",
     {{0, 900}, {1, 1900}, {1, 1030}, {1, 2030}, {1, 3030}, {1, 4030}, {1, 5030}},
     -1},
};

static void only_a_question_without_answer_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(stories); i++) {
        struct tcp_silence s = {.limit_ms = 3000, .looked_mono_ms = 1000000};
        int lost = -1;

        for (int k = 0; k < 12 && stories[i].looks[k].age_ms && lost < 0; k++) {
            const struct tcp_answers a = {stories[i].looks[k].asked, stories[i].looks[k].age_ms};

            if (look_at(&s, &a, s.looked_mono_ms + 1000))
                lost = k;
        }
        if (lost != stories[i].lost)
            fail_msg("%s: lost at %d, not %d", stories[i].name, lost, stories[i].lost);
    }
}

/* A process that was stopped has looked at nothing: the first look after it accuses nobody. */
static void a_long_pause_of_our_own_accuses_nobody(void **state)
{
    struct tcp_silence s = {.limit_ms = 3000, .looked_mono_ms = 1000000};

    (void)state;
    assert_false(look_at(&s, &(struct tcp_answers){1, 4000}, 1001000));
    assert_false(look_at(&s, &(struct tcp_answers){1, 30000}, 1061000));
    assert_false(look_at(&s, &(struct tcp_answers){1, 31000}, 1062000));
}

/* ---- the kernel ---- */

struct pair {
    struct vk_loop *loop;
    int ours, theirs;
    bool is_lost;
    struct tcp_silence silence;
};

static int set_up(void **state)
{
    struct pair *p = vk_calloc(1, sizeof(*p));
    struct sockaddr_in address = {.sin_family = AF_INET};
    const int small = 4096;
    int port = 0, fd = -1;
    struct vk_err err;

    p->loop = vk_loop_new();
    if (tcp_listen("127.0.0.1", 0, &fd, &port, &err) < 0)
        return -1;
    address.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    p->theirs = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(p->theirs, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    if (connect(p->theirs, (void *)&address, sizeof(address)) < 0)
        return -1;
    do
        p->ours = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (p->ours < 0);
    close(fd);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *p = *state;

    tcp_silence_stop(&p->silence);
    close(p->ours);
    close(p->theirs);
    vk_loop_free(p->loop);
    vk_free(p);
    return 0;
}

static void on_lost(void *user)
{
    struct pair *p = user;

    assert_false(p->is_lost);
    p->is_lost = true;
}

/* As if its machine lost its power: nothing that comes is answered. */
static void vanish(const struct pair *p)
{
    struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    const struct sock_fprog program = {.len = 1, .filter = none};

    assert_int_equal(setsockopt(p->theirs, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)),
                     0);
}

static void watch(struct pair *p)
{
    tcp_silence_start(&p->silence, p->loop, p->ours, LIMIT_MS, on_lost, p);
}

static void bytes_that_a_vanished_peer_does_not_take_give_it_away(void **state)
{
    struct pair *p = *state;

    watch(p);
    vanish(p);
    assert_int_equal(send(p->ours, "x", 1, MSG_NOSIGNAL), 1);
    assert_true(vk_loop_run_until(p->loop, &p->is_lost, PATIENCE_MS));
}

static void fill(const struct pair *p)
{
    static const char much[65536];

    while (send(p->ours, much, sizeof(much), MSG_NOSIGNAL) > 0)
        continue;
}

static void a_peer_that_reads_nothing_is_there_until_it_vanishes(void **state)
{
    struct pair *p = *state;
    bool never = false;

    fill(p);
    watch(p);
    assert_false(vk_loop_run_until(p->loop, &never, 3 * LIMIT_MS));
    assert_false(p->is_lost);
    vanish(p);
    assert_true(vk_loop_run_until(p->loop, &p->is_lost, PATIENCE_MS));
}

/* Nothing is under way: the probes of TCP itself ask. */
static void a_silent_connection_is_probed(void **state)
{
    struct pair *p = *state;
    const int second = 1;
    bool never = false;

    tcp_set_options(p->ours);
    setsockopt(p->ours, IPPROTO_TCP, TCP_KEEPIDLE, &second, sizeof(second));
    setsockopt(p->ours, IPPROTO_TCP, TCP_KEEPINTVL, &second, sizeof(second));
    watch(p);
    assert_false(vk_loop_run_until(p->loop, &never, 3 * LIMIT_MS));
    assert_false(p->is_lost);
    vanish(p);
    assert_true(vk_loop_run_until(p->loop, &p->is_lost, PATIENCE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_question_without_answer_counts),
        cmocka_unit_test(a_long_pause_of_our_own_accuses_nobody),
        cmocka_unit_test_setup_teardown(bytes_that_a_vanished_peer_does_not_take_give_it_away,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_that_reads_nothing_is_there_until_it_vanishes,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_connection_is_probed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
