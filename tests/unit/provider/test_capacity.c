/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas: what the node offers, who is refused, and how it goes on. */
#include "provider/capacity.c"

#include "tests/unit/provider/provider_world.h"

static unsigned told;

static int64_t cpu_requested(void *k, const struct pod_identity *id)
{
    (void)k, (void)id;
    return 100;
}

static void capacity_changed(void *node)
{
    assert_non_null(node);
    told++;
}

static bool is_limited(struct world *w)
{
    struct node_capacity now;
    w->provider.ops->get_capacity(w->provider.p, &now);
    return now.is_limited;
}
static bool was_asked(struct world *w)
{
    return w->arm.usages >= 1;
}
static bool was_told(struct world *w)
{
    (void)w;
    return told > 0;
}
static bool one_done(struct world *w)
{
    return w->done >= 1;
}
static bool two_done(struct world *w)
{
    return w->done >= 2;
}

static struct node_capacity capacity_of(struct world *w)
{
    struct node_capacity now;
    w->provider.ops->get_capacity(w->provider.p, &now);
    return now;
}

static void start(struct world *w, int64_t groups, int64_t cores)
{
    told = 0;
    w->arm.quota_groups = groups;
    w->arm.quota_cores = cores;
    w->upcalls.cpu_requested = cpu_requested;
    w->upcalls.capacity_changed = capacity_changed;
    w->upcalls.node = w;
    world_start(w);
    UNTIL(w, was_asked);
    if (groups)
        UNTIL(w, is_limited);
}

static void what_others_use_is_not_offered(void **state)
{
    struct world *w = *state;
    w->arm.others_groups = 30;
    w->arm.others_cores = 12;
    world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    world_leave_group(w, "web", "u2", WORLD_CLUSTER, "another-node");
    start(w, 100, 40);
    const struct node_capacity now = capacity_of(w);
    /* 100 groups less 30 of others and that of another node; 40 cores less 14, of which one group
     * is ours already. */
    assert_int_equal(now.allocatable_pods, 1 + 26);
    assert_int_equal(now.allocatable_cpu_milli, 100 + 26000);
    assert_int_equal(now.pods, 5000);
    assert_int_equal(told, 1);
}

static void quotas_are_told_to_prometheus(void **state)
{
    struct world *w = *state;
    struct vk_buf text VK_BUF_AUTO;
    vk_buf_init(&text, 1 << 20);
    w->arm.others_groups = 30;
    start(w, 100, 40);
    w->provider.ops->write_metrics(w->provider.p, &text);
    const char *out = vk_buf_peek(&text);
    assert_non_null(strstr(out, "aci_kubelet_quota_limit{quota=\"ContainerGroups\"} 100\n"));
    assert_non_null(strstr(out, "aci_kubelet_quota_limit{quota=\"StandardCores\"} 40\n"));
    assert_non_null(strstr(out, "aci_kubelet_quota_used{quota=\"ContainerGroups\"} 30\n"));
    assert_non_null(strstr(out, "aci_kubelet_quota_used{quota=\"StandardCores\"} 0\n"));
    assert_non_null(strstr(out, "\naci_kubelet_quota_read_age_seconds "));
}

static void options_are_the_upper_bound(void **state)
{
    struct world *w = *state;
    start(w, 1000000, 1000000);
    const struct node_capacity now = capacity_of(w);
    assert_int_equal(now.allocatable_pods, now.pods);
    assert_int_equal(now.allocatable_cpu_milli, now.cpu_milli);
}

static void without_the_right_to_read_quotas_options_count(void **state)
{
    struct world *w = *state;
    struct vk_buf text VK_BUF_AUTO;
    vk_buf_init(&text, 1 << 20);
    start(w, 0, 0);
    assert_false(is_limited(w));
    w->provider.ops->write_metrics(w->provider.p, &text);
    assert_null(strstr(vk_buf_peek(&text), "aci_kubelet_quota"));
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
}

static void a_full_quota_refuses_without_asking_azure(void **state)
{
    struct world *w = *state;
    w->arm.others_cores = 9;
    start(w, 100, 10);
    world_create(w, "fits", "u1", false);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    world_create(w, "waits", "u2", false);
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    assert_string_equal(w->err.reason, PROVIDER_REASON_QUOTA);
    assert_string_equal(w->err.msg,
                        "quota 'StandardCores' of the subscription is reached in region "
                        "'westeurope'. Limit: '10', Usage: '10' Requested: '1'.");
    assert_int_equal(w->arm.puts, 1);
}

static void azures_refusal_is_looked_into_at_once(void **state)
{
    struct world *w = *state;
    start(w, 100, 100);
    told = 0;
    assert_int_equal(w->arm.usages, 1);
    w->arm.others_groups = 100;
    w->arm.rule = (struct arm_rule){"PUT", ARM_REFUSE, 409, "ContainerGroupQuotaReached", 1};
    world_create(w, "web", "u1", false);
    UNTIL(w, one_done);
    assert_string_equal(w->err.reason, PROVIDER_REASON_QUOTA);
    UNTIL(w, was_told);
    assert_int_equal(w->arm.usages, 2);
    assert_int_equal(capacity_of(w).allocatable_pods, 0);
    /* From here on Azure is not bothered, until the quota is raised. */
    world_create(w, "web", "u1", false);
    UNTIL(w, two_done);
    assert_int_equal(w->err.code, VK_UNAVAILABLE);
    assert_int_equal(w->arm.puts, 1);
}

/* A capacity of its own, so that its clock can be moved. */
struct bench {
    struct capacity c;
};

static void begin(struct bench *b)
{
    vk_clock_freeze(1000000, 1700000000000);
    *b = (struct bench){.c = {.groups = {.name = QUOTA_GROUPS, .is_known = true, .limit = 10},
                              .cores = {.name = QUOTA_CORES},
                              .config = {.location = "westeurope"},
                              .stopped = true}};
}

static void only_a_fresh_reading_refuses(void **state)
{
    static const struct {
        int64_t read_ago_ms, refused_ago_ms;
        bool is_admitted;
    } table[] = {
        {1000, 2000, false}, {59000, 60000, false}, {61000, 62000, true}, {2000, 1000, true}};
    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct vk_loop *loop = vk_loop_new();
        struct bench b;
        struct vk_err err;
        begin(&b);
        vk_timer_init(&b.c.timer, loop, "quotas", on_timer, &b.c);
        b.c.read_mono_ms = vk_mono_ms() - table[i].read_ago_ms;
        b.c.refused_mono_ms = vk_mono_ms() - table[i].refused_ago_ms;
        assert_int_equal(capacity_admit(&b.c, 1000, &err) == 0, table[i].is_admitted);
        vk_timer_disarm(&b.c.timer);
        vk_loop_free(loop);
    }
    vk_clock_thaw();
}

static void what_did_not_become_a_group_is_given_back(void **state)
{
    struct bench b;
    struct vk_err err;
    (void)state;
    begin(&b);
    b.c.read_mono_ms = vk_mono_ms();
    b.c.groups.left = 1;
    assert_int_equal(capacity_admit(&b.c, 1000, &err), 0);
    capacity_give_back(&b.c, 1000);
    assert_int_equal(capacity_admit(&b.c, 1000, &err), 0);
    vk_clock_thaw();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_others_use_is_not_offered, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(quotas_are_told_to_prometheus, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(options_are_the_upper_bound, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(without_the_right_to_read_quotas_options_count, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(a_full_quota_refuses_without_asking_azure, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(azures_refusal_is_looked_into_at_once, world_setup,
                                        world_teardown),
        cmocka_unit_test(only_a_fresh_reading_refuses),
        cmocka_unit_test(what_did_not_become_a_group_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
