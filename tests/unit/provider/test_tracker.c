/* SPDX-License-Identifier: Apache-2.0 */
/* What tracking costs and how soon it sees changes, on a clock that only the test moves. */
#include "provider/tracker.c"

#include "aci/auth/client_secret.h"
#include "tests/unit/provider/fake_arm.h"

#define CLUSTER "cluster-1"
#define NODE "aci-1"
#define STEP_MS TICK_BUSY_MS
#define PATIENCE_MS 20000

struct world {
    struct vk_loop *loop;
    struct http_client *http;
    struct fake_arm arm;
    struct token_source *tokens;
    struct arm_client *client;
    struct container_groups *groups;
    struct tracker *tracker;
    struct provider_upcalls upcalls;
    struct vk_timer poll;
    bool is_quiet;
    unsigned reports, running, ended, lost;
    int64_t last_report_ms;
};

static void on_status(void *k, const struct provider_pod_status *status)
{
    struct world *w = k;
    w->reports++;
    w->lost += !status->group_exists;
    w->running += status->group_exists && vk_streq(status->status.phase, "Running");
    w->ended += vk_streq(status->status.phase, "Failed");
    w->last_report_ms = vk_mono_ms();
}

static void on_event(void *k, const struct pod_identity *id, const char *container,
                     const char *type, const char *reason, const char *message, int64_t count,
                     int64_t first_ns, int64_t last_ns)
{
    (void)k, (void)id, (void)container, (void)type, (void)reason, (void)message, (void)count;
    (void)first_ns, (void)last_ns;
}

static void on_synced(void *k)
{
    (void)k;
}

static void on_poll(void *user)
{
    struct world *w = user;
    w->is_quiet = w->tracker->reads_in_flight == 0 && !w->tracker->list;
    vk_timer_arm(&w->poll, 0);
}

/* A moment passes; what it asked is answered within it. */
static void step(struct world *w)
{
    vk_clock_advance(STEP_MS);
    on_tick(w->tracker);
    vk_timer_disarm(&w->tracker->tick);
    w->is_quiet = false;
    vk_timer_arm(&w->poll, 0);
    assert_true(vk_loop_run_until(w->loop, &w->is_quiet, PATIENCE_MS));
    vk_timer_disarm(&w->poll);
}

static void pass(struct world *w, int64_t ms)
{
    for (const int64_t end = vk_mono_ms() + ms; vk_mono_ms() < end;)
        step(w);
}

static int setup(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));
    vk_clock_freeze(1000000, 1700000000000);
    w->loop = vk_loop_new();
    w->http = http_client_new(w->loop);
    fake_arm_start(&w->arm, w->loop);
    vk_timer_init(&w->poll, w->loop, "poll", on_poll, w);
    struct vk_secret secret = {0};
    vk_secret_set(&secret, "p", 1);
    const struct client_credentials_config identity = {
        .authority_host = w->arm.base, .tenant_id = "t", .client_id = "c"};
    w->tokens = token_source_new(
        w->loop, client_secret_fetcher(w->loop, w->http, &identity, &secret), "scope");
    vk_secret_release(&secret);
    /* No limits: what the tracker asks for is to be seen, not what it gets. */
    const struct throttle_limits limits = {.max_in_flight = 64};
    const struct arm_client_config config = {
        .endpoint = w->arm.base, .api_version = "2025-09-01", .limits = &limits};
    w->client = arm_client_new(w->loop, w->http, w->tokens, &config);
    w->groups = container_groups_new(w->loop, w->client, "s", "rg");
    const struct tracker_config tracking = {.groups = w->groups, .arm = w->client};
    w->tracker = tracker_new(w->loop, &tracking);
    w->upcalls = (struct provider_upcalls){
        .k = w, .status_changed = on_status, .event = on_event, .synced = on_synced};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    tracker_free(w->tracker);
    container_groups_free(w->groups);
    arm_client_free(w->client);
    token_source_free(w->tokens);
    http_client_free(w->http);
    fake_arm_stop(&w->arm);
    vk_loop_free(w->loop);
    vk_free(w);
    vk_clock_thaw();
    return 0;
}

static struct arm_group *add(struct world *w, int n, const char *provisioning, const char *now_is)
{
    char uid[16], name[GROUP_NAME_MAX + 1];
    (void)snprintf(uid, sizeof(uid), "pod-%d", n);
    group_name("default", uid, uid, name);
    struct vk_buf tags;
    struct json_writer writer;
    vk_buf_init(&tags, 4096);
    json_writer_init(&writer, &tags);
    const struct group_identity id = {CLUSTER, NODE, "default", uid, uid};
    json_begin_object(&writer, NULL);
    group_identity_write(&writer, &id);
    json_end_object(&writer);
    struct arm_group *g = arm_add(&w->arm, name, vk_buf_peek(&tags));
    vk_buf_release(&tags);
    g->provisioning = provisioning;
    g->state = now_is;
    return g;
}

static void add_many(struct world *w, int n, const char *provisioning, const char *now_is)
{
    for (int i = 0; i < n; i++)
        (void)add(w, i, provisioning, now_is);
}

static void set_all(struct world *w, const char *provisioning, const char *now_is)
{
    size_t it = 0;
    const char *name;
    void *value;
    while (vk_map_next(w->arm.groups, &it, &name, &value)) {
        struct arm_group *g = value;
        g->provisioning = provisioning;
        g->state = now_is;
    }
}

static void start(struct world *w)
{
    const struct provider_start how = {
        .upcalls = &w->upcalls, .cluster_id = CLUSTER, .node_name = NODE};
    tracker_start(w->tracker, &how);
    vk_timer_disarm(&w->tracker->tick);
}

static void end_of(struct world *w, const char *uid)
{
    struct arm_group *g = vk_map_get(w->arm.groups, tracker_find(w->tracker, uid)->group);
    g->exit_code = 3;
    g->state = "Terminated";
}

static void at_rest_1000_groups_cost_less_than_900_requests_a_minute(void **state)
{
    struct world *w = *state;
    add_many(w, 1000, "Succeeded", "Running");
    start(w);
    pass(w, 20000);
    assert_int_equal(w->running, 1000);
    w->arm.reads = w->arm.lists = 0;
    pass(w, 60000);
    /* A LIST of 1,000 groups has ten pages at ACI. */
    assert_in_range(w->arm.reads + 10 * w->arm.lists, 600, 899);
}

static void the_end_of_a_container_is_seen_within_90_s_among_1000(void **state)
{
    struct world *w = *state;
    add_many(w, 1000, "Succeeded", "Running");
    start(w);
    pass(w, 20000);
    end_of(w, "pod-0");
    const int64_t ended = vk_mono_ms();
    while (w->ended == 0 && vk_mono_ms() - ended < 100000)
        step(w);
    assert_int_equal(w->ended, 1);
    assert_in_range(vk_mono_ms() - ended, 0, 90000);
}

static void the_end_of_one_of_few_is_seen_in_seconds(void **state)
{
    struct world *w = *state;
    add_many(w, 3, "Succeeded", "Running");
    start(w);
    pass(w, 10000);
    w->arm.reads = 0;
    pass(w, 60000);
    assert_in_range(w->arm.reads, 60, 90);
    set_all(w, "Succeeded", "Terminated");
    pass(w, 2500);
    /* Exit code 0 under restart policy Never. */
    assert_int_equal(w->reports, 3 + 3 + 3);
}

static void a_hint_leads_to_a_look_within_5_s_among_1000(void **state)
{
    struct world *w = *state;
    add_many(w, 1000, "Succeeded", "Running");
    start(w);
    pass(w, 20000);
    end_of(w, "pod-0");
    tracker_hint(w->tracker, "pod-0");
    pass(w, 5000);
    assert_int_equal(w->ended, 1);
    /* Hints in numbers are no reason to read all the time, and unknown ones none at all. */
    w->arm.reads = 0;
    pass(w, 10000);
    const unsigned at_rest = w->arm.reads;
    w->arm.reads = 0;
    for (int i = 0; i < 100; i++) {
        tracker_hint(w->tracker, "pod-1");
        tracker_hint(w->tracker, "nobody");
        pass(w, 100);
    }
    assert_in_range(w->arm.reads, 1, at_rest + 20);
}

static void hundred_that_become_ready_are_seen_within_a_second(void **state)
{
    struct world *w = *state;
    add_many(w, 100, "Creating", "Waiting");
    start(w);
    pass(w, 10000);
    assert_int_equal(w->running, 0);
    for (int i = 0; i < 3; i++) {
        /* Whatever the moment between two lists. */
        pass(w, 230);
        set_all(w, "Succeeded", "Running");
        const int64_t ready = vk_mono_ms();
        w->running = 0;
        pass(w, 3000);
        assert_int_equal(w->running, 100);
        assert_in_range(w->last_report_ms - ready, 0, 1000);
        set_all(w, "Creating", "Waiting");
        pass(w, 10000);
    }
}

/* Each costs a GET once it is ready, not at each of its steps. */
static void lists_tell_of_a_burst_and_gets_only_follow(void **state)
{
    struct world *w = *state;
    add_many(w, 200, "Pending", "Waiting");
    start(w);
    pass(w, 12000);
    w->arm.reads = 0;
    set_all(w, "Creating", "Waiting");
    pass(w, 3000);
    assert_in_range(w->arm.reads, 0, 60);
    w->arm.reads = 0;
    set_all(w, "Succeeded", "Running");
    pass(w, 3000);
    assert_int_equal(w->running, 200);
    assert_in_range(w->arm.reads, 200, 260);
}

static void one_that_waits_for_long_does_not_keep_all_listed(void **state)
{
    struct world *w = *state;
    (void)add(w, 0, "Creating", "Waiting");
    start(w);
    pass(w, LONG_TRANSITION_MS + 20000);
    w->arm.lists = w->arm.reads = 0;
    pass(w, 60000);
    assert_in_range(w->arm.lists, 5, 7);
    assert_in_range(w->arm.reads, 3, 6);
    set_all(w, "Succeeded", "Running");
    pass(w, 16000);
    assert_int_equal(w->running, 1);
}

/* Nothing that costs much, or is told again and again; a look now and then finds it. */
static void a_group_that_only_lists_show_is_told_once_and_read_seldom(void **state)
{
    struct world *w = *state;
    (void)add(w, 0, "Succeeded", "Running");
    start(w);
    pass(w, 5000);
    assert_int_equal(w->running, 1);
    w->arm.rule = (struct arm_rule){"GET", ARM_REFUSE, 404, "ResourceNotFound", 1};
    pass(w, 10000);
    assert_int_equal(w->lost, 0);
    w->arm.rule = (struct arm_rule){"GET", ARM_REFUSE, 404, "ResourceNotFound", 1000};
    pass(w, 10000);
    assert_int_equal(w->lost, 1);
    w->arm.rule.count = 1000;
    w->arm.lists = 0;
    pass(w, 300000);
    assert_int_equal(w->lost, 1);
    assert_in_range(1000 - w->arm.rule.count, 8, 11);
    assert_in_range(w->arm.lists, 25, 32);
    assert_true(tracker_find(w->tracker, "pod-0")->exists);
    w->arm.rule.count = 0;
    pass(w, READ_DENIED_MS + 1000);
    assert_int_equal(w->running, 2);
    /* Once more, and then it is gone for lists too. */
    w->arm.rule = (struct arm_rule){"GET", ARM_REFUSE, 404, "ResourceNotFound", 1000};
    pass(w, 10000);
    assert_int_equal(w->lost, 2);
    vk_map_free(w->arm.groups, arm_group_free);
    w->arm.groups = vk_map_new();
    pass(w, 30000);
    assert_int_equal(w->lost, 2);
    assert_null(tracker_find(w->tracker, "pod-0"));
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(at_rest_1000_groups_cost_less_than_900_requests_a_minute),
        WITH_WORLD(the_end_of_a_container_is_seen_within_90_s_among_1000),
        WITH_WORLD(the_end_of_one_of_few_is_seen_in_seconds),
        WITH_WORLD(a_hint_leads_to_a_look_within_5_s_among_1000),
        WITH_WORLD(hundred_that_become_ready_are_seen_within_a_second),
        WITH_WORLD(lists_tell_of_a_burst_and_gets_only_follow),
        WITH_WORLD(one_that_waits_for_long_does_not_keep_all_listed),
        WITH_WORLD(a_group_that_only_lists_show_is_told_once_and_read_seldom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
