/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

/* Failures of these primitives leave nothing to go on with: no randomness, no digests. */
static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "OpenSSL: %s failed\n", what);
        abort();
    }
}

void vk_wipe(void *p, size_t n)
{
    if (p)
        OPENSSL_cleanse(p, n);
}

void crypto_sha256(const void *p, size_t n, uint8_t out[32])
{
    must(EVP_Digest(p ? p : "", n, out, NULL, EVP_sha256(), NULL) == 1, "SHA-256");
}

void crypto_sha1(const void *p, size_t n, uint8_t out[20])
{
    must(EVP_Digest(p ? p : "", n, out, NULL, EVP_sha1(), NULL) == 1, "SHA-1");
}

static void to_hex(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

void crypto_sha256_hex(const void *p, size_t n, char out[65])
{
    uint8_t digest[32];

    crypto_sha256(p, n, digest);
    to_hex(digest, sizeof(digest), out);
}

void crypto_random(void *p, size_t n)
{
    while (n > 0) {
        int part = n > INT_MAX ? INT_MAX : (int)n;

        must(RAND_bytes(p, part) == 1, "random bytes");
        p = (char *)p + part;
        n -= (size_t)part;
    }
}

void crypto_uuid4(char out[37])
{
    static const size_t group_bytes[] = {4, 2, 2, 2, 6};
    uint8_t bytes[16];
    size_t at = 0;

    crypto_random(bytes, sizeof(bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* RFC 9562 5.4: version and variant */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(group_bytes) / sizeof(group_bytes[0]); i++) {
        if (i > 0)
            *out++ = '-';
        to_hex(bytes + at, group_bytes[i], out);
        out += 2 * group_bytes[i];
        at += group_bytes[i];
    }
}

void crypto_base64(struct vk_str in, struct vk_buf *out)
{
    /* In pieces of whole groups, since EVP_EncodeBlock counts in int. */
    static const size_t piece = (size_t)3 << 20;

    while (in.n > 0) {
        size_t n = in.n < piece ? in.n : piece;
        char *to = vk_buf_reserve(out, (n + 2) / 3 * 4);

        if (!to)
            return;
        /* The NUL that EVP_EncodeBlock adds falls on the buffer's own. */
        vk_buf_commit(
            out, (size_t)EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)in.p, (int)n));
        in.p += n;
        in.n -= n;
    }
}

void crypto_base64url(struct vk_str in, struct vk_buf *out)
{
    struct vk_buf plain VK_BUF_AUTO;
    char *text;
    size_t n;

    vk_buf_init_secret(&plain, in.n * 2 + 8);
    crypto_base64(in, &plain);
    text = vk_buf_peek(&plain);
    n = vk_buf_len(&plain);
    while (n > 0 && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '+')
            text[i] = '-';
        else if (text[i] == '/')
            text[i] = '_';
    }
    vk_buf_add(out, text, n);
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* `in` without padding, standard alphabet. EVP_DecodeBlock alone would take white space and any
 * bits behind the last byte, so one value would have many spellings. */
static bool decode(struct vk_str in, struct vk_arena *arena, struct vk_str *ret)
{
    size_t padding = (4 - in.n % 4) % 4;
    size_t bytes = in.n / 4 * 3 + (in.n % 4 ? in.n % 4 - 1 : 0);
    char *padded, *out;
    int n;

    if (padding == 3 || in.n > INT_MAX / 2)
        return false;
    for (size_t i = 0; i < in.n; i++) {
        if (sextet(in.p[i]) < 0)
            return false;
    }
    if (in.n > 0 && padding > 0 && sextet(in.p[in.n - 1]) & (padding == 2 ? 15 : 3))
        return false;
    padded = vk_arena_alloc(arena, in.n + padding + 1);
    if (in.n)
        memcpy(padded, in.p, in.n);
    memset(padded + in.n, '=', padding);
    out = vk_arena_alloc(arena, (in.n + padding) / 4 * 3 + 1);
    n = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)padded, (int)(in.n + padding));
    vk_wipe(padded, in.n);
    if (n < 0)
        return false;
    out[bytes] = '\0';
    *ret = (struct vk_str){.p = out, .n = bytes};
    return true;
}

bool crypto_base64_decode(struct vk_str in, struct vk_arena *arena, struct vk_str *ret)
{
    if (in.n % 4 != 0)
        return false;
    for (int i = 0; i < 2 && in.n > 0 && in.p[in.n - 1] == '='; i++)
        in.n--;
    return decode(in, arena, ret);
}

bool crypto_base64url_decode(struct vk_str in, struct vk_arena *arena, struct vk_str *ret)
{
    char *plain = vk_arena_str(arena, in);
    bool ok;

    for (size_t i = 0; i < in.n; i++) {
        if (plain[i] == '-')
            plain[i] = '+';
        else if (plain[i] == '_')
            plain[i] = '/';
        else if (plain[i] == '+' || plain[i] == '/')
            plain[i] = '!'; /* not of this alphabet */
    }
    ok = decode((struct vk_str){.p = plain, .n = in.n}, arena, ret);
    vk_wipe(plain, in.n);
    return ok;
}

bool crypto_equal(struct vk_str a, struct vk_str b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

static BIO *reader(struct vk_str pem)
{
    must(pem.n <= INT_MAX, "reading PEM");
    ERR_clear_error();
    return BIO_new_mem_buf(pem.p, (int)pem.n);
}

int crypto_certificate_sha256(struct vk_str pem, uint8_t out[32], struct vk_err *err)
{
    BIO *in = reader(pem);
    X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);

    BIO_free(in);
    if (!certificate)
        return vk_err_set(err, VK_INVALID, "no certificate in PEM");
    must(X509_digest(certificate, EVP_sha256(), out, NULL) == 1, "SHA-256");
    X509_free(certificate);
    return 0;
}

/* Nobody is there to type one. */
static int no_password(char *out, int size, int writes, void *user)
{
    (void)out, (void)size, (void)writes, (void)user;
    return 0;
}

static bool sign_ps256(EVP_PKEY *key, struct vk_str text, uint8_t *out, size_t *n)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX *context;
    bool is_good = digest && EVP_DigestSignInit(digest, &context, EVP_sha256(), NULL, key) == 1 &&
                   EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1 &&
                   EVP_DigestSign(digest, out, n, (const unsigned char *)text.p, text.n) == 1;

    EVP_MD_CTX_free(digest);
    return is_good;
}

int crypto_sign_ps256(struct vk_str key_pem, struct vk_str text, struct vk_buf *out,
                      struct vk_err *err)
{
    uint8_t signature[2048]; /* RSA keys of up to 16,384 bits */
    size_t n = sizeof(signature);
    BIO *in = reader(key_pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
    bool is_signed = false;

    BIO_free(in);
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
        (size_t)EVP_PKEY_get_size(key) <= sizeof(signature))
        is_signed = sign_ps256(key, text, signature, &n);
    EVP_PKEY_free(key);
    if (!is_signed)
        return vk_err_set(err, VK_INVALID, "no RSA key without a password in PEM");
    vk_buf_addstr(out, (struct vk_str){(const char *)signature, n});
    return 0;
}
