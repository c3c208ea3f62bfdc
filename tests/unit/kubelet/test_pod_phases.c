/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kubelet/stats/pod_phases.h"

#define S 1000000000ll

static struct vk_buf text;

static const char *written(const struct pod_phases *p)
{
    vk_buf_release(&text);
    vk_buf_init(&text, 1 << 20);
    pod_phases_write(p, &text);
    return vk_buf_peek(&text);
}

static bool says(const struct pod_phases *p, const char *line)
{
    return strstr(written(p), line) != NULL;
}

static void note_all(struct pod_phases *p, const char *uid)
{
    /* Bound 1 s, resolve 2 s, put 3 s, provisioning 4 s, pull 5 s, start 6 s, ready 7 s. */
    static const int64_t at[POD_MOMENTS] = {100, 101, 103, 106, 110, 115, 121, 128};

    pod_phases_note(p, uid, POD_SEEN, at[POD_SEEN] * S);
    for (int i = 0; i < POD_MOMENTS; i++)
        pod_phases_note(p, uid, (enum pod_moment)i, at[i] * S);
}

static void each_phase_is_counted_once_the_pod_is_ready(void **state)
{
    static const char *const sums[] = {
        "kubelet_pod_start_duration_seconds_sum 27\n",
        "aci_kubelet_pod_start_phase_seconds_sum{phase=\"bound\"} 1\n",
        "aci_kubelet_pod_start_phase_seconds_sum{phase=\"resolve\"} 2\n",
        "aci_kubelet_pod_start_phase_seconds_sum{phase=\"put\"} 3\n",
        "aci_kubelet_pod_start_phase_seconds_sum{phase=\"provisioning\"} 4\n",
        "aci_kubelet_pod_start_phase_seconds_sum{phase=\"pull\"} 5\n",
        "aci_kubelet_pod_start_phase_seconds_sum{phase=\"start\"} 6\n",
        "aci_kubelet_pod_start_phase_seconds_sum{phase=\"ready\"} 7\n",
    };
    struct pod_phases *p = pod_phases_new();

    (void)state;
    pod_phases_note(p, "u1", POD_SEEN, 101 * S);
    assert_true(says(p, "kubelet_pod_start_duration_seconds_count 0\n"));
    note_all(p, "u1");
    for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++)
        assert_true(says(p, sums[i]));
    /* A pod that becomes ready again has not started again. */
    note_all(p, "u1");
    assert_true(says(p, "kubelet_pod_start_duration_seconds_count 1\n"));
    pod_phases_forget(p, "u1");
    note_all(p, "u2");
    assert_true(says(p, "kubelet_pod_start_duration_seconds_count 2\n"));
    pod_phases_free(p);
}

static void what_is_not_told_is_not_counted(void **state)
{
    struct pod_phases *p = pod_phases_new();

    (void)state;
    /* No pod that was there before, and none without an end. */
    pod_phases_note(p, "old", POD_READY, 100 * S);
    assert_true(says(p, "kubelet_pod_start_duration_seconds_count 0\n"));
    /* A cached image: no pull. Clocks that differ: no time below zero. */
    pod_phases_note(p, "u1", POD_SEEN, 100 * S);
    pod_phases_note(p, "u1", POD_BOUND, 101 * S);
    pod_phases_note(p, "u1", POD_PULLING, 0);
    pod_phases_note(p, "u1", POD_READY, 103 * S);
    assert_true(says(p, "aci_kubelet_pod_start_phase_seconds_count{phase=\"pull\"} 0\n"));
    assert_true(says(p, "aci_kubelet_pod_start_phase_seconds_sum{phase=\"bound\"} 0\n"));
    assert_true(says(p, "aci_kubelet_pod_start_phase_seconds_count{phase=\"bound\"} 1\n"));
    assert_true(says(p, "kubelet_pod_start_duration_seconds_sum 3\n"));
    pod_phases_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_phase_is_counted_once_the_pod_is_ready),
        cmocka_unit_test(what_is_not_told_is_not_counted),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);

    vk_buf_release(&text);
    return rc;
}
