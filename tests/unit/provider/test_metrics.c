/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/metrics.h"
#include "tests/unit/provider/provider_world.h"

static char *written(struct world *w)
{
    struct vk_buf out;

    vk_buf_init(&out, 1u << 20);
    w->provider.ops->write_metrics(w->provider.p, &out);
    return vk_buf_take(&out);
}

static bool says(struct world *w, const char *line)
{
    char *text VK_AUTOFREE = written(w);

    return strstr(text, line) != NULL;
}

static bool group_runs(struct world *w)
{
    return says(w, "aci_kubelet_container_groups{state=\"running\"} 1\n");
}

static bool something_was_billed(struct world *w)
{
    char *text VK_AUTOFREE = written(w);
    const char *at = strstr(text, "aci_kubelet_billed_vcpu_seconds_total{namespace=\"default\"} ");

    return at && strtod(strchr(at, ' ') + 1, NULL) > 0;
}

static void groups_requests_and_costs_are_told(void **state)
{
    struct world *w = *state;

    world_leave_group(w, "web", "u1", WORLD_CLUSTER, WORLD_NODE);
    w->existing = "u1";
    world_start(w);
    UNTIL(w, group_runs);
    UNTIL(w, something_was_billed);
    assert_true(says(w, "aci_kubelet_container_groups{state=\"creating\"} 0\n"));
    assert_true(
        says(w, "aci_kubelet_arm_requests_total{operation=\"list\",method=\"GET\",code=\"200\"}"));
    assert_true(says(w, "aci_kubelet_arm_wait_seconds_count{priority=\"track\"}"));
    assert_true(says(w, "aci_kubelet_arm_tokens{kind=\"write\"}"));
    assert_true(says(w, "aci_kubelet_arm_available 1\n"));
    assert_true(says(w, "aci_kubelet_cost_total{namespace=\"default\"}"));
    assert_true(says(w, "aci_kubelet_tracker_oldest_read_seconds "));
}

static void prices_are_read_strictly(void **state)
{
    static const char *const bad[] = {"cpu",   "cpu=",       "cpu=-1", "cpu=x",
                                      "ram=1", "cpu=1;gb=2", "cpu=1e9"};
    struct metrics_prices prices;
    struct vk_err err;

    (void)state;
    assert_int_equal(metrics_prices_parse(NULL, &prices, &err), 0);
    assert_true(prices.cpu_hour == 0 && prices.gb_hour == 0);
    assert_int_equal(metrics_prices_parse("cpu=0.5, gb=0.25", &prices, &err), 0);
    assert_true(prices.cpu_hour == 0.5 && prices.gb_hour == 0.25);
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        assert_true(metrics_prices_parse(bad[i], &prices, &err) < 0);
        assert_int_equal(err.code, VK_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_requests_and_costs_are_told, world_setup,
                                        world_teardown),
        cmocka_unit_test(prices_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
