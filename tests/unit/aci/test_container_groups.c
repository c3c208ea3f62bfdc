/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/container_groups.h"
#include "aci/operation.h"
#include "base/clock.h"
#include "tests/unit/aci/scripted_server.h"

/* A fetcher whose tokens are numbered. */
struct numbered {
    struct vk_loop *loop;
    struct vk_timer timer;
    unsigned count;
    token_fetched_fn done;
    void *user;
};

static void numbered_due(void *p)
{
    struct numbered *n = p;
    char token[16];
    (void)snprintf(token, sizeof(token), "t%u", ++n->count);
    n->done(n->user, vk_str_of(token), 3600000, NULL);
}

static void numbered_fetch(void *p, const char *scope, token_fetched_fn done, void *user)
{
    struct numbered *n = p;
    (void)scope;
    n->done = done;
    n->user = user;
    vk_timer_arm(&n->timer, 0);
}

static void numbered_cancel(void *p)
{
    struct numbered *n = p;
    vk_timer_disarm(&n->timer);
}

static const struct token_fetcher_ops numbered_ops = {"numbered", numbered_fetch, numbered_cancel,
                                                      numbered_cancel};

static const struct groups_turn create_turn = {.priority = THROTTLE_CREATE, .owner = "ns"};
static const struct groups_turn track_turn = {.priority = THROTTLE_TRACK};

struct world {
    struct scripted_server server;
    struct numbered tokens;
    struct token_source *source;
    struct arm_client *arm;
    struct container_groups *groups;
    /* The last answer. */
    bool done;
    struct vk_err err;
    struct vk_buf seen;
    struct groups_listing listing;
};

static int setup(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));
    script_start(&w->server);
    vk_timer_init(&w->tokens.timer, w->server.loop, "tokens", numbered_due, &w->tokens);
    w->source = token_source_new(w->server.loop, (struct token_fetcher){&numbered_ops, &w->tokens},
                                 "scope");
    const struct arm_client_config config = {.endpoint = w->server.base,
                                             .api_version = "2025-09-01"};
    w->arm = arm_client_new(w->server.loop, w->server.http, w->source, &config);
    w->groups = container_groups_new(w->server.loop, w->arm, "s", "r g");
    vk_buf_init(&w->seen, 1u << 20);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    container_groups_free(w->groups);
    arm_client_free(w->arm);
    token_source_free(w->source);
    script_stop(&w->server);
    vk_buf_release(&w->seen);
    vk_free(w);
    return 0;
}

static void finish(struct world *w, const struct vk_err *err)
{
    assert_false(w->done);
    w->done = true;
    w->err = err ? *err : (struct vk_err){0};
}

static void on_group(void *user, const struct container_group *group, const struct vk_err *err)
{
    struct world *w = user;
    if (group)
        vk_buf_printf(&w->seen, "%s %s\n", group->name,
                      group->provisioning_state ? group->provisioning_state : "-");
    finish(w, err);
}

static void on_done(void *user, const struct vk_err *err)
{
    finish(user, err);
}

static void on_item(void *user, const struct container_group *group)
{
    struct world *w = user;
    vk_buf_printf(&w->seen, "%s\n", group->name);
}

static void on_listed(void *user, const struct groups_listing *listing, const struct vk_err *err)
{
    struct world *w = user;
    w->listing = *listing;
    finish(w, err);
}

static void on_logs(void *user, struct vk_str content, const struct vk_err *err)
{
    struct world *w = user;
    vk_buf_addstr(&w->seen, content);
    finish(w, err);
}

static void wait_done(struct world *w)
{
    assert_false(w->done);
    script_wait(&w->server, &w->done);
    w->done = false;
}

#define PLAY(w, steps) script_play(&(w)->server, steps, VK_COUNT(steps))
#define BASE                                                                                       \
    "/subscriptions/s/resourceGroups/r%20g/providers/Microsoft.ContainerInstance/containerGroups"
#define GROUP "{\"name\":\"g\",\"properties\":{\"provisioningState\":\"Pending\"}}"

static void a_put_is_sent_once_with_token_and_version(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {{201, GROUP, "Azure-AsyncOperation", "@/op"}};
    PLAY(w, steps);
    (void)container_groups_put(w->groups, "g", create_turn, VK_STR("{\"a\":1}"), on_group, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->seen), "g Pending\n");
    assert_string_equal(vk_buf_peek(&w->server.asked),
                        "PUT " BASE "/g?api-version=2025-09-01 Bearer t1 {\"a\":1}\n");
}

static void a_put_whose_answer_is_lost_is_not_repeated(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {{0, NULL, NULL, NULL}, {201, GROUP, NULL, NULL}};
    PLAY(w, steps);
    (void)container_groups_put(w->groups, "g", create_turn, VK_STR("{}"), on_group, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    assert_int_equal(w->err.http_status, 0);
    assert_int_equal(w->server.next, 1);
}

static void a_put_with_an_unreadable_answer_was_accepted(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {{200, "oops", NULL, NULL}};
    PLAY(w, steps);
    (void)container_groups_put(w->groups, "g", create_turn, VK_STR("{}"), on_group, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->seen), "");
}

static void a_401_is_repeated_once_with_a_new_token(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {
        {401, "{\"error\":{\"code\":\"ExpiredAuthenticationToken\",\"message\":\"m\"}}", NULL,
         NULL},
        {200, GROUP, NULL, NULL},
        {401, "{}", NULL, NULL},
        {401, "{}", NULL, NULL},
    };
    PLAY(w, steps);
    (void)container_groups_get(w->groups, "g", track_turn, on_group, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->server.asked),
                        "GET " BASE "/g?api-version=2025-09-01 Bearer t1\n"
                        "GET " BASE "/g?api-version=2025-09-01 Bearer t2\n");
    (void)container_groups_get(w->groups, "g", track_turn, on_group, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_UNAUTHENTICATED);
    assert_int_equal(w->server.next, 4);
}

static void errors_name_the_operation_and_the_group(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {
        {404, "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"gone\"}}", NULL, NULL}};
    PLAY(w, steps);
    (void)container_groups_get(w->groups, "g", track_turn, on_group, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_NOT_FOUND);
    assert_string_equal(w->err.reason, "ResourceNotFound");
    assert_string_equal(w->err.msg, "read container group g: gone");
}

static void a_cancelled_call_has_no_callback(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {{200, GROUP, NULL, NULL}, {200, GROUP, NULL, NULL}};
    PLAY(w, steps);
    groups_call_cancel(container_groups_get(w->groups, "other", track_turn, on_group, w));
    (void)container_groups_get(w->groups, "g", track_turn, on_group, w);
    wait_done(w);
    assert_string_equal(vk_buf_peek(&w->seen), "g Pending\n");
}

static void a_list_follows_its_links_and_skips_what_it_cannot_read(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {
        {200, "{\"value\":[{\"name\":\"a\"},{\"id\":7}],\"nextLink\":\"@/more?skip=1&sig=%2B\"}",
         NULL, NULL},
        {200, "{\"value\":[{\"name\":\"b\"}],\"nextLink\":\"\"}", NULL, NULL},
    };
    PLAY(w, steps);
    (void)container_groups_list(w->groups, on_item, on_listed, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->listing.skipped, 1);
    assert_int_equal(w->listing.pages, 2);
    assert_string_equal(vk_buf_peek(&w->seen), "a\nb\n");
    assert_string_equal(vk_buf_peek(&w->server.asked),
                        "GET " BASE "?api-version=2025-09-01 Bearer t1\n"
                        "GET /more?skip=1&sig=%2B Bearer t1\n");
}

static void a_link_to_another_host_gets_no_token(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {
        {200, "{\"value\":[],\"nextLink\":\"http://127.0.0.2:1/x\"}", NULL, NULL},
        {200, "{\"value\":[],\"nextLink\":\"/x\"}", NULL, NULL},
        {200, "{\"value\":[", NULL, NULL},
    };
    for (size_t i = 0; i < VK_COUNT(steps); i++) {
        script_play(&w->server, &steps[i], 1);
        (void)container_groups_list(w->groups, on_item, on_listed, w);
        wait_done(w);
        assert_int_equal(w->err.code, VK_PROTOCOL);
        assert_int_equal(w->server.next, 1);
    }
}

static void check_delete(struct world *w, const struct script_step *steps, size_t n,
                         enum vk_code code)
{
    script_play(&w->server, steps, n);
    (void)container_groups_delete(w->groups, "g", on_done, w);
    wait_done(w);
    assert_int_equal(w->err.code, code);
    assert_int_equal(w->server.next, n);
}

static void a_restart_ends_when_it_is_accepted(void **state)
{
    struct world *w = *state;
    static const struct script_step accepted[] = {{204, NULL, "Azure-AsyncOperation", "@/op"}};
    static const struct script_step busy[] = {
        {409, "{\"error\":{\"code\":\"ContainerGroupTransitioning\",\"message\":\"m\"}}", NULL,
         NULL}};
    const struct groups_turn turn = {.priority = THROTTLE_CREATE};

    script_play(&w->server, accepted, VK_COUNT(accepted));
    (void)container_groups_restart(w->groups, "g", turn, on_done, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_OK);
    script_play(&w->server, busy, VK_COUNT(busy));
    (void)container_groups_restart(w->groups, "g", turn, on_done, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_CONFLICT);
    assert_int_equal(w->server.next, 1);
}

static void a_delete_ends_when_the_group_is_gone(void **state)
{
    struct world *w = *state;
    static const struct script_step at_once[] = {{200, GROUP, NULL, NULL}};
    static const struct script_step nothing[] = {{204, NULL, NULL, NULL}};
    static const struct script_step missing[] = {{404, "{}", NULL, NULL}};
    static const struct script_step async[] = {{202, NULL, "Azure-AsyncOperation", "@/op?t=1"},
                                               {200, "{\"status\":\"Succeeded\"}", NULL, NULL}};
    static const struct script_step location[] = {{202, NULL, "Location", "@/loc"},
                                                  {204, NULL, NULL, NULL}};
    static const struct script_step bare[] = {{202, NULL, NULL, NULL}, {404, "{}", NULL, NULL}};
    static const struct script_step expired[] = {
        {202, NULL, "Location", "@/loc"}, {404, "{}", NULL, NULL}, {404, "{}", NULL, NULL}};
    static const struct script_step failed[] = {
        {202, NULL, "Azure-AsyncOperation", "@/op"},
        {200,
         "{\"status\":\"Failed\",\"error\":{\"code\":\"InternalServerError\",\"message\":\"m\"}}",
         NULL, NULL}};
    static const struct script_step conflict[] = {
        {409, "{\"error\":{\"code\":\"ContainerGroupTransitioning\",\"message\":\"m\"}}", NULL,
         NULL}};
    check_delete(w, at_once, 1, VK_OK);
    check_delete(w, nothing, 1, VK_OK);
    check_delete(w, missing, 1, VK_OK);
    check_delete(w, async, 2, VK_OK);
    check_delete(w, location, 2, VK_OK);
    check_delete(w, bare, 2, VK_OK);
    check_delete(w, expired, 3, VK_OK);
    check_delete(w, failed, 2, VK_UNAVAILABLE);
    check_delete(w, conflict, 1, VK_CONFLICT);
}

static void logs_ask_for_what_is_wanted(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {{200, "{\"content\":\"a\\nb\\n\"}", NULL, NULL},
                                               {200, "{\"content\":null}", NULL, NULL}};
    PLAY(w, steps);
    (void)container_groups_logs(w->groups, "g", "c", 5, true, on_logs, w);
    wait_done(w);
    assert_string_equal(vk_buf_peek(&w->seen), "a\nb\n");
    (void)container_groups_logs(w->groups, "g", "c", -1, false, on_logs, w);
    wait_done(w);
    assert_string_equal(vk_buf_peek(&w->seen), "a\nb\n");
    assert_string_equal(
        vk_buf_peek(&w->server.asked),
        "GET " BASE "/g/containers/c/logs?tail=5&timestamps=true&api-version=2025-09-01 Bearer t1\n"
        "GET " BASE "/g/containers/c/logs?api-version=2025-09-01 Bearer t1\n");
}

static void what_arm_says_of_its_buckets_is_believed(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {
        {200, GROUP, "x-ms-ratelimit-remaining-subscription-reads", "120"}};
    struct throttle_state limits;
    PLAY(w, steps);
    /* The bucket fills by the time that passes. */
    vk_clock_freeze(vk_mono_ms(), vk_wall_ms());
    (void)container_groups_get(w->groups, "g", track_turn, on_group, w);
    wait_done(w);
    arm_client_describe(w->arm, &limits);
    vk_clock_thaw();
    assert_int_equal(limits.left[THROTTLE_READS], 120);
    assert_int_equal(limits.left[THROTTLE_WRITES], 200);
    assert_int_equal(limits.sent[THROTTLE_READS], 1);
}

/* ARM did nothing: even a PUT may go again. */
static void a_429_is_waited_for_and_not_shown(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {
        {429, "{\"error\":{\"code\":\"TooManyRequests\"}}", "Retry-After", "1"},
        {201, GROUP, NULL, NULL}};
    struct throttle_state limits;
    PLAY(w, steps);
    const int64_t began = vk_mono_ms();
    (void)container_groups_put(w->groups, "g", create_turn, VK_STR("{}"), on_group, w);
    wait_done(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_in_range(vk_mono_ms() - began, 1000, 60000);
    arm_client_describe(w->arm, &limits);
    assert_int_equal(limits.throttled[THROTTLE_WRITES], 1);
    assert_int_equal(limits.sent[THROTTLE_WRITES], 2);
}

static void what_still_waits_is_never_sent_once_cancelled(void **state)
{
    struct world *w = *state;
    static const struct script_step steps[] = {{200, GROUP, NULL, NULL}};
    PLAY(w, steps);
    struct groups_call *put =
        container_groups_put(w->groups, "other", create_turn, VK_STR("{}"), on_group, w);
    assert_true(groups_call_is_waiting(put));
    groups_call_cancel(put);
    assert_false(groups_call_is_waiting(NULL));
    (void)container_groups_get(w->groups, "g", track_turn, on_group, w);
    wait_done(w);
    assert_string_equal(vk_buf_peek(&w->server.asked),
                        "GET " BASE "/g?api-version=2025-09-01 Bearer t1\n");
}

static void wait_failed(struct world *w, enum vk_code code)
{
    wait_done(w);
    assert_int_equal(w->err.code, code);
}

static void while_arm_is_away_users_are_told_and_the_rest_waits_for_a_probe(void **state)
{
    struct world *w = *state;
    static const struct groups_turn user = {.priority = THROTTLE_USER};
    static const struct script_step away[] = {{0}, {0}, {0}, {0}, {0}};
    static const struct script_step back[] = {{200, GROUP, NULL, NULL}, {201, GROUP, NULL, NULL}};
    vk_clock_freeze(1000000, 1700000000000);
    PLAY(w, away);
    for (size_t i = 0; i < VK_COUNT(away); i++) {
        (void)container_groups_put(w->groups, "g", create_turn, VK_STR("{}"), on_group, w);
        wait_failed(w, VK_UNAVAILABLE);
        vk_clock_advance(600);
    }
    assert_int_equal(arm_client_away_since_mono_ms(w->arm), 1000000);
    PLAY(w, back);
    (void)container_groups_get(w->groups, "g", user, on_group, w);
    wait_failed(w, VK_UNAVAILABLE);
    assert_string_equal(w->err.reason, "ARMUnavailable");
    struct groups_call *put =
        container_groups_put(w->groups, "g", create_turn, VK_STR("{}"), on_group, w);
    struct groups_call *get = container_groups_get(w->groups, "g", track_turn, on_group, w);
    vk_clock_advance(10000);
    wait_done(w);
    /* The read went first, though creates are more urgent. */
    assert_true(groups_call_is_waiting(put) && get);
    wait_done(w);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->server.asked),
                        "GET " BASE "/g?api-version=2025-09-01 Bearer t1\n"
                        "PUT " BASE "/g?api-version=2025-09-01 Bearer t1 {}\n");
    assert_int_equal(arm_client_away_since_mono_ms(w->arm), 0);
    vk_clock_thaw();
}

static void operations_are_read_in_both_styles(void **state)
{
    (void)state;
    static const struct {
        enum operation_style style;
        int status;
        const char *body;
        enum operation_state expected;
    } rows[] = {
        {OPERATION_ASYNC, 200, "{\"status\":\"Pending\"}", OPERATION_RUNNING},
        {OPERATION_ASYNC, 200, "{\"status\":\"succeeded\"}", OPERATION_SUCCEEDED},
        {OPERATION_ASYNC, 200, "{\"status\":\"Canceled\"}", OPERATION_FAILED},
        {OPERATION_ASYNC, 200, "{\"status\":\"Failed\"}", OPERATION_FAILED},
        {OPERATION_ASYNC, 200, "{}", OPERATION_RUNNING},
        {OPERATION_ASYNC, 202, "", OPERATION_RUNNING},
        {OPERATION_LOCATION, 202, "", OPERATION_RUNNING},
        {OPERATION_LOCATION, 200, "{}", OPERATION_SUCCEEDED},
        {OPERATION_LOCATION, 204, "", OPERATION_SUCCEEDED},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        const struct arm_response response = {.status = rows[i].status,
                                              .body = vk_str_of(rows[i].body)};
        struct vk_err err;
        assert_int_equal(operation_read(rows[i].style, &response, &err), rows[i].expected);
    }
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_put_is_sent_once_with_token_and_version),
        WITH_WORLD(a_put_whose_answer_is_lost_is_not_repeated),
        WITH_WORLD(a_put_with_an_unreadable_answer_was_accepted),
        WITH_WORLD(a_401_is_repeated_once_with_a_new_token),
        WITH_WORLD(errors_name_the_operation_and_the_group),
        WITH_WORLD(a_cancelled_call_has_no_callback),
        WITH_WORLD(a_list_follows_its_links_and_skips_what_it_cannot_read),
        WITH_WORLD(a_link_to_another_host_gets_no_token),
        WITH_WORLD(a_delete_ends_when_the_group_is_gone),
        WITH_WORLD(a_restart_ends_when_it_is_accepted),
        WITH_WORLD(logs_ask_for_what_is_wanted),
        WITH_WORLD(what_arm_says_of_its_buckets_is_believed),
        WITH_WORLD(a_429_is_waited_for_and_not_shown),
        WITH_WORLD(while_arm_is_away_users_are_told_and_the_rest_waits_for_a_probe),
        WITH_WORLD(what_still_waits_is_never_sent_once_cancelled),
        cmocka_unit_test(operations_are_read_in_both_styles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
