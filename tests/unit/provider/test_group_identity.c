/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "provider/group_identity.h"
#include "provider/volumes.h"

/* Names of groups in the wild: a change here is a new format, not a fix. */
static void group_names_never_change(void **state)
{
    (void)state;
    static const struct {
        const char *namespace_, *name, *uid, *expected;
    } rows[] = {
        {"default", "web-1", "u1", "default-web-1-bb82030dbc2bcaba32a9"},
        {"default", "web-1", "u2", "default-web-1-6ca202c88e549dff68c0"},
        {"a", "b.c--d", "u1", "a-b-c-d-bb82030dbc2bcaba32a9"},
        {"team--a", "a.very-long.name--with-dots-and-more-than-sixty-three-characters", "u1",
         "team-a-a-very-long-name-with-dots-and-more-bb82030dbc2bcaba32a9"},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        char name[GROUP_NAME_MAX + 1];
        group_name(rows[i].namespace_, rows[i].name, rows[i].uid, name);
        assert_string_equal(name, rows[i].expected);
    }
}

static void group_names_obey_the_rules_of_aci(void **state)
{
    (void)state;
    static const char *const odd[] = {"", "-", "--", "UPPER", ".a.", "a", "x-------y", "\xc3\xa9"};
    for (size_t i = 0; i < VK_COUNT(odd); i++) {
        for (size_t j = 0; j < VK_COUNT(odd); j++) {
            char name[GROUP_NAME_MAX + 1];
            group_name(odd[i], odd[j], "uid", name);
            const size_t n = strlen(name);
            assert_true(n >= 22 && n <= GROUP_NAME_MAX);
            assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), n);
            assert_true(name[0] != '-' && name[n - 1] != '-');
            assert_null(strstr(name, "--"));
        }
    }
}

static void joined_names_that_collide_are_told_apart_by_uid(void **state)
{
    (void)state;
    char a[GROUP_NAME_MAX + 1], b[GROUP_NAME_MAX + 1];
    group_name("a-b", "c", "u1", a);
    group_name("a", "b-c", "u2", b);
    assert_string_not_equal(a, b);
}

static bool read_tags(const char *tags)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *text = vk_arena_printf(arena, "{\"name\":\"g\",\"tags\":%s}", tags);
    struct container_group group;
    struct group_identity id;
    struct vk_err err;
    assert_int_equal(container_group_parse(vk_str_of(text), arena, &group, &err), 0);
    if (!group_identity_read(&group, &id))
        return false;
    assert_string_equal(id.cluster, "c");
    assert_string_equal(id.node, "n");
    assert_string_equal(id.namespace_, "ns");
    assert_string_equal(id.pod, "p");
    assert_string_equal(id.uid, "u");
    return true;
}

static void only_complete_tags_of_format_1_are_ours(void **state)
{
    (void)state;
#define OTHERS                                                                                     \
    "\"aci-kubelet-cluster\":\"c\",\"aci-kubelet-node\":\"n\",\"aci-kubelet-namespace\":\"ns\","   \
    "\"aci-kubelet-pod\":\"p\""
    assert_true(read_tags("{\"aci-kubelet-format\":\"1\"," OTHERS ",\"aci-kubelet-uid\":\"u\"}"));
    assert_true(read_tags("{\"ACI-kubelet-Format\":\"1\"," OTHERS ",\"aci-kubelet-uid\":\"u\"}"));
    assert_false(read_tags("{\"aci-kubelet-format\":\"2\"," OTHERS ",\"aci-kubelet-uid\":\"u\"}"));
    assert_false(read_tags("{\"aci-kubelet-format\":\"1\"," OTHERS ",\"aci-kubelet-uid\":\"\"}"));
    assert_false(read_tags("{\"aci-kubelet-format\":\"1\"," OTHERS "}"));
    assert_false(read_tags("{" OTHERS ",\"aci-kubelet-uid\":\"u\"}"));
    assert_false(read_tags("{}"));
    assert_false(read_tags("null"));
}

static void volume_names_are_kept_where_aci_takes_them(void **state)
{
    (void)state;
    static const char *const kept[] = {
        "config", "a-b-c", "12345", "kube-api-access-x7k2p",
        "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"};
    static const char *const changed[] = {"data", "a--bcd", "x", "Upper-case", "-lead", "trail-"};
    char name[VOLUME_NAME_MAX + 1];
    for (size_t i = 0; i < VK_COUNT(kept); i++) {
        volumes_name(kept[i], name);
        assert_string_equal(name, kept[i]);
    }
    for (size_t i = 0; i < VK_COUNT(changed); i++) {
        volumes_name(changed[i], name);
        const size_t n = strlen(name);
        assert_string_not_equal(name, changed[i]);
        assert_true(n >= 5 && n <= 63);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), n);
        assert_true(name[0] != '-' && name[n - 1] != '-' && !strstr(name, "--"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_names_never_change),
        cmocka_unit_test(group_names_obey_the_rules_of_aci),
        cmocka_unit_test(joined_names_that_collide_are_told_apart_by_uid),
        cmocka_unit_test(only_complete_tags_of_format_1_are_ours),
        cmocka_unit_test(volume_names_are_kept_where_aci_takes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
