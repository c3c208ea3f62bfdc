/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/bootstrap.c"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/base/certificates.h"
#include "tests/unit/kubelet/fake_api_server.h"

struct world {
    struct fake_api api;
    struct certificate ca;
    char folder[64];
    char *kubeconfig, *bootstrap_kubeconfig, *cert_dir;
    bool is_done, has_failed;
    struct vk_err err;
};

static char *inside(const struct world *w, const char *name)
{
    return vk_asprintf("%s/%s", w->folder, name);
}

static void write_text(const char *path, const char *text)
{
    struct vk_err err;

    if (file_write_private(path, vk_str_of(text), &err) < 0)
        fail_msg("%s", err.msg);
}

/* user: the members of the user entry, as JSON. */
static void write_config(const char *path, const char *server, const char *user)
{
    char *text VK_AUTOFREE = vk_asprintf(
        "{\"current-context\":\"c\",\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"%s\"}}]"
        ","
        "\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\",\"user\":\"u\"}}],"
        "\"users\":[{\"name\":\"u\",\"user\":{%s}}]}",
        server, user);

    write_text(path, text);
}

static int set_up(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    w->ca = certificate_authority("ca");
    vk_strcpy_to(w->folder, sizeof(w->folder), "/tmp/bootstrap.XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->kubeconfig = inside(w, "kubeconfig");
    w->bootstrap_kubeconfig = inside(w, "bootstrap");
    w->cert_dir = inside(w, "pki");
    fake_start(&w->api, NULL, 0, NULL);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char *command VK_AUTOFREE = vk_asprintf("rm -rf %s", w->folder);

    fake_stop(&w->api);
    certificate_release(&w->ca);
    vk_free(w->kubeconfig);
    vk_free(w->bootstrap_kubeconfig);
    vk_free(w->cert_dir);
    vk_free(w);
    return system(command);
}

static struct certificate node_certificate(const struct world *w, long from_s, long to_s)
{
    static const struct certificate_name names[] = {{"O", "system:nodes", -1},
                                                    {"CN", "system:node:n1", -1}};

    return certificate_make(&(struct certificate_spec){.issuer = &w->ca,
                                                       .names = names,
                                                       .name_count = 2,
                                                       .usage = "clientAuth",
                                                       .from_s = from_s,
                                                       .to_s = to_s});
}

/* Keeps the pair in one file, as the bootstrap does. */
static char *keep_pair(struct world *w, const char *cert, const char *key)
{
    char *path, *text;

    (void)mkdir(w->cert_dir, 0700);
    path = certificate_store_path(w->cert_dir, CERTIFICATE_CLIENT);
    text = vk_asprintf("%s%s", cert, key);
    write_text(path, text);
    vk_free(text);
    return path;
}

static void a_bootstrap_is_over_when_the_kubeconfig_works(void **state)
{
    struct world *w = *state;
    struct certificate good = node_certificate(w, -60, 3600);
    struct certificate expired = node_certificate(w, -7200, -3600);
    const struct {
        const char *name, *cert, *key;
        bool is_done;
    } table[] = {
        {"a good certificate", good.cert_pem, good.key_pem, true},
        {"an expired one", expired.cert_pem, expired.key_pem, false},
        {"a certificate of another key", good.cert_pem, expired.key_pem, false},
        {"no certificate", "nonsense\n", good.key_pem, false},
    };

    assert_false(bootstrap_is_done(w->kubeconfig));
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        char *path VK_AUTOFREE = keep_pair(w, table[i].cert, table[i].key);
        char *user VK_AUTOFREE =
            vk_asprintf("\"client-certificate\":\"%s\",\"client-key\":\"%s\"", path, path);

        print_message("%s\n", table[i].name);
        write_config(w->kubeconfig, "https://127.0.0.1:1", user);
        assert_int_equal(bootstrap_is_done(w->kubeconfig), table[i].is_done);
        unlink(path);
        assert_false(bootstrap_is_done(w->kubeconfig));
    }
    write_config(w->kubeconfig, "https://127.0.0.1:1", "\"token\":\"t\"");
    assert_true(bootstrap_is_done(w->kubeconfig));
    write_text(w->kubeconfig, "{");
    assert_false(bootstrap_is_done(w->kubeconfig));
    certificate_release(&good);
    certificate_release(&expired);
}

static void on_done(void *user)
{
    ((struct world *)user)->is_done = true;
}

static void on_failed(void *user, const struct vk_err *err)
{
    struct world *w = user;

    w->has_failed = true;
    w->err = *err;
}

static struct bootstrap *begin(struct world *w, const char *kubeconfig)
{
    struct bootstrap *b;
    struct vk_err err;

    if (bootstrap_new(w->api.loop, w->api.http,
                      &(struct bootstrap_config){
                          .bootstrap_kubeconfig = w->bootstrap_kubeconfig,
                          .kubeconfig = kubeconfig,
                          .cert_dir = w->cert_dir,
                          .node_name = "n1",
                          .user_agent = "test",
                          .done = on_done,
                          .failed = on_failed,
                          .user = w,
                      },
                      &b, &err) < 0)
        fail_msg("%s", err.msg);
    return b;
}

/* A crash between the certificate and the kubeconfig. */
static void a_certificate_that_is_there_is_enough(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct world *w = *state;
    struct certificate good = node_certificate(w, -60, 3600);
    char *path VK_AUTOFREE = keep_pair(w, good.cert_pem, good.key_pem);
    struct cluster_config cluster;
    struct bootstrap *b;
    struct vk_err err;

    write_config(w->bootstrap_kubeconfig, "https://10.0.0.1:6443", "\"token\":\"t\"");
    b = begin(w, w->kubeconfig);
    fake_run_until(&w->api, &w->is_done);
    bootstrap_free(b);
    if (kubeconfig_load(w->kubeconfig, NULL, arena, &cluster, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(cluster.server, "https://10.0.0.1:6443");
    assert_string_equal(cluster.cert_file, path);
    assert_string_equal(cluster.key_file, path);
    assert_null(cluster.token);
    assert_true(bootstrap_is_done(w->kubeconfig));
    certificate_release(&good);
}

static void a_kubeconfig_that_can_not_be_written_ends_it(void **state)
{
    struct world *w = *state;
    struct certificate good = node_certificate(w, -60, 3600);
    char *path VK_AUTOFREE = keep_pair(w, good.cert_pem, good.key_pem);
    struct bootstrap *b;

    write_config(w->bootstrap_kubeconfig, "https://10.0.0.1:6443", "\"token\":\"t\"");
    b = begin(w, "/nowhere/at/all");
    fake_run_until(&w->api, &w->has_failed);
    assert_non_null(strstr(w->err.msg, "/nowhere/at/all"));
    bootstrap_free(b);
    certificate_release(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(a_bootstrap_is_over_when_the_kubeconfig_works),
        TEST(a_certificate_that_is_there_is_enough),
        TEST(a_kubeconfig_that_can_not_be_written_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
