/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/resolve_fixture.h"

#include <stdio.h>

#include "base/buf.h"
#include "kubelet/pods/environment.h"

#define CONFIG                                                                                     \
    "{\"metadata\":{\"name\":\"cm\"},\"data\":{\"k\":\"v\",\"MODE\":\"on\"},\"binaryData\":{"      \
    "\"blob\":\"AAEC\"}}"
/* user=admin, pw=pass word */
#define SECRET                                                                                     \
    "{\"metadata\":{\"name\":\"s\"},\"type\":\"Opaque\",\"data\":{\"pw\":\"cGFzcyB3b3Jk\","        \
    "\"user\":\"YWRtaW4=\"}}"

struct row {
    const char *name, *container; /* JSON members behind name and image */
    const char *env;              /* "A=1 S=!x ": '!' marks a secret */
    const char *command;          /* "a|b|" */
};

static const struct row rows[] = {
    {"literals keep their order", "\"env\":[{\"name\":\"B\",\"value\":\"2\"},{\"name\":\"A\"}]",
     "B=2 A= ", ""},
    {"references look back, not ahead",
     "\"env\":[{\"name\":\"A\",\"value\":\"$(B)\"},{\"name\":\"B\",\"value\":\"2\"},{\"name\":"
     "\"C\","
     "\"value\":\"$(A)-$(B)-$$(B)\"}]",
     "A=$(B) B=2 C=$(B)-2-$(B) ", ""},
    {"a later value wins in its first place",
     "\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"b\"},{\"name\":\"A\","
     "\"value\":\"$(A)2\"}]",
     "A=12 B=b ", ""},
    {"envFrom comes first, with prefix, without binary keys",
     "\"env\":[{\"name\":\"P_k\",\"value\":\"mine\"}],\"envFrom\":[{\"prefix\":\"P_\","
     "\"configMapRef\":{\"name\":\"cm\"}},{\"secretRef\":{\"name\":\"s\"}}]",
     "P_k=mine P_MODE=on pw=!pass word user=!admin ", ""},
    {"keys of objects",
     "\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"k\"}}}"
     ","
     "{\"name\":\"S\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"pw\"}}}]",
     "A=v S=!pass word ", ""},
    {"what holds a secret is one",
     "\"env\":[{\"name\":\"S\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"user\"}}},"
     "{"
     "\"name\":\"URL\",\"value\":\"x://$(S)@h\"},{\"name\":\"N\",\"value\":\"$$(S)\"}]",
     "S=!admin URL=!x://admin@h N=$(S) ", ""},
    {"optional and missing is left out",
     "\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"none\",\"key\":\"k\","
     "\"optional\":true}}},{\"name\":\"B\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\","
     "\"key\":\"none\",\"optional\":true}}}],\"envFrom\":[{\"secretRef\":{\"name\":\"none\","
     "\"optional\":true}}]",
     "", ""},
    {"command and args are expanded",
     "\"env\":[{\"name\":\"A\",\"value\":\"1\"}],\"command\":[\"/x\",\"--a=$(A)\"],\"args\":[\"$(B)"
     "\",\"$$\"]",
     "A=1 ", "/x|--a=1|;$(B)|$|"},
    {"downward API",
     "\"env\":[{\"name\":\"N\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}},{"
     "\"name\":\"NS\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.namespace\"}}},{"
     "\"name\":\"U\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.uid\"}}},{\"name\":"
     "\"L\","
     "\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['b']\"}}},{\"name\":\"X\","
     "\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.annotations['none']\"}}},{\"name\":"
     "\"ND\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.nodeName\"}}},{\"name\":\"SA\","
     "\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.serviceAccountName\"}}},{\"name\":\"IP\","
     "\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.hostIP\"}}},{\"name\":\"IPS\","
     "\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.hostIPs\"}}}]",
     "N=web NS=shop U=uid-1 L=2 X= ND=burst-1 SA=bot IP=10.240.0.2 IPS=10.240.0.2,fd00::2 ", ""},
    {"the pod's address is left to the provider, wherever it is used",
     "\"env\":[{\"name\":\"IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}},{"
     "\"name\":\"IPS\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIPs\"}}},{\"name\":"
     "\"URL\",\"value\":\"http://$(IP):80\"}],\"args\":[\"--at=$(IP)\"]",
     "IP=@status.podIP@ IPS=@status.podIP@ URL=http://@status.podIP@:80 ", ";--at=@status.podIP@|"},
    {"resources with divisor, node where there is no limit",
     "\"resources\":{\"limits\":{\"cpu\":\"1500m\"},\"requests\":{\"memory\":\"65Mi\"}},\"env\":[{"
     "\"name\":\"C\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}},{\"name\":"
     "\"M\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\",\"divisor\":\"1m\"}}},"
     "{"
     "\"name\":\"R\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"requests.memory\","
     "\"divisor\":\"1Mi\"}}},{\"name\":\"L\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":"
     "\"limits.memory\"}}},{\"name\":\"Q\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":"
     "\"requests.cpu\"}}},{\"name\":\"D\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":"
     "\"limits.cpu\",\"divisor\":\"0\"}}}]",
     "C=2 M=1500 R=65 L=1073741824 Q=0 D=2 ", ""},
    {"the host's name where the pod gives one, at the end and not expanded",
     "\"args\":[\"$(HOSTNAME)\"],\"env\":[{\"name\":\"A\",\"value\":\"1\"}]}],\"hostname\":\"db-"
     "0\","
     "\"x\":[{\"x\":1",
     "A=1 HOSTNAME=db-0 ", ";$(HOSTNAME)|"},
    {"it is the pod's own",
     "\"env\":[{\"name\":\"HOSTNAME\",\"value\":\"mine\"}]}],\"hostname\":\"db-0\",\"x\":[{\"x\":1",
     "HOSTNAME=mine ", ""},
    {"an overridden one",
     "\"env\":[]}],\"hostname\":\"db-0\",\"hostnameOverride\":\"db.x\",\"x\":[{\"x\":1",
     "HOSTNAME=db.x ", ""},
};

static void start(struct resolve_fixture *f, const char *container)
{
    char spec[4096];

    snprintf(spec, sizeof(spec),
             "{\"nodeName\":\"burst-1\",\"serviceAccountName\":\"bot\",\"containers\":[{\"name\":"
             "\"c\",\"image\":\"app\",%s}]}",
             container);
    fixture_init(f, spec);
}

static void give(struct resolve_fixture *f)
{
    for (size_t i = 0; i < f->refs->object_count; i++) {
        if (vk_streq(f->refs->objects[i].name, "cm"))
            fixture_object(f, OBJECT_CONFIG_MAP, CONFIG);
        else if (vk_streq(f->refs->objects[i].name, "s"))
            fixture_object(f, OBJECT_SECRET, SECRET);
    }
}

static void print_strings(struct vk_buf *out, const struct json_strs *s)
{
    for (size_t i = 0; i < s->n; i++)
        vk_buf_printf(out, "%s|", s->v[i]);
}

static void check_row(const struct row *row)
{
    struct resolve_fixture f;
    struct resolved_container c;
    struct vk_buf env VK_BUF_AUTO, command VK_BUF_AUTO;
    struct vk_err err;

    vk_buf_init(&env, 65536);
    vk_buf_init(&command, 65536);
    start(&f, row->container);
    give(&f);
    if (environment_resolve(f.refs, f.pod->spec.containers.v, f.arena, &c, &err) < 0)
        fail_msg("%s: %s", row->name, err.msg);
    for (size_t i = 0; i < c.env_count; i++) {
        if (c.env[i].secret)
            assert_null(c.env[i].value);
        vk_buf_printf(&env, "%s=%s%s ", c.env[i].name, c.env[i].secret ? "!" : "",
                      c.env[i].secret ? vk_secret_reveal(c.env[i].secret).p : c.env[i].value);
    }
    print_strings(&command, &c.command);
    if (c.args.n) {
        vk_buf_addc(&command, ';');
        print_strings(&command, &c.args);
    }
    if (!vk_streq(vk_buf_peek(&env), row->env) || !vk_streq(vk_buf_peek(&command), row->command))
        fail_msg("%s: \"%s\" and \"%s\", not \"%s\" and \"%s\"", row->name, vk_buf_peek(&env),
                 vk_buf_peek(&command), row->env, row->command);
    fixture_release(&f);
}

static void environment_is_what_kubernetes_makes_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i]);
}

static void what_is_missing_or_unknown_is_named(void **state)
{
    static const struct {
        const char *container, *reason, *text;
        enum vk_code code;
    } bad[] = {
        {"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"none\",\"key\":"
         "\"k\"}}}]",
         "MandatoryConfigMapNotFound", "environment variable A of container c", VK_NOT_FOUND},
        {"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":"
         "\"blob\"}}}]",
         "MandatoryConfigMapKeyNotFound", "shop/cm", VK_NOT_FOUND},
        {"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"none\",\"key\":"
         "\"k\"}}}]",
         "MandatorySecretNotFound", "Secret shop/none", VK_NOT_FOUND},
        {"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"k\"}}}"
         "]",
         "MandatorySecretKeyNotFound", "no key \"k\"", VK_NOT_FOUND},
        {"\"envFrom\":[{\"configMapRef\":{\"name\":\"none\"}}]", "MandatoryConfigMapNotFound",
         "envFrom of container c", VK_NOT_FOUND},
        {"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.x\"}}}]", "",
         "spec.x", VK_UNSUPPORTED},
        {"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fileKeyRef\":{\"path\":\"x\"}}}]", "",
         "valueFrom", VK_UNSUPPORTED},
        {"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":"
         "\"limits.hugepages-2Mi\"}}}]",
         "", "limits.hugepages-2Mi", VK_UNSUPPORTED},
        {"\"env\":[{\"name\":\"A\",\"valueFrom\":{\"resourceFieldRef\":{\"containerName\":\"no\","
         "\"resource\":\"limits.cpu\"}}}]",
         "", "no container \"no\"", VK_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct resolve_fixture f;
        struct resolved_container c;
        struct vk_err err = {0};

        start(&f, bad[i].container);
        give(&f);
        assert_true(environment_resolve(f.refs, f.pod->spec.containers.v, f.arena, &c, &err) < 0);
        assert_int_equal(err.code, bad[i].code);
        assert_string_equal(err.reason, bad[i].reason);
        if (!strstr(err.msg, bad[i].text))
            fail_msg("\"%s\" does not name %s", err.msg, bad[i].text);
        fixture_release(&f);
    }
}

static void values_that_multiply_are_stopped(void **state)
{
    struct resolve_fixture f;
    struct resolved_container c;
    struct vk_buf container VK_BUF_AUTO;
    struct vk_err err = {0};

    (void)state;
    vk_buf_init(&container, 65536);
    vk_buf_adds(&container, "\"env\":[{\"name\":\"V0\",\"value\":\"0123456789\"}");
    for (int i = 1; i < 30; i++)
        vk_buf_printf(&container, ",{\"name\":\"V%d\",\"value\":\"$(V%d)$(V%d)\"}", i, i - 1,
                      i - 1);
    vk_buf_adds(&container, "]");
    start(&f, vk_buf_peek(&container));
    assert_true(environment_resolve(f.refs, f.pod->spec.containers.v, f.arena, &c, &err) < 0);
    assert_int_equal(err.code, VK_TOO_LARGE);
    fixture_release(&f);
}

static void each_reference_is_collected_once(void **state)
{
    struct resolve_fixture f;

    (void)state;
    fixture_init(
        &f,
        "{\"imagePullSecrets\":[{\"name\":\"pull\"},{\"name\":\"s\"}],\"containers\":[{\"name\":"
        "\"a\",\"envFrom\":[{\"configMapRef\":{\"name\":\"cm\",\"optional\":true}}]},{\"name\":"
        "\"b\",\"envFrom\":[{\"configMapRef\":{\"name\":\"cm\"}},{\"secretRef\":{\"name\":\"s\","
        "\"optional\":true}}],\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}],"
        "\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{"
        "\"serviceAccountToken\":{\"path\":\"a\",\"expirationSeconds\":3607}},{"
        "\"serviceAccountToken\":{\"path\":\"b\",\"expirationSeconds\":3607}},{"
        "\"serviceAccountToken\":{\"path\":\"c\",\"expirationSeconds\":600,\"audience\":\"v\"}},{"
        "\"configMap\":{\"name\":\"root\"}}]}}]}");
    assert_int_equal(f.refs->object_count, 4);
    assert_int_equal(f.refs->token_count, 2);
    for (size_t i = 0; i < 4; i++) {
        const struct object_use *u = &f.refs->objects[i];

        assert_int_equal(u->is_mandatory, vk_streq(u->name, "cm") || vk_streq(u->name, "root"));
        assert_int_equal(u->is_pull_secret, vk_streq(u->name, "pull"));
    }
    fixture_release(&f);
}

static void services_fill_what_the_pod_leaves_free(void **state)
{
    static const struct service_variable services[] = {
        {"KUBERNETES_SERVICE_HOST", "10.96.0.1"}, {"DB_SERVICE_HOST", "10.96.0.2"}, {"A", "x"}};
    struct resolve_fixture f;
    struct resolved_container c;
    struct vk_err err;

    (void)state;
    start(&f, "\"env\":[{\"name\":\"A\",\"value\":\"mine\"},{\"name\":\"URL\",\"value\":"
              "\"db://$(DB_SERVICE_HOST)\"}],\"command\":[\"$(KUBERNETES_SERVICE_HOST)\"]");
    f.refs->services = services;
    f.refs->service_count = 3;
    assert_return_code(environment_resolve(f.refs, f.pod->spec.containers.v, f.arena, &c, &err), 0);
    assert_int_equal(c.env_count, 4);
    assert_string_equal(c.env[0].value, "mine");
    assert_string_equal(c.env[1].value, "db://10.96.0.2");
    assert_string_equal(c.env[2].name, "KUBERNETES_SERVICE_HOST");
    assert_string_equal(c.env[3].value, "10.96.0.2");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(c.env[i].is_implied, i >= 2);
    assert_string_equal(c.command.v[0], "10.96.0.1");
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(environment_is_what_kubernetes_makes_of_it),
        cmocka_unit_test(what_is_missing_or_unknown_is_named),
        cmocka_unit_test(services_fill_what_the_pod_leaves_free),
        cmocka_unit_test(values_that_multiply_are_stopped),
        cmocka_unit_test(each_reference_is_collected_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
