/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/secret.h"

#define MAX_PEM_BYTES (1024 * 1024)

const char *tls_error_text(char buf[static 256])
{
    unsigned long code = ERR_get_error();

    if (code)
        ERR_error_string_n(code, buf, 256);
    else
        vk_strcpy_to(buf, 256, "no detail");
    ERR_clear_error();
    return buf;
}

/* ---- PEM: text given, or a file's ---- */

struct pem_source {
    const char *what; /* "serving certificate" */
    const char *pem, *file;
};

static int pem_error(const struct pem_source *source, const char *problem, struct vk_err *err)
{
    const bool has_detail = ERR_peek_error() != 0;
    char detail[256];

    tls_error_text(detail);
    return vk_err_set(err, VK_INVALID, "%s %s: %s%s%s%s", source->what,
                      source->pem ? "given as text" : source->file, problem, has_detail ? " (" : "",
                      has_detail ? detail : "", has_detail ? ")" : "");
}

static int pem_read(const struct pem_source *source, struct vk_arena *arena, struct vk_str *ret,
                    struct vk_err *err)
{
    if (source->pem) {
        *ret = vk_str_of(source->pem);
        return 0;
    }
    if (!source->file)
        return vk_err_set(err, VK_INVALID, "no %s is configured", source->what);
    if (file_read(source->file, MAX_PEM_BYTES, arena, ret, err) < 0)
        return vk_err_wrap(err, "%s", source->what);
    return 0;
}

static BIO *pem_bio(struct vk_str text)
{
    return BIO_new_mem_buf(text.p, text.n > INT_MAX ? INT_MAX : (int)text.n);
}

static X509 *next_certificate(BIO *bio)
{
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    /* The end of the text shows as a missing start line; that is no error. */
    if (!certificate && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        ERR_clear_error();
    return certificate;
}

/* An encrypted key must fail instead of asking for its password on the terminal. */
static int no_password(char *buf, int size, int for_writing, void *user)
{
    (void)buf;
    (void)size;
    (void)for_writing;
    (void)user;
    return -1;
}

static int use_certificate(SSL_CTX *ctx, const struct pem_source *source, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text;
    X509 *certificate;
    BIO *bio;
    bool ok;

    if (pem_read(source, arena, &text, err) < 0)
        return -(int)err->code;
    bio = pem_bio(text);
    certificate = next_certificate(bio);
    ok = certificate && SSL_CTX_use_certificate(ctx, certificate) == 1;
    X509_free(certificate);
    while (ok && (certificate = next_certificate(bio)))
        if (SSL_CTX_add0_chain_cert(ctx, certificate) != 1) {
            X509_free(certificate);
            ok = false;
        }
    ok = ok && ERR_peek_error() == 0;
    BIO_free(bio);
    return ok ? 0 : pem_error(source, "not a PEM certificate", err);
}

static int use_key(SSL_CTX *ctx, const struct pem_source *source, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text;
    EVP_PKEY *key;
    BIO *bio;
    bool ok;

    if (pem_read(source, arena, &text, err) < 0)
        return -(int)err->code;
    bio = pem_bio(text);
    key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    if (!source->pem)
        vk_wipe((char *)(uintptr_t)text.p, text.n);
    return ok ? 0 : pem_error(source, "not an unencrypted PEM key of the certificate", err);
}

static int use_client_ca(SSL_CTX *ctx, const struct pem_source *source, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text;
    X509 *certificate;
    size_t count = 0;
    bool ok = true;
    BIO *bio;

    if (pem_read(source, arena, &text, err) < 0)
        return -(int)err->code;
    bio = pem_bio(text);
    while (ok && (certificate = next_certificate(bio))) {
        ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), certificate) == 1 &&
             SSL_CTX_add_client_CA(ctx, certificate) == 1;
        X509_free(certificate);
        count++;
    }
    ok = ok && count > 0 && ERR_peek_error() == 0;
    BIO_free(bio);
    return ok ? 0 : pem_error(source, "not a list of PEM certificates", err);
}

/* ---- contexts ---- */

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *user)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *selected = NULL;

    (void)ssl;
    (void)user;
    if (SSL_select_next_proto(&selected, out_len, ours, sizeof(ours) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

/*
 * Lets the handshake go on, so that a peer with a bad certificate is answered 401 instead of an
 * alert. The failure is kept here: SSL_get_verify_result alone depends on which check came last.
 */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    bool *failed = ssl ? SSL_get_app_data(ssl) : NULL;

    if (!ok && failed)
        *failed = true;
    return 1;
}

void tls_watch_verification(struct ssl_st *ssl, bool *flag)
{
    *flag = false;
    SSL_set_app_data(ssl, flag);
}

static void harden(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
}

static int configure(SSL_CTX *ctx, const struct tls_listener_config *config, struct vk_err *err)
{
    const struct pem_source certificate = {"serving certificate", config->cert_pem,
                                           config->cert_file};
    const struct pem_source key = {"key of the serving certificate", config->key_pem,
                                   config->key_file};
    const struct pem_source ca = {"client CA", NULL, config->client_ca_file};

    harden(ctx);
    if (use_certificate(ctx, &certificate, err) < 0 || use_key(ctx, &key, err) < 0)
        return -(int)err->code;
    if (!config->client_ca_file)
        return 0;
    if (use_client_ca(ctx, &ca, err) < 0)
        return -(int)err->code;
    /* An authority in the middle may be the one to trust, as with the kubelet. */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
    return 0;
}

int tls_server_context(const struct tls_listener_config *config, struct ssl_ctx_st **ret,
                       struct vk_err *err)
{
    SSL_CTX *ctx;

    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        char detail[256];

        return vk_err_set(err, VK_INTERNAL, "cannot create a TLS context: %s",
                          tls_error_text(detail));
    }
    if (configure(ctx, config, err) < 0) {
        SSL_CTX_free(ctx);
        return -(int)err->code;
    }
    *ret = ctx;
    return 0;
}

void tls_context_free(struct ssl_ctx_st *ctx)
{
    SSL_CTX_free(ctx);
}

/* ---- who the peer is ---- */

/* False when the value has a NUL inside or does not fit. */
static bool copy_name(const X509_NAME *name, int index, char out[static 256])
{
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, value);
    bool ok = n >= 0 && n < 256 && !memchr(utf8, 0, (size_t)n);

    if (ok) {
        memcpy(out, utf8, (size_t)n);
        out[n] = '\0';
    }
    OPENSSL_free(utf8);
    return ok;
}

/* Kubernetes' attribute for the UID of a user. */
static bool read_uid(const X509_NAME *subject, char out[static 256])
{
    ASN1_OBJECT *attribute = OBJ_txt2obj("1.3.6.1.4.1.57683.2", 1);
    int i = attribute ? X509_NAME_get_index_by_OBJ(subject, attribute, -1) : -1;
    bool is_good = attribute != NULL;

    if (i >= 0)
        is_good = copy_name(subject, i, out) && *out &&
                  X509_NAME_get_index_by_OBJ(subject, attribute, i) < 0;
    ASN1_OBJECT_free(attribute);
    return is_good;
}

static bool read_names(const X509 *certificate, struct tls_peer *peer)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);

    if (!read_uid(subject, peer->uid))
        return false;
    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;)
        if (!copy_name(subject, i, peer->common_name))
            return false;
    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_organizationName, i)) >= 0;) {
        if (peer->organization_count == VK_COUNT(peer->organizations) ||
            !copy_name(subject, i, peer->organizations[peer->organization_count]))
            return false;
        peer->organization_count++;
    }
    return true;
}

static void read_fingerprint(const X509 *certificate, char out[static 65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    out[0] = '\0';
    if (X509_digest(certificate, EVP_sha256(), digest, &n) != 1 || n != 32)
        return;
    for (unsigned i = 0; i < n; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", digest[i]);
}

/* When the first certificate of the chain expires; 0 when one has no readable time. */
static int64_t chain_not_after_s(const STACK_OF(X509) * chain)
{
    int64_t first = INT64_MAX;

    for (int i = 0; i < sk_X509_num(chain); i++) {
        struct tm tm;
        int64_t t;

        if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &tm) != 1)
            return 0;
        t = timegm(&tm);
        if (t < first)
            first = t;
    }
    return first;
}

/* chain: the verified one, or NULL when nothing was proved. */
static void fill_peer(const X509 *certificate, const STACK_OF(X509) * chain, struct tls_peer *peer)
{
    peer->has_certificate = certificate != NULL;
    peer->common_name[0] = '\0';
    peer->uid[0] = '\0';
    peer->organization_count = 0;
    peer->not_after_s = 0;
    peer->fingerprint[0] = '\0';
    peer->verified = certificate && chain && read_names(certificate, peer);
    if (peer->verified) {
        read_fingerprint(certificate, peer->fingerprint);
        peer->not_after_s = chain_not_after_s(chain);
    } else {
        peer->common_name[0] = '\0';
        peer->uid[0] = '\0';
        peer->organization_count = 0;
    }
}

void tls_peer_read(struct ssl_st *ssl, bool verification_failed, struct tls_peer *peer)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    bool holds = certificate && !verification_failed &&
                 SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
                 SSL_get_verify_result(ssl) == X509_V_OK;

    fill_peer(certificate, holds ? SSL_get0_verified_chain(ssl) : NULL, peer);
    X509_free(certificate);
    ERR_clear_error();
}

void tls_peer_read_again(struct ssl_st *ssl, struct ssl_ctx_st *ctx, struct tls_peer *peer)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    bool holds = false;

    if (certificate && check && SSL_CTX_get_verify_mode(ctx) != SSL_VERIFY_NONE &&
        X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(ctx), certificate,
                            SSL_get_peer_cert_chain(ssl)) == 1 &&
        X509_STORE_CTX_set_default(check, "ssl_client") == 1)
        holds = X509_verify_cert(check) == 1;
    fill_peer(certificate, holds ? X509_STORE_CTX_get0_chain(check) : NULL, peer);
    X509_STORE_CTX_free(check);
    X509_free(certificate);
    ERR_clear_error();
}
