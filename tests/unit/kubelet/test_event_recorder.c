/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/fake_api_server.h"

#include "kubelet/client/event_recorder.c"

#define CREATED                                                                                    \
    {                                                                                              \
        .status = 201, .body = "{}"                                                                \
    }
#define PATCHED                                                                                    \
    {                                                                                              \
        .body = "{}"                                                                               \
    }

static const struct object_reference web = {
    .kind = "Pod", .namespace_ = "ns", .name = "web", .uid = "u1", .api_version = "v1"};

struct world {
    struct fake_api api;
    struct event_recorder *r;
};

static void drop_line(void *user, const char *line, size_t n)
{
    (void)user;
    (void)line;
    (void)n;
}

static void world_start(struct world *w, const struct fake_step *steps, size_t step_count)
{
    log_set_sink(drop_line, NULL);
    vk_clock_freeze(1000, INT64_C(1795536000000));
    fake_start(&w->api, steps, step_count, NULL);
    w->r = event_recorder_new(w->api.loop, w->api.rest, "aci-kubelet", "node-x");
    w->r->backoff = (struct backoff){.initial_ms = 1, .max_ms = 2};
}

static size_t waiting(const struct world *w)
{
    return event_queue_len(w->r->waiting) + (w->r->current != NULL);
}

/* Runs until the script is over and the last answer has been dealt with. */
static void world_run(struct world *w)
{
    fake_run_until(&w->api, &w->api.is_done);
    for (int i = 0; i < 1000 && waiting(w); i++)
        fake_run_ms(&w->api, 1);
    assert_int_equal(waiting(w), 0);
}

static void world_stop(struct world *w)
{
    event_recorder_free(w->r);
    fake_stop(&w->api);
    vk_clock_thaw();
}

static void an_event_is_created_in_the_namespace_of_its_object(void **state)
{
    static const struct fake_step steps[] = {CREATED};
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    event_recorder_emit(w.r, &web, "Normal", "Pulled", "it \"came\"");
    world_run(&w);
    assert_string_equal(
        vk_buf_peek(&w.api.asked),
        "POST /api/v1/namespaces/ns/events [application/json] "
        "{\"kind\":\"Event\",\"apiVersion\":\"v1\","
        "\"metadata\":{\"name\":\"web.18eb067a956d0000\",\"namespace\":\"ns\"},"
        "\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"ns\",\"name\":\"web\",\"uid\":\"u1\","
        "\"apiVersion\":\"v1\"},\"reason\":\"Pulled\",\"message\":\"it \\\"came\\\"\","
        "\"source\":{\"component\":\"aci-kubelet\",\"host\":\"node-x\"},"
        "\"firstTimestamp\":\"2026-11-24T16:00:00Z\",\"lastTimestamp\":\"2026-11-24T16:00:00Z\","
        "\"count\":1,\"type\":\"Normal\",\"reportingComponent\":\"aci-kubelet\","
        "\"reportingInstance\":\"node-x\"}\n");
    world_stop(&w);
}

static void events_of_the_node_go_to_the_default_namespace(void **state)
{
    static const struct fake_step steps[] = {CREATED};
    const struct object_reference node = {.kind = "Node", .name = "node-x", .uid = "node-x"};
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    event_recorder_emit(w.r, &node, "Normal", "Starting", NULL);
    world_run(&w);
    assert_true(vk_starts(vk_buf_peek(&w.api.asked), "POST /api/v1/namespaces/default/events "));
    assert_non_null(strstr(vk_buf_peek(&w.api.asked), "\"namespace\":\"default\"},"
                                                      "\"involvedObject\":{\"kind\":\"Node\","
                                                      "\"name\":\"node-x\""));
    world_stop(&w);
}

static void an_equal_event_is_counted_by_a_patch(void **state)
{
    static const struct fake_step steps[] = {CREATED, PATCHED};
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    event_recorder_emit(w.r, &web, "Normal", "Pulled", "m");
    vk_clock_advance(5000);
    event_recorder_emit(w.r, &web, "Normal", "Pulled", "m");
    world_run(&w);
    assert_non_null(strstr(vk_buf_peek(&w.api.asked),
                           "PATCH /api/v1/namespaces/ns/events/web.18eb067a956d0000 "
                           "[application/merge-patch+json] {\"count\":2,"
                           "\"lastTimestamp\":\"2026-11-24T16:00:05Z\",\"message\":\"m\"}\n"));
    world_stop(&w);
}

static void an_event_that_expired_is_created_again_with_its_count(void **state)
{
    static const struct fake_step steps[] = {CREATED, {.status = 404, .body = "{}"}, CREATED};
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    event_recorder_emit(w.r, &web, "Normal", "Pulled", "m");
    event_recorder_emit(w.r, &web, "Normal", "Pulled", "m");
    world_run(&w);
    assert_non_null(strstr(vk_buf_peek(&w.api.asked), "\"count\":2,\"type\":"));
    world_stop(&w);
}

static void transient_failures_are_tried_again_in_order(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 500, .body = "{}"},
        {.ending = FAKE_CUT},
        {.status = 429, .body = "{}"},
        CREATED,
        CREATED,
    };
    struct world w;
    const char *asked;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    event_recorder_emit(w.r, &web, "Normal", "First", "m");
    event_recorder_emit(w.r, &web, "Normal", "Second", "m");
    world_run(&w);
    asked = vk_buf_peek(&w.api.asked);
    for (int i = 0; i < 4; i++) {
        asked = strstr(asked, "\"reason\":\"First\"");
        assert_non_null(asked);
        asked++;
    }
    assert_non_null(strstr(asked, "\"reason\":\"Second\""));
    assert_null(strstr(asked, "\"reason\":\"First\""));
    world_stop(&w);
}

static void the_wait_that_the_server_names_is_kept(void **state)
{
    static const struct fake_step steps[] = {{.status = 429, .body = "{}", .retry_after = "1"},
                                             CREATED};
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    event_recorder_emit(w.r, &web, "Normal", "First", "m");
    while (!vk_timer_is_armed(&w.r->retry))
        fake_run_ms(&w.api, 1);
    fake_run_ms(&w.api, 800);
    assert_false(w.api.is_done);
    world_run(&w);
    world_stop(&w);
}

/* What was dropped so far. */
static struct event_counts counts(const struct world *w)
{
    struct event_counts now;

    event_recorder_count(w->r, &now);
    return now;
}

static void refused_events_are_dropped_and_the_next_one_goes(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 403, .body = "{\"reason\":\"Forbidden\"}"},
        {.status = 409, .body = "{\"reason\":\"AlreadyExists\"}"},
        {.status = 422, .body = "{\"reason\":\"Invalid\"}"},
        CREATED,
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    event_recorder_emit(w.r, &web, "Normal", "A", "m");
    event_recorder_emit(w.r, &web, "Normal", "B", "m");
    event_recorder_emit(w.r, &web, "Normal", "C", "m");
    event_recorder_emit(w.r, &web, "Normal", "D", "m");
    world_run(&w);
    assert_non_null(strstr(vk_buf_peek(&w.api.asked), "\"reason\":\"D\""));
    assert_int_equal(counts(&w).refused, 3);
    assert_int_equal(counts(&w).over_budget + counts(&w).no_room, 0);
    world_stop(&w);
}

static void an_event_is_given_up_after_twelve_tries(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 500}, {.status = 500}, {.status = 500}, {.status = 500}, {.status = 500},
        {.status = 500}, {.status = 500}, {.status = 500}, {.status = 500}, {.status = 500},
        {.status = 500}, {.status = 500}, CREATED,
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    event_recorder_emit(w.r, &web, "Normal", "First", "m");
    event_recorder_emit(w.r, &web, "Normal", "Second", "m");
    world_run(&w);
    assert_non_null(strstr(vk_buf_peek(&w.api.asked), "\"reason\":\"Second\""));
    world_stop(&w);
}

static void similar_events_are_combined_and_the_budget_holds(void **state)
{
    struct fake_step steps[10];
    struct world w;
    char message[16];

    (void)state;
    for (size_t i = 0; i < VK_COUNT(steps); i++)
        steps[i] = (struct fake_step)CREATED;
    world_start(&w, steps, VK_COUNT(steps));
    for (int i = 0; i < 40; i++) {
        snprintf(message, sizeof(message), "m%d", i);
        event_recorder_emit(w.r, &web, "Warning", "Failed", message);
    }
    /* Nine of their own; what was combined since waits as one. */
    assert_int_equal(waiting(&w), 10);
    assert_int_equal(counts(&w).waiting, 10);
    assert_int_equal(counts(&w).over_budget, 40 - 25);
    world_run(&w);
    fake_run_ms(&w.api, 5);
    assert_non_null(
        strstr(vk_buf_peek(&w.api.asked), "\"message\":\"(combined from similar events): m24\""));
    assert_non_null(strstr(vk_buf_peek(&w.api.asked), "\"count\":16,"));
    assert_null(strstr(vk_buf_peek(&w.api.asked), "the script is over"));
    world_stop(&w);
}

static unsigned told_of_drops;

static void count_drops(void *user, const char *line, size_t n)
{
    (void)user, (void)n;
    told_of_drops += strstr(line, "some are dropped") != NULL;
}

static void a_storm_of_100000_events_is_bounded_and_told_once(void **state)
{
    struct object_reference about = web;
    struct world w;
    char name[16];

    (void)state;
    world_start(&w, NULL, 0);
    told_of_drops = 0;
    log_set_sink(count_drops, NULL);
    about.name = about.uid = name;
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "pod-%d", i);
        event_recorder_emit(w.r, &about, i % 10 ? "Normal" : "Warning", "R", "m");
    }
    assert_int_equal(event_queue_len(w.r->waiting), MAX_WAITING);
    assert_int_equal(w.r->dropped, 100000 - MAX_WAITING - 1);
    assert_int_equal(told_of_drops, 1);
    assert_int_equal(counts(&w).no_room, 100000 - MAX_WAITING - 1);
    assert_int_equal(counts(&w).waiting, MAX_WAITING + 1);
    world_stop(&w);
}

static void a_pod_that_flaps_1000_times_waits_in_few_places(void **state)
{
    struct world w;

    (void)state;
    world_start(&w, NULL, 0);
    for (int i = 1; i <= 1000; i++) {
        event_recorder_emit(w.r, &web, "Warning", "BackOff", "restarting");
        event_recorder_emit_counted(w.r, &web, "Normal", "Started", "Started container", "key", i,
                                    1, i);
    }
    /* The one being sent, its repeats, and the counted one. */
    assert_int_equal(waiting(&w), 3);
    assert_int_equal(w.r->dropped, 0);
    world_stop(&w);
}

static void long_texts_are_cut_between_characters(void **state)
{
    static const struct fake_step steps[] = {CREATED};
    char message[1200], expected[1100];
    struct world w;

    (void)state;
    memset(message, 'a', sizeof(message));
    memcpy(message + 1023, "ü", 2);
    message[sizeof(message) - 1] = '\0';
    snprintf(expected, sizeof(expected), "\"message\":\"%.1023s\"", message);
    world_start(&w, steps, VK_COUNT(steps));
    event_recorder_emit(w.r, &web, "Normal", "R", message);
    world_run(&w);
    assert_non_null(strstr(vk_buf_peek(&w.api.asked), expected));
    world_stop(&w);
}

/* The first time, "Started" counted in, and the first 16 hex digits of SHA-256("key"). */
#define COUNTED_NAME "web.000000003b9aca032c70e12b7a0646f9"

static void emit_counted(struct world *w, int64_t count)
{
    event_recorder_emit_counted(w->r, &web, "Normal", "Started", "m", "key", count, 1000000000,
                                2000000000);
}

static void a_counted_event_keeps_its_name_and_is_patched_when_it_grew(void **state)
{
    static const struct fake_step steps[] = {CREATED, PATCHED};
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    emit_counted(&w, 2);
    emit_counted(&w, 2);
    emit_counted(&w, 1);
    emit_counted(&w, 3);
    world_run(&w);
    fake_run_ms(&w.api, 5);
    assert_non_null(strstr(vk_buf_peek(&w.api.asked), "\"name\":\"" COUNTED_NAME "\""));
    assert_non_null(strstr(vk_buf_peek(&w.api.asked),
                           "\"firstTimestamp\":\"1970-01-01T00:00:01Z\","
                           "\"lastTimestamp\":\"1970-01-01T00:00:02Z\",\"count\":2"));
    assert_non_null(strstr(vk_buf_peek(&w.api.asked),
                           "PATCH /api/v1/namespaces/ns/events/" COUNTED_NAME
                           " [application/merge-patch+json] {\"count\":3,"));
    assert_null(strstr(vk_buf_peek(&w.api.asked), "the script is over"));
    world_stop(&w);
}

static void names_of_one_second_are_in_the_order_of_a_container_s_life(void **state)
{
    static const char *const life[] = {"Pulling", "Pulled",  "Created",
                                       "Started", "Killing", "Other"};
    char last[254] = "", name[254];

    (void)state;
    for (size_t i = 0; i < VK_COUNT(life); i++) {
        char key[65];

        crypto_sha256_hex(life[i], strlen(life[i]), key);
        counted_name(name, &web, life[i], 1000000000, key);
        assert_true(strcmp(last, name) < 0);
        memcpy(last, name, sizeof(last));
    }
    counted_name(name, &web, "Pulling", 2000000000, "0");
    assert_true(strcmp(last, name) < 0);
    counted_name(name, &web, "Pulling", 0, "0");
    assert_string_equal(name, "web.0");
}

static void after_a_restart_a_counted_event_is_found_and_raised_only(void **state)
{
    static const struct {
        const char *there;
        bool patched;
    } cases[] = {{"{\"count\":2}", true}, {"{\"count\":3}", false}, {"{\"count\":9}", false}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const struct fake_step steps[] = {
            {.status = 409, .body = "{\"reason\":\"AlreadyExists\"}"},
            {.body = cases[i].there},
            PATCHED,
        };
        struct world w;

        world_start(&w, steps, cases[i].patched ? 3 : 2);
        emit_counted(&w, 3);
        world_run(&w);
        fake_run_ms(&w.api, 5);
        assert_non_null(strstr(vk_buf_peek(&w.api.asked),
                               "PATCH /api/v1/namespaces/ns/events/" COUNTED_NAME
                               " [application/merge-patch+json] {}\n"));
        assert_int_equal(strstr(vk_buf_peek(&w.api.asked), "{\"count\":3,") != NULL,
                         cases[i].patched);
        world_stop(&w);
    }
}

static void a_counted_event_that_was_refused_may_come_again(void **state)
{
    static const struct fake_step steps[] = {{.status = 403, .body = "{}"}, CREATED};
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    emit_counted(&w, 1);
    while (waiting(&w))
        fake_run_ms(&w.api, 1);
    emit_counted(&w, 1);
    world_run(&w);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_created_in_the_namespace_of_its_object),
        cmocka_unit_test(events_of_the_node_go_to_the_default_namespace),
        cmocka_unit_test(an_equal_event_is_counted_by_a_patch),
        cmocka_unit_test(an_event_that_expired_is_created_again_with_its_count),
        cmocka_unit_test(transient_failures_are_tried_again_in_order),
        cmocka_unit_test(the_wait_that_the_server_names_is_kept),
        cmocka_unit_test(refused_events_are_dropped_and_the_next_one_goes),
        cmocka_unit_test(an_event_is_given_up_after_twelve_tries),
        cmocka_unit_test(similar_events_are_combined_and_the_budget_holds),
        cmocka_unit_test(a_storm_of_100000_events_is_bounded_and_told_once),
        cmocka_unit_test(a_pod_that_flaps_1000_times_waits_in_few_places),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(a_counted_event_keeps_its_name_and_is_patched_when_it_grew),
        cmocka_unit_test(names_of_one_second_are_in_the_order_of_a_container_s_life),
        cmocka_unit_test(after_a_restart_a_counted_event_is_found_and_raised_only),
        cmocka_unit_test(a_counted_event_that_was_refused_may_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
