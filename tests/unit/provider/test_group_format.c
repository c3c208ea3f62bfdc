/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/data/group-format-1.json is the answer of aci-emulator, on 2026-11-24, to a GET of a group
 * that the first version made. Groups like it are in the wild: whatever this test finds wrong is
 * wrong in the code. A change of the format has a file of its own.
 */
#include "base/clock.h"
#include "tests/unit/provider/provider_world.h"

#define FILE_1 VK_TEST_DATA "/group-format-1.json"
#define NAME_1 "shop-web-frontend-0-212efe64e7cbf1e935e9"
#define CLUSTER_1 "64de88a7-6313-4e96-9211-7942217925e5"
#define NODE_1 "virtual-kubelet"
#define UID_1 "1ecf22c2-9085-4ee2-b3b2-f9a58529dc74"

static const struct pod_identity pod_1 = {
    .namespace_ = "shop", .name = "web.frontend-0", .uid = UID_1};

static void its_identity_is_read(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text;
    struct container_group group;
    struct group_identity id;
    struct vk_err err;
    assert_int_equal(file_read(FILE_1, GOLDEN_MAX_BYTES, arena, &text, &err), 0);
    assert_int_equal(container_group_parse(text, arena, &group, &err), 0);
    assert_string_equal(group.name, NAME_1);
    assert_true(group_identity_read(&group, &id));
    assert_string_equal(id.cluster, CLUSTER_1);
    assert_string_equal(id.node, NODE_1);
    assert_string_equal(id.namespace_, pod_1.namespace_);
    assert_string_equal(id.pod, pod_1.name);
    assert_string_equal(id.uid, UID_1);
}

static void its_name_is_the_one_we_look_for(void **state)
{
    (void)state;
    char name[GROUP_NAME_MAX + 1];
    group_name(pod_1.namespace_, pod_1.name, UID_1, name);
    assert_string_equal(name, NAME_1);
}

/* The group as ARM has it, and a provider of its cluster that comes up. */
static void start_beside(struct world *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *group = golden_load(arena, FILE_1);
    (void)arm_add(&w->arm, json_string_or(group, "name", ""),
                  golden_text(arena, json_get(group, "tags")).p);
    const struct provider_start start = {
        .upcalls = &w->upcalls, .cluster_id = CLUSTER_1, .node_name = NODE_1};
    w->provider.ops->start(w->provider.p, &start);
}

static bool runs(struct world *w)
{
    return w->synced && vk_streq(w->phase, "Running");
}

static bool one_done(struct world *w)
{
    return w->done == 1;
}

static bool is_gone(struct world *w)
{
    if (vk_map_len(w->arm.groups) == 0)
        return true;
    vk_clock_advance(500);
    return false;
}

static void its_status_is_the_pods(void **state)
{
    struct world *w = *state;
    start_beside(w);
    UNTIL(w, runs);
    assert_int_equal(w->arm.puts, 0);
}

static void it_is_adopted_and_not_started_again(void **state)
{
    struct world *w = *state;
    start_beside(w);
    UNTIL(w, runs);
    struct resolved_pod *pod =
        sample_pod(VK_STR("{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web.frontend-0\","
                          "\"uid\":\"" UID_1 "\"},\"spec\":{\"containers\":[{\"name\":\"main\","
                          "\"image\":\"simulated:1\",\"command\":[\"serve\"]}]}}"),
                   NULL, NULL);
    pod->may_exist = true;
    w->provider.ops->create_pod(w->provider.p, pod, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(w->arm.puts, 0);
}

static void it_goes_with_its_pod(void **state)
{
    struct world *w = *state;
    start_beside(w);
    UNTIL(w, runs);
    w->provider.ops->delete_pod(w->provider.p, &pod_1, world_done, w);
    UNTIL(w, one_done);
    assert_int_equal(w->err.code, VK_OK);
    assert_int_equal(vk_map_len(w->arm.groups), 0);
}

static void it_is_removed_when_its_pod_is_gone(void **state)
{
    struct world *w = *state;
    vk_clock_freeze(1000000, 1700000000000);
    start_beside(w);
    UNTIL(w, is_gone);
    vk_clock_thaw();
    assert_int_equal(w->questions, 1);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_identity_is_read), cmocka_unit_test(its_name_is_the_one_we_look_for),
        IN_WORLD(its_status_is_the_pods),       IN_WORLD(it_is_adopted_and_not_started_again),
        IN_WORLD(it_goes_with_its_pod),         IN_WORLD(it_is_removed_when_its_pod_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
