/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/fake_api_server.h"

#include "kubelet/client/list_watch.c"

#define ITEM(name, version)                                                                        \
    "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"}}"
#define LIST(version, items)                                                                       \
    "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items   \
    "]}"
#define PAGE(token, items)                                                                         \
    "{\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"" token "\"},\"items\":[" items "]}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" ITEM(name, version) "}\n"
#define ERROR_EVENT(code, reason)                                                                  \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"m\",\"reason\":\"" reason   \
    "\",\"code\":" #code "}}\n"

/* A consumer that writes down what it is told: "[ +a +b ] +c -a". */
struct world {
    struct fake_api api;
    struct list_watch *lw;
    struct vk_buf told;
    const char *wanted;
    bool is_wanted;
    struct vk_err seen_error;
    const char *free_at; /* the object at which the consumer frees the list_watch */
};

static void tell(struct world *w, const char *sign, const char *name)
{
    vk_buf_printf(&w->told, "%s%s%s", vk_buf_len(&w->told) ? " " : "", sign, name);
    w->is_wanted = w->wanted && vk_streq(vk_buf_peek(&w->told), w->wanted);
    if (w->free_at && vk_streq(name, w->free_at)) {
        list_watch_free(w->lw);
        w->lw = NULL;
    }
}

static int name_of(struct vk_str raw, char out[64], struct vk_err *err)
{
    struct vk_str metadata, value, name;

    if (!json_span_member(raw, "metadata", &metadata) ||
        !json_span_member(metadata, "name", &value) || !json_span_plain_string(value, &name))
        return vk_err_set(err, VK_INVALID, "no name");
    snprintf(out, 64, "%.*s", (int)name.n, name.p);
    return 0;
}

static int upsert(void *user, struct vk_str raw, struct vk_err *err)
{
    char name[64];

    if (name_of(raw, name, err) < 0)
        return -1;
    if (vk_streq(name, "bad"))
        return vk_err_set(err, VK_INVALID, "bad");
    tell(user, "+", name);
    return 0;
}

static int deleted(void *user, struct vk_str raw, struct vk_err *err)
{
    char name[64];

    if (name_of(raw, name, err) < 0)
        return -1;
    tell(user, "-", name);
    return 0;
}

static void list_begin(void *user)
{
    tell(user, "[", "");
}

static void list_end(void *user)
{
    tell(user, "]", "");
}

static const struct list_watch_events events = {upsert, deleted, list_begin, list_end};

static void drop_line(void *user, const char *line, size_t n)
{
    (void)user;
    (void)line;
    (void)n;
}

static void world_start(struct world *w, const struct fake_step *steps, size_t step_count)
{
    *w = (struct world){0};
    log_set_sink(drop_line, NULL);
    vk_buf_init(&w->told, 1 << 20);
    fake_start(&w->api, steps, step_count, NULL);
    w->lw = list_watch_new(w->api.loop, w->api.rest,
                           &(struct list_watch_config){.path = "/api/v1/pods",
                                                       .field_selector = "spec.nodeName=x",
                                                       .what = "pods of node x",
                                                       .page_size = 2,
                                                       .watch_timeout_s = 60},
                           &events, w);
    w->lw->backoff = (struct backoff){.initial_ms = 1, .max_ms = 2};
}

static void world_stop(struct world *w)
{
    list_watch_free(w->lw);
    vk_buf_release(&w->told);
    fake_stop(&w->api);
}

/* Runs until the whole script was asked for and the consumer was told exactly this. */
static void run_until_told(struct world *w, const char *wanted)
{
    w->wanted = wanted;
    w->is_wanted = vk_streq(vk_buf_peek(&w->told), wanted);
    if (!vk_loop_run_until(w->api.loop, &w->is_wanted, FAKE_DEADLINE_MS))
        fail_msg("told: %s\nasked:\n%s", vk_buf_peek(&w->told), vk_buf_peek(&w->api.asked));
    fake_run_until(&w->api, &w->api.is_done);
}

#define ASK_LIST "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dx&limit=2\n"
#define ASK_WATCH(version)                                                                         \
    "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dx&watch=1&allowWatchBookmarks=true"            \
    "&resourceVersion=" version "&timeoutSeconds=60\n"

static void a_list_in_pages_is_followed_by_a_watch(void **state)
{
    static const struct fake_step steps[] = {
        {.body = PAGE("two/+=", ITEM("a", "1") "," ITEM("b", "2"))},
        {.body = LIST("10", ITEM("c", "3"))},
        {.body = EVENT("ADDED", "d", "11") EVENT("MODIFIED", "a", "12") EVENT("DELETED", "b", "13"),
         .ending = FAKE_HOLD},
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    assert_false(list_watch_has_synced(w.lw));
    run_until_told(&w, "[ +a +b +c ] +d +a -b");
    assert_true(list_watch_has_synced(w.lw));
    assert_null(list_watch_error(w.lw));
    assert_string_equal(vk_buf_peek(&w.api.asked), ASK_LIST
                        "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dx&limit=2&continue=two"
                        "%2F%2B%3D\n" ASK_WATCH("10"));
    world_stop(&w);
}

static void a_watch_that_ends_goes_on_from_the_last_version_seen(void **state)
{
    static const struct fake_step steps[] = {
        {.body = LIST("10", "")},
        {.body = EVENT("ADDED", "a", "11"), .ending = FAKE_END},
        {.body = "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":"
                 "{\"resourceVersion\":\"20\"}}}\n",
         .ending = FAKE_END},
        {.body = EVENT("ADDED", "b", "21"), .ending = FAKE_HOLD},
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    run_until_told(&w, "[ ] +a +b");
    assert_string_equal(vk_buf_peek(&w.api.asked),
                        ASK_LIST ASK_WATCH("10") ASK_WATCH("11") ASK_WATCH("20"));
    world_stop(&w);
}

static void a_410_lists_again_and_what_is_missing_then_is_gone(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum fake_ending ending;
    } ways[] = {
        {200, EVENT("ADDED", "b", "11") ERROR_EVENT(410, "Expired"), FAKE_HOLD},
        {410, "{\"reason\":\"Expired\",\"message\":\"old\"}", FAKE_REPLY},
        {410, "gone", FAKE_REPLY},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(ways); i++) {
        const struct fake_step steps[] = {
            {.body = LIST("10", ITEM("a", "1"))},
            {.status = ways[i].status, .body = ways[i].body, .ending = ways[i].ending},
            {.body = LIST("30", ITEM("c", "3"))},
            {.body = EVENT("ADDED", "d", "31"), .ending = FAKE_HOLD},
        };
        struct world w;

        world_start(&w, steps, VK_COUNT(steps));
        /* No back-off for the first one. */
        w.lw->backoff = (struct backoff){.initial_ms = 60000, .max_ms = 60000};
        run_until_told(&w, ways[i].status == 200 ? "[ +a ] +b [ +c ] +d" : "[ +a ] [ +c ] +d");
        assert_string_equal(vk_buf_peek(&w.api.asked),
                            ASK_LIST ASK_WATCH("10") ASK_LIST ASK_WATCH("30"));
        world_stop(&w);
    }
}

static void a_second_410_in_a_row_waits(void **state)
{
    static const struct fake_step steps[] = {
        {.body = LIST("10", "")},
        {.status = 410, .body = "{}"},
        {.body = LIST("10", "")},
        {.status = 410, .body = "{}"},
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    w.lw->backoff = (struct backoff){.initial_ms = 60000, .max_ms = 60000};
    fake_run_until(&w.api, &w.api.is_done);
    while (!list_watch_error(w.lw))
        fake_run_ms(&w.api, 1);
    fake_run_ms(&w.api, 20);
    assert_string_equal(vk_buf_peek(&w.api.asked),
                        ASK_LIST ASK_WATCH("10") ASK_LIST ASK_WATCH("10"));
    assert_int_equal(list_watch_error(w.lw)->http_status, 410);
    world_stop(&w);
}

static void an_expired_page_starts_over_without_pages(void **state)
{
    static const struct fake_step steps[] = {
        {.body = PAGE("t", ITEM("a", "1"))},
        {.status = 410, .body = "{\"reason\":\"Expired\",\"message\":\"old\"}"},
        {.body = LIST("30", ITEM("a", "1") "," ITEM("b", "2"))},
        {.ending = FAKE_HOLD},
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    run_until_told(&w, "[ +a [ +a +b ]");
    assert_non_null(
        strstr(vk_buf_peek(&w.api.asked), "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dx\n"));
    world_stop(&w);
}

static void a_failed_list_is_tried_again_and_never_ends_half(void **state)
{
    static const struct fake_step failures[] = {
        {.status = 500, .body = "oops"},
        {.status = 403, .body = "{\"reason\":\"Forbidden\"}"},
        {.body = "not json"},
        {.body = "{\"metadata\":{},\"items\":[]}"},
        {.body = "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":["},
        {.body = "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[", .ending = FAKE_CUT},
        {.body = "", .ending = FAKE_CUT},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(failures); i++) {
        const struct fake_step steps[] = {
            failures[i],
            {.body = LIST("10", ITEM("a", "1"))},
            {.ending = FAKE_HOLD},
        };
        struct world w;

        world_start(&w, steps, VK_COUNT(steps));
        run_until_told(&w, "[ [ +a ]");
        world_stop(&w);
    }
}

static void note_error(void *user)
{
    struct world *w = user;

    w->seen_error = list_watch_error(w->lw) ? *list_watch_error(w->lw) : (struct vk_err){0};
}

static void the_error_stands_until_a_list_is_complete(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 403, .body = "{\"reason\":\"Forbidden\",\"message\":\"no\"}"},
        {.body = PAGE("t", ITEM("a", "1"))},
        {.body = LIST("10", ""), .before = note_error},
        {.ending = FAKE_HOLD},
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    assert_null(list_watch_error(w.lw));
    w.api.user = &w;
    run_until_told(&w, "[ [ +a ]");
    assert_int_equal(w.seen_error.code, VK_FORBIDDEN);
    assert_string_equal(w.seen_error.msg, "list pods of node x: no (HTTP 403)");
    assert_null(list_watch_error(w.lw));
    world_stop(&w);
}

static void a_watch_cut_after_any_number_of_bytes_loses_nothing(void **state)
{
    static const char text[] = EVENT("ADDED", "a", "11") EVENT("DELETED", "a", "12");

    (void)state;
    for (size_t n = 0; n < sizeof(text); n += 3) {
        char *cut VK_AUTOFREE = vk_strndup(text, n);
        size_t first = sizeof(EVENT("ADDED", "a", "11")) - 1;
        bool saw_first = n >= first, saw_both = n == sizeof(text) - 1;
        const struct fake_step steps[] = {
            {.body = LIST("10", "")},
            {.body = cut, .ending = FAKE_CUT},
            /* The server goes on from the version that it is asked for. */
            {.body = saw_both    ? ""
                     : saw_first ? text + first
                                 : text,
             .ending = FAKE_HOLD},
        };
        struct world w;

        world_start(&w, steps, VK_COUNT(steps));
        run_until_told(&w, "[ ] +a -a");
        assert_string_equal(vk_buf_peek(&w.api.asked),
                            saw_both    ? ASK_LIST ASK_WATCH("10") ASK_WATCH("12")
                            : saw_first ? ASK_LIST ASK_WATCH("10") ASK_WATCH("11")
                                        : ASK_LIST ASK_WATCH("10") ASK_WATCH("10"));
        world_stop(&w);
    }
}

static void the_wait_that_the_server_names_is_kept(void **state)
{
    static const struct fake_step steps[] = {
        {.body = LIST("10", "")},
        {.status = 429, .body = "{}", .retry_after = "1"},
        {.ending = FAKE_HOLD},
    };
    struct world w;
    int64_t begin;

    (void)state;
    begin = vk_mono_ms();
    world_start(&w, steps, VK_COUNT(steps));
    fake_run_until(&w.api, &w.api.is_done);
    assert_true(vk_mono_ms() - begin >= 990);
    assert_string_equal(vk_buf_peek(&w.api.asked), ASK_LIST ASK_WATCH("10") ASK_WATCH("10"));
    world_stop(&w);
}

static void watches_that_fail_and_fail_lead_back_to_a_list(void **state)
{
    static const struct fake_step steps[] = {
        {.body = LIST("10", "")},
        {.status = 500, .body = "{}"},
        {.body = ERROR_EVENT(500, "InternalError"), .ending = FAKE_HOLD},
        {.status = 504, .body = "{}"},
        {.status = 200, .body = "", .ending = FAKE_END},
        {.body = LIST("5", ITEM("a", "1"))},
        {.ending = FAKE_HOLD},
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    run_until_told(&w, "[ ] [ +a ]");
    assert_string_equal(vk_buf_peek(&w.api.asked),
                        ASK_LIST ASK_WATCH("10") ASK_WATCH("10") ASK_WATCH("10") ASK_WATCH("10")
                            ASK_LIST ASK_WATCH("5"));
    world_stop(&w);
}

static void a_watch_that_speaks_nonsense_leads_back_to_a_list(void **state)
{
    static const struct fake_step steps[] = {
        {.body = LIST("10", "")},
        {.body = EVENT("ADDED", "a", "11") "nonsense\n", .ending = FAKE_HOLD},
        {.body = LIST("12", ITEM("a", "11"))},
        {.ending = FAKE_HOLD},
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    run_until_told(&w, "[ ] +a [ +a ]");
    world_stop(&w);
}

static void an_object_that_cannot_be_read_is_skipped(void **state)
{
    static const struct fake_step steps[] = {
        {.body = LIST("10", ITEM("bad", "1") "," ITEM("a", "2"))},
        {.body = EVENT("ADDED", "bad", "11") EVENT("ADDED", "b", "12"), .ending = FAKE_END},
        {.ending = FAKE_HOLD},
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    run_until_told(&w, "[ +a ] +b");
    assert_string_equal(vk_buf_peek(&w.api.asked), ASK_LIST ASK_WATCH("10") ASK_WATCH("12"));
    world_stop(&w);
}

static void a_silent_watch_is_cut_and_started_again(void **state)
{
    static const struct fake_step steps[] = {
        {.body = LIST("10", "")},
        {.ending = FAKE_HOLD},
        {.body = EVENT("ADDED", "a", "11"), .ending = FAKE_HOLD},
    };
    struct world w;

    (void)state;
    world_start(&w, steps, VK_COUNT(steps));
    while (w.api.next < 2)
        fake_run_ms(&w.api, 1);
    assert_true(vk_timer_is_armed(&w.lw->silence));
    vk_timer_arm(&w.lw->silence, 1);
    run_until_told(&w, "[ ] +a");
    assert_string_equal(vk_buf_peek(&w.api.asked), ASK_LIST ASK_WATCH("10") ASK_WATCH("10"));
    world_stop(&w);
}

static void the_consumer_may_free_it_from_any_callback(void **state)
{
    static const struct fake_step steps[] = {
        {.body = LIST("10", ITEM("a", "1") "," ITEM("b", "2"))},
        {.body = EVENT("ADDED", "c", "11") EVENT("DELETED", "d", "12"), .ending = FAKE_HOLD},
    };
    static const struct {
        const char *at, *told;
    } cases[] = {{"a", "[ +a"}, {"c", "[ +a +b ] +c"}, {"d", "[ +a +b ] +c -d"}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct world w;

        world_start(&w, steps, VK_COUNT(steps));
        w.free_at = cases[i].at;
        w.wanted = cases[i].told;
        fake_run_until(&w.api, &w.is_wanted);
        fake_run_ms(&w.api, 5);
        assert_null(w.lw);
        assert_string_equal(vk_buf_peek(&w.told), cases[i].told);
        world_stop(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_in_pages_is_followed_by_a_watch),
        cmocka_unit_test(a_watch_that_ends_goes_on_from_the_last_version_seen),
        cmocka_unit_test(a_410_lists_again_and_what_is_missing_then_is_gone),
        cmocka_unit_test(a_second_410_in_a_row_waits),
        cmocka_unit_test(an_expired_page_starts_over_without_pages),
        cmocka_unit_test(a_failed_list_is_tried_again_and_never_ends_half),
        cmocka_unit_test(the_error_stands_until_a_list_is_complete),
        cmocka_unit_test(a_watch_cut_after_any_number_of_bytes_loses_nothing),
        cmocka_unit_test(the_wait_that_the_server_names_is_kept),
        cmocka_unit_test(watches_that_fail_and_fail_lead_back_to_a_list),
        cmocka_unit_test(a_watch_that_speaks_nonsense_leads_back_to_a_list),
        cmocka_unit_test(an_object_that_cannot_be_read_is_skipped),
        cmocka_unit_test(a_silent_watch_is_cut_and_started_again),
        cmocka_unit_test(the_consumer_may_free_it_from_any_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
