/* SPDX-License-Identifier: Apache-2.0 */
/* The command as a user runs it: files in, text out, an exit code. */
#include "provider/translate.h"

#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/unit/provider/golden.h"

#define FILE_OF(name) VK_TEST_DATA "/manifests/" name
#define MAX_ARGS 8

struct outcome {
    int exit_code;
    const char *text;
};

/* The last argument is NULL. */
static struct outcome translate(struct vk_arena *arena, const char *const *args)
{
    char *argv[MAX_ARGS + 2] = {vk_arena_strdup(arena, "translate")};
    int argc = 1;
    for (; args[argc - 1]; argc++)
        argv[argc] = vk_arena_strdup(arena, args[argc - 1]);
    char path[] = "/tmp/translate.XXXXXX";
    const int file = mkstemp(path);
    const int saved = dup(STDOUT_FILENO);
    assert_true(file >= 0 && saved >= 0);
    (void)fflush(stdout);
    (void)dup2(file, STDOUT_FILENO);
    struct outcome out = {.exit_code = translate_subcommand.run(argc, argv)};
    (void)fflush(stdout);
    (void)dup2(saved, STDOUT_FILENO);
    (void)close(saved);
    (void)close(file);
    struct vk_str text;
    struct vk_err err;
    assert_return_code(file_read(path, GOLDEN_MAX_BYTES, arena, &text, &err), 0);
    (void)unlink(path);
    out.text = text.p;
    return out;
}

static const struct json *element(const struct json *list, const char *name)
{
    for (const struct json *e = json_first(list); e; e = json_next(e)) {
        if (vk_streq(json_string_or(e, "name", ""), name))
            return e;
    }
    fail_msg("no %s", name);
    return NULL;
}

static void each_workload_becomes_a_group(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *const args[] = {"-f", FILE_OF("runs.yaml"), NULL};
    const struct outcome out = translate(arena, args);
    assert_int_equal(out.exit_code, EXIT_OK);
    const struct json *list = golden_parse(arena, vk_str_of(out.text));
    assert_int_equal(json_len(list), 3);
    const struct json *db = element(list, "db");
    assert_string_equal(json_string_or(db, "namespace", ""), "shop");
    assert_string_equal(json_string_or(db, "billed", ""), "2 CPU and 3 GB");
    assert_true(json_len(json_get(db, "warnings")) > 0);
    assert_true(json_len(json_get(db, "assumed")) > 3);
    const struct json *group = json_get(db, "group");
    assert_string_equal(json_string_or(json_get(group, "tags"), "aci-kubelet-pod", ""), "db-0");
    const struct json *properties = json_get(group, "properties");
    assert_int_equal(json_len(json_get(properties, "containers")), 2);
    assert_non_null(json_get(json_first(json_get(properties, "volumes")), "azureFile"));
    const struct json *nightly = element(list, "nightly");
    assert_string_equal(json_string_or(nightly, "kind", ""), "CronJob");
    assert_non_null(json_get(json_get(nightly, "group"), "properties"));
    assert_non_null(json_get(element(list, "one-x"), "group"));
}

static void values_of_secrets_are_not_printed(void **state)
{
    (void)state;
    static const char *const forms[] = {"json", "table"};
    for (size_t i = 0; i < VK_COUNT(forms); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const char *const args[] = {"-f", FILE_OF("runs.yaml"), "-o", forms[i], NULL};
        const struct outcome out = translate(arena, args);
        assert_int_equal(out.exit_code, EXIT_OK);
        assert_null(strstr(out.text, "do-not-print-me"));
    }
}

static void a_refused_pod_gives_exit_code_1_and_the_others_go_on(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *const args[] = {"-f", FILE_OF("refused.yaml"), "--output=table", NULL};
    const struct outcome out = translate(arena, args);
    assert_int_equal(out.exit_code, EXIT_REFUSED);
    assert_non_null(strstr(out.text, "DaemonSet default/agent: refused\n"));
    assert_non_null(strstr(out.text, "spec.hostNetwork: "));
    assert_non_null(
        strstr(out.text, "Pod default/misnamed: refused\n  refused       image 'Web:1'"));
    assert_non_null(strstr(out.text, "Pod default/good: 1 CPU and 1.5 GB\n"));
}

static void settings_of_the_node_count(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *const args[] = {"-f",          FILE_OF("runs.yaml"), "--location",
                                "northeurope", "--subnet-id=",       NULL};
    const struct outcome out = translate(arena, args);
    assert_int_equal(out.exit_code, EXIT_OK);
    assert_non_null(strstr(out.text, "\"location\": \"northeurope\""));
    assert_null(strstr(out.text, "subnetIds"));
}

static void what_is_wrong_with_the_call_gives_exit_code_2(void **state)
{
    (void)state;
    static const char *const calls[][4] = {
        {NULL},
        {"-f", "/nonexistent", NULL},
        {"-f", FILE_OF("runs.yaml"), "stray", NULL},
        {"-f", FILE_OF("../translate/zone.json"), NULL},
        {"--no-such-option", NULL},
    };
    for (size_t i = 0; i < VK_COUNT(calls); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        assert_int_equal(translate(arena, calls[i]).exit_code, EXIT_USAGE);
    }
}

static void help_and_tables_are_printed(void **state)
{
    (void)state;
    static const struct {
        const char *option, *says;
    } rows[] = {
        {"--help", "Exit code: 0"},
        {"--fields", "| `livenessProbe` |"},
        {"--annotations", "| `cce-policy` |"},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const char *const args[] = {rows[i].option, NULL};
        const struct outcome out = translate(arena, args);
        assert_int_equal(out.exit_code, EXIT_OK);
        assert_non_null(strstr(out.text, rows[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_workload_becomes_a_group),
        cmocka_unit_test(values_of_secrets_are_not_printed),
        cmocka_unit_test(a_refused_pod_gives_exit_code_1_and_the_others_go_on),
        cmocka_unit_test(settings_of_the_node_count),
        cmocka_unit_test(what_is_wrong_with_the_call_gives_exit_code_2),
        cmocka_unit_test(help_and_tables_are_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
