/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VK_CRASH_POINTS
#define VK_CRASH_POINTS
#endif
#include "base/crash_point.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/alloc.h"

static void walk(unsigned times)
{
    while (times--) {
        vk_crash_point("before-leap");
        vk_crash_point("after-leap");
    }
}

/* The signal that ended a child which walked that often, 0 when it came through. */
static int signal_of(const char *spec, unsigned times)
{
    const pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct vk_err err;

        if (vk_crash_point_arm(spec, &err) < 0)
            _exit(2);
        walk(times);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        return WTERMSIG(status);
    assert_int_equal(WEXITSTATUS(status), 0);
    return 0;
}

static void the_process_is_killed_when_the_named_step_is_reached(void **state)
{
    static const struct {
        const char *spec;
        unsigned times;
        int signo;
    } table[] = {
        {NULL, 3, 0},
        {"", 3, 0},
        {"before-leap", 0, 0},
        {"before-leap", 1, SIGKILL},
        {"after-leap:1", 1, SIGKILL},
        {"after-leap:3", 2, 0},
        {"after-leap:3", 3, SIGKILL},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        print_message("%s, %u times\n", table[i].spec ? table[i].spec : "(null)", table[i].times);
        assert_int_equal(signal_of(table[i].spec, table[i].times), table[i].signo);
    }
}

static void a_step_that_does_not_exist_is_refused(void **state)
{
    static const char *const wrong[] = {"before", "before-leap:0", "before-leap:x",
                                        "before-leap:", ":1"};
    struct vk_err err;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(wrong); i++) {
        assert_true(vk_crash_point_arm(wrong[i], &err) < 0);
        assert_int_equal(err.code, VK_INVALID);
        assert_non_null(strstr(err.msg, wrong[i]));
    }
    /* Nothing of it stays armed. */
    walk(1);
}

static void every_step_is_listed_once(void **state)
{
    char text[256] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    (void)state;
    assert_non_null(out);
    vk_crash_point_list(out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strlen(text), strlen("before-leap\nafter-leap\n"));
    assert_non_null(strstr(text, "before-leap\n"));
    assert_non_null(strstr(text, "after-leap\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_is_killed_when_the_named_step_is_reached),
        cmocka_unit_test(a_step_that_does_not_exist_is_refused),
        cmocka_unit_test(every_step_is_listed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
