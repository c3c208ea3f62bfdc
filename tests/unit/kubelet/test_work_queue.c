/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "kubelet/pods/work_queue.h"

struct fixture {
    struct vk_loop *loop;
    struct work_queue *q;
    struct vk_buf seen; /* "a b a " */
    bool never, enough;
    size_t calls, wanted, turns;
    const char *add_again;
};

static void on_work(void *user, const char *key)
{
    struct fixture *f = user;

    vk_buf_printf(&f->seen, "%s ", key);
    if (f->add_again) {
        work_queue_add(f->q, vk_take(f->add_again));
        work_queue_remove(f->q, "gone");
    }
    if (++f->calls >= f->wanted)
        f->enough = true;
}

static int setup(void **state)
{
    struct fixture *f = vk_calloc(1, sizeof(*f));

    f->loop = vk_loop_new();
    vk_buf_init(&f->seen, 1 << 20);
    f->q = work_queue_new(
        f->loop,
        &(struct work_queue_config){.name = "test", .per_turn = 4, .initial_ms = 20, .max_ms = 100},
        on_work, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    work_queue_free(f->q);
    vk_buf_release(&f->seen);
    vk_loop_free(f->loop);
    vk_free(f);
    return 0;
}

static void run(struct fixture *f, size_t wanted)
{
    f->wanted = wanted;
    f->enough = f->calls >= wanted;
    assert_true(vk_loop_run_until(f->loop, &f->enough, 60000));
}

/* Lets what must not happen happen. */
static void run_a_while(struct fixture *f, int64_t ms)
{
    vk_loop_run_until(f->loop, &f->never, ms);
}

static void key_waits_once_and_never_runs_inside_add(void **state)
{
    struct fixture *f = *state;

    work_queue_add(f->q, "a");
    work_queue_add(f->q, "b");
    work_queue_add(f->q, "a");
    assert_int_equal(f->calls, 0);
    assert_int_equal(work_queue_len(f->q), 2);
    run(f, 2);
    run_a_while(f, 20);
    assert_string_equal(vk_buf_peek(&f->seen), "a b ");
    assert_int_equal(work_queue_len(f->q), 0);
}

static void work_may_add_its_own_key_and_remove_others(void **state)
{
    struct fixture *f = *state;

    f->add_again = "a";
    work_queue_add(f->q, "a");
    work_queue_add(f->q, "gone");
    run(f, 2);
    run_a_while(f, 20);
    assert_string_equal(vk_buf_peek(&f->seen), "a a ");
}

static void earlier_time_wins(void **state)
{
    struct fixture *f = *state;

    work_queue_add_after(f->q, "late", 10000);
    work_queue_add_after(f->q, "late", 10);
    work_queue_add_after(f->q, "late", 10000);
    work_queue_add_after(f->q, "now", 10000);
    work_queue_add(f->q, "now");
    run(f, 2);
    assert_string_equal(vk_buf_peek(&f->seen), "now late ");
    assert_int_equal(work_queue_len(f->q), 0);
}

static void back_off_grows_to_its_limit_and_is_forgotten(void **state)
{
    struct fixture *f = *state;
    int64_t delays[6];

    for (size_t i = 0; i < 6; i++) {
        delays[i] = work_queue_add_rate_limited(f->q, "a", 0);
        assert_int_equal(work_queue_requeues(f->q, "a"), i + 1);
    }
    assert_in_range(delays[0], 15, 25);
    assert_in_range(delays[1], 30, 50);
    assert_in_range(delays[5], 75, 125);
    work_queue_forget(f->q, "a");
    assert_int_equal(work_queue_requeues(f->q, "a"), 0);
    assert_int_equal(work_queue_len(f->q), 1);
    run(f, 1);
    assert_in_range(work_queue_add_rate_limited(f->q, "a", 0), 15, 25);
    assert_int_equal(work_queue_add_rate_limited(f->q, "b", 777), 777);
}

static void back_off_of_one_key_is_not_anothers(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 4; i++)
        work_queue_add_rate_limited(f->q, "a", 0);
    assert_int_equal(work_queue_requeues(f->q, "b"), 0);
    assert_in_range(work_queue_add_rate_limited(f->q, "b", 0), 15, 25);
}

static void removed_key_does_not_run(void **state)
{
    struct fixture *f = *state;

    work_queue_add(f->q, "a");
    work_queue_add_after(f->q, "b", 1);
    work_queue_remove(f->q, "a");
    work_queue_remove(f->q, "b");
    work_queue_remove(f->q, "unknown");
    run_a_while(f, 30);
    assert_int_equal(f->calls, 0);
}

static void count_turn(void *user)
{
    struct fixture *f = user;

    f->turns++;
}

static void loop_gets_its_turn_between_batches(void **state)
{
    struct fixture *f = *state;
    struct vk_timer timer;
    char key[16];

    vk_timer_init(&timer, f->loop, "other", count_turn, f);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%d", i);
        work_queue_add(f->q, key);
    }
    run(f, 1);
    /* The batch of that turn is over; something else comes before the rest is done. */
    assert_in_range(f->calls, 1, 4);
    vk_timer_arm(&timer, 0);
    run(f, 9);
    assert_int_equal(f->turns, 1);
    run(f, 100);
    vk_timer_disarm(&timer);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ONE(key_waits_once_and_never_runs_inside_add),
        ONE(work_may_add_its_own_key_and_remove_others),
        ONE(earlier_time_wins),
        ONE(back_off_grows_to_its_limit_and_is_forgotten),
        ONE(back_off_of_one_key_is_not_anothers),
        ONE(removed_key_does_not_run),
        ONE(loop_gets_its_turn_between_batches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
