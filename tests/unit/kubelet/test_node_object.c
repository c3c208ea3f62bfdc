/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kubelet/node/node_object.h"

#define LIMIT (64 * 1024)
#define NOW_NS 1700000000000000000

static const struct node_taint taint = {"virtual-kubelet.io/provider", "azure", "NoSchedule"};
static const struct node_identity identity = {
    .name = "burst-1",
    .internal_ip = "10.240.0.2",
    .kubelet_port = 10250,
    .kubelet_version = "v1.37.2-aci-kubelet-0.1.0",
    .runtime_version = "aci://2025-09-01",
    .taint = &taint,
};
static const struct node_capacity capacity = {
    .cpu_milli = 1000000,
    .memory_bytes = 4LL << 40,
    .pods = 5000,
    .os = "Linux",
    .arch = "amd64",
    .label_key = "kubernetes.azure.com/managed",
    .label_value = "false",
};

static const struct json *parse(struct vk_arena *arena, const char *text)
{
    const struct json *v = NULL;
    struct vk_err err;

    if (json_parse(vk_str_of(text), LIMIT, arena, &v, &err) < 0)
        fail_msg("%s in %s", err.msg, text);
    return v;
}

static const struct json *object(struct vk_arena *arena, bool with_role)
{
    struct vk_buf out;
    struct node_conditions conditions;
    const struct json *v;

    node_conditions_init(&conditions, NOW_NS);
    vk_buf_init(&out, LIMIT);
    node_object_write(&out, &identity, &capacity, &conditions, with_role, NOW_NS);
    v = parse(arena, vk_buf_peek(&out));
    vk_buf_release(&out);
    return v;
}

static const char *label(const struct json *node, const char *key)
{
    return json_string(json_get(json_get(json_get(node, "metadata"), "labels"), key));
}

static void labels_are_those_of_aks_virtual_nodes(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *node = object(arena, true);

    (void)state;
    assert_string_equal(label(node, "type"), "virtual-kubelet");
    assert_string_equal(label(node, "kubernetes.io/os"), "linux");
    assert_string_equal(label(node, "kubernetes.io/arch"), "amd64");
    assert_string_equal(label(node, "kubernetes.io/role"), "agent");
    assert_string_equal(label(node, "kubernetes.io/hostname"), "burst-1");
    assert_string_equal(label(node, "node.kubernetes.io/exclude-from-external-load-balancers"),
                        "true");
    assert_string_equal(label(node, "kubernetes.azure.com/managed"), "false");
}

static void labels_of_the_administrator_come_beside_and_count_more(void **state)
{
    static struct json_pair more[] = {{"topology.kubernetes.io/zone", "westeurope-1"},
                                      {"type", "burst"}};
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct node_identity id = identity;
    struct vk_buf out VK_BUF_AUTO;
    struct node_conditions conditions;
    const struct json *node;

    (void)state;
    id.labels = (struct json_pairs){more, 2};
    vk_buf_init(&out, LIMIT);
    node_conditions_init(&conditions, NOW_NS);
    node_object_write(&out, &id, &capacity, &conditions, true, NOW_NS);
    node = parse(arena, vk_buf_peek(&out));
    assert_string_equal(label(node, "topology.kubernetes.io/zone"), "westeurope-1");
    assert_string_equal(label(node, "type"), "burst");
    assert_string_equal(label(node, "kubernetes.io/os"), "linux");
    /* What was written lacks nothing of it. */
    vk_buf_clear(&out);
    assert_false(node_adopt_patch_write(&out, &id, &capacity, node, true));
}

static void role_is_left_out_for_restricted_identities(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *node = object(arena, false);

    (void)state;
    assert_null(label(node, "kubernetes.io/role"));
    assert_string_equal(label(node, "type"), "virtual-kubelet");
}

static void status_says_where_the_kubelet_port_is(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *status = json_get(object(arena, true), "status");
    const struct json *address = json_first(json_get(status, "addresses"));
    const struct json *endpoint = json_get(json_get(status, "daemonEndpoints"), "kubeletEndpoint");

    (void)state;
    assert_string_equal(json_string(json_get(address, "type")), "InternalIP");
    assert_string_equal(json_string(json_get(address, "address")), "10.240.0.2");
    assert_int_equal(json_int64_or(endpoint, "Port", 0), 10250);
    assert_string_equal(json_string(json_get(json_get(status, "capacity"), "cpu")), "1000000m");
    assert_string_equal(json_string(json_get(json_get(status, "capacity"), "memory")),
                        "4294967296Ki");
    assert_string_equal(json_string(json_get(json_get(status, "allocatable"), "pods")), "5000");
}

static void conditions_move_their_time_only_on_change(void **state)
{
    struct node_conditions c;

    (void)state;
    node_conditions_init(&c, 100);
    assert_true(
        node_conditions_set(&c, "ProviderUnreachable", false, "ProviderReachable", "ok", 100));
    assert_false(
        node_conditions_set(&c, "ProviderUnreachable", false, "ProviderReachable", "ok", 200));
    assert_int_equal(c.v[5].last_transition_ns, 100);
    assert_true(node_conditions_set(&c, "ProviderUnreachable", true, "PingFailed", "no", 300));
    assert_int_equal(c.v[5].last_transition_ns, 300);
    assert_string_equal(c.v[5].message, "no");
}

static void adoption_changes_only_what_is_missing(void **state)
{
    static const struct {
        const char *node;
        bool changes;
        size_t taints, labels;
    } table[] = {
        {"{\"metadata\":{\"labels\":{}},\"spec\":{}}", true, 1, 7},
        {"{\"metadata\":{\"labels\":{\"type\":\"virtual-kubelet\"}},\"spec\":{\"taints\":"
         "[{\"key\":\"a\",\"effect\":\"NoExecute\"}]}}",
         true, 2, 6},
        {"{\"metadata\":{\"labels\":{\"type\":\"other\"}},\"spec\":{\"taints\":"
         "[{\"key\":\"virtual-kubelet.io/provider\",\"value\":\"x\",\"effect\":\"NoSchedule\"}]}}",
         true, 0, 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_buf out VK_BUF_AUTO;
        const struct json *patch;

        vk_buf_init(&out, LIMIT);
        assert_int_equal(
            node_adopt_patch_write(&out, &identity, &capacity, parse(arena, table[i].node), true),
            table[i].changes);
        patch = parse(arena, vk_buf_peek(&out));
        assert_int_equal(json_len(json_get(json_get(patch, "spec"), "taints")), table[i].taints);
        assert_int_equal(json_len(json_get(json_get(patch, "metadata"), "labels")),
                         table[i].labels);
    }
}

static void the_taint_of_an_outage_leaves_those_of_others_alone(void **state)
{
#define OTHER "{\"key\":\"a\",\"effect\":\"NoExecute\"}"
#define OURS "{\"key\":\"virtual-kubelet.io/provider-unreachable\",\"effect\":\"NoSchedule\"}"
#define OBJECT(taints)                                                                             \
    "{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"taints\":[" taints "]}}"
    static const struct {
        const char *node;
        bool wanted;
        const char *patch;
    } table[] = {
        {"{\"metadata\":{},\"spec\":{}}", false, NULL},
        {OBJECT(OTHER "," OURS), true, NULL},
        {OBJECT(OTHER), true, OBJECT(OTHER "," OURS)},
        {OBJECT(OURS "," OTHER), false, OBJECT(OTHER)},
        {OBJECT(OURS), false, OBJECT("")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_buf out VK_BUF_AUTO;

        vk_buf_init(&out, LIMIT);
        assert_int_equal(node_taint_patch_write(&out, &node_taint_unreachable, table[i].wanted,
                                                parse(arena, table[i].node)),
                         table[i].patch != NULL);
        assert_string_equal(vk_buf_peek(&out), table[i].patch ? table[i].patch : "");
    }
}

static void adoption_of_our_own_object_changes_nothing(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&out, LIMIT);
    assert_false(node_adopt_patch_write(&out, &identity, &capacity, object(arena, true), true));
    assert_int_equal(vk_buf_len(&out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_those_of_aks_virtual_nodes),
        cmocka_unit_test(labels_of_the_administrator_come_beside_and_count_more),
        cmocka_unit_test(role_is_left_out_for_restricted_identities),
        cmocka_unit_test(status_says_where_the_kubelet_port_is),
        cmocka_unit_test(conditions_move_their_time_only_on_change),
        cmocka_unit_test(adoption_changes_only_what_is_missing),
        cmocka_unit_test(the_taint_of_an_outage_leaves_those_of_others_alone),
        cmocka_unit_test(adoption_of_our_own_object_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
