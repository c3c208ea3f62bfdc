/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, certificates and requests for certificates as PEM text. Keys are P-256. */
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "base/vk_err.h"

/* What a certificate is to say of its holder. Borrowed strings. */
struct certificate_names {
    const char *common_name, *organization; /* organization may be NULL */
    const char *const *dns;                 /* names */
    size_t dns_count;
    const char *const *ips; /* numeric addresses */
    size_t ip_count;
};

/* A new key. */
void tls_key_new(struct vk_secret *ret);
/* Lower-case hex of the SHA-256 of the public key: the same for the same key. */
VK_MUST_CHECK int tls_key_fingerprint(const struct vk_secret *key, char out[65],
                                      struct vk_err *err);

/* Appends a certificate request (PKCS #10). Errors: VK_INVALID: bad names, or no key. */
VK_MUST_CHECK int tls_request_write(const struct vk_secret *key,
                                    const struct certificate_names *names, struct vk_buf *out,
                                    struct vk_err *err);
/* Appends a certificate for servers that is signed by its own key, good for `days` from now. */
VK_MUST_CHECK int tls_self_signed_write(const struct vk_secret *key,
                                        const struct certificate_names *names, int days,
                                        struct vk_buf *out, struct vk_err *err);

/* Wall clock, seconds. */
struct certificate_validity {
    int64_t not_before_s, not_after_s;
};
/*
 * The first certificate of the text, which must belong to the key and say all of names (NULL: any).
 * Errors: VK_INVALID naming what does not fit.
 */
VK_MUST_CHECK int tls_certificate_check(const char *pem, const struct vk_secret *key,
                                        const struct certificate_names *names,
                                        struct certificate_validity *ret, struct vk_err *err);
