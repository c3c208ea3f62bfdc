/* SPDX-License-Identifier: Apache-2.0 */
/* The script as this machine's own /bin/sh runs it. */
#include "provider/start_wrapper.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/unit/provider/sample_pod.h"

#define MAX_OUTPUT 4096
#define AT RESOLVED_POD_ADDRESS
/* Odd characters on both sides, the address twice, and what a shell would expand. */
#define ODD "it's \"$HOME\" * " AT " \\ and " AT ";\n end"

static const struct resolved_env variables[] = {{.name = "POD_IP", .value = AT},
                                                {.name = "ODD", .value = ODD},
                                                {.name = "PLAIN", .value = "x*"}};

/* What it prints; ret_status as of waitpid. */
static const char *run(const struct json_strs *command, struct vk_arena *arena, int *ret_status)
{
    static const char *const environment[] = {"POD_IP=" AT, "ODD=" ODD, "PLAIN=x*", NULL};
    char *argv[16] = {NULL};
    char text[MAX_OUTPUT];
    size_t n = 0;
    int ends[2];
    assert_true(command->n < VK_COUNT(argv));
    for (size_t i = 0; i < command->n; i++)
        argv[i] = vk_arena_strdup(arena, command->v[i]);
    assert_return_code(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execve(argv[0], argv, (char *const *)(uintptr_t)environment);
        _exit(127);
    }
    (void)close(ends[1]);
    for (ssize_t got; (got = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0;)
        n += (size_t)got;
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, ret_status, 0), child);
    text[n] = '\0';
    return vk_arena_strdup(arena, text);
}

/* The text between "<" and ">". */
static const char *bracketed(struct vk_arena *arena, const char *text, const char **ret_rest)
{
    const char *end = strchr(text, '>');
    if (text[0] != '<' || !end)
        fail_msg("no <...> in \"%s\"", text);
    *ret_rest = end + 1;
    return vk_arena_strndup(arena, text + 1, (size_t)(end - text) - 1);
}

static void the_shell_puts_the_address_where_it_is_wanted(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *program[] = {"/bin/sh",
                             "-c",
                             "printf '<%s>' \"$POD_IP\" \"$ODD\" \"$PLAIN\" \"$#\" \"$@\"",
                             "sh",
                             "--at=" AT ":80",
                             "",
                             ODD};
    const struct json_strs command = {.v = program, .n = VK_COUNT(program)};
    const struct resolved_container c = {
        .env = variables, .env_count = VK_COUNT(variables), .command = command};
    const struct pod pod = {0};
    const struct json_strs wrapped = start_wrapper_command(&pod, &c, &command, arena);
    int status;
    const char *rest = run(&wrapped, arena, &status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1) {
        /* A machine without an address: it says so and runs nothing. */
        assert_non_null(strstr(rest, "no address of this container"));
        return;
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    const char *ip = bracketed(arena, rest, &rest);
    assert_true(strlen(ip) >= strlen("1.1.1.1") && strspn(ip, "0123456789.") == strlen(ip));
    assert_false(vk_starts(ip, "127."));
    const char *odd = vk_arena_printf(arena, "it's \"$HOME\" * %s \\ and %s;\n end", ip, ip);
    assert_string_equal(bracketed(arena, rest, &rest), odd);
    assert_string_equal(bracketed(arena, rest, &rest), "x*");
    assert_string_equal(bracketed(arena, rest, &rest), "3");
    assert_string_equal(bracketed(arena, rest, &rest), vk_arena_printf(arena, "--at=%s:80", ip));
    assert_string_equal(bracketed(arena, rest, &rest), "");
    assert_string_equal(bracketed(arena, rest, &rest), odd);
    assert_string_equal(rest, "");
}

static void the_wrapper_is_used_where_it_has_work(void **state)
{
    (void)state;
    const struct pod_annotations asked = {.start_wrapper = "true"}, not_asked = {0};
    const struct resolved_env plain = {.name = "A", .value = "x"};
    const char *words[] = {"serve", "--at=" AT};
    const struct pod pod = {0};
    const struct resolved_container none = {.env = &plain, .env_count = 1},
                                    env = {.env = variables, .env_count = 1},
                                    args = {.args = {.v = words, .n = 2}};
    assert_false(start_wrapper_is_used(&pod, &none, &asked));
    assert_true(start_wrapper_is_used(&pod, &env, &asked));
    assert_true(start_wrapper_is_used(&pod, &args, &asked));
    assert_false(start_wrapper_is_used(&pod, &env, &not_asked));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shell_puts_the_address_where_it_is_wanted),
        cmocka_unit_test(the_wrapper_is_used_where_it_has_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
