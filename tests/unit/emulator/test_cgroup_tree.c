/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/cgroup_tree.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct cgroup_tree open_recorded(const char *version)
{
    static char root[2][512];
    struct cgroup_tree tree;
    struct vk_err err = {0};
    bool v2 = vk_streq(version, "v2");
    (void)snprintf(root[v2], sizeof(root[v2]), "%s/cgroup/%s", VK_TEST_DATA, version);
    assert_int_equal(cgroup_tree_open(root[v2], &tree, &err), 0);
    assert_int_equal(tree.v2, v2);
    return tree;
}

static void usage_is_read_from_both_versions(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        int64_t cpu_ns;
    } cases[] = {{"v1", 119331541}, {"v2", 119331000}};
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct cgroup_tree tree = open_recorded(cases[i].version);
        struct cgroup_usage usage = {0};
        assert_true(cgroup_usage_read(&tree, "/run/group", &usage));
        assert_int_equal(usage.cpu_ns, cases[i].cpu_ns);
        assert_int_equal(usage.memory_bytes, 2277376);
        assert_int_equal(usage.working_set_bytes, 2277376 - 126976);
        assert_int_equal(usage.rss_bytes, 114688);
    }
}

static void oom_kill_is_seen_in_both_versions(void **state)
{
    (void)state;
    static const char *const versions[] = {"v1", "v2"};
    for (size_t i = 0; i < VK_COUNT(versions); i++) {
        struct cgroup_tree tree = open_recorded(versions[i]);
        assert_int_equal(cgroup_oom_kills(&tree, "/run/group"), 1);
    }
}

static void absent_group_has_no_usage_and_no_oom_kill(void **state)
{
    (void)state;
    static const char *const versions[] = {"v1", "v2"};
    for (size_t i = 0; i < VK_COUNT(versions); i++) {
        struct cgroup_tree tree = open_recorded(versions[i]);
        struct cgroup_usage usage = {.rss_bytes = -7};
        assert_false(cgroup_usage_read(&tree, "/run/none", &usage));
        assert_int_equal(usage.rss_bytes, -7);
        assert_int_equal(cgroup_oom_kills(&tree, "/run/none"), 0);
        assert_int_equal(cgroup_kill(&tree, "/run/none"), 0);
        assert_true(cgroup_remove(&tree, "/run/none"));
    }
}

static void folder_without_controllers_is_unsupported(void **state)
{
    (void)state;
    struct cgroup_tree tree;
    struct vk_err err = {0};
    assert_true(cgroup_tree_open(VK_TEST_DATA, &tree, &err) < 0);
    assert_int_equal(err.code, VK_UNSUPPORTED);
}

static void keyed_value_takes_whole_keys_and_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key;
        int64_t value; /* -1: none */
    } cases[] = {
        {"oom_kill 3", "oom_kill", 3},
        {"oom_kill_disable 1\noom_kill 2\n", "oom_kill", 2},
        {"oom 5\noom_kill 0", "oom_kill", 0},
        {"a 9223372036854775807\n", "a", INT64_MAX},
        {"a 9223372036854775808\n", "a", -1},
        {"a x\n", "a", -1},
        {"a\n", "a", -1},
        {"", "a", -1},
        {"b 1\n", "a", -1},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int64_t value = -1;
        bool found = cgroup_keyed_value(vk_str_of(cases[i].text), cases[i].key, &value);
        assert_int_equal(found, cases[i].value >= 0);
        assert_int_equal(value, cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_is_read_from_both_versions),
        cmocka_unit_test(oom_kill_is_seen_in_both_versions),
        cmocka_unit_test(absent_group_has_no_usage_and_no_oom_kill),
        cmocka_unit_test(folder_without_controllers_is_unsupported),
        cmocka_unit_test(keyed_value_takes_whole_keys_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
