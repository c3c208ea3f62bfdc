/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aci/emulator/runc_exec_process.h"
#include "base/alloc.h"

#define REST "\"user\":{\"uid\":1000,\"gid\":1000},\"cwd\":\"/tmp\",\"noNewPrivileges\":true"
#define CONFIG(env)                                                                                \
    "{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":false,\"args\":[\"sleep\",\"9\"],"        \
    "\"env\":[" env "]," REST "},\"root\":{\"path\":\"/r\"}}"
#define PROCESS(program, env)                                                                      \
    "{\"terminal\":true,\"consoleSize\":{\"height\":41,\"width\":133},\"args\":[" program          \
    "],\"env\":[" env "]," REST "}"

static void only_program_and_terminal_differ_from_the_containers_process(void **state)
{
    static const struct {
        const char *config, *program, *process;
    } cases[] = {
        {CONFIG("\"A=b\""), "/bin/sh", PROCESS("\"/bin/sh\"", "\"A=b\",\"TERM=xterm\"")},
        {CONFIG("\"TERM=vt100\",\"TERMS=x\""), "ls /",
         PROCESS("\"ls /\"", "\"TERM=vt100\",\"TERMS=x\"")},
        {CONFIG("\"TERMS=x\""), "a\"b", PROCESS("\"a\\\"b\"", "\"TERMS=x\",\"TERM=xterm\"")},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const struct engine_exec_spec spec = {
            .container = "main", .program = cases[i].program, .rows = 41, .cols = 133};
        struct vk_buf out VK_BUF_AUTO;
        struct vk_err err;

        vk_buf_init(&out, RUNC_CONFIG_MAX);
        assert_int_equal(runc_exec_process_write(vk_str_of(cases[i].config), &spec, &out, &err), 0);
        assert_string_equal(vk_buf_peek(&out), cases[i].process);
    }
}

static void broken_or_too_large_configuration_names_the_container(void **state)
{
    const struct engine_exec_spec spec = {
        .container = "main", .program = "sh", .rows = 1, .cols = 1};
    struct vk_buf out VK_BUF_AUTO, small VK_BUF_AUTO;
    struct vk_err err;

    (void)state;
    vk_buf_init(&out, RUNC_CONFIG_MAX);
    vk_buf_init(&small, 64);
    assert_true(runc_exec_process_write(VK_STR("{"), &spec, &out, &err) < 0);
    assert_int_equal(err.code, VK_INVALID);
    assert_non_null(strstr(err.msg, "container main"));
    assert_true(runc_exec_process_write(VK_STR(CONFIG("")), &spec, &small, &err) < 0);
    assert_int_equal(err.code, VK_TOO_LARGE);
    assert_non_null(strstr(err.msg, "container main"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_program_and_terminal_differ_from_the_containers_process),
        cmocka_unit_test(broken_or_too_large_configuration_names_the_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
