/* SPDX-License-Identifier: Apache-2.0 */
/* Other resources for a pod that runs: it keeps what it was given, and its status says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kubelet/pods/pod_resize.h"
#include "tests/unit/kubelet/fake_pod_changes.h"
#include "tests/unit/kubelet/memory_provider.h"

#define SPEC(cpu)                                                                                  \
    "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Always\",\"containers\":[{\"name\":\"c\","      \
    "\"image\":\"app:1\",\"resources\":{\"requests\":{\"cpu\":\"" cpu "\",\"memory\":\"1Gi\"}}}]}"

static bool says(struct world *w, const char *text)
{
    return strstr(fake_find(&w->api, "default", "web")->status, text) != NULL;
}

static bool is_pending(struct world *w)
{
    return says(w, "\"type\":\"PodResizePending\"");
}

static struct world *world_that_runs(struct fake_pod **ret)
{
    struct world *w = world_new();

    w->memory.run_at_once = true;
    pods_start(w->pods);
    *ret = fake_add(&w->api, "web", "uid-1", SPEC("1"), NULL);
    FAKE_EVENTUALLY(&w->api, vk_streq(world_status(w, "web", "phase"), "Running"));
    return w;
}

static void what_a_container_was_given_is_in_its_status(void **state)
{
    struct fake_pod *p;
    struct world *w = world_that_runs(&p);

    (void)state;
    assert_true(says(w, "\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}"));
    assert_false(is_pending(w));
    world_free(w);
}

static void a_resize_is_infeasible_until_it_is_taken_back(void **state)
{
    struct fake_pod *p;
    struct world *w = world_that_runs(&p);

    (void)state;
    fake_set_spec(&w->api, p, SPEC("2"));
    FAKE_EVENTUALLY(&w->api, is_pending(w));
    FAKE_EVENTUALLY(&w->api, world_told(w, "ResizeInfeasible: containers[c].resources: "));
    assert_true(says(w, "\"reason\":\"Infeasible\""));
    assert_true(says(w, "\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}"));
    assert_string_equal(world_status(w, "web", "phase"), "Running");
    vk_buf_clear(&w->api.event_log);
    fake_set_spec(&w->api, p, SPEC("1"));
    FAKE_EVENTUALLY(&w->api, !is_pending(w));
    assert_false(world_told(w, "ResizeInfeasible"));
    assert_int_equal(w->memory.creates, 1);
    world_free(w);
}

static void the_next_process_knows_it_from_the_status(void **state)
{
    struct fake_pod *p;
    struct world *w = world_that_runs(&p);

    (void)state;
    world_stop_pods(w);
    fake_set_spec(&w->api, p, SPEC("2"));
    world_start_pods(w);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    pods_start(w->pods);
    FAKE_EVENTUALLY(&w->api, is_pending(w));
    fake_set_spec(&w->api, p, SPEC("1"));
    FAKE_EVENTUALLY(&w->api, !is_pending(w));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_container_was_given_is_in_its_status),
        cmocka_unit_test(a_resize_is_infeasible_until_it_is_taken_back),
        cmocka_unit_test(the_next_process_knows_it_from_the_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
