/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

#define PATIENCE_MS 60000

static int set_up(void **state)
{
    *state = vk_loop_new();
    return 0;
}

static int tear_down(void **state)
{
    vk_loop_free(*state);
    return 0;
}

/* ---- timers ---- */

struct recorder {
    int fired[64];
    size_t count, wanted;
    bool done;
};
struct numbered {
    struct vk_timer timer;
    struct recorder *recorder;
    int number;
};

static void record(void *user)
{
    struct numbered *n = user;
    struct recorder *r = n->recorder;

    r->fired[r->count++] = n->number;
    r->done = r->count == r->wanted;
}

static void timers_fire_in_order_of_due_time_then_of_arming(void **state)
{
    static const int delays_ms[] = {5, 0, 12, 3, 0, 5, 12, 1, 3, 0};
    struct numbered timers[10];
    struct recorder r = {.wanted = 10};

    for (int i = 0; i < 10; i++) {
        timers[i] = (struct numbered){.recorder = &r, .number = i};
        vk_timer_init(&timers[i].timer, *state, "numbered", record, &timers[i]);
        vk_timer_arm(&timers[i].timer, delays_ms[i]);
        assert_true(i == 0 || delays_ms[i] < delays_ms[i - 1] ||
                    timers[i].timer.due_us_ >= timers[i - 1].timer.due_us_);
    }
    assert_true(vk_loop_run_until(*state, &r.done, PATIENCE_MS));
    for (size_t i = 1; i < r.count; i++) {
        const struct numbered *a = &timers[r.fired[i - 1]], *b = &timers[r.fired[i]];

        assert_true(a->timer.due_us_ < b->timer.due_us_ ||
                    (a->timer.due_us_ == b->timer.due_us_ && a->number < b->number));
    }
    for (int i = 0; i < 10; i++)
        assert_false(vk_timer_is_armed(&timers[i].timer));
}

static void heap_survives_random_disarms(void **state)
{
    struct numbered timers[64];
    struct recorder r = {0};
    unsigned seed = 7;

    for (int i = 0; i < 64; i++) {
        timers[i] = (struct numbered){.recorder = &r, .number = i};
        vk_timer_init(&timers[i].timer, *state, "numbered", record, &timers[i]);
    }
    for (int i = 0; i < 2000; i++) {
        struct numbered *n = &timers[rand_r(&seed) % 64];

        if (rand_r(&seed) % 3 == 0)
            vk_timer_disarm(&n->timer);
        else
            vk_timer_arm(&n->timer, 3600000 + rand_r(&seed) % 50);
    }
    for (int i = 0; i < 64; i++)
        if (vk_timer_is_armed(&timers[i].timer))
            r.wanted++;
    assert_true(r.wanted > 10);
    for (int i = 0; i < 64; i++)
        if (vk_timer_is_armed(&timers[i].timer))
            vk_timer_arm(&timers[i].timer, i / 8);
    assert_true(vk_loop_run_until(*state, &r.done, PATIENCE_MS));
    for (size_t i = 1; i < r.count; i++)
        assert_true(timers[r.fired[i - 1]].timer.due_us_ <= timers[r.fired[i]].timer.due_us_);
}

struct rearming {
    struct vk_timer timer;
    struct vk_loop *loop;
    int turns, depth;
    bool done;
};

static void rearm_at_once(void *user)
{
    struct rearming *r = user;

    assert_int_equal(r->depth, 0);
    r->depth++;
    r->done = ++r->turns == 5;
    if (!r->done)
        vk_timer_arm(&r->timer, 0);
    r->depth--;
}

static void flag_after_descriptor(void *user, uint32_t events)
{
    assert_true(events & EPOLLIN);
    *(bool *)user = true;
}

static void zero_delay_waits_for_the_next_turn(void **state)
{
    struct rearming r = {.loop = *state};
    struct vk_fd *source;
    bool was_served = false;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    source = vk_loop_add_fd(*state, fds[0], EPOLLIN, "pipe", flag_after_descriptor, &was_served);
    vk_timer_init(&r.timer, *state, "rearming", rearm_at_once, &r);
    vk_timer_arm(&r.timer, -5);
    assert_int_equal(r.turns, 0);
    assert_true(vk_loop_run_until(*state, &r.done, PATIENCE_MS));
    /* A timer that arms itself again with 0 does not starve descriptors. */
    assert_true(was_served);
    vk_fd_remove(source);
    close(fds[0]);
    close(fds[1]);
}

static void frozen_clock_does_not_stop_timers(void **state)
{
    struct rearming r = {.loop = *state, .turns = 4};

    vk_clock_freeze(1000, 1000);
    vk_timer_init(&r.timer, *state, "rearming", rearm_at_once, &r);
    vk_timer_arm(&r.timer, 5);
    assert_true(vk_loop_run_until(*state, &r.done, PATIENCE_MS));
    vk_clock_thaw();
}

static void deadline_of_run_until_passes(void **state)
{
    bool never = false;

    assert_false(vk_loop_run_until(*state, &never, 5));
}

static void overlong_delay_is_armed_and_disarmed(void **state)
{
    struct vk_timer t;
    bool never = false;

    vk_timer_init(&t, *state, "overlong", rearm_at_once, NULL);
    vk_timer_arm(&t, INT64_MAX);
    assert_true(vk_timer_is_armed(&t));
    assert_false(vk_loop_run_until(*state, &never, 2));
    vk_timer_disarm(&t);
    vk_timer_disarm(&t);
    assert_false(vk_timer_is_armed(&t));
}

/* ---- descriptors ---- */

struct pair {
    int fds[2][2];
    struct vk_fd *sources[2];
    int calls;
    bool done;
};

/* Whichever of the two comes first removes both; both were ready in this turn. */
static void remove_both(void *user, uint32_t events)
{
    struct pair *p = user;

    (void)events;
    p->calls++;
    for (int i = 0; i < 2; i++) {
        vk_fd_remove(p->sources[i]);
        p->sources[i] = NULL;
    }
    p->done = true;
}

static void removed_descriptor_gets_no_event_of_the_same_turn(void **state)
{
    struct pair p = {0};
    bool never = false;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(p.fds[i]), 0);
        assert_int_equal(write(p.fds[i][1], "x", 1), 1);
        p.sources[i] = vk_loop_add_fd(*state, p.fds[i][0], EPOLLIN, "pair", remove_both, &p);
    }
    assert_true(vk_loop_run_until(*state, &p.done, PATIENCE_MS));
    assert_false(vk_loop_run_until(*state, &never, 5));
    assert_int_equal(p.calls, 1);
    for (int i = 0; i < 4; i++)
        close(p.fds[i / 2][i % 2]);
}

static void count_event(void *user, uint32_t events)
{
    (void)events;
    ++*(int *)user;
}

static void descriptor_without_events_is_silent_until_they_are_set(void **state)
{
    struct vk_fd *source;
    int fds[2], calls = 0;
    bool never = false;

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    source = vk_loop_add_fd(*state, fds[0], 0, "silent", count_event, &calls);
    assert_false(vk_loop_run_until(*state, &never, 5));
    assert_int_equal(calls, 0);
    vk_fd_set_events(source, EPOLLIN);
    assert_false(vk_loop_run_until(*state, &never, 5));
    assert_true(calls > 0); /* level-triggered */
    vk_fd_remove(source);
    close(fds[0]);
    close(fds[1]);
}

/* ---- signals, posts, stop ---- */

struct signal_record {
    int signo;
    bool done;
};

static void on_signal(void *user, int signo)
{
    struct signal_record *r = user;

    r->signo = signo;
    r->done = true;
}

static void signals_arrive_in_the_loop(void **state)
{
    struct signal_record hup = {0}, usr = {0};

    vk_loop_on_signal(*state, SIGHUP, on_signal, &hup);
    vk_loop_on_signal(*state, SIGUSR1, on_signal, &usr);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_true(vk_loop_run_until(*state, &usr.done, PATIENCE_MS));
    assert_int_equal(usr.signo, SIGUSR1);
    assert_false(hup.done);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_true(vk_loop_run_until(*state, &hup.done, PATIENCE_MS));
    assert_int_equal(hup.signo, SIGHUP);
}

struct poster {
    struct vk_loop *loop;
    pthread_t loop_thread;
    int received;
    bool done;
};
#define POSTS 1000
#define POSTERS 4

static void on_post(void *user)
{
    struct poster *p = user;

    assert_true(pthread_equal(pthread_self(), p->loop_thread));
    p->done = ++p->received == POSTS * POSTERS;
}

static void *post_many(void *user)
{
    struct poster *p = user;

    for (int i = 0; i < POSTS; i++)
        vk_loop_post(p->loop, on_post, p);
    return NULL;
}

static void posts_of_other_threads_all_run_in_the_loop(void **state)
{
    struct poster p = {.loop = *state, .loop_thread = pthread_self()};
    pthread_t threads[POSTERS];

    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &p), 0);
    assert_true(vk_loop_run_until(*state, &p.done, PATIENCE_MS));
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(p.received, POSTS * POSTERS);
}

static void stop_from_timer(void *user)
{
    vk_loop_stop(user);
}

static void stop_ends_run_and_run_starts_again(void **state)
{
    struct vk_timer t;

    vk_timer_init(&t, *state, "stop", stop_from_timer, *state);
    for (int i = 0; i < 2; i++) {
        vk_timer_arm(&t, 1);
        vk_loop_run(*state);
        assert_false(vk_timer_is_armed(&t));
    }
}

struct guard {
    struct vk_loop *loop;
    int allowed, refused;
};

/* Refuses three times after those that it allows. */
static bool allow_so_many(void *user)
{
    struct guard *g = user;

    if (g->allowed > 0) {
        g->allowed--;
        return true;
    }
    if (++g->refused == 3)
        vk_loop_guard(g->loop, NULL, NULL);
    return false;
}

static void what_the_guard_refuses_is_left_out(void **state)
{
    struct guard guard = {.loop = *state, .allowed = 2};
    struct recorder r = {.wanted = 3};
    struct numbered timers[3];

    for (int i = 0; i < 3; i++) {
        timers[i] = (struct numbered){.recorder = &r, .number = i};
        vk_timer_init(&timers[i].timer, *state, "numbered", record, &timers[i]);
        vk_timer_arm(&timers[i].timer, 0);
    }
    vk_loop_guard(*state, allow_so_many, &guard);
    /* One for the descriptor of all timers, one for the first of them. */
    assert_true(vk_loop_run_until(*state, &r.done, PATIENCE_MS));
    assert_int_equal(guard.allowed, 0);
    assert_int_equal(guard.refused, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(r.fired[i], i);
}

static long context_switches(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

static void idle_loop_does_not_wake_up(void **state)
{
    bool never = false;
    long before;

    assert_false(vk_loop_run_until(*state, &never, 1));
    before = context_switches();
    assert_false(vk_loop_run_until(*state, &never, 1500));
    /* One sleep ends by the deadline; the allowance is for what the C library or lws do once. */
    assert_in_range(context_switches() - before, 1, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(timers_fire_in_order_of_due_time_then_of_arming),
        TEST(heap_survives_random_disarms),
        TEST(zero_delay_waits_for_the_next_turn),
        TEST(frozen_clock_does_not_stop_timers),
        TEST(deadline_of_run_until_passes),
        TEST(overlong_delay_is_armed_and_disarmed),
        TEST(removed_descriptor_gets_no_event_of_the_same_turn),
        TEST(descriptor_without_events_is_silent_until_they_are_set),
        TEST(signals_arrive_in_the_loop),
        TEST(posts_of_other_threads_all_run_in_the_loop),
        TEST(stop_ends_run_and_run_starts_again),
        TEST(what_the_guard_refuses_is_left_out),
        TEST(idle_loop_does_not_wake_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
