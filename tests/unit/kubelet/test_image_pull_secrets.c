/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/resolve_fixture.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "kubelet/pods/image_pull_secrets.h"

#define JSON_TYPE "kubernetes.io/dockerconfigjson"
#define CFG_TYPE "kubernetes.io/dockercfg"

struct row {
    const char *image, *type, *config; /* the plain text of the Secret's one key */
    const char *out;                   /* "server=user:password " */
};

static int resolve(const struct row *row, struct vk_buf *out, struct vk_err *err)
{
    const struct registry_credential *c;
    struct vk_buf secret VK_BUF_AUTO;
    struct resolve_fixture f;
    char spec[1024];
    size_t n;
    int rc;

    snprintf(spec, sizeof(spec),
             "{\"imagePullSecrets\":[{\"name\":\"pull\"},{\"name\":\"missing\"}],\"containers\":[{"
             "\"name\":\"c\",\"image\":\"%s\"}]}",
             row->image);
    fixture_init(&f, spec);
    vk_buf_init(&secret, 65536);
    vk_buf_printf(&secret, "{\"metadata\":{\"name\":\"pull\"},\"type\":\"%s\",\"data\":{\"%s\":\"",
                  row->type, vk_streq(row->type, JSON_TYPE) ? ".dockerconfigjson" : ".dockercfg");
    crypto_base64(vk_str_of(row->config), &secret);
    vk_buf_adds(&secret, "\"}}");
    fixture_object(&f, OBJECT_SECRET, vk_buf_peek(&secret));
    rc = image_pull_secrets_resolve(f.refs, f.arena, &c, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        vk_buf_printf(out, "%s=%s:%s ", c[i].server, c[i].username,
                      vk_secret_reveal(c[i].password).p);
    fixture_release(&f);
    return rc;
}

static void credentials_are_those_that_the_images_need(void **state)
{
    static const struct row rows[] = {
        {"r.example/app:1", JSON_TYPE,
         "{\"auths\":{\"r.example\":{\"username\":\"u\",\"password\":\"p\"}}}", "r.example=u:p "},
        /* auth alone: YTpiOmM= is a:b:c, and only the first colon parts */
        {"r.example/app:1", JSON_TYPE, "{\"auths\":{\"r.example\":{\"auth\":\"YTpiOmM=\"}}}",
         "r.example=a:b:c "},
        {"r.example/app:1", CFG_TYPE, "{\"https://r.example\":{\"auth\":\"YTpiOmM=\"}}",
         "r.example=a:b:c "},
        {"r.example/app:1", CFG_TYPE, "{\"r.example\":{\"username\":\"u\",\"password\":\"p:q\"}}",
         "r.example=u:p:q "},
        {"r.example/app:1", JSON_TYPE,
         "{\"auths\":{\"other.example\":{\"username\":\"u\",\"password\":\"p\"}}}", ""},
        {"app", JSON_TYPE,
         "{\"auths\":{\"https://index.docker.io/v1/\":{\"username\":\"u\",\"password\":\"p\"}}}",
         "index.docker.io=u:p "},
        {"docker.io/library/app", JSON_TYPE,
         "{\"auths\":{\"docker.io\":{\"username\":\"u\",\"password\":\"p\"}}}",
         "index.docker.io=u:p "},
        {"team/app", JSON_TYPE,
         "{\"auths\":{\"registry-1.docker.io\":{\"username\":\"u\",\"password\":\"p\"}}}",
         "index.docker.io=u:p "},
        {"localhost/app", JSON_TYPE,
         "{\"auths\":{\"localhost\":{\"username\":\"u\",\"password\":\"p\"}}}", "localhost=u:p "},
        {"r.example:5000/app", JSON_TYPE,
         "{\"auths\":{\"r.example\":{\"username\":\"x\",\"password\":\"x\"},\"http://"
         "r.example:5000/v2/\":{\"username\":\"u\",\"password\":\"p\"}}}",
         "r.example:5000=u:p "},
        {"shop.azurecr.example/app", JSON_TYPE,
         "{\"auths\":{\"*.azurecr.example\":{\"username\":\"u\",\"password\":\"p\"}}}",
         "shop.azurecr.example=u:p "},
        {"a.shop.azurecr.example/app", JSON_TYPE,
         "{\"auths\":{\"*.azurecr.example\":{\"username\":\"u\",\"password\":\"p\"}}}", ""},
        /* the longest path wins, wherever it stands */
        {"r.example/team/app", JSON_TYPE,
         "{\"auths\":{\"r.example/team\":{\"username\":\"u\",\"password\":\"p\"},\"r.example\":{"
         "\"username\":\"x\",\"password\":\"x\"}}}",
         "r.example=u:p "},
        {"r.example/other/app", JSON_TYPE,
         "{\"auths\":{\"r.example/team\":{\"username\":\"u\",\"password\":\"p\"}}}", ""},
        /* entries without credentials (identity tokens, credential helpers) are no credentials */
        {"r.example/app", JSON_TYPE, "{\"auths\":{\"r.example\":{\"identitytoken\":\"t\"}}}", ""},
        {"r.example/app", JSON_TYPE, "{\"auths\":{\"r.example\":{\"auth\":\"bm9jb2xvbg==\"}}}", ""},
        {"r.example/app", JSON_TYPE, "{\"auths\":{\"r.example\":{\"auth\":\"***\"}}}", ""},
        {"r.example/app", JSON_TYPE, "{}", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vk_buf out VK_BUF_AUTO;
        struct vk_err err;

        vk_buf_init(&out, 65536);
        if (resolve(&rows[i], &out, &err) < 0)
            fail_msg("%s", err.msg);
        if (!vk_streq(vk_buf_peek(&out), rows[i].out))
            fail_msg("%s with %s: \"%s\", not \"%s\"", rows[i].image, rows[i].config,
                     vk_buf_peek(&out), rows[i].out);
    }
}

static void broken_secret_is_named_but_never_quoted(void **state)
{
    static const struct row rows[] = {
        {"r.example/app", JSON_TYPE, "hunter2", NULL},
        {"r.example/app", "Opaque", "{\"r.example\":{\"password\":\"hunter2\"}}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vk_buf out VK_BUF_AUTO;
        struct vk_err err = {0};

        vk_buf_init(&out, 65536);
        assert_true(resolve(&rows[i], &out, &err) < 0);
        assert_string_equal(err.reason, "InvalidImagePullSecret");
        assert_non_null(strstr(err.msg, "Secret pull"));
        assert_null(strstr(err.msg, "hunter2"));
    }
}

static void one_credential_per_registry(void **state)
{
    const struct registry_credential *c;
    struct resolve_fixture f;
    struct vk_err err;
    size_t n;

    (void)state;
    fixture_init(&f, "{\"imagePullSecrets\":[{\"name\":\"pull\"},{\"name\":\"second\"}],"
                     "\"initContainers\":[{\"name\":\"i\",\"image\":\"r.example/tool\"}],"
                     "\"containers\":[{\"name\":\"a\",\"image\":\"r.example/app\"},{\"name\":\"b\","
                     "\"image\":\"q.example/app\"}]}");
    /* {"auths":{"r.example":{"auth":"YTpiOmM="}}} and the same for q.example */
    fixture_object(&f, OBJECT_SECRET,
                   "{\"metadata\":{\"name\":\"pull\"},\"type\":\"" JSON_TYPE
                   "\",\"data\":{\".dockerconfigjson\":"
                   "\"eyJhdXRocyI6eyJyLmV4YW1wbGUiOnsiYXV0aCI6IllUcGlPbU09In19fQ==\"}}");
    fixture_object(&f, OBJECT_SECRET,
                   "{\"metadata\":{\"name\":\"second\"},\"type\":\"" JSON_TYPE
                   "\",\"data\":{\".dockerconfigjson\":"
                   "\"eyJhdXRocyI6eyJxLmV4YW1wbGUiOnsiYXV0aCI6IllUcGlPbU09In19fQ==\"}}");
    assert_int_equal(image_pull_secrets_resolve(f.refs, f.arena, &c, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_string_equal(c[0].server, "r.example");
    assert_string_equal(c[1].server, "q.example");
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_those_that_the_images_need),
        cmocka_unit_test(broken_secret_is_named_but_never_quoted),
        cmocka_unit_test(one_credential_per_registry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
