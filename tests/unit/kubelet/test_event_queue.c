/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buf.h"
#include "kubelet/client/event_queue.h"

struct world {
    struct event_queue *q;
    struct vk_buf dropped; /* "name " of each */
};

static void on_dropped(void *user, const struct pending_event *e)
{
    struct world *w = user;

    vk_buf_printf(&w->dropped, "%s ", e->name);
}

static void begin(struct world *w, size_t max)
{
    vk_buf_init(&w->dropped, 4096);
    w->q = event_queue_new(max, on_dropped, w);
}

static void end(struct world *w)
{
    event_queue_free(w->q);
    vk_buf_release(&w->dropped);
}

static void add(struct world *w, const char *name, const char *type, enum event_step step,
                int64_t count)
{
    event_queue_add(w->q, &(struct pending_event){.about = {.namespace_ = "ns", .name = "web"},
                                                  .type = type,
                                                  .reason = "R",
                                                  .message = "m",
                                                  .name = name,
                                                  .count = count,
                                                  .first_ns = 1,
                                                  .last_ns = count,
                                                  .step = step});
}

static void take(struct world *w, const char *name, int64_t count)
{
    struct pending_event *e = event_queue_take(w->q);

    if (!name) {
        assert_null(e);
        return;
    }
    assert_non_null(e);
    assert_string_equal(e->name, name);
    assert_string_equal(e->about.name, "web");
    assert_null(e->about.uid);
    assert_int_equal(e->count, count);
    event_free(e);
}

static void events_leave_in_the_order_of_their_arrival(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 10);
    add(&w, "a", "Normal", EVENT_CREATE, 1);
    add(&w, "b", "Warning", EVENT_CREATE, 1);
    add(&w, "c", "Normal", EVENT_PATCH, 2);
    add(&w, "d", "Normal", EVENT_CREATE, 1);
    take(&w, "a", 1);
    take(&w, "b", 1);
    take(&w, "c", 2);
    take(&w, "d", 1);
    take(&w, NULL, 0);
    end(&w);
}

static void a_repeat_joins_the_event_that_waits(void **state)
{
    struct world w;
    struct pending_event *e;

    (void)state;
    begin(&w, 2);
    add(&w, "a", "Normal", EVENT_CREATE, 1);
    add(&w, "b", "Normal", EVENT_CREATE, 1);
    for (int64_t i = 2; i <= 1000; i++)
        add(&w, "a", "Normal", EVENT_PATCH, i);
    assert_int_equal(event_queue_len(w.q), 2);
    e = event_queue_take(w.q);
    assert_string_equal(e->name, "a");
    assert_int_equal(e->count, 1000);
    assert_int_equal(e->first_ns, 1);
    assert_int_equal(e->last_ns, 1000);
    assert_int_equal(e->step, EVENT_CREATE);
    event_free(e);
    /* Once it is on its way, the next one is another piece of news. */
    add(&w, "a", "Normal", EVENT_PATCH, 1001);
    take(&w, "b", 1);
    take(&w, "a", 1001);
    assert_string_equal(vk_buf_peek(&w.dropped), "");
    end(&w);
}

static void repeats_make_room_first_and_warnings_last(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 4);
    add(&w, "normal-1", "Normal", EVENT_CREATE, 1);
    add(&w, "warning-1", "Warning", EVENT_CREATE, 1);
    add(&w, "repeat-1", "Normal", EVENT_PATCH, 2);
    add(&w, "repeat-2", "Normal", EVENT_PATCH, 2);
    add(&w, "repeat-3", "Normal", EVENT_PATCH, 2); /* worth no more than those that wait */
    add(&w, "normal-2", "Normal", EVENT_CREATE, 1);
    add(&w, "warning-2", "Warning", EVENT_PATCH, 2);
    assert_string_equal(vk_buf_peek(&w.dropped), "repeat-3 repeat-1 repeat-2 ");
    add(&w, "normal-3", "Normal", EVENT_CREATE, 1);
    add(&w, "warning-3", "Warning", EVENT_CREATE, 1);
    add(&w, "warning-4", "Warning", EVENT_CREATE, 1);
    add(&w, "warning-5", "Warning", EVENT_CREATE, 1);
    assert_string_equal(vk_buf_peek(&w.dropped),
                        "repeat-3 repeat-1 repeat-2 normal-3 normal-1 normal-2 warning-5 ");
    assert_int_equal(event_queue_len(w.q), 4);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_leave_in_the_order_of_their_arrival),
        cmocka_unit_test(a_repeat_joins_the_event_that_waits),
        cmocka_unit_test(repeats_make_room_first_and_warnings_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
