/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, base64, random bytes, signatures: thin wrappers of OpenSSL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/vk_err.h"

void crypto_sha256(const void *p, size_t n, uint8_t out[32]);
/* Lower-case hex of SHA-256; out holds 65 bytes. */
void crypto_sha256_hex(const void *p, size_t n, char out[65]);
/* Only where a protocol demands it: websocket handshake, certificate thumbprints. */
void crypto_sha1(const void *p, size_t n, uint8_t out[20]);
void crypto_random(void *p, size_t n);
/* Random UUID version 4, 36 characters and NUL. */
void crypto_uuid4(char out[37]);
/* RFC 4648, with padding; the url alphabet without padding. Appends to out. */
void crypto_base64(struct vk_str in, struct vk_buf *out);
void crypto_base64url(struct vk_str in, struct vk_buf *out);
/* Strict decoding: padding required by the first and refused by the second, no white space, no
 * stray bits behind the last byte. False on bad input. NUL-terminated text in the arena. */
bool crypto_base64_decode(struct vk_str in, struct vk_arena *arena, struct vk_str *ret);
bool crypto_base64url_decode(struct vk_str in, struct vk_arena *arena, struct vk_str *ret);
bool crypto_equal(struct vk_str a, struct vk_str b); /* constant time for equal lengths */
/* The thumbprint of the first certificate of a PEM text. Errors: VK_INVALID. */
VK_MUST_CHECK int crypto_certificate_sha256(struct vk_str pem, uint8_t out[32], struct vk_err *err);
/* RSASSA-PSS with SHA-256 and a salt of 32 bytes (RFC 7518, PS256). key_pem: a private RSA key that
 * needs no password. Appends to out. Errors: VK_INVALID. */
VK_MUST_CHECK int crypto_sign_ps256(struct vk_str key_pem, struct vk_str text, struct vk_buf *out,
                                    struct vk_err *err);
