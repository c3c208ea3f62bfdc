/* SPDX-License-Identifier: Apache-2.0 */
/* What of a changed pod its group can't follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kubelet/pods/pod_update.h"
#include "tests/unit/kubelet/fake_pod_changes.h"
#include "tests/unit/kubelet/memory_provider.h"

#define POD(labels, spec)                                                                          \
    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u\",\"labels\":{" labels  \
    "},\"annotations\":{\"note\":\"1\"}},\"spec\":{" spec "}}"
#define CONTAINER(image, cpu)                                                                      \
    "{\"name\":\"c\",\"image\":\"" image "\",\"resources\":{\"requests\":{\"cpu\":\"" cpu "\"}}}"
#define CONTAINERS(image, cpu) "\"containers\":[" CONTAINER(image, cpu) "]"
#define INIT(image) "\"initContainers\":[" CONTAINER(image, "1") "],"
#define VOLUME(kind) ",\"volumes\":[{\"name\":\"info\"," kind "}]"
#define ITEMS(field)                                                                               \
    "\"downwardAPI\":{\"items\":[{\"path\":\"x\",\"fieldRef\":{\"fieldPath\":\"" field "\"}}]}"
#define PROJECTED(source) "\"projected\":{\"sources\":[{" source "}]}"

static const struct {
    const char *before, *now;
    const char *image, *resources, *downward_api; /* the beginning of each; NULL: nothing */
} rows[] = {
    {POD("", CONTAINERS("a:1", "1")), POD("", CONTAINERS("a:1", "1")), NULL, NULL, NULL},
    {POD("", CONTAINERS("a:1", "1")),
     POD("", CONTAINERS("a:1", "1") ",\"activeDeadlineSeconds\":5,\"tolerations\":[{}]"), NULL,
     NULL, NULL},
    {POD("", CONTAINERS("a:1", "1")), POD("", CONTAINERS("a:2", "1")),
     "containers[c].image: a:1 goes on to run, not a:2", NULL, NULL},
    {POD("", INIT("a:1") CONTAINERS("b", "1")), POD("", INIT("a:2") CONTAINERS("b", "1")),
     "initContainers[c].image: a:1", NULL, NULL},
    {POD("", CONTAINERS("a:1", "1")), POD("", CONTAINERS("a:1", "2")), NULL,
     "containers[c].resources: infeasible", NULL},
    {POD("", CONTAINERS("a:1", "1")), POD("\"x\":\"y\"", CONTAINERS("a:1", "1")), NULL, NULL, NULL},
    {POD("\"x\":\"y\"", CONTAINERS("a:1", "1") VOLUME(ITEMS("metadata.labels"))),
     POD("\"x\":\"z\"", CONTAINERS("a:1", "1") VOLUME(ITEMS("metadata.labels"))), NULL, NULL,
     "metadata.labels: volume info goes on"},
    {POD("\"x\":\"y\"", CONTAINERS("a:1", "1") VOLUME(ITEMS("metadata.annotations"))),
     POD("\"x\":\"z\"", CONTAINERS("a:1", "1") VOLUME(ITEMS("metadata.annotations"))), NULL, NULL,
     NULL},
    {POD("\"x\":\"y\"", CONTAINERS("a:1", "1") VOLUME(PROJECTED(ITEMS("metadata.labels['x']")))),
     POD("", CONTAINERS("a:1", "1") VOLUME(PROJECTED(ITEMS("metadata.labels['x']")))), NULL, NULL,
     "metadata.labels: volume info goes on"},
};

static void check(size_t row, const char *text, const char *expected)
{
    if (!text != !expected || (text && !vk_starts(text, expected)))
        fail_msg("row %zu: %s, not %s", row, text ? text : "nothing",
                 expected ? expected : "nothing");
}

static void what_the_group_can_not_follow_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct pod *before, *now;
        struct pod_update u;
        struct vk_err err;

        assert_int_equal(pod_parse(vk_str_of(rows[i].before), &before, &err), 0);
        assert_int_equal(pod_parse(vk_str_of(rows[i].now), &now, &err), 0);
        pod_update_between(before, now, arena, &u);
        check(i, u.image, rows[i].image);
        check(i, u.resources, rows[i].resources);
        check(i, u.downward_api, rows[i].downward_api);
        pod_unref(before);
        pod_unref(now);
    }
}

static void a_running_pod_is_told_and_not_made_again(void **state)
{
    struct world *w = world_new();
    struct fake_pod *p;

    (void)state;
    w->memory.run_at_once = true;
    pods_start(w->pods);
    p = fake_add(&w->api, "web", "uid-1", SPEC_ALWAYS, NULL);
    FAKE_EVENTUALLY(&w->api, vk_streq(world_status(w, "web", "phase"), "Running"));
    fake_set_spec(&w->api, p,
                  "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Always\",\"containers\":[{"
                  "\"name\":\"c\",\"image\":\"app:2\"}]}");
    FAKE_EVENTUALLY(&w->api, world_told(w, "ImageNotUpdated: containers[c].image: app:1 goes on"));
    assert_int_equal(w->memory.creates, 1);
    assert_int_equal(vk_map_len(w->memory.groups), 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_group_can_not_follow_is_named),
        cmocka_unit_test(a_running_pod_is_told_and_not_made_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
