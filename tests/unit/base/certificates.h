/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates made while a test runs: authorities, servers, clients good and bad. */
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct certificate {
    EVP_PKEY *key;
    X509 *x509;
    char *cert_pem, *key_pem;
};

struct certificate_name {
    const char *field; /* "CN", "O" */
    const char *value;
    int n; /* -1: up to the NUL */
};

struct certificate_spec {
    const struct certificate *issuer; /* NULL: self-signed authority */
    const struct certificate_name *names;
    size_t name_count;
    const char *san;   /* "DNS:a,IP:127.0.0.1", or NULL */
    const char *usage; /* "serverAuth", "clientAuth", or NULL */
    bool is_authority; /* though it has an issuer */
    bool is_rsa;       /* P-256 if not */
    long from_s, to_s; /* from now; both 0: an hour */
};

static inline void certificate_require(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "cannot make a test certificate: %s\n", what);
    abort();
}

static inline char *certificate_bio_text(BIO *bio)
{
    char *data = NULL;
    long n = BIO_get_mem_data(bio, &data);
    char *text = vk_strndup(data, (size_t)n);

    BIO_free(bio);
    return text;
}

static inline void certificate_extend(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    certificate_require(extension && X509_add_ext(x509, extension, -1), value);
    X509_EXTENSION_free(extension);
}

static inline struct certificate certificate_make(const struct certificate_spec *spec)
{
    static long serial = 1;
    struct certificate c = {.key = spec->is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"),
                            .x509 = X509_new()};
    X509 *issuer = spec->issuer ? spec->issuer->x509 : c.x509;
    X509_NAME *name = X509_get_subject_name(c.x509);
    bool is_default = !spec->from_s && !spec->to_s;
    BIO *bio = BIO_new(BIO_s_mem());

    certificate_require(c.key != NULL, "key");
    X509_set_version(c.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), is_default ? -60 : spec->from_s);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), is_default ? 3600 : spec->to_s);
    X509_set_pubkey(c.x509, c.key);
    for (size_t i = 0; i < spec->name_count; i++)
        certificate_require(X509_NAME_add_entry_by_txt(name, spec->names[i].field, MBSTRING_UTF8,
                                                       (const unsigned char *)spec->names[i].value,
                                                       spec->names[i].n, -1, 0) == 1,
                            spec->names[i].value);
    X509_set_issuer_name(c.x509, X509_get_subject_name(issuer));
    certificate_extend(c.x509, issuer, NID_basic_constraints,
                       spec->issuer && !spec->is_authority ? "critical,CA:FALSE"
                                                           : "critical,CA:TRUE");
    if (spec->san)
        certificate_extend(c.x509, issuer, NID_subject_alt_name, spec->san);
    if (spec->usage)
        certificate_extend(c.x509, issuer, NID_ext_key_usage, spec->usage);
    certificate_require(
        X509_sign(c.x509, spec->issuer ? spec->issuer->key : c.key, EVP_sha256()) > 0, "signature");
    PEM_write_bio_X509(bio, c.x509);
    c.cert_pem = certificate_bio_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, c.key, NULL, NULL, 0, NULL, NULL);
    c.key_pem = certificate_bio_text(bio);
    return c;
}

static inline void certificate_release(struct certificate *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
    vk_free(c->cert_pem);
    vk_free(c->key_pem);
}

static inline struct certificate certificate_authority(const char *common_name)
{
    const struct certificate_name name = {"CN", common_name, -1};

    return certificate_make(&(struct certificate_spec){.names = &name, .name_count = 1});
}

static inline struct certificate certificate_server(const struct certificate *ca, const char *san)
{
    const struct certificate_name name = {"CN", "server", -1};

    return certificate_make(&(struct certificate_spec){
        .issuer = ca, .names = &name, .name_count = 1, .san = san, .usage = "serverAuth"});
}

/* Writes text to a new file under /tmp; the name is the caller's (vk_free, after unlink). */
static inline char *certificate_file(const char *text)
{
    char *path = vk_strdup("/tmp/vk-certificate-XXXXXX");
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    certificate_require(file && fputs(text, file) >= 0 && fclose(file) == 0, path);
    return path;
}
