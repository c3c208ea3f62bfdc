/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "aci/emulator/runc_capabilities.h"
#include "base/alloc.h"
#include "base/json.h"

static char working_dir[] = "/srv";
static char *no_strings[] = {NULL};
static char *image_env[] = {(char[]){"PATH=/img"}, (char[]){"A=image"}, (char[]){"B=image"}, NULL};
static char *entrypoint[] = {(char[]){"/entry"}, NULL};
static char *cmd[] = {(char[]){"arg"}, NULL};
static const char *const command[] = {"run", "--fast"};

static const struct image_user user = {
    .uid = 1000, .gid = 1001, .groups = {5}, .group_count = 1, .home = "/home/app"};
static struct image_config image;
static struct engine_container_spec spec;
static struct runc_config_input in;

static int set_up(void **state)
{
    (void)state;
    image = (struct image_config){
        .entrypoint = entrypoint, .cmd = cmd, .env = image_env, .working_dir = working_dir};
    spec = (struct engine_container_spec){.name = "main", .image = "a/b:1"};
    in = (struct runc_config_input){
        .spec = &spec,
        .image = &image,
        .user = &user,
        .capabilities = 1,
        .rootfs = "/r",
        .hostname = "box",
        .net_path = "/run/netns/x",
        .cgroup_path = "/g/c",
        .nofile = 20000,
    };
    return 0;
}

static const struct json *written(struct vk_arena *arena)
{
    struct vk_buf out VK_BUF_AUTO;
    struct vk_err err = {0};
    const struct json *root = NULL;
    vk_buf_init(&out, 1 << 20);
    if (runc_config_write(&in, &out, &err) < 0)
        fail_msg("%s", err.msg);
    struct vk_str text = vk_str_of(vk_arena_str(arena, vk_buf_str(&out)));
    if (json_parse(text, 1 << 20, arena, &root, &err) < 0)
        fail_msg("%s", err.msg);
    return root;
}

/* The texts of an array, joined by '|'. */
static const char *joined(const struct json *list, struct vk_arena *arena)
{
    const char *all = "";
    for (const struct json *v = json_first(list); v; v = json_next(v))
        all = vk_arena_printf(arena, "%s%s%s", all, *all ? "|" : "", json_string(v));
    return all;
}

static void command_replaces_entrypoint_and_cmd(void **state)
{
    (void)state;
    static const struct {
        bool has_command, has_entrypoint, has_cmd;
        const char *args;
    } cases[] = {
        {false, true, true, "/entry|arg"},  {false, true, false, "/entry"},
        {false, false, true, "arg"},        {true, true, true, "run|--fast"},
        {true, false, false, "run|--fast"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        spec.command = command;
        spec.command_count = cases[i].has_command ? 2 : 0;
        image.entrypoint = cases[i].has_entrypoint ? entrypoint : no_strings;
        image.cmd = cases[i].has_cmd ? cmd : no_strings;
        const struct json *process = json_get(written(arena), "process");
        assert_string_equal(joined(json_get(process, "args"), arena), cases[i].args);
    }
}

static void no_command_at_all_is_invalid(void **state)
{
    (void)state;
    struct vk_buf out VK_BUF_AUTO;
    struct vk_err err = {0};
    vk_buf_init(&out, 1 << 20);
    image.entrypoint = image.cmd = no_strings;
    assert_true(runc_config_write(&in, &out, &err) < 0);
    assert_int_equal(err.code, VK_INVALID);
    assert_non_null(strstr(err.msg, "a/b:1"));
}

static void environment_is_the_images_with_the_specs_over_it(void **state)
{
    (void)state;
    static const struct engine_env env[] = {
        {"B", "first"}, {"C", "x=y"}, {"B", "last"}, {"AB", ""}};
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    spec.env = env;
    spec.env_count = VK_COUNT(env);
    const struct json *process = json_get(written(arena), "process");
    assert_string_equal(joined(json_get(process, "env"), arena),
                        "HOME=/home/app|HOSTNAME=box|PATH=/img|A=image|C=x=y|B=last|AB=");
    image.env = no_strings;
    spec.env_count = 0;
    process = json_get(written(arena), "process");
    assert_true(vk_starts(joined(json_get(process, "env"), arena), "PATH=/usr/local/sbin:"));
}

static void limits_user_and_places_are_written(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    spec.cpu_milli = 1500;
    spec.memory_bytes = INT64_C(1) << 40;
    spec.no_new_privileges = true;
    const struct json *root = written(arena);
    const struct json *process = json_get(root, "process");
    const struct json *linux_part = json_get(root, "linux");
    const struct json *resources = json_get(linux_part, "resources");
    assert_int_equal(json_int64_or(json_get(resources, "memory"), "limit", 0), INT64_C(1) << 40);
    assert_int_equal(json_int64_or(json_get(resources, "cpu"), "quota", 0), 150000);
    assert_int_equal(json_int64_or(json_get(resources, "cpu"), "period", 0), 100000);
    assert_int_equal(json_int64_or(json_get(process, "user"), "uid", 0), 1000);
    assert_int_equal(json_int64_or(json_get(process, "user"), "gid", 0), 1001);
    assert_int_equal(json_len(json_get(json_get(process, "user"), "additionalGids")), 1);
    assert_true(json_bool_or(process, "noNewPrivileges", false));
    assert_string_equal(json_string_or(process, "cwd", ""), "/srv");
    assert_string_equal(json_string_or(json_get(root, "root"), "path", ""), "/r");
    assert_string_equal(json_string_or(root, "hostname", ""), "box");
    assert_string_equal(json_string_or(linux_part, "cgroupsPath", ""), "/g/c");
    const struct json *network = NULL;
    const struct json *namespaces = json_get(linux_part, "namespaces");
    for (const struct json *n = json_first(namespaces); n; n = json_next(n))
        if (vk_streq(json_string_or(n, "type", ""), "network"))
            network = n;
    assert_string_equal(json_string_or(network, "path", ""), "/run/netns/x");
    assert_int_equal(json_len(namespaces), 5);
}

static void without_limits_none_is_written_and_small_ones_are_the_kernels_least(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *resources = json_get(json_get(written(arena), "linux"), "resources");
    assert_null(json_get(resources, "memory"));
    assert_null(json_get(resources, "cpu"));
    spec.cpu_milli = 1;
    resources = json_get(json_get(written(arena), "linux"), "resources");
    assert_int_equal(json_int64_or(json_get(resources, "cpu"), "quota", 0), 1000);
}

static void privileged_lifts_the_masks(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    assert_non_null(json_get(json_get(written(arena), "linux"), "maskedPaths"));
    spec.privileged = true;
    const struct json *linux_part = json_get(written(arena), "linux");
    assert_null(json_get(linux_part, "maskedPaths"));
    assert_null(json_get(linux_part, "readonlyPaths"));
}

static void volumes_come_last_and_in_order(void **state)
{
    (void)state;
    static const struct runc_bind binds[] = {{"/s1", "/d1", true}, {"/s2", "/d1/below", false}};
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    in.binds = binds;
    in.bind_count = VK_COUNT(binds);
    const struct json *last = NULL, *before = NULL;
    const struct json *mounts = json_get(written(arena), "mounts");
    for (const struct json *m = json_first(mounts); m; m = json_next(m)) {
        before = last;
        last = m;
    }
    assert_string_equal(json_string_or(before, "source", ""), "/s1");
    assert_string_equal(joined(json_get(before, "options"), arena), "rbind|rprivate|ro");
    assert_string_equal(json_string_or(last, "destination", ""), "/d1/below");
    assert_string_equal(joined(json_get(last, "options"), arena), "rbind|rprivate|rw");
}

static void output_over_the_limit_is_an_error(void **state)
{
    (void)state;
    struct vk_buf out VK_BUF_AUTO;
    struct vk_err err = {0};
    vk_buf_init(&out, 256);
    assert_true(runc_config_write(&in, &out, &err) < 0);
    assert_int_equal(err.code, VK_TOO_LARGE);
}

static void capabilities_follow_drop_then_add(void **state)
{
    (void)state;
    static const char *const all[] = {"ALL"}, *const bind[] = {"net_bind_service"},
                             *const both[] = {"CAP_CHOWN", "cap_kill"};
    uint64_t defaults = 0, set = 0;
    struct vk_err err = {0};
    assert_int_equal(runc_capabilities_of(&spec, &defaults, &err), 0);
    spec.drop_capabilities = all;
    spec.drop_capability_count = 1;
    assert_int_equal(runc_capabilities_of(&spec, &set, &err), 0);
    assert_int_equal(set, 0);
    spec.add_capabilities = bind;
    spec.add_capability_count = 1;
    assert_int_equal(runc_capabilities_of(&spec, &set, &err), 0);
    assert_int_equal(set, (UINT64_C(1) << 10) & defaults);
    spec.drop_capabilities = both;
    spec.drop_capability_count = 2;
    assert_int_equal(runc_capabilities_of(&spec, &set, &err), 0);
    assert_int_equal(set, defaults & ~((UINT64_C(1) << 0) | (UINT64_C(1) << 5)));
}

static void unknown_capability_is_invalid(void **state)
{
    (void)state;
    static const char *const names[] = {"", "CAP_", "CHOW", "CAP_CHOWN2"};
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        uint64_t set = 5;
        struct vk_err err = {0};
        spec.drop_capabilities = &names[i];
        spec.drop_capability_count = 1;
        assert_true(runc_capabilities_of(&spec, &set, &err) < 0);
        assert_int_equal(err.code, VK_INVALID);
        assert_int_equal(set, 5);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
    const struct CMUnitTest tests[] = {
        TEST(command_replaces_entrypoint_and_cmd),
        TEST(no_command_at_all_is_invalid),
        TEST(environment_is_the_images_with_the_specs_over_it),
        TEST(limits_user_and_places_are_written),
        TEST(without_limits_none_is_written_and_small_ones_are_the_kernels_least),
        TEST(privileged_lifts_the_masks),
        TEST(volumes_come_last_and_in_order),
        TEST(output_over_the_limit_is_an_error),
        TEST(capabilities_follow_drop_then_add),
        TEST(unknown_capability_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
