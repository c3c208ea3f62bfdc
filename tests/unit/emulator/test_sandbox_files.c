/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/sandbox_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aci/emulator/runc_mounts.h"
#include "base/alloc.h"
#include "base/arena.h"

static char root[64];

static void remove_root(void)
{
    char *command VK_AUTOFREE = vk_asprintf("rm -rf --one-file-system %s", root);
    assert_int_equal(system(command), 0);
}

static char *below(const char *name)
{
    static char path[4][512];
    static unsigned next;
    next = (next + 1) % 4;
    (void)snprintf(path[next], sizeof(path[next]), "%s/%s", root, name);
    return path[next];
}

static void assert_file(const char *name, const char *expected)
{
    char text[512] = "";
    FILE *f = fopen(below(name), "re");
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, expected);
}

static int set_up(void **state)
{
    (void)state;
    (void)vk_strcpy_to(root, sizeof(root), "/tmp/sandbox-files-XXXXXX");
    umask(077);
    return mkdtemp(root) && mkdir(below("shares"), 0700) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    runc_mounts_detach_below(root);
    remove_root();
    return 0;
}

static void resolv_conf_ends_in_the_platforms_resolver_once(void **state)
{
    (void)state;
    static const char *const servers[] = {"10.0.0.10", "168.63.129.16"};
    static const struct {
        size_t servers;
        const char *search, *options, *text;
    } cases[] = {
        {0, NULL, NULL, "nameserver 168.63.129.16\n"},
        {1, "", "", "nameserver 10.0.0.10\nnameserver 168.63.129.16\n"},
        {2, "a b", "ndots:5",
         "nameserver 10.0.0.10\nnameserver 168.63.129.16\nsearch a b\noptions ndots:5\n"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_buf out VK_BUF_AUTO;
        vk_buf_init(&out, 1024);
        const struct engine_sandbox_spec spec = {.name_servers = servers,
                                                 .name_server_count = cases[i].servers,
                                                 .search_domains = cases[i].search,
                                                 .dns_options = cases[i].options};
        sandbox_files_resolv_conf(&spec, &out);
        assert_string_equal(vk_buf_peek(&out), cases[i].text);
    }
}

static void folders_are_made_whatever_the_umask(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    const struct engine_file files[] = {{.name = "key", .content = VK_STR("s3cret")},
                                        {.name = "..data", .content = VK_STR("")}};
    const struct engine_volume volumes[] = {
        {.name = "secret", .kind = ENGINE_VOLUME_SECRET, .files = files, .file_count = 2},
        {.name = "work", .kind = ENGINE_VOLUME_EMPTY_DIR},
        {.name = "share", .kind = ENGINE_VOLUME_SHARE, .share = "acc/data", .read_only = true},
    };
    const struct engine_sandbox_spec spec = {
        .id = "s", .hostname = "box", .volumes = volumes, .volume_count = VK_COUNT(volumes)};
    struct sandbox_files made = {0};
    struct vk_err err = {0};
    struct stat st;
    if (sandbox_files_make(&made, below("s"), below("shares"), &spec, "10.0.0.9", &err) < 0)
        fail_msg("%s", err.msg);
    assert_file("s/etc/hostname", "box\n");
    assert_file("s/etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
                               "10.0.0.9\tbox\n");
    assert_file("s/secrets/secret/key", "s3cret");
    assert_int_equal(stat(below("s/secrets/secret/key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(stat(below("s/volumes/work"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0777);
    assert_string_equal(sandbox_files_volume(&made, "share")->path, below("shares/acc/data"));
    assert_true(sandbox_files_volume(&made, "share")->read_only);
    assert_null(sandbox_files_volume(&made, "none"));
    sandbox_files_unmount(&made);
    assert_int_not_equal(access(below("s/secrets/secret"), F_OK), 0);
    sandbox_files_release(&made);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    const struct engine_file bad_file = {.name = "../up", .content = VK_STR("x")};
    const struct engine_volume volumes[] = {
        {.name = "../v", .kind = ENGINE_VOLUME_EMPTY_DIR},
        {.name = "..", .kind = ENGINE_VOLUME_EMPTY_DIR},
        {.name = "s", .kind = ENGINE_VOLUME_SECRET, .files = &bad_file, .file_count = 1},
        {.name = "s", .kind = ENGINE_VOLUME_SHARE, .share = "../x"},
        {.name = "s", .kind = ENGINE_VOLUME_SHARE, .share = "a/../../x"},
        {.name = "s", .kind = ENGINE_VOLUME_SHARE, .share = "a"},
        {.name = "s", .kind = ENGINE_VOLUME_SHARE},
    };
    for (size_t i = 0; i < VK_COUNT(volumes); i++) {
        struct sandbox_files made = {0};
        struct vk_err err = {0};
        char name[16];
        (void)snprintf(name, sizeof(name), "s%zu", i);
        const struct engine_sandbox_spec spec = {
            .id = name, .hostname = "h", .volumes = &volumes[i], .volume_count = 1};
        if (sandbox_files_make(&made, below(name), below("shares"), &spec, "10.0.0.9", &err) == 0)
            fail_msg("case %zu was accepted", i);
        assert_int_equal(err.code, VK_INVALID);
        sandbox_files_unmount(&made);
        sandbox_files_release(&made);
    }
}

static void sub_paths_stay_inside_the_volume(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct vk_err err = {0};
    struct stat inside, target;
    assert_int_equal(mkdir(below("v"), 0777), 0);
    assert_int_equal(mkdir(below("outside"), 0777), 0);
    assert_int_equal(symlink(below("outside"), below("v/link")), 0);
    static const char *const refused[] = {"..", "a/../..", "a/../b"};
    for (size_t i = 0; i < VK_COUNT(refused); i++) {
        assert_true(runc_mounts_sub_path(below("v"), refused[i], below("target"), &err) < 0);
        assert_int_not_equal(access(below("target"), F_OK), 0);
    }
    assert_int_equal(runc_mounts_sub_path(below("v"), "a//./b", below("target"), &err), 0);
    assert_int_equal(stat(below("v/a/b"), &inside), 0);
    assert_int_equal(stat(below("target"), &target), 0);
    assert_int_equal(inside.st_ino, target.st_ino);
    assert_int_equal(inside.st_mode & 0777, 0777);
    assert_int_equal(umount(below("target")), 0);
    /* What a container linked is looked up inside the volume, where there is no such path. */
    assert_true(runc_mounts_sub_path(below("v"), "link/x", below("target"), &err) < 0);
    assert_int_not_equal(access(below("outside/x"), F_OK), 0);
}

static void files_of_a_root_are_read_inside_it(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_err err = {0};
    assert_int_equal(mkdir(below("r"), 0700), 0);
    assert_int_equal(mkdir(below("r/etc"), 0700), 0);
    assert_int_equal(sandbox_files_write(below("r/etc/group"), VK_STR("text"), 0600, &err), 0);
    assert_int_equal(sandbox_files_write(below("outer"), VK_STR("outer"), 0600, &err), 0);
    assert_int_equal(symlink("/etc/group", below("r/etc/absolute")), 0);
    assert_int_equal(symlink("../../outer", below("r/etc/up")), 0);
    assert_int_equal(mkfifo(below("r/etc/fifo"), 0600), 0);
    static const struct {
        const char *path;
        size_t max;
        const char *text;
    } cases[] = {
        {"etc/group", 4, "text"}, {"etc/group", 3, ""}, {"etc/absolute", 64, "text"},
        {"etc/up", 64, ""},       {"etc/fifo", 64, ""}, {"etc", 64, ""},
        {"etc/none", 64, ""},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_str s = runc_mounts_read_in_root(below("r"), cases[i].path, cases[i].max, arena);
        if (!vk_str_is(s, cases[i].text))
            fail_msg("case %zu: %.*s", i, (int)s.n, s.p);
    }
}

static void mount_points_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *line, *point;
    } cases[] = {
        {"36 35 98:0 /m /mnt/a rw,noatime shared:1 - ext4 /dev/x rw", "/mnt/a"},
        {"36 35 98:0 / /a\\040b\\134c rw - tmpfs t rw", "/a b\\c"},
        {"36 35 98:0 / /a\\04", "/a\\04"},
        {"36 35", ""},
        {"", ""},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char point[64] = "";
        assert_int_equal(runc_mounts_point(vk_str_of(cases[i].line), point, sizeof(point)),
                         cases[i].point[0] != '\0');
        assert_string_equal(point, cases[i].point);
        char small[4];
        assert_false(runc_mounts_point(VK_STR("1 2 3 4 /long"), small, sizeof(small)));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(resolv_conf_ends_in_the_platforms_resolver_once),
        TEST(folders_are_made_whatever_the_umask),
        TEST(names_that_lead_elsewhere_are_refused),
        TEST(sub_paths_stay_inside_the_volume),
        TEST(files_of_a_root_are_read_inside_it),
        TEST(mount_points_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
