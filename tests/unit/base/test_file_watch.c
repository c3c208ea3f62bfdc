/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_watch.c"

#define DEADLINE_MS 60000

static bool told;

static void changed(void *user)
{
    (void)user;
    told = true;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bool is_told(struct vk_loop *loop)
{
    told = false;
    return vk_loop_run_until(loop, &told, DEADLINE_MS);
}

/* Nothing is told within some looks. */
static bool is_quiet(struct vk_loop *loop)
{
    told = false;
    return !vk_loop_run_until(loop, &told, 30);
}

static void every_way_to_change_a_file_is_noticed(void **state)
{
    char folder[] = "/tmp/file-watch.XXXXXX";
    char *a, *b, *link;
    struct file_watch *w;
    struct vk_loop *loop = vk_loop_new();

    (void)state;
    assert_non_null(mkdtemp(folder));
    a = vk_asprintf("%s/a", folder);
    b = vk_asprintf("%s/b", folder);
    link = vk_asprintf("%s/link", folder);
    write_file(a, "one");
    write_file(b, "one");
    assert_int_equal(symlink(a, link), 0);
    w = file_watch_new(loop, (const char *const[]){NULL, link}, 2, 5, changed, NULL);
    assert_true(is_quiet(loop));

    write_file(a, "two!");
    assert_true(is_told(loop));
    assert_int_equal(unlink(link), 0);
    assert_true(is_told(loop));
    assert_int_equal(symlink(b, link), 0);
    assert_true(is_told(loop));
    assert_int_equal(rename(a, b), 0);
    assert_true(is_told(loop));

    file_watch_free(w);
    assert_int_equal(unlink(b), 0);
    assert_true(is_quiet(loop));
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(folder), 0);
    vk_free(a);
    vk_free(b);
    vk_free(link);
    vk_loop_free(loop);
}

/* In the same tick it would look the same as before. */
static void a_file_that_was_just_written_is_read_once_more(void **state)
{
    char path[] = "/tmp/file-watch.XXXXXX";
    struct vk_loop *loop = vk_loop_new();
    const char *paths[] = {path};
    struct file_watch *w;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    told = false;
    vk_clock_freeze(vk_mono_ms(), vk_wall_ms());
    w = file_watch_new(loop, paths, 1, 1000, changed, NULL);
    on_timer(w);
    assert_false(told);
    vk_clock_advance(YOUNG_S * 1000);
    on_timer(w);
    assert_true(told);
    told = false;
    on_timer(w);
    assert_false(told);
    vk_clock_thaw();
    file_watch_free(w);
    unlink(path);
    vk_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_change_a_file_is_noticed),
        cmocka_unit_test(a_file_that_was_just_written_is_read_once_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
