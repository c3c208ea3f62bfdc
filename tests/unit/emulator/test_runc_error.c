/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"

static void says_whose_fault_it_was(void **state)
{
    static const struct {
        const char *said;
        bool machines;
    } cases[] = {
        {"", false},
        {"unable to start container process: exec: \"nope\": executable file not found in $PATH",
         false},
        {"unable to start container process: exec /bin/x: exec format error", false},
        {"unable to start container process: error during container init: error mounting \"/a\" "
         "to rootfs at \"/etc/passwd/b\": not a directory",
         false},
        {"unable to start container process: container init was OOM-killed (memory limit too "
         "low?)",
         false},
        {"unable to start container process: waiting for init preliminary setup: container init "
         "was OOM-killed (memory limit too low?)",
         false},
        {"unable to start container process: unable to apply cgroup configuration: mkdir "
         "/sys/fs/cgroup/memory/aci1/x: no space left on device",
         true},
        {"unable to start container process: waiting for init preliminary setup: EOF", true},
        {"unable to start container process: can't get final child's PID from pipe: EOF", true},
        {"unable to start container process: unable to start init: fork/exec /proc/self/exe: "
         "resource temporarily unavailable",
         true},
        {"nsexec[7]: failed to setns into network namespace: Invalid argument", true},
    };
    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        if (runc_error_is_machines(vk_str_of(cases[i].said)) != cases[i].machines)
            fail_msg("%s", cases[i].said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(says_whose_fault_it_was)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
