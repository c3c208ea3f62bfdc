/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_git.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"

static void only_https_into_the_volume_is_cloned(void **state)
{
    static const struct {
        struct engine_git git;
        const char *error; /* NULL: none */
    } rows[] = {
        {{"https://git.example/a.git", NULL, NULL}, NULL},
        {{"https://git.example/a.git", ".", "v1"}, NULL},
        {{"https://git.example/a.git", "sub/folder", "main"}, NULL},
        {{"http://git.example/a.git", NULL, NULL}, "only https"},
        {{"file:///etc", NULL, NULL}, "only https"},
        {{"ext::sh -c id", NULL, NULL}, "only https"},
        {{"--upload-pack=id", NULL, NULL}, "only https"},
        {{"https://git.example/a.git", "../b", NULL}, "leads out"},
        {{"https://git.example/a.git", "/b", NULL}, "leads out"},
        {{"https://git.example/a.git", "--bare", NULL}, "leads out"},
        {{"https://git.example/a.git", NULL, "--force"}, "no revision"},
    };
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_err err = {0};
        const int rc = runc_git_check(&rows[i].git, &err);
        if (rows[i].error) {
            assert_int_equal(rc, -VK_INVALID);
            assert_non_null(strstr(err.msg, rows[i].error));
        } else {
            assert_int_equal(rc, 0);
        }
    }
}

static void a_clone_has_the_folder_that_git_would_give_it(void **state)
{
    static const struct {
        struct engine_git git;
        const char *folder;
    } rows[] = {
        {{"https://git.example/team/app.git", NULL, NULL}, "app"},
        {{"https://git.example/team/app", "", NULL}, "app"},
        {{"https://git.example/team/app.git//", NULL, NULL}, "app"},
        {{"https://git.example/.git", NULL, NULL}, ".git"},
        {{"https://git.example/team/app.git", ".", NULL}, "."},
        {{"https://git.example/team/app.git", "src", NULL}, "src"},
    };
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        char *folder VK_AUTOFREE = runc_git_folder(&rows[i].git);
        assert_string_equal(folder, rows[i].folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_https_into_the_volume_is_cloned),
        cmocka_unit_test(a_clone_has_the_folder_that_git_would_give_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
