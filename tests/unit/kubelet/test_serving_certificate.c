/* SPDX-License-Identifier: Apache-2.0 */
/* What the kubelet port shows and says of it; that it is signed and renewed,
 * test_certificate_manager and the end-to-end tests see. */
#include "kubelet/server/serving_certificate.c"

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/kubelet/fake_api_server.h"

struct told {
    size_t count, changes;
    bool is_pending, is_done;
    char reason[64], message[256];
};

static void on_changed(void *user)
{
    struct told *t = user;

    t->changes++;
}

static void on_pending(void *user, bool pending, const char *reason, const char *message)
{
    struct told *t = user;

    t->count++;
    t->is_pending = pending;
    t->is_done = true;
    vk_strcpy_to(t->reason, sizeof(t->reason), reason);
    vk_strcpy_to(t->message, sizeof(t->message), message);
}

static struct serving_certificate *make(struct fake_api *api, struct told *t,
                                        const struct serving_certificate_config *base)
{
    struct serving_certificate_config config = *base;
    struct serving_certificate *s;
    struct vk_err err;

    *t = (struct told){0};
    config.node_name = "node-1";
    config.node_ip = "10.0.0.7";
    config.changed = on_changed;
    config.pending = on_pending;
    config.user = t;
    if (serving_certificate_new(api->loop, &config, &s, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

/* It shows one of its own, for the node's names and address. */
static void assert_self_signed(const struct serving_certificate *s)
{
    static const char *const dns[] = {"node-1"}, *const ips[] = {"10.0.0.7"};
    const struct certificate_names names = {.common_name = "system:node:node-1",
                                            .organization = "system:nodes",
                                            .dns = dns,
                                            .dns_count = 1,
                                            .ips = ips,
                                            .ip_count = 1};
    struct tls_listener_config listener = {0};
    struct certificate_validity validity;
    struct vk_secret key = {0};
    struct vk_err err;

    serving_certificate_fill(s, &listener);
    assert_null(listener.cert_file);
    vk_secret_set(&key, listener.key_pem, strlen(listener.key_pem));
    if (tls_certificate_check(listener.cert_pem, &key, &names, &validity, &err) < 0)
        fail_msg("%s", err.msg);
    vk_secret_release(&key);
}

static void files_are_shown_and_nobody_is_asked(void **state)
{
    const struct serving_certificate_config config = {
        .cert_file = "/etc/a.crt", .key_file = "/etc/a.key", .request = true};
    struct tls_listener_config listener = {0};
    struct serving_certificate *s;
    struct fake_api api;
    struct told t;

    (void)state;
    fake_start(&api, NULL, 0, NULL);
    s = make(&api, &t, &config);
    serving_certificate_fill(s, &listener);
    assert_string_equal(listener.cert_file, "/etc/a.crt");
    assert_string_equal(listener.key_file, "/etc/a.key");
    assert_null(listener.cert_pem);
    assert_int_equal(t.count, 0);
    serving_certificate_start(s, api.rest);
    assert_false(t.is_pending);
    assert_string_equal(t.reason, "Files");
    assert_int_equal(vk_buf_len(&api.asked), 0);
    serving_certificate_free(s);
    fake_stop(&api);
}

static void without_files_one_that_nobody_signed_is_shown(void **state)
{
    const struct serving_certificate_config config = {.request = false};
    struct serving_certificate *s;
    struct fake_api api;
    struct told t;

    (void)state;
    fake_start(&api, NULL, 0, NULL);
    s = make(&api, &t, &config);
    assert_self_signed(s);
    serving_certificate_start(s, api.rest);
    assert_string_equal(t.reason, "SelfSigned");
    assert_int_equal(vk_buf_len(&api.asked), 0);
    serving_certificate_free(s);
    fake_stop(&api);
}

static void until_it_is_approved_the_command_is_told(void **state)
{
    static const struct fake_step steps[] = {{.status = 201, .body = "{}"},
                                             {.body = "{\"status\":{}}"}};
    const struct serving_certificate_config config = {.request = true};
    struct serving_certificate *s;
    struct fake_api api;
    struct told t;

    (void)state;
    fake_start(&api, steps, 2, NULL);
    s = make(&api, &t, &config);
    assert_int_equal(t.count, 0);
    serving_certificate_start(s, api.rest);
    fake_run_until(&api, &t.is_done);
    assert_true(t.is_pending);
    assert_string_equal(t.reason, "ApprovalMissing");
    assert_true(vk_starts(t.message, "kubectl certificate approve kubelet-server-node-1-"));
    assert_self_signed(s);
    assert_int_equal(t.changes, 0);
    serving_certificate_free(s);
    fake_stop(&api);
}

static void what_the_cluster_refuses_is_told(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 403,
         .body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"may not ask\"}"}};
    const struct serving_certificate_config config = {.request = true};
    struct serving_certificate *s;
    struct fake_api api;
    struct told t;

    (void)state;
    fake_start(&api, steps, 1, NULL);
    s = make(&api, &t, &config);
    serving_certificate_start(s, api.rest);
    fake_run_until(&api, &t.is_done);
    assert_true(t.is_pending);
    assert_string_equal(t.reason, "RequestFailed");
    assert_non_null(strstr(t.message, "may not ask"));
    assert_self_signed(s);
    serving_certificate_free(s);
    fake_stop(&api);
}

static void a_folder_that_can_not_be_used_is_an_error(void **state)
{
    struct serving_certificate_config config = {
        .request = true, .cert_dir = "/dev/null/pki", .node_name = "n", .node_ip = "10.0.0.7"};
    struct serving_certificate *s;
    struct fake_api api;
    struct vk_err err;

    (void)state;
    fake_start(&api, NULL, 0, NULL);
    assert_true(serving_certificate_new(api.loop, &config, &s, &err) < 0);
    assert_non_null(strstr(err.msg, "/dev/null"));
    config.cert_dir = NULL;
    config.node_ip = "no address";
    assert_true(serving_certificate_new(api.loop, &config, &s, &err) < 0);
    fake_stop(&api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_shown_and_nobody_is_asked),
        cmocka_unit_test(without_files_one_that_nobody_signed_is_shown),
        cmocka_unit_test(until_it_is_approved_the_command_is_told),
        cmocka_unit_test(what_the_cluster_refuses_is_told),
        cmocka_unit_test(a_folder_that_can_not_be_used_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
