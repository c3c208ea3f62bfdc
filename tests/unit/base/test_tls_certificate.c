/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/tls_certificate.h"
#include "tests/unit/base/certificates.h"

static const char *const dns[] = {"node-1"};
static const char *const ips[] = {"10.0.0.7", "fd00::7"};
static const struct certificate_names names = {.common_name = "system:node:node-1",
                                               .organization = "system:nodes",
                                               .dns = dns,
                                               .dns_count = 1,
                                               .ips = ips,
                                               .ip_count = 2};

struct world {
    struct vk_secret key, other;
    struct vk_buf text;
};

static int set_up(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    tls_key_new(&w->key);
    tls_key_new(&w->other);
    vk_buf_init(&w->text, 1 << 16);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    vk_secret_release(&w->key);
    vk_secret_release(&w->other);
    vk_buf_release(&w->text);
    vk_free(w);
    return 0;
}

static X509_REQ *read_request(struct world *w)
{
    BIO *bio = BIO_new_mem_buf(vk_buf_peek(&w->text), -1);
    X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(request);
    return request;
}

static void a_request_says_the_names_and_is_signed_by_the_key(void **state)
{
    struct world *w = *state;
    char subject[256];
    struct vk_err err;
    X509_REQ *request;
    STACK_OF(X509_EXTENSION) * extensions;
    GENERAL_NAMES *alternatives;

    assert_int_equal(tls_request_write(&w->key, &names, &w->text, &err), 0);
    request = read_request(w);
    assert_int_equal(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
    X509_NAME_oneline(X509_REQ_get_subject_name(request), subject, sizeof(subject));
    assert_string_equal(subject, "/O=system:nodes/CN=system:node:node-1");
    extensions = X509_REQ_get_extensions(request);
    alternatives = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(alternatives), 3);
    sk_GENERAL_NAME_pop_free(alternatives, GENERAL_NAME_free);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(request);
}

static void a_request_of_a_client_has_no_alternative_names(void **state)
{
    struct world *w = *state;
    struct certificate_names client = names;
    STACK_OF(X509_EXTENSION) * extensions;
    struct vk_err err;
    X509_REQ *request;

    client.dns_count = client.ip_count = 0;
    assert_int_equal(tls_request_write(&w->key, &client, &w->text, &err), 0);
    request = read_request(w);
    extensions = X509_REQ_get_extensions(request);
    assert_int_equal(sk_X509_EXTENSION_num(extensions) > 0, false);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(request);
}

static void a_certificate_of_its_own_is_good_for_its_key_its_names_and_its_time(void **state)
{
    struct world *w = *state;
    struct certificate_validity validity;
    int64_t now_s = vk_wall_ms() / 1000;
    struct vk_err err;

    assert_int_equal(tls_self_signed_write(&w->key, &names, 10, &w->text, &err), 0);
    assert_int_equal(tls_certificate_check(vk_buf_peek(&w->text), &w->key, &names, &validity, &err),
                     0);
    assert_in_range(validity.not_before_s, now_s - 400, now_s - 299);
    assert_in_range(validity.not_after_s, now_s + 10 * 86400, now_s + 10 * 86400 + 60);
}

static void what_does_not_fit_is_named(void **state)
{
    static const char *const other_dns[] = {"node-2"}, *const other_ips[] = {"10.0.0.8"};
    struct world *w = *state;
    struct certificate_names other[4] = {names, names, names, names};
    static const char *const missing[] = {"system:node:node-2", "system:masters", "node-2",
                                          "10.0.0.8"};
    struct certificate_validity validity;
    struct vk_secret broken = {0};
    struct vk_err err;

    other[0].common_name = missing[0];
    other[1].organization = missing[1];
    other[2].dns = other_dns;
    other[3].ips = other_ips;
    other[3].ip_count = 1;
    assert_int_equal(tls_self_signed_write(&w->key, &names, 1, &w->text, &err), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            tls_certificate_check(vk_buf_peek(&w->text), &w->key, &other[i], &validity, &err),
            -VK_INVALID);
        assert_non_null(strstr(err.msg, missing[i]));
    }
    assert_int_equal(
        tls_certificate_check(vk_buf_peek(&w->text), &w->other, &names, &validity, &err),
        -VK_INVALID);
    assert_non_null(strstr(err.msg, "not of this key"));
    vk_secret_set(&broken, "nonsense", 8);
    assert_int_equal(tls_certificate_check(vk_buf_peek(&w->text), &broken, NULL, &validity, &err),
                     -VK_INVALID);
    vk_secret_release(&broken);
    assert_int_equal(tls_certificate_check("nonsense", &w->key, NULL, &validity, &err),
                     -VK_INVALID);
}

/* The node's name may have 63 characters, and its user is system:node: and that name. */
static void a_long_name_is_said_as_a_whole(void **state)
{
    static const char user[] = "system:node:"
                               "a23456789.123456789.123456789.123456789.123456789.123456789.123";
    struct world *w = *state;
    struct certificate_names longer = names;
    struct certificate_validity validity;
    X509_REQ *request;
    struct vk_err err;
    char found[128];

    longer.common_name = user;
    assert_int_equal(tls_self_signed_write(&w->key, &longer, 1, &w->text, &err), 0);
    assert_int_equal(
        tls_certificate_check(vk_buf_peek(&w->text), &w->key, &longer, &validity, &err), 0);
    vk_buf_clear(&w->text);
    assert_int_equal(tls_request_write(&w->key, &longer, &w->text, &err), 0);
    request = read_request(w);
    assert_int_equal(X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(request), NID_commonName,
                                               found, sizeof(found)),
                     sizeof(user) - 1);
    assert_string_equal(found, user);
    X509_REQ_free(request);
}

static void bad_names_are_refused(void **state)
{
    static const char *const bad[] = {"10.0.0.999"};
    struct world *w = *state;
    struct certificate_names wrong = names;
    struct vk_err err;

    wrong.ips = bad;
    wrong.ip_count = 1;
    assert_int_equal(tls_request_write(&w->key, &wrong, &w->text, &err), -VK_INVALID);
    assert_int_equal(tls_self_signed_write(&w->key, &wrong, 1, &w->text, &err), -VK_INVALID);
    assert_int_equal(vk_buf_len(&w->text), 0);
}

static void keys_are_told_apart_by_their_fingerprint(void **state)
{
    struct world *w = *state;
    struct vk_secret broken = {0};
    char a[65], again[65], b[65];
    struct vk_err err;

    assert_int_equal(tls_key_fingerprint(&w->key, a, &err), 0);
    assert_int_equal(tls_key_fingerprint(&w->key, again, &err), 0);
    assert_int_equal(tls_key_fingerprint(&w->other, b, &err), 0);
    assert_string_equal(a, again);
    assert_string_not_equal(a, b);
    assert_int_equal(tls_key_fingerprint(&broken, a, &err), -VK_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(a_request_says_the_names_and_is_signed_by_the_key),
        TEST(a_request_of_a_client_has_no_alternative_names),
        TEST(a_certificate_of_its_own_is_good_for_its_key_its_names_and_its_time),
        TEST(what_does_not_fit_is_named),
        TEST(a_long_name_is_said_as_a_whole),
        TEST(bad_names_are_refused),
        TEST(keys_are_told_apart_by_their_fingerprint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
