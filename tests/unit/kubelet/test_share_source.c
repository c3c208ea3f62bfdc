/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/share_source.h"

#include "base/alloc.h"
#include "tests/unit/kubelet/resolve_fixture.h"

#define POD(volume)                                                                                \
    "{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],\"volumes\":[{\"name\":\"d\"," volume "}]" \
    "}"
#define CSI(attributes)                                                                            \
    POD("\"csi\":{\"driver\":\"file.csi.azure.com\",\"volumeAttributes\":{" attributes "}}")
#define CLAIM POD("\"persistentVolumeClaim\":{\"claimName\":\"c1\"}")
#define OWNER "\"claimRef\":{\"namespace\":\"shop\",\"name\":\"c1\"}"

static void check(const struct share_source *s, const char *share, const char *account,
                  const char *secret, const char *namespace_, bool read_only)
{
    assert_string_equal(s->volume, "d");
    assert_string_equal(s->share, share);
    assert_true(vk_streq(s->account, account));
    assert_string_equal(s->secret_name, secret);
    assert_string_equal(s->secret_namespace, namespace_);
    assert_int_equal(s->read_only, read_only);
}

static int of_volume(struct resolve_fixture *f, const char *spec, struct share_source *ret,
                     struct vk_err *err)
{
    fixture_init(f, spec);
    const struct volume *v = f->pod->spec.volumes.v;
    assert_true(share_source_is(v));
    return share_source_of_volume(f->pod, v, f->arena, ret, err);
}

static void a_volume_names_its_share(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *share, *account, *secret;
        bool read_only;
    } rows[] = {
        {POD("\"azureFile\":{\"shareName\":\"a\",\"secretName\":\"s\",\"readOnly\":true}"), "a",
         NULL, "s", true},
        {CSI("\"shareName\":\"a\",\"secretName\":\"s\""), "a", NULL, "s", false},
        {CSI("\"sharename\":\"a\",\"storageaccount\":\"acc\""), "a", "acc",
         "azure-storage-account-acc-secret", false},
        {CSI("\"shareName\":\"a\",\"secretName\":\"s\",\"secretNamespace\":\"shop\""), "a", NULL,
         "s", false},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct resolve_fixture f;
        struct share_source s;
        struct vk_err err;
        assert_return_code(of_volume(&f, rows[i].spec, &s, &err), 0);
        check(&s, rows[i].share, rows[i].account, rows[i].secret, "shop", rows[i].read_only);
        fixture_release(&f);
    }
}

static void what_a_volume_lacks_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        POD("\"azureFile\":{\"shareName\":\"a\"}"),
        POD("\"azureFile\":{\"secretName\":\"s\"}"),
        CSI("\"shareName\":\"a\""),
        CSI("\"shareName\":\"a\",\"secretName\":\"s\",\"secretNamespace\":\"kube-system\""),
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct resolve_fixture f;
        struct share_source s;
        struct vk_err err;
        assert_true(of_volume(&f, rows[i], &s, &err) < 0);
        assert_int_equal(err.code, VK_UNSUPPORTED);
        assert_true(vk_starts(err.msg, "spec.volumes[d]: "));
        fixture_release(&f);
    }
}

static int of_pv(struct resolve_fixture *f, const char *spec, struct share_source *ret,
                 struct vk_err *err)
{
    fixture_init(f, CLAIM);
    const char *text = vk_arena_printf(f->arena, "{\"spec\":{%s}}", spec);
    return share_source_of_persistent_volume(f->pod, f->pod->spec.volumes.v, vk_str_of(text),
                                             f->arena, ret, err);
}

static void a_persistent_volume_names_its_share(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *share, *account, *secret, *namespace_;
        bool read_only;
    } rows[] = {
        {OWNER ",\"csi\":{\"driver\":\"file.csi.azure.com\",\"volumeHandle\":\"rg#acc#sh#x#u#n\","
               "\"volumeAttributes\":{\"csi.storage.k8s.io/pvc/namespace\":\"shop\"}}",
         "sh", "acc", "azure-storage-account-acc-secret", "shop", false},
        {OWNER ",\"csi\":{\"driver\":\"file.csi.azure.com\",\"volumeHandle\":\"any\",\"readOnly\":"
               "true,\"nodeStageSecretRef\":{\"name\":\"s\",\"namespace\":\"other\"},"
               "\"volumeAttributes\":{\"shareName\":\"sh\"}}",
         "sh", NULL, "s", "other", true},
        {OWNER ",\"accessModes\":[\"ReadOnlyMany\"],\"azureFile\":{\"shareName\":\"sh\","
               "\"secretName\":\"s\",\"secretNamespace\":\"other\"}",
         "sh", NULL, "s", "other", true},
        {OWNER ",\"accessModes\":[\"ReadOnlyMany\",\"ReadWriteMany\"],\"azureFile\":{\"shareName\":"
               "\"sh\",\"secretName\":\"s\"}",
         "sh", NULL, "s", "shop", false},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct resolve_fixture f;
        struct share_source s;
        struct vk_err err;
        if (of_pv(&f, rows[i].spec, &s, &err) < 0)
            fail_msg("%s: %s", rows[i].spec, err.msg);
        check(&s, rows[i].share, rows[i].account, rows[i].secret, rows[i].namespace_,
              rows[i].read_only);
        fixture_release(&f);
    }
}

static void a_persistent_volume_that_is_no_share_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *says;
    } rows[] = {
        {OWNER ",\"csi\":{\"driver\":\"disk.csi.azure.com\"}", "disk.csi.azure.com"},
        {OWNER ",\"nfs\":{\"server\":\"x\"}", "nfs"},
        {"\"claimRef\":{\"namespace\":\"other\",\"name\":\"c1\"},\"azureFile\":{}",
         "another claim"},
        {OWNER ",\"volumeMode\":\"Block\",\"azureFile\":{}", "block"},
        {OWNER ",\"azureFile\":{\"secretName\":\"s\"}", "shareName"},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct resolve_fixture f;
        struct share_source s;
        struct vk_err err;
        assert_true(of_pv(&f, rows[i].spec, &s, &err) < 0);
        assert_int_equal(err.code, VK_UNSUPPORTED);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("%s: %s", rows[i].spec, err.msg);
        fixture_release(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_names_its_share),
        cmocka_unit_test(what_a_volume_lacks_is_refused),
        cmocka_unit_test(a_persistent_volume_names_its_share),
        cmocka_unit_test(a_persistent_volume_that_is_no_share_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
