/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "provider/top_view.h"

#define PODS(pending, creating, running)                                                           \
    "aci_kubelet_pods{state=\"pending\"} " pending                                                 \
    "\naci_kubelet_pods{state=\"creating\"} " creating                                             \
    "\naci_kubelet_pods{state=\"running\"} " running "\naci_kubelet_pods{state=\"gone\"} "         \
    "99\n"
#define PHASE(name, sum, count)                                                                    \
    "aci_kubelet_pod_start_phase_seconds_sum{phase=\"" name "\"} " sum                             \
    "\naci_kubelet_pod_start_phase_seconds_count{phase=\"" name "\"} " count "\n"
#define BUCKETS                                                                                    \
    "aci_kubelet_arm_tokens{kind=\"reads\"} 200\naci_kubelet_arm_tokens{kind=\"writes\"} 12\n"     \
    "aci_kubelet_arm_tokens_max{kind=\"reads\"} 250\n"                                             \
    "aci_kubelet_arm_tokens_max{kind=\"writes\"} 200\n"                                            \
    "aci_kubelet_arm_tokens_max{kind=\"deletes\"} 0\n"                                             \
    "aci_kubelet_arm_waiting{priority=\"user\"} 1\naci_kubelet_arm_waiting{priority=\"create\"} "  \
    "36\naci_kubelet_arm_longest_wait_seconds{priority=\"create\"} 4.25\n"                         \
    "aci_kubelet_arm_throttled_total{kind=\"writes\"} 2\naci_kubelet_arm_available 1\n"
#define QUOTAS                                                                                     \
    "aci_kubelet_quota_limit{quota=\"ContainerGroups\"} 100\n"                                     \
    "aci_kubelet_quota_limit{quota=\"StandardCores\"} 50\n"                                        \
    "aci_kubelet_quota_used{quota=\"ContainerGroups\"} 80\n"                                       \
    "aci_kubelet_quota_used{quota=\"StandardCores\"} 20\n"

static const char first_text[] = PODS("10", "20", "10") BUCKETS QUOTAS PHASE("put", "10", "10")
    PHASE("start", "30", "10") "kubelet_pod_start_duration_seconds_sum "
                               "50\nkubelet_pod_start_duration_seconds_count 10\n"
                               "aci_kubelet_container_groups{state=\"creating\"} 20\n"
                               "aci_kubelet_container_groups{state=\"running\"} 10\n"
                               "aci_kubelet_billed_vcpu_seconds_total{namespace=\"a\"} 100.4\n"
                               "aci_kubelet_billed_vcpu_seconds_total{namespace=\"b\"} 20\n";
static const char second_text[] = PODS("0", "0", "40") "aci_kubelet_arm_available 0\n" PHASE(
    "put", "40", "30") "kubelet_pod_start_duration_seconds_sum "
                       "110\nkubelet_pod_start_duration_seconds_count 30\n";

static struct top_sample sample(const char *text, int64_t wall_ms)
{
    struct top_sample s;
    struct vk_err err;

    if (top_sample_read(vk_str_of(text), wall_ms, &s, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

static void a_first_look_shows_all(void **state)
{
    const struct top_sample now = sample(first_text, 1800000000000);
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&out, 8192);
    top_view_table("burst-1", &now, NULL, 0, &out);
    assert_string_equal(
        vk_buf_peek(&out),
        "burst-1  2027-01-15T08:00:00Z\n"
        "\n"
        "PODS       40  [..........::::::::::::::::::::##########]\n"
        "        pending    resolving     creating     starting      running     finished  "
        "terminating\n"
        "             10            0           20            0           10            0          "
        "  "
        "0\n"
        "GROUPS     30   billed 120 vCPU seconds\n"
        "QUOTA   ContainerGroups 80/100   StandardCores 20/50\n"
        "TOKENS  reads 200/250   writes 12/200   deletes no limit   waiting 37, 4.2 s   throttled "
        "2\n"
        "\n"
        "SECONDS   bound      resolve          put provisioning         pull        start        "
        "ready        whole\n"
        "  mean        -            -         1.00            -            -         3.00          "
        "  "
        "-         5.00\n");
}

static void a_later_look_tells_what_came_in_between(void **state)
{
    const struct top_sample before = sample(first_text, 1800000000000);
    const struct top_sample now = sample(second_text, 1800000030000);
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&out, 8192);
    top_view_table("n", &now, &before, 0, &out);
    /* 30 s for 20 pods; the other phases began anew with the kubelet. */
    assert_non_null(strstr(vk_buf_peek(&out), "  lately      -            -         1.50"));
    assert_non_null(strstr(vk_buf_peek(&out), "         3.00\n  mean  "));
    assert_non_null(strstr(vk_buf_peek(&out), "ARM IS AWAY"));
    vk_buf_clear(&out);
    top_view_line(&now, &before, &out);
    assert_string_equal(vk_buf_peek(&out),
                        "2027-01-15T08:00:30Z pending=0 resolving=0 creating=0 starting=0 "
                        "running=40 finished=0 terminating=0 groups=0 waiting=0 throttled=0 "
                        "start=3.00s arm=away\n");
}

static void json_is_one_line(void **state)
{
    const struct top_sample now = sample(first_text, 1800000000000);
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&out, 8192);
    top_view_json("n", &now, NULL, &out);
    assert_string_equal(
        vk_buf_peek(&out),
        "{\"time\":\"2027-01-15T08:00:00Z\",\"node\":\"n\",\"pods\":{\"pending\":10,\"resolving\":"
        "0,"
        "\"creating\":20,\"starting\":0,\"running\":10,\"finished\":0,\"terminating\":0},"
        "\"groups\":30,\"tokens\":{\"reads\":{\"left\":200,\"size\":250},\"writes\":{\"left\":12,"
        "\"size\":200},\"deletes\":{\"left\":0,\"size\":0}},\"waiting\":37,\"throttled\":2,"
        "\"armIsAway\":false,\"quotas\":{\"ContainerGroups\":{\"used\":80,\"limit\":100},"
        "\"StandardCores\":{\"used\":20,\"limit\":50}},\"secondsPerPhase\":{\"put\":1,\"start\":3,"
        "\"whole\":5}}\n");
}

static void lines_are_cut_at_the_terminal(void **state)
{
    const struct top_sample now = sample(first_text, 1800000000000);
    struct vk_buf out VK_BUF_AUTO;
    struct vk_str rest;

    (void)state;
    vk_buf_init(&out, 8192);
    top_view_table("burst-1", &now, NULL, 40, &out);
    for (rest = vk_buf_str(&out); rest.n;)
        assert_true(vk_str_cut(rest, '\n', &rest).n <= 40);
}

static void no_pods_are_no_bar(void **state)
{
    const struct top_sample now = sample("aci_kubelet_pods{state=\"running\"} 0\n", 0);
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&out, 8192);
    top_view_table("n", &now, NULL, 0, &out);
    assert_non_null(
        strstr(vk_buf_peek(&out), "PODS        0  [                                        ]\n"));
}

static void other_metrics_are_refused(void **state)
{
    struct top_sample s;
    struct vk_err err;

    (void)state;
    assert_int_equal(top_sample_read(VK_STR("kubelet_running_pods 7\n"), 0, &s, &err), -VK_INVALID);
    assert_int_equal(top_sample_read(VK_STR("<html>"), 0, &s, &err), -VK_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_look_shows_all),
        cmocka_unit_test(a_later_look_tells_what_came_in_between),
        cmocka_unit_test(json_is_one_line),
        cmocka_unit_test(lines_are_cut_at_the_terminal),
        cmocka_unit_test(no_pods_are_no_bar),
        cmocka_unit_test(other_metrics_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
