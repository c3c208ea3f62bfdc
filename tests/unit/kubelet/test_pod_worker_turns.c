/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is when more pods want to be resolved than may at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kubelet/pods/pod_worker.h"

#define MANY 1000

struct turns {
    struct pod_workers all;
    struct pod_worker workers[4];
    char looked_at[64]; /* UIDs */
};

static void on_work(void *user, const char *uid)
{
    struct turns *t = user;
    const size_t n = strlen(t->looked_at);

    (void)snprintf(t->looked_at + n, sizeof(t->looked_at) - n, "%s ", uid);
}

static struct pod *pod_of(size_t i)
{
    char *text VK_AUTOFREE =
        vk_asprintf("{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"%zu\"}}", i);
    struct pod *pod = NULL;
    struct vk_err err;

    assert_int_equal(pod_parse(vk_str_of(text), &pod, &err), 0);
    return pod;
}

static void begin(struct turns *t)
{
    *t = (struct turns){.all = {.loop = vk_loop_new(), .resolving = MANY}};
    t->all.queue =
        work_queue_new(t->all.loop, &(struct work_queue_config){.name = "turns"}, on_work, t);
    vk_list_init(&t->all.resolve_wait);
    for (size_t i = 0; i < VK_COUNT(t->workers); i++) {
        t->workers[i] = (struct pod_worker){.all = &t->all, .pod = pod_of(i)};
        vk_list_init(&t->workers[i].resolve_wait);
    }
}

static void end(struct turns *t)
{
    for (size_t i = 0; i < VK_COUNT(t->workers); i++)
        pod_unref(t->workers[i].pod);
    work_queue_free(t->all.queue);
    vk_loop_free(t->all.loop);
}

static void assert_looked_at(struct turns *t, const char *uids)
{
    for (int i = 0; i < 5; i++)
        (void)vk_loop_run_until(t->all.loop, &(bool){false}, 1);
    assert_string_equal(t->looked_at, uids);
}

static void updates_wait_for_their_turn_as_new_pods_do(void **state)
{
    struct turns t;

    (void)state;
    begin(&t);
    t.workers[0].state = POD_WORKER_PENDING;
    t.workers[1].state = POD_WORKER_RUNNING;
    t.workers[1].needs_image = true;
    for (size_t i = 0; i < 2; i++) {
        assert_false(worker_begin_resolution(&t.workers[i], NULL));
        assert_false(worker_begin_resolution(&t.workers[i], NULL));
    }
    assert_int_equal(t.all.resolving, MANY);
    worker_resolution_ended(&t.workers[2]);
    assert_looked_at(&t, "0 ");
    worker_resolution_ended(&t.workers[2]);
    assert_looked_at(&t, "0 1 ");
    assert_int_equal(t.all.resolving, MANY - 2);
    end(&t);
}

static void a_turn_that_nobody_needs_any_more_goes_to_the_next(void **state)
{
    struct turns t;

    (void)state;
    begin(&t);
    t.workers[0].state = POD_WORKER_PENDING;
    t.workers[0].is_deleted = true;
    t.workers[1].state = POD_WORKER_FINISHED;
    t.workers[1].needs_image = true;
    t.workers[2].state = t.workers[3].state = POD_WORKER_PENDING;
    for (size_t i = 0; i < 4; i++)
        assert_false(worker_begin_resolution(&t.workers[i], NULL));
    worker_resolution_ended(&t.workers[2]);
    assert_looked_at(&t, "0 1 2 ");
    assert_true(vk_list_is_linked(&t.workers[3].resolve_wait));
    worker_resolution_ended(&t.workers[2]);
    assert_looked_at(&t, "0 1 2 3 ");
    end(&t);
}

/* In distances of rights_look_ms; the wait varies by a quarter. */
static void who_lacks_a_right_for_long_asks_less_often_at_others_successes(void **state)
{
    static const struct {
        unsigned attempts;
        int64_t least, most;
    } rows[] = {{0, 1, 1}, {1, 1, 2}, {3, 6, 9}, {20, 7, 12}};
    struct turns t;

    (void)state;
    begin(&t);
    t.all.by_uid = vk_map_new();
    t.all.config.retries = (struct pod_retries){
        .rights_initial_ms = 600000, .rights_max_ms = 6000000, .rights_look_ms = 100000};
    (void)vk_map_put(t.all.by_uid, "0", &t.workers[0]);
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct pod_worker *w = &t.workers[0];

        w->rights_backoff =
            (struct backoff){.initial_ms = 600000, .max_ms = 6000000, .attempts = rows[i].attempts};
        worker_wait_for_rights(w);
        worker_had_rights(&t.workers[1]);
        const int64_t wait = w->retry_at_ms - w->forbidden_mono_ms;
        assert_in_range(wait, rows[i].least * 100000, rows[i].most * 100000);
        /* The next success brings it no nearer. */
        t.all.lacks_rights = true;
        worker_had_rights(&t.workers[1]);
        assert_int_equal(w->retry_at_ms - w->forbidden_mono_ms, wait);
    }
    vk_map_free(t.all.by_uid, NULL);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_wait_for_their_turn_as_new_pods_do),
        cmocka_unit_test(a_turn_that_nobody_needs_any_more_goes_to_the_next),
        cmocka_unit_test(who_lacks_a_right_for_long_asks_less_often_at_others_successes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
