/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls_certificate.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/tls.h"

/* Clocks differ: a certificate of ours is good for those that are late, too. */
#define BACKDATED_S 300

static int fail(const char *what, struct vk_err *err)
{
    char detail[256];

    return vk_err_set(err, VK_INVALID, "%s (%s)", what, tls_error_text(detail));
}

static BIO *text_bio(struct vk_str text)
{
    return BIO_new_mem_buf(text.p, text.n > INT_MAX ? INT_MAX : (int)text.n);
}

static void take_bio(BIO *bio, struct vk_buf *out)
{
    char *data = NULL;
    long n = BIO_get_mem_data(bio, &data);

    vk_buf_add(out, data, (size_t)n);
    BIO_free(bio);
}

static int no_password(char *buf, int size, int for_writing, void *user)
{
    (void)buf;
    (void)size;
    (void)for_writing;
    (void)user;
    return -1;
}

static EVP_PKEY *read_key(const struct vk_secret *key)
{
    BIO *bio = text_bio(vk_secret_reveal(key));
    EVP_PKEY *pkey;

    ERR_clear_error();
    pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    return pkey;
}

void tls_key_new(struct vk_secret *ret)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data = NULL;
    long n;

    if (!pkey || !bio || PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1)
        abort();
    n = BIO_get_mem_data(bio, &data);
    vk_secret_set(ret, data, (size_t)n);
    vk_wipe(data, (size_t)n);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

int tls_key_fingerprint(const struct vk_secret *key, char out[65], struct vk_err *err)
{
    EVP_PKEY *pkey = read_key(key);
    unsigned char *der = NULL;
    int n = pkey ? i2d_PUBKEY(pkey, &der) : -1;

    EVP_PKEY_free(pkey);
    if (n <= 0)
        return fail("not an unencrypted PEM key", err);
    crypto_sha256_hex(der, (size_t)n, out);
    OPENSSL_free(der);
    return 0;
}

/* ---- names ---- */

/* As Go writes it: system:node:NAME may be longer than the 64 characters of X.520, which OpenSSL
 * counts in strings whose type it chooses itself. */
static bool add_attribute(X509_NAME *subject, int nid, const char *value)
{
    return X509_NAME_add_entry_by_NID(subject, nid, V_ASN1_UTF8STRING, (const unsigned char *)value,
                                      -1, -1, 0) == 1;
}

static bool add_subject(X509_NAME *subject, const struct certificate_names *names)
{
    return (!names->organization ||
            add_attribute(subject, NID_organizationName, names->organization)) &&
           add_attribute(subject, NID_commonName, names->common_name);
}

static bool add_name(GENERAL_NAMES *list, int type, ASN1_STRING *value)
{
    GENERAL_NAME *name = value ? GENERAL_NAME_new() : NULL;

    if (!name) {
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(list, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static ASN1_STRING *dns_value(const char *text)
{
    ASN1_STRING *value = ASN1_IA5STRING_new();

    if (value && ASN1_STRING_set(value, text, -1) != 1) {
        ASN1_STRING_free(value);
        return NULL;
    }
    return value;
}

/* NULL on a bad address. */
static GENERAL_NAMES *alternative_names(const struct certificate_names *names)
{
    GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
    bool ok = list != NULL;

    for (size_t i = 0; ok && i < names->dns_count; i++)
        ok = add_name(list, GEN_DNS, dns_value(names->dns[i]));
    for (size_t i = 0; ok && i < names->ip_count; i++)
        ok = add_name(list, GEN_IPADD, a2i_IPADDRESS(names->ips[i]));
    if (ok)
        return list;
    sk_GENERAL_NAME_pop_free(list, GENERAL_NAME_free);
    return NULL;
}

static bool has_alternatives(const struct certificate_names *names)
{
    return names->dns_count + names->ip_count > 0;
}

/* ---- writing ---- */

static bool request_add_alternatives(X509_REQ *request, const struct certificate_names *names)
{
    GENERAL_NAMES *list = alternative_names(names);
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    bool ok = list && X509V3_add1_i2d(&extensions, NID_subject_alt_name, list, 0, 0) == 1 &&
              X509_REQ_add_extensions(request, extensions) == 1;

    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    sk_GENERAL_NAME_pop_free(list, GENERAL_NAME_free);
    return ok;
}

int tls_request_write(const struct vk_secret *key, const struct certificate_names *names,
                      struct vk_buf *out, struct vk_err *err)
{
    EVP_PKEY *pkey = read_key(key);
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = pkey && request && bio && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
              add_subject(X509_REQ_get_subject_name(request), names) &&
              X509_REQ_set_pubkey(request, pkey) == 1 &&
              (!has_alternatives(names) || request_add_alternatives(request, names)) &&
              X509_REQ_sign(request, pkey, EVP_sha256()) > 0 &&
              PEM_write_bio_X509_REQ(bio, request) == 1;

    if (ok)
        take_bio(bio, out);
    else
        BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(pkey);
    return ok ? 0 : fail("cannot write a certificate request", err);
}

static bool add_extension(X509 *x509, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool fill_certificate(X509 *x509, EVP_PKEY *pkey, const struct certificate_names *names,
                             int days)
{
    GENERAL_NAMES *list = alternative_names(names);
    uint64_t serial;
    bool ok;

    crypto_random(&serial, sizeof(serial));
    ok = list && X509_set_version(x509, X509_VERSION_3) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), (serial >> 1) + 1) == 1 &&
         X509_gmtime_adj(X509_getm_notBefore(x509), -BACKDATED_S) &&
         X509_time_adj_ex(X509_getm_notAfter(x509), days, 0, NULL) &&
         add_subject(X509_get_subject_name(x509), names) &&
         X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1 &&
         X509_set_pubkey(x509, pkey) == 1 &&
         add_extension(x509, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(x509, NID_key_usage, "critical,digitalSignature") &&
         add_extension(x509, NID_ext_key_usage, "serverAuth") &&
         (!has_alternatives(names) ||
          X509_add1_ext_i2d(x509, NID_subject_alt_name, list, 0, 0) == 1);
    sk_GENERAL_NAME_pop_free(list, GENERAL_NAME_free);
    return ok;
}

int tls_self_signed_write(const struct vk_secret *key, const struct certificate_names *names,
                          int days, struct vk_buf *out, struct vk_err *err)
{
    EVP_PKEY *pkey = read_key(key);
    X509 *x509 = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = pkey && x509 && bio && fill_certificate(x509, pkey, names, days) &&
              X509_sign(x509, pkey, EVP_sha256()) > 0 && PEM_write_bio_X509(bio, x509) == 1;

    if (ok)
        take_bio(bio, out);
    else
        BIO_free(bio);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    return ok ? 0 : fail("cannot write a certificate", err);
}

/* ---- reading ---- */

static bool seconds_of(const ASN1_TIME *time, int64_t *ret)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *ret = timegm(&tm);
    return true;
}

static bool subject_has(const X509 *x509, int nid, const char *value)
{
    const X509_NAME *subject = X509_get_subject_name(x509);
    struct vk_str wanted = vk_str_of(value);

    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, nid, i)) >= 0;) {
        const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
        struct vk_str found = {(const char *)ASN1_STRING_get0_data(s),
                               (size_t)ASN1_STRING_length(s)};

        if (vk_str_eq(found, wanted))
            return true;
    }
    return false;
}

/* What the certificate does not say of names; NULL: it says all. */
static const char *missing_name(X509 *x509, const struct certificate_names *names)
{
    if (!subject_has(x509, NID_commonName, names->common_name))
        return names->common_name;
    if (names->organization && !subject_has(x509, NID_organizationName, names->organization))
        return names->organization;
    for (size_t i = 0; i < names->dns_count; i++)
        if (X509_check_host(x509, names->dns[i], 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) != 1)
            return names->dns[i];
    for (size_t i = 0; i < names->ip_count; i++)
        if (X509_check_ip_asc(x509, names->ips[i], 0) != 1)
            return names->ips[i];
    return NULL;
}

static int check(X509 *x509, EVP_PKEY *pkey, const struct certificate_names *names,
                 struct certificate_validity *ret, struct vk_err *err)
{
    struct certificate_validity validity;
    const char *missing;

    if (!x509)
        return fail("not a PEM certificate", err);
    if (!pkey)
        return fail("not an unencrypted PEM key", err);
    if (X509_check_private_key(x509, pkey) != 1)
        return fail("the certificate is not of this key", err);
    missing = names ? missing_name(x509, names) : NULL;
    if (missing)
        return vk_err_set(err, VK_INVALID, "the certificate does not say %s", missing);
    if (!seconds_of(X509_get0_notBefore(x509), &validity.not_before_s) ||
        !seconds_of(X509_get0_notAfter(x509), &validity.not_after_s))
        return fail("the certificate has no readable time", err);
    *ret = validity;
    return 0;
}

int tls_certificate_check(const char *pem, const struct vk_secret *key,
                          const struct certificate_names *names, struct certificate_validity *ret,
                          struct vk_err *err)
{
    EVP_PKEY *pkey = read_key(key);
    BIO *bio = text_bio(vk_str_of(pem));
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    int rc = check(x509, pkey, names, ret, err);

    X509_free(x509);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return rc;
}
