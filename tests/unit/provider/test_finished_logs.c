/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/finished_logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static int setup(void **state)
{
    *state = finished_logs_new(FINISHED_LOGS_MAX, NULL);
    return 0;
}

static int teardown(void **state)
{
    finished_logs_free(*state);
    return 0;
}

/* Lines of ten bytes: "000000001\n" ... */
static char *lines(size_t n)
{
    char *text = vk_calloc(n * 10 + 1, 1);
    for (size_t i = 0; i < n; i++)
        (void)snprintf(text + i * 10, 11, "%09u\n", (unsigned)i % 1000000000u);
    return text;
}

static void what_is_kept_is_found_by_pod_and_container(void **state)
{
    struct finished_logs *l = *state;
    struct vk_str text;
    finished_logs_keep(l, "u1", "a", VK_STR("one\n"));
    finished_logs_keep(l, "u1", "b", VK_STR(""));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    assert_true(vk_str_eq(text, VK_STR("one\n")));
    assert_true(finished_logs_find(l, "u1", "b", &text));
    assert_int_equal(text.n, 0);
    assert_false(finished_logs_find(l, "u1", "c", &text));
    assert_false(finished_logs_find(l, "u2", "a", &text));
    finished_logs_keep(l, "u1", "a", VK_STR("two\n"));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    assert_true(vk_str_eq(text, VK_STR("two\n")));
    assert_int_equal(finished_logs_bytes(l), 4);
    finished_logs_forget(l, "u1");
    assert_false(finished_logs_find(l, "u1", "a", &text));
    assert_int_equal(finished_logs_bytes(l), 0);
    finished_logs_forget(l, "u1");
}

static void of_a_long_log_the_last_whole_lines_stay(void **state)
{
    struct finished_logs *l = *state;
    /* One line more or less than fits, and one whose cut falls on a line's start. */
    static const size_t counts[] = {6553, 6554, 20000, 13108};
    for (size_t i = 0; i < VK_COUNT(counts); i++) {
        char *text VK_AUTOFREE = lines(counts[i]);
        struct vk_str kept;
        char last[11];
        finished_logs_keep(l, "u1", "a", vk_str_of(text));
        assert_true(finished_logs_find(l, "u1", "a", &kept));
        assert_int_equal(kept.n, 65530);
        (void)snprintf(last, sizeof(last), "%09u\n", (unsigned)(counts[i] - 1) % 1000000000u);
        assert_memory_equal(kept.p + kept.n - 10, last, 10);
    }
}

static void a_line_longer_than_the_limit_is_cut(void **state)
{
    struct finished_logs *l = *state;
    char *text VK_AUTOFREE = vk_calloc(100001, 1);
    struct vk_str kept;
    memset(text, 'x', 100000);
    finished_logs_keep(l, "u1", "a", vk_str_of(text));
    assert_true(finished_logs_find(l, "u1", "a", &kept));
    assert_int_equal(kept.n, FINISHED_LOG_MAX);
    text[99999] = '\n';
    finished_logs_keep(l, "u1", "a", vk_str_of(text));
    assert_true(finished_logs_find(l, "u1", "a", &kept));
    assert_int_equal(kept.n, FINISHED_LOG_MAX);
}

static void the_pod_that_nobody_looked_at_goes_first(void **state)
{
    (void)state;
    struct finished_logs *l = finished_logs_new(30, NULL);
    struct vk_str text;
    finished_logs_keep(l, "u1", "a", VK_STR("123456789\n"));
    finished_logs_keep(l, "u2", "a", VK_STR("123456789\n"));
    finished_logs_keep(l, "u3", "a", VK_STR("123456789\n"));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    finished_logs_keep(l, "u4", "a", VK_STR("1\n"));
    assert_int_equal(finished_logs_bytes(l), 22);
    assert_false(finished_logs_find(l, "u2", "a", &text));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    /* One pod may have more than all of the room: it stays, the others go. */
    finished_logs_keep(l, "u5", "a", VK_STR("123456789 123456789 123456789 123456789\n"));
    assert_int_equal(finished_logs_bytes(l), 40);
    assert_true(finished_logs_find(l, "u5", "a", &text));
    finished_logs_free(l);
}

static void pods_that_wrote_nothing_do_not_gather_for_ever(void **state)
{
    struct finished_logs *l = *state;
    struct vk_str text;
    for (size_t i = 0; i <= FINISHED_LOGS_PODS; i++) {
        char *uid VK_AUTOFREE = vk_asprintf("u%zu", i);
        finished_logs_keep(l, uid, "a", VK_STR(""));
    }
    assert_false(finished_logs_find(l, "u0", "a", &text));
    assert_true(finished_logs_find(l, "u1", "a", &text));
}

/* ---- in a folder ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/finished-logs-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static size_t count_files(bool removes)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        n++;
        if (removes)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    return n;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)count_files(true);
    return rmdir(folder);
}

static void put_file(const char *name, const char *text, time_t seconds)
{
    const struct timespec times[] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    char *path VK_AUTOFREE = vk_asprintf("%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static void the_next_process_has_them(void **state)
{
    struct finished_logs *l = finished_logs_new(FINISHED_LOGS_MAX, folder);
    struct vk_str text;
    struct stat info;
    char *path VK_AUTOFREE = vk_asprintf("%s/u-1.a-b.log", folder);

    (void)state;
    finished_logs_keep(l, "u-1", "a-b", VK_STR("first\n"));
    finished_logs_keep(l, "u-1", "a-b", VK_STR("one\n"));
    finished_logs_keep(l, "u-1", "c", VK_STR(""));
    finished_logs_keep(l, "u-2", "a-b", VK_STR("two\n"));
    finished_logs_free(l);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    l = finished_logs_new(FINISHED_LOGS_MAX, folder);
    assert_true(finished_logs_find(l, "u-1", "a-b", &text) && vk_str_is(text, "one\n"));
    assert_true(finished_logs_find(l, "u-1", "c", &text) && text.n == 0);
    assert_true(finished_logs_find(l, "u-2", "a-b", &text) && vk_str_is(text, "two\n"));
    /* A pod that goes takes its files along. */
    finished_logs_forget(l, "u-1");
    assert_int_equal(count_files(false), 1);
    finished_logs_free(l);
    l = finished_logs_new(FINISHED_LOGS_MAX, folder);
    assert_false(finished_logs_find(l, "u-1", "a-b", &text));
    assert_true(finished_logs_find(l, "u-2", "a-b", &text));
    finished_logs_free(l);
}

static void what_has_no_room_any_more_is_removed_the_oldest_first(void **state)
{
    struct vk_str text;

    (void)state;
    put_file("u1.a.log", "123456789\n", 300);
    put_file("u2.a.log", "123456789\n", 100);
    put_file("u3.a.log", "123456789\n", 200);
    struct finished_logs *l = finished_logs_new(20, folder);
    assert_false(finished_logs_find(l, "u2", "a", &text));
    assert_true(finished_logs_find(l, "u3", "a", &text));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    assert_int_equal(count_files(false), 2);
    finished_logs_keep(l, "u4", "a", VK_STR("1\n"));
    assert_false(finished_logs_find(l, "u3", "a", &text));
    assert_int_equal(count_files(false), 2);
    finished_logs_free(l);
}

static void other_files_are_left_alone_and_odd_names_make_none(void **state)
{
    static const char *const odd[] = {"../x", "a/b", "a.b", ""};
    struct finished_logs *l;
    struct vk_str text;

    (void)state;
    put_file("new", "half of", 1);
    put_file("notes.txt", "", 1);
    put_file("u1.a.b.log", "", 1);
    put_file("u1..log", "", 1);
    put_file("u1.a.log.bak", "", 1);
    l = finished_logs_new(FINISHED_LOGS_MAX, folder);
    assert_int_equal(finished_logs_bytes(l), 0);
    for (size_t i = 0; i < VK_COUNT(odd); i++) {
        finished_logs_keep(l, odd[i], "a", VK_STR("x\n"));
        assert_true(finished_logs_find(l, odd[i], "a", &text));
        finished_logs_forget(l, odd[i]);
    }
    assert_int_equal(count_files(false), 5);
    finished_logs_free(l);
}

static void a_folder_that_can_not_be_used_leaves_memory(void **state)
{
    struct vk_str text;

    (void)state;
    put_file("file", "", 1);
    char *path VK_AUTOFREE = vk_asprintf("%s/file/below", folder);
    struct finished_logs *l = finished_logs_new(FINISHED_LOGS_MAX, path);
    finished_logs_keep(l, "u1", "a", VK_STR("one\n"));
    assert_true(finished_logs_find(l, "u1", "a", &text));
    finished_logs_free(l);
}

#define KEPT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEPT(what_is_kept_is_found_by_pod_and_container),
        KEPT(of_a_long_log_the_last_whole_lines_stay),
        KEPT(a_line_longer_than_the_limit_is_cut),
        KEPT(the_pod_that_nobody_looked_at_goes_first),
        KEPT(pods_that_wrote_nothing_do_not_gather_for_ever),
        IN_FOLDER(the_next_process_has_them),
        IN_FOLDER(what_has_no_room_any_more_is_removed_the_oldest_first),
        IN_FOLDER(other_files_are_left_alone_and_odd_names_make_none),
        IN_FOLDER(a_folder_that_can_not_be_used_leaves_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
