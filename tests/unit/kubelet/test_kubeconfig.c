/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "kubelet/client/kubeconfig.h"

/* "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" */
#define PEM64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
#define PEM "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"

static char folder[] = "/tmp/test_kubeconfig.XXXXXX";

static const char *put_file(const char *name, const char *text, struct vk_arena *arena)
{
    const char *path = vk_arena_printf(arena, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"config", "ca.crt", "client.crt", "client.key", "token"};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        char path[200];

        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

#define CLUSTER                                                                                    \
    "apiVersion: v1\nkind: Config\ncurrent-context: prod\n"                                        \
    "clusters:\n- name: c\n  cluster:\n    server: https://10.0.0.1:6443\n"
#define CONTEXTS                                                                                   \
    "contexts:\n- name: prod\n  context: {cluster: c, user: u}\n"                                  \
    "- name: test\n  context:\n    cluster: c\n    user: t\n"
#define USERS(u) CLUSTER CONTEXTS "users:\n- name: t\n  user: {token: tea}\n- name: u\n  user:\n" u

static void embedded_certificates_are_decoded(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct cluster_config config;
    struct vk_err err;
    const char *path = put_file("config",
                                "current-context: prod\nclusters:\n- name: c\n  cluster:\n"
                                "    server: https://10.0.0.1:6443\n"
                                "    certificate-authority-data: " PEM64 "\n"
                                "    tls-server-name: api\n    proxy-url: http://proxy:1\n" CONTEXTS
                                "users:\n- name: u\n  user:\n"
                                "    client-certificate-data: " PEM64 "\n"
                                "    client-key-data: " PEM64 "\n",
                                arena);

    (void)state;
    if (kubeconfig_load(path, NULL, arena, &config, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(config.server, "https://10.0.0.1:6443");
    assert_string_equal(config.ca_pem, PEM);
    assert_string_equal(config.cert_pem, PEM);
    assert_string_equal(config.key_pem, PEM);
    assert_string_equal(config.tls_server_name, "api");
    assert_string_equal(config.proxy_url, "http://proxy:1");
    assert_null(config.token);
    assert_false(config.insecure_skip_verify);
    assert_string_equal(config.source,
                        vk_arena_printf(arena, "kubeconfig %s (context prod)", path));
}

static void another_context_and_a_token_may_be_chosen(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct cluster_config config;
    struct vk_err err;
    const char *path = put_file("config", USERS("    token: x\n"), arena);

    (void)state;
    assert_int_equal(kubeconfig_load(path, "test", arena, &config, &err), 0);
    assert_true(vk_str_is(vk_secret_reveal(config.token), "tea"));
    assert_int_equal(kubeconfig_load(path, "", arena, &config, &err), 0);
    assert_true(vk_str_is(vk_secret_reveal(config.token), "x"));
}

static void file_names_are_relative_to_the_kubeconfig(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct cluster_config config;
    struct vk_err err;
    const char *path, *key;

    (void)state;
    put_file("client.crt", PEM, arena);
    key = put_file("client.key", PEM, arena);
    put_file("token", "t", arena);
    path = put_file("config",
                    USERS("    client-certificate: client.crt\n    client-key: ./client.key\n"
                          "    tokenFile: token\n"),
                    arena);
    if (kubeconfig_load(path, NULL, arena, &config, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(access(config.cert_file, R_OK), 0);
    assert_string_equal(config.key_file, vk_arena_printf(arena, "%s/./client.key", folder));
    assert_string_equal(config.token_file, vk_arena_printf(arena, "%s/token", folder));
    path = put_file("config",
                    vk_arena_printf(arena,
                                    USERS("    client-certificate: client.crt\n"
                                          "    client-key: %s\n"),
                                    key),
                    arena);
    assert_int_equal(kubeconfig_load(path, NULL, arena, &config, &err), 0);
    assert_string_equal(config.key_file, key);
}

static void bad_files_are_refused_by_one_line_that_names_file_and_place(void **state)
{
    static const struct {
        const char *text;
        enum vk_code code;
        const char *message; /* behind "kubeconfig <path>" */
    } cases[] = {
        {"", VK_INVALID, ": the file holds no configuration"},
        {"- 1\n", VK_INVALID, ": the file holds no configuration"},
        {"a: [\n", VK_INVALID, NULL},
        {"a: 1\na: 2\n", VK_INVALID, NULL},
        {"kind: Config\n", VK_INVALID, ": current-context is not set; the file has: none"},
        {"current-context: x\n" CONTEXTS, VK_INVALID,
         ": there is no context \"x\"; the file has: prod, test"},
        {"current-context: prod\n" CONTEXTS, VK_INVALID,
         ": there is no cluster \"c\"; the file has: none"},
        {"current-context: prod\nclusters: [{name: c}]\n" CONTEXTS, VK_INVALID,
         ": cluster \"c\" is empty"},
        {"current-context: prod\nclusters: [{name: c, cluster: {server: 'host:1'}}]\n" CONTEXTS,
         VK_INVALID,
         ": cluster \"c\" needs a server such as https://10.0.0.1:6443, not \"host:1\""},
        {"current-context: prod\nclusters: [{name: c, cluster: {server: [1]}}]\n" CONTEXTS,
         VK_INVALID, ": cluster \"c\": server: expected a string"},
        {"current-context: prod\nclusters: [{name: c, cluster: {server: 'https://a', "
         "certificate-authority-data: '%%'}}]\n" CONTEXTS,
         VK_INVALID, ": certificate-authority-data is not base64"},
        {"current-context: prod\nclusters: [{name: c, cluster: {server: 'https://a', "
         "certificate-authority-data: 'AAAA'}}]\n" CONTEXTS,
         VK_INVALID, ": certificate-authority-data does not hold PEM text"},
        {CLUSTER CONTEXTS, VK_INVALID, ": there is no user \"u\"; the file has: none"},
        {USERS("    client-certificate-data: " PEM64 "\n"), VK_INVALID,
         ": user \"u\" needs both a client certificate and its key"},
        {USERS("    tokenFile: /nowhere/token\n"), VK_NOT_FOUND, NULL},
        {USERS("    exec: {command: kubelogin}\n"), VK_UNSUPPORTED,
         ": user \"u\" relies on an exec plugin, which is not supported; use a client certificate, "
         "a token or tokenFile, or run in the cluster with a service account"},
        {USERS("    auth-provider: {name: gcp}\n"), VK_UNSUPPORTED, NULL},
        {USERS("    username: joe\n    password: secret\n"), VK_UNSUPPORTED, NULL},
        {USERS("    token: x\n    as: admin\n"), VK_UNSUPPORTED, NULL},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const char *path = put_file("config", cases[i].text, arena);
        struct cluster_config config = {.server = "untouched"};
        struct vk_err err;

        if (kubeconfig_load(path, NULL, arena, &config, &err) != -(int)cases[i].code)
            fail_msg("%s: %s", cases[i].text, err.msg);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(config.server, "untouched");
        assert_non_null(strstr(err.msg, path));
        assert_null(strchr(err.msg, '\n'));
        assert_null(strstr(err.msg, "secret"));
        if (cases[i].message)
            assert_string_equal(err.msg,
                                vk_arena_printf(arena, "kubeconfig %s%s", path, cases[i].message));
    }
}

static void a_missing_file_is_named(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct cluster_config config;
    struct vk_err err;

    (void)state;
    assert_int_equal(kubeconfig_load("/nowhere/config", NULL, arena, &config, &err), -VK_NOT_FOUND);
    assert_non_null(strstr(err.msg, "/nowhere/config"));
}

static void the_service_account_is_used_in_a_cluster(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct cluster_config config;
    struct vk_err err;

    (void)state;
    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_int_equal(in_cluster_config(folder, arena, &config, &err), -VK_NOT_FOUND);
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    put_file("token", "t", arena);
    assert_int_equal(in_cluster_config(folder, arena, &config, &err), -VK_NOT_FOUND);
    assert_non_null(strstr(err.msg, "ca.crt"));
    put_file("ca.crt", PEM, arena);
    assert_int_equal(in_cluster_config(folder, arena, &config, &err), 0);
    assert_string_equal(config.server, "https://10.96.0.1:443");
    assert_string_equal(config.token_file, vk_arena_printf(arena, "%s/token", folder));
    assert_string_equal(config.source, "in-cluster service account");
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    assert_int_equal(in_cluster_config(folder, arena, &config, &err), 0);
    assert_string_equal(config.server, "https://[fd00::1]:443");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embedded_certificates_are_decoded),
        cmocka_unit_test(another_context_and_a_token_may_be_chosen),
        cmocka_unit_test(file_names_are_relative_to_the_kubeconfig),
        cmocka_unit_test(bad_files_are_refused_by_one_line_that_names_file_and_place),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(the_service_account_is_used_in_a_cluster),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
