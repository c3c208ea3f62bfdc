/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/resolve_fixture.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "kubelet/pods/downward_api.h"
#include "kubelet/pods/volume_files.h"

#define CONFIG                                                                                     \
    "{\"metadata\":{\"name\":\"cm\"},\"data\":{\"k\":\"v\",\"ca.crt\":\"PEM\"},\"binaryData\":{"   \
    "\"blob\":\"AAEC\"}}"
#define SECRET "{\"metadata\":{\"name\":\"s\"},\"type\":\"Opaque\",\"data\":{\"pw\":\"cGFzcw==\"}}"

#define MOUNT(name) "{\"name\":\"" name "\",\"mountPath\":\"/" name "\"}"
#define MOUNTS ",\"volumeMounts\":[" MOUNT("a") "," MOUNT("b") "," MOUNT("kube-api-access-x") "]"

/* Resolves the volumes into "name{path:size:mode[!] ...}"; '!' marks a secret. */
static int resolve(struct resolve_fixture *f, const char *volumes, struct vk_buf *out,
                   struct vk_err *err)
{
    const struct resolved_volume *v;
    char spec[4096];
    size_t n;

    snprintf(spec, sizeof(spec), "{\"containers\":[{\"name\":\"c\"" MOUNTS "}],\"volumes\":[%s]}",
             volumes);
    fixture_init(f, spec);
    for (size_t i = 0; i < f->refs->object_count; i++) {
        if (vk_streq(f->refs->objects[i].name, "cm"))
            fixture_object(f, OBJECT_CONFIG_MAP, CONFIG);
        else if (vk_streq(f->refs->objects[i].name, "s"))
            fixture_object(f, OBJECT_SECRET, SECRET);
    }
    for (size_t i = 0; i < f->refs->token_count; i++)
        f->refs->tokens[i].token = vk_arena_secret(f->arena, "TOKEN", 5);
    if (volume_files_resolve(f->refs, f->arena, &v, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        vk_buf_printf(out, "%s{", v[i].name);
        for (size_t k = 0; k < v[i].file_count; k++) {
            const struct resolved_file *file = &v[i].files[k];

            vk_buf_printf(out, "%s%s:%zu:%" PRIo64 "%s", k ? " " : "", file->path, file->content.n,
                          (uint64_t)file->mode, file->is_secret ? "!" : "");
        }
        vk_buf_adds(out, "}");
    }
    return 0;
}

static void volumes_hold_the_files_that_kubernetes_writes(void **state)
{
    static const struct {
        const char *volumes, *files;
    } rows[] = {
        {"{\"name\":\"a\",\"configMap\":{\"name\":\"cm\"}}", "a{blob:3:644 ca.crt:3:644 k:1:644}"},
        {"{\"name\":\"a\",\"secret\":{\"secretName\":\"s\",\"defaultMode\":256}}", "a{pw:4:400!}"},
        {"{\"name\":\"a\",\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"k\",\"path\":\"d/"
         "x\","
         "\"mode\":384},{\"key\":\"ca.crt\",\"path\":\"b\"}]}}",
         "a{b:3:644 d/x:1:600}"},
        {"{\"name\":\"a\",\"configMap\":{\"name\":\"none\",\"optional\":true}}", "a{}"},
        {"{\"name\":\"a\",\"secret\":{\"secretName\":\"s\",\"optional\":true,\"items\":[{\"key\":"
         "\"none\",\"path\":\"x\"}]}}",
         "a{}"},
        {"{\"name\":\"a\",\"emptyDir\":{}},{\"name\":\"b\",\"configMap\":{\"name\":\"none\","
         "\"optional\":true}}",
         "b{}"},
        /* What nobody mounts is not looked for. */
        {"{\"name\":\"unmounted\",\"configMap\":{\"name\":\"none\"}},{\"name\":\"b\",\"emptyDir\":"
         "{}}",
         ""},
        {"{\"name\":\"a\",\"downwardAPI\":{\"items\":[{\"path\":\"l\",\"fieldRef\":{\"fieldPath\":"
         "\"metadata.labels\"}},{\"path\":\"c\",\"mode\":256,\"resourceFieldRef\":{"
         "\"containerName\":\"c\",\"resource\":\"limits.cpu\"}}]}}",
         "a{c:1:400 l:14:644}"},
        /* What the ServiceAccount admission plugin puts into every pod. */
        {"{\"name\":\"kube-api-access-x\",\"projected\":{\"defaultMode\":420,\"sources\":[{"
         "\"serviceAccountToken\":{\"expirationSeconds\":3607,\"path\":\"token\"}},{\"configMap\":{"
         "\"name\":\"cm\",\"items\":[{\"key\":\"ca.crt\",\"path\":\"ca.crt\"}]}},{\"downwardAPI\":{"
         "\"items\":[{\"path\":\"namespace\",\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":"
         "\"metadata.namespace\"}}]}}]}}",
         "kube-api-access-x{ca.crt:3:644 namespace:4:644 token:5:644!}"},
        {"{\"name\":\"a\",\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"cm\",\"items\":[{"
         "\"key\":\"k\",\"path\":\"x\"}]}},{\"secret\":{\"name\":\"s\",\"items\":[{\"key\":\"pw\","
         "\"path\":\"x\"}]}}]}}",
         "a{x:4:644!}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vk_buf out VK_BUF_AUTO;
        struct resolve_fixture f;
        struct vk_err err;

        vk_buf_init(&out, 65536);
        if (resolve(&f, rows[i].volumes, &out, &err) < 0)
            fail_msg("%s: %s", rows[i].volumes, err.msg);
        assert_string_equal(vk_buf_peek(&out), rows[i].files);
        fixture_release(&f);
    }
}

static void labels_file_is_sorted_and_quoted(void **state)
{
    const struct resolved_volume *v;
    struct resolve_fixture f;
    struct vk_err err;
    size_t n;

    (void)state;
    fixture_init(&f, "{\"containers\":[{\"name\":\"c\"" MOUNTS
                     "}],\"volumes\":[{\"name\":\"a\",\"downwardAPI\":{\"items\":[{"
                     "\"path\":\"l\",\"fieldRef\":{\"fieldPath\":\"metadata.labels\"}}]}}]}");
    assert_int_equal(volume_files_resolve(f.refs, f.arena, &v, &n, &err), 0);
    assert_true(vk_str_is(v[0].files[0].content, "a=\"x\\\"y\"\nb=\"2\""));
    fixture_release(&f);
}

static void text_is_quoted_as_go_does(void **state)
{
    /* Both as JSON and as C write them; the expected text is that of strconv.Quote. */
    static const struct {
        const char *json, *quoted;
    } rows[] = {
        {"plain", "plain"},
        {"\\u0007\\u0008\\u000c\\u000b", "\\a\\b\\f\\v"},
        {"\\r\\n\\t\\u0001\\u007f", "\\r\\n\\t\\x01\\x7f"},
        {"\\\"\\\\", "\\\"\\\\"},
        {"\u00e9\u4e16", "\u00e9\u4e16"},
        {"a\\u00a0b\\u200b\\ufeff", "a\\u00a0b\\u200b\\ufeff"},
        {"\\ud83d\\ude00", "\U0001F600"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const struct field_ref all = {.field_path = "metadata.annotations"};
        struct pod_references r = {0};
        const char *text;
        struct pod *pod;
        struct vk_err err;

        assert_int_equal(pod_parse(vk_str_of(vk_arena_printf(
                                       arena,
                                       "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\","
                                       "\"uid\":\"u\",\"annotations\":{\"a\":\"%s\"}}}",
                                       rows[i].json)),
                                   &pod, &err),
                         0);
        r.pod = pod;
        assert_int_equal(downward_api_field(&r, &all, arena, &text, &err), 0);
        assert_string_equal(text, vk_arena_printf(arena, "a=\"%s\"", rows[i].quoted));
        pod_unref(pod);
    }
}

static void what_is_missing_or_unsafe_is_named(void **state)
{
    static const struct {
        const char *volumes, *reason, *text;
        enum vk_code code;
    } bad[] = {
        {"{\"name\":\"a\",\"configMap\":{\"name\":\"none\"}}", "MandatoryConfigMapNotFound",
         "volume a: ConfigMap shop/none", VK_NOT_FOUND},
        {"{\"name\":\"a\",\"secret\":{\"secretName\":\"none\"}}", "MandatorySecretNotFound",
         "Secret shop/none", VK_NOT_FOUND},
        {"{\"name\":\"a\",\"secret\":{\"secretName\":\"s\",\"items\":[{\"key\":\"x\",\"path\":"
         "\"x\"}"
         "]}}",
         "MandatorySecretKeyNotFound", "\"x\"", VK_NOT_FOUND},
        {"{\"name\":\"a\",\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"k\",\"path\":"
         "\"../x\"}]}}",
         "", "../x", VK_INVALID},
        {"{\"name\":\"a\",\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"k\",\"path\":\"/x\"}"
         "]}}",
         "", "/x", VK_INVALID},
        {"{\"name\":\"a\",\"projected\":{\"sources\":[{\"clusterTrustBundle\":{\"path\":\"x\"}}]}}",
         "", "volume a: source 0", VK_UNSUPPORTED},
        {"{\"name\":\"a\",\"downwardAPI\":{\"items\":[{\"path\":\"x\",\"fieldRef\":{\"fieldPath\":"
         "\"status.podIP\"}}]}}",
         "", "file x", VK_UNSUPPORTED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vk_buf out VK_BUF_AUTO;
        struct resolve_fixture f;
        struct vk_err err = {0};

        vk_buf_init(&out, 65536);
        assert_true(resolve(&f, bad[i].volumes, &out, &err) < 0);
        assert_int_equal(err.code, bad[i].code);
        assert_string_equal(err.reason, bad[i].reason);
        if (!strstr(err.msg, bad[i].text))
            fail_msg("\"%s\" does not name %s", err.msg, bad[i].text);
        fixture_release(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(volumes_hold_the_files_that_kubernetes_writes),
        cmocka_unit_test(labels_file_is_sorted_and_quoted),
        cmocka_unit_test(text_is_quoted_as_go_does),
        cmocka_unit_test(what_is_missing_or_unsafe_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
