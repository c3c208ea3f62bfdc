/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"

struct values {
    const char *nodename, *config, *format, *secret;
    int64_t port, latency_ms, verbosity;
    bool disable_taint;
    struct json_strs names;
};

static const struct option_def defs[] = {
    {.name = "nodename",
     .kind = OPTION_STRING,
     .offset = offsetof(struct values, nodename),
     .fallback = "virtual-node",
     .other_env = "DEFAULT_NODE_NAME, NODENAME",
     .group = "Node",
     .arg = "NAME",
     .help = "Name of the node."},
    {.name = "port",
     .kind = OPTION_INT,
     .offset = offsetof(struct values, port),
     .fallback = "10250",
     .min = 1,
     .max = 65535,
     .other_env = "KUBELET_PORT",
     .group = "Server",
     .help = "Port on which the kubelet API is served, for logs and more; the API server must be "
             "able to reach it."},
    {.name = "disable-taint",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct values, disable_taint),
     .group = "Node",
     .help = "No taint."},
    {.name = "names",
     .kind = OPTION_STRINGS,
     .offset = offsetof(struct values, names),
     .group = "Server",
     .help = "Names."},
    {.name = "latency",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct values, latency_ms),
     .fallback = "1s",
     .min = 0,
     .max = 3600000,
     .help = "Latency."},
    {.name = "log-format",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct values, format),
     .fallback = "text",
     .choices = "text|json",
     .help = "Format."},
    {.name = "v",
     .kind = OPTION_INT,
     .offset = offsetof(struct values, verbosity),
     .fallback = "0",
     .max = 10,
     .help = "Verbosity."},
    {.name = "client-secret",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct values, secret),
     .choices = "a|b",
     .secret = true,
     .help = "Secret."},
    {.name = "config",
     .kind = OPTION_STRING,
     .offset = offsetof(struct values, config),
     .arg = "FILE",
     .help = "Configuration file."},
};
static const struct option_set set = {.defs = defs,
                                      .count = VK_COUNT(defs),
                                      .program = "prog",
                                      .env_prefix = "PROG",
                                      .synopsis = "usage: prog [options]",
                                      .epilogue = "Example: prog --v=2"};

/* name, value, name, value ..., NULL */
static const char *const *environment;

static const char *test_getenv(const char *name)
{
    for (const char *const *p = environment; p && *p; p += 2) {
        if (strcmp(p[0], name) == 0)
            return p[1];
    }
    return NULL;
}

struct parsed {
    struct vk_arena *arena;
    struct values values;
    const char **rest;
    size_t rest_count;
    struct vk_err err;
    int result;
};

static void parsed_release(struct parsed *p)
{
    vk_arena_free(p->arena);
}

/* Arguments behind the program's name, ended by NULL. */
static struct parsed parse(const char *const *args)
{
    struct parsed p = {.arena = vk_arena_new()};
    char *argv[20] = {vk_arena_strdup(p.arena, "prog")};
    int argc = 1;

    for (; args && *args; args++)
        argv[argc++] = vk_arena_strdup(p.arena, *args);
    p.result = options_parse(&set, argc, argv, test_getenv, "config", &p.values, p.arena, &p.rest,
                             &p.rest_count, &p.err);
    return p;
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void defaults_hold_when_nothing_is_given(void **state)
{
    struct parsed p VK_CLEANUP(parsed_release) = PARSE();

    (void)state;
    assert_int_equal(p.result, 0);
    assert_string_equal(p.values.nodename, "virtual-node");
    assert_int_equal(p.values.port, 10250);
    assert_int_equal(p.values.latency_ms, 1000);
    assert_string_equal(p.values.format, "text");
    assert_null(p.values.secret);
    assert_int_equal(p.values.names.n, 0);
    assert_int_equal(p.rest_count, 0);
}

static void flags_are_taken_in_all_forms(void **state)
{
    struct parsed p VK_CLEANUP(parsed_release) =
        PARSE("translate", "--nodename", "n1", "--port=1", "--disable-taint", "file", "-v4",
              "--names=a, b,,", "--names", "c", "--latency", "1m30.5s", "--log-format=json", "--",
              "--port");

    (void)state;
    assert_int_equal(p.result, 0);
    assert_string_equal(p.values.nodename, "n1");
    assert_int_equal(p.values.port, 1);
    assert_true(p.values.disable_taint);
    assert_int_equal(p.values.verbosity, 4);
    assert_int_equal(p.values.names.n, 3);
    assert_string_equal(p.values.names.v[0], "a");
    assert_string_equal(p.values.names.v[1], "b");
    assert_string_equal(p.values.names.v[2], "c");
    assert_int_equal(p.values.latency_ms, 90500);
    assert_string_equal(p.values.format, "json");
    assert_int_equal(p.rest_count, 3);
    assert_string_equal(p.rest[0], "translate");
    assert_string_equal(p.rest[1], "file");
    assert_string_equal(p.rest[2], "--port");
}

static void last_flag_wins_and_booleans_can_be_false(void **state)
{
    struct parsed p VK_CLEANUP(parsed_release) =
        PARSE("--disable-taint", "--port", "5", "--disable-taint=false", "--port", "6", "--v", "1",
              "-", "--nodename=");

    (void)state;
    assert_int_equal(p.result, 0);
    assert_false(p.values.disable_taint);
    assert_int_equal(p.values.port, 6);
    assert_int_equal(p.values.verbosity, 1);
    assert_int_equal(p.rest_count, 1);
    assert_string_equal(p.values.nodename, "");
}

/* A configuration file with this text; the caller unlinks. */
static char *config_file(const char *text)
{
    char *path = vk_strdup("/tmp/vk-test-options-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void sources_override_each_other_in_order(void **state)
{
    static const char *const all[] = {"KUBELET_PORT", "1",  "PROG_PORT", "3", "NODENAME", "other",
                                      "PROG_CONFIG",  NULL, "PROG_V",    "",  NULL};
    const char *env[VK_COUNT(all)];
    char *path VK_AUTOFREE = config_file("port: 2\nnodename: 0123\nnames: [x, y]\nv: ~\n");

    (void)state;
    memcpy(env, all, sizeof(env));
    environment = env;
    env[7] = path;
    {
        struct parsed p VK_CLEANUP(parsed_release) = PARSE("--port", "4");

        assert_int_equal(p.result, 0);
        assert_int_equal(p.values.port, 4);
        assert_string_equal(p.values.nodename, "0123"); /* text, not an octal number */
        assert_int_equal(p.values.names.n, 2);
        assert_string_equal(p.values.names.v[1], "y");
        assert_int_equal(p.values.verbosity, 0); /* empty in the environment, null in the file */
    }
    {
        struct parsed p VK_CLEANUP(parsed_release) = PARSE();

        assert_int_equal(p.values.port, 3);
        assert_string_equal(p.values.config, path);
    }
    env[2] = "X";
    {
        struct parsed p VK_CLEANUP(parsed_release) = PARSE();

        assert_int_equal(p.values.port, 2);
    }
    env[6] = "X";
    {
        struct parsed p VK_CLEANUP(parsed_release) = PARSE();

        assert_int_equal(p.values.port, 1);
        assert_string_equal(p.values.nodename, "other");
    }
    environment = NULL;
    unlink(path);
}

static void overridden_values_are_not_judged(void **state)
{
    static const char *const env[] = {"KUBELET_PORT", "http", NULL};

    (void)state;
    environment = env;
    {
        struct parsed p VK_CLEANUP(parsed_release) = PARSE("--port", "4");

        assert_int_equal(p.result, 0);
    }
    {
        struct parsed p VK_CLEANUP(parsed_release) = PARSE();

        assert_int_equal(p.result, -VK_INVALID);
        assert_string_equal(p.err.msg, "environment variable KUBELET_PORT: \"http\" is not valid: "
                                       "expected a number in 1..65535");
    }
    environment = NULL;
}

static void bad_flags_are_explained(void **state)
{
    static const struct {
        const char *args[3], *msg;
    } cases[] = {
        {{"-nodename"}, "unknown flag -nodename: did you mean --nodename? See prog --help"},
        {{"-version"}, "unknown flag -version: see prog --help"},
        {{"-vx"}, "--v: \"x\" is not valid: expected a number in 0..10"},
        {{"-x1"}, "unknown flag -x1: see prog --help"},
        {{"--nodenam=x"}, "unknown flag --nodenam: did you mean --nodename? See prog --help"},
        {{"--log_format=x"},
         "unknown flag --log_format: did you mean --log-format? See prog --help"},
        {{"--quux"}, "unknown flag --quux: see prog --help"},
        {{"-p"}, "unknown flag -p: see prog --help"},
        {{"-port=1"}, "unknown flag -port: did you mean --port? See prog --help"},
        {{"--port"}, "--port needs a value: --port=VALUE"},
        {{"--nodename"}, "--nodename needs a value: --nodename=NAME"},
        {{"--port", "0"}, "--port: \"0\" is not valid: expected a number in 1..65535"},
        {{"--port=80 "}, "--port: \"80 \" is not valid: expected a number in 1..65535"},
        {{"--port="}, "--port: \"\" is not valid: expected a number in 1..65535"},
        {{"--disable-taint=maybe"},
         "--disable-taint: \"maybe\" is not valid: expected true or false"},
        {{"--latency=10"},
         "--latency: \"10\" is not valid: expected a duration such as 10s, 1m30s or 250ms"},
        {{"--latency=2h"},
         "--latency: \"2h\" is not valid: expected a duration from 0ms to 3600000ms"},
        {{"--log-format=xml"}, "--log-format: \"xml\" is not valid: expected one of text|json"},
        {{"--client-secret=hunter2"},
         "--client-secret: the value is not valid: expected one of a|b"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct parsed p VK_CLEANUP(parsed_release) = parse(cases[i].args);

        assert_int_equal(p.result, -VK_INVALID);
        assert_string_equal(p.err.msg, cases[i].msg);
    }
}

static void bad_configuration_is_explained(void **state)
{
    static const struct {
        const char *text, *msg; /* %s: the path */
    } cases[] = {
        {"port: 1\nv: 1\nport: 2\n",
         "configuration file %s: line 3, column 1: the key \"port\" is there twice"},
        {"nodenmae: x\n", "%s: unknown option \"nodenmae\": did you mean \"nodename\"?"},
        {"zzz: x\n", "%s: unknown option \"zzz\""},
        {"port: x\n", "%s: port: \"x\" is not valid: expected a number in 1..65535"},
        {"port: [1]\n", "%s: port: expected a single value"},
        {"names: {a: b}\n", "%s: names: expected a list of texts"},
        {"names: [[a]]\n", "%s: names: expected a list of texts"},
        {"[1]\n", "configuration file %s: expected lines of the form \"option: value\""},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char *path VK_AUTOFREE = config_file(cases[i].text);
        struct parsed p VK_CLEANUP(parsed_release) = PARSE("--config", path);
        const char *mark = strstr(cases[i].msg, "%s");
        char *expected VK_AUTOFREE =
            vk_asprintf("%.*s%s%s", (int)(mark - cases[i].msg), cases[i].msg, path, mark + 2);

        unlink(path);
        assert_int_equal(p.result, -VK_INVALID);
        assert_string_equal(p.err.msg, expected);
    }
}

static void missing_configuration_file_is_named(void **state)
{
    struct parsed p VK_CLEANUP(parsed_release) = PARSE("--config=/nonexistent");

    (void)state;
    assert_int_equal(p.result, -VK_NOT_FOUND);
    assert_string_equal(p.err.msg, "configuration file: cannot open /nonexistent: No such file or "
                                   "directory");
}

static void empty_configuration_file_is_fine(void **state)
{
    char *path VK_AUTOFREE = config_file("# all defaults\n");
    struct parsed p VK_CLEANUP(parsed_release) = PARSE("--config", path);

    (void)state;
    unlink(path);
    assert_int_equal(p.result, 0);
}

static void help_and_version_are_told_apart(void **state)
{
    static const struct {
        const char *args[2], *reason;
    } cases[] = {{{"--help"}, "Help"}, {{"-h"}, "Help"}, {{"--version"}, "Version"}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct parsed p VK_CLEANUP(parsed_release) = parse(cases[i].args);

        assert_int_equal(p.result, -VK_CANCELLED);
        assert_string_equal(p.err.reason, cases[i].reason);
    }
}

static char *printed(void (*print)(const struct option_set *, FILE *))
{
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);

    print(&set, to);
    fclose(to);
    return text;
}

static void help_is_grouped_and_wrapped(void **state)
{
    char *text VK_AUTOFREE = printed(options_help);
    struct vk_str rest = vk_str_of(text);

    (void)state;
    assert_true(vk_starts(text, "usage: prog [options]\n\nNode:\n"));
    assert_non_null(strstr(text, "  --nodename NAME                 Name of the node. (default "
                                 "virtual-node)"));
    assert_non_null(strstr(
        text, "[PROG_NODENAME,\n                                  DEFAULT_NODE_NAME, NODENAME]\n"));
    assert_non_null(strstr(text, "\n  --v NUMBER"));
    assert_non_null(strstr(text, "  --log-format text|json"));
    assert_non_null(strstr(text, "[PROG_LOG_FORMAT]"));
    assert_non_null(strstr(text, "\nServer:\n"));
    assert_true(vk_ends(text, "\nExample: prog --v=2\n"));
    /* Both options of a group stand under its one heading. */
    assert_true(strstr(text, "--disable-taint") < strstr(text, "\nServer:"));
    while (rest.n) {
        struct vk_str line = vk_str_cut(rest, '\n', &rest);

        if (line.n > 100)
            fail_msg("too wide: %.*s", (int)line.n, line.p);
    }
}

static void markdown_has_one_row_per_option(void **state)
{
    char *text VK_AUTOFREE = printed(options_markdown);
    size_t rows = 0;

    (void)state;
    for (const char *p = text; *p; p++)
        rows += *p == '\n';
    assert_int_equal(rows, VK_COUNT(defs) + 2);
    assert_non_null(strstr(text, "| `--nodename` | `PROG_NODENAME`, `DEFAULT_NODE_NAME`, "
                                 "`NODENAME` | `virtual-node` | Name of the node. |\n"));
    assert_non_null(strstr(text, "One of `text\\|json`."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_when_nothing_is_given),
        cmocka_unit_test(flags_are_taken_in_all_forms),
        cmocka_unit_test(last_flag_wins_and_booleans_can_be_false),
        cmocka_unit_test(sources_override_each_other_in_order),
        cmocka_unit_test(overridden_values_are_not_judged),
        cmocka_unit_test(bad_flags_are_explained),
        cmocka_unit_test(bad_configuration_is_explained),
        cmocka_unit_test(missing_configuration_file_is_named),
        cmocka_unit_test(empty_configuration_file_is_fine),
        cmocka_unit_test(help_and_version_are_told_apart),
        cmocka_unit_test(help_is_grouped_and_wrapped),
        cmocka_unit_test(markdown_has_one_row_per_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
