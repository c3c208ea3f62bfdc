/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aci/emulator/options.h"
#include "base/alloc.h"

#define PAIR "--tls-cert-file=c", "--tls-private-key-file=k"

static int parse(struct vk_arena *arena, const char *const *flags, struct emulator_options *ret,
                 struct vk_err *err)
{
    char *argv[16] = {vk_arena_strdup(arena, "aci-emulator")};
    int argc = 1;

    for (; flags[argc - 1]; argc++)
        argv[argc] = vk_arena_strdup(arena, flags[argc - 1]);
    return emulator_options_parse(argc, argv, arena, ret, err);
}

static void defaults_are_those_that_help_shows(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct emulator_options o;
    struct vk_err err;

    (void)state;
    assert_int_equal(parse(arena, (const char *const[]){PAIR, NULL}, &o, &err), 0);
    assert_string_equal(o.listen, "127.0.0.1:8443");
    assert_null(o.control_listen);
    assert_string_equal(o.engine, "runc");
    assert_int_equal(o.resource_groups.n, 1);
    assert_string_equal(o.resource_groups.v[0], "aci");
    assert_int_equal(o.token_lifetime_ms, 3600000);
    assert_int_equal(o.stop_grace_ms, 10000);
    assert_string_equal(o.lro_style, "azure-async");
}

static void resource_groups_may_be_repeated(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct emulator_options o;
    struct vk_err err;

    (void)state;
    assert_int_equal(parse(arena,
                           (const char *const[]){PAIR, "--resource-group=a", "--resource-group",
                                                 "b", "--put-latency=250ms", NULL},
                           &o, &err),
                     0);
    assert_int_equal(o.resource_groups.n, 2);
    assert_string_equal(o.resource_groups.v[1], "b");
    assert_int_equal(o.put_latency_ms, 250);
}

static void mistakes_name_the_flag(void **state)
{
    static const struct {
        const char *flags[5];
        const char *message_has;
    } cases[] = {
        {{NULL}, "--tls-cert-file is required"},
        {{"--tls-cert-file=c", NULL}, "--tls-private-key-file is required"},
        {{PAIR, "--engine=docker", NULL}, "engine"},
        {{PAIR, "--put-latency=5", NULL}, "put-latency"},
        {{PAIR, "--nothing", NULL}, "--nothing"},
        {{PAIR, "extra", NULL}, "'extra'"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct emulator_options o;
        struct vk_err err = {0};

        if (parse(arena, cases[i].flags, &o, &err) == 0 || !strstr(err.msg, cases[i].message_has))
            fail_msg("case %zu: %s", i, err.msg);
    }
}

static void help_needs_no_certificate(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct emulator_options o;
    struct vk_err err;

    (void)state;
    assert_int_equal(parse(arena, (const char *const[]){"--help", NULL}, &o, &err), 0);
    assert_true(o.help);
}

static void endpoints_are_hosts_and_ports(void **state)
{
    static const struct {
        const char *text, *host;
        int port; /* -1: refused */
    } cases[] = {{"10.0.0.1:8443", "10.0.0.1", 8443},
                 {"[::1]:1", "::1", 1},
                 {":80", "", 80},
                 {"80", "", 80},
                 {"a:b", NULL, -1},
                 {"1.2.3.4:65536", NULL, -1},
                 {"", NULL, -1}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const char *host = NULL;
        struct vk_err err;
        int port = -1;

        assert_int_equal(
            emulator_options_endpoint("listen", cases[i].text, arena, &host, &port, &err) == 0,
            cases[i].port >= 0);
        assert_int_equal(port, cases[i].port);
        if (cases[i].host)
            assert_string_equal(host, cases[i].host);
        else
            assert_non_null(strstr(err.msg, "--listen"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_that_help_shows),
        cmocka_unit_test(resource_groups_may_be_repeated),
        cmocka_unit_test(mistakes_name_the_flag),
        cmocka_unit_test(help_needs_no_certificate),
        cmocka_unit_test(endpoints_are_hosts_and_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
