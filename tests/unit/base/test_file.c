/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

/* A file of n bytes 'x'; the caller unlinks and frees its path. */
static char *make_file(size_t n)
{
    char *path = vk_strdup("/tmp/vk-test-file-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    for (; n > 0; n--)
        assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    return path;
}

static void size_is_limited_exactly(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 10000};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        char *path VK_AUTOFREE = make_file(sizes[i]);
        struct vk_err err;
        struct vk_str text;

        assert_int_equal(file_read(path, sizes[i], arena, &text, &err), 0);
        assert_int_equal(text.n, sizes[i]);
        assert_int_equal(strlen(text.p), sizes[i]);
        if (sizes[i] > 0) {
            assert_int_equal(file_read(path, sizes[i] - 1, arena, &text, &err), -VK_TOO_LARGE);
            assert_non_null(strstr(err.msg, path));
        }
        unlink(path);
    }
}

static void errors_name_the_path(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_err err;
    struct vk_str text;

    (void)state;
    assert_int_equal(file_read("/nonexistent/x", 10, arena, &text, &err), -VK_NOT_FOUND);
    assert_string_equal(err.msg, "cannot open /nonexistent/x: No such file or directory");
    assert_int_equal(file_read("/", 10, arena, &text, &err), -VK_INVALID);
    assert_string_equal(err.msg, "cannot read /: Is a directory");
}

static void files_without_a_size_are_read(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_err err;
    struct vk_str text;

    (void)state;
    assert_int_equal(file_read("/proc/self/status", 1 << 20, arena, &text, &err), 0);
    assert_true(vk_str_starts(text, VK_STR("Name:")));
    assert_int_equal(file_read("/dev/zero", 100000, arena, &text, &err), -VK_TOO_LARGE);
}

static void a_file_is_replaced_as_a_whole_and_private(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    char *target = make_file(3), *link = vk_asprintf("%s.link", target);
    struct vk_str text;
    struct vk_err err;
    struct stat st;

    (void)state;
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(file_write_private(link, VK_STR("new text"), &err), 0);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(file_read(link, 100, arena, &text, &err), 0);
    assert_string_equal(text.p, "new text");
    assert_int_equal(file_read(target, 100, arena, &text, &err), 0);
    assert_string_equal(text.p, "xxx");
    unlink(link);
    unlink(target);
    vk_free(link);
    vk_free(target);
}

static void what_can_not_be_written_leaves_nothing_behind(void **state)
{
    char folder[] = "/tmp/vk-test-folder-XXXXXX";
    char *path;
    struct vk_err err;

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = vk_asprintf("%s/none/file", folder);
    assert_int_equal(file_write_private(path, VK_STR("x"), &err), -VK_NOT_FOUND);
    assert_non_null(strstr(err.msg, path));
    vk_free(path);
    /* a folder can't be replaced by a file */
    path = vk_asprintf("%s/folder", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(file_write_private(path, VK_STR("x"), &err) < 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0); /* empty */
    vk_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_is_limited_exactly),
        cmocka_unit_test(errors_name_the_path),
        cmocka_unit_test(files_without_a_size_are_read),
        cmocka_unit_test(a_file_is_replaced_as_a_whole_and_private),
        cmocka_unit_test(what_can_not_be_written_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
