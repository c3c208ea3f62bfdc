/* SPDX-License-Identifier: Apache-2.0 */
/* How a registry asks for credentials. Pure. Source: RFC 7235; distribution token specification. */
#pragma once

#include "base/arena.h"
#include "base/vk_err.h"

enum registry_scheme { REGISTRY_BASIC, REGISTRY_BEARER };
struct registry_challenge {
    enum registry_scheme scheme;
    const char *realm;           /* token endpoint, https or http */
    const char *service, *scope; /* or NULL */
};
/* Value of WWW-Authenticate. Errors: VK_PROTOCOL, VK_UNSUPPORTED (another scheme). */
VK_MUST_CHECK int registry_challenge_parse(const char *header, struct vk_arena *arena,
                                           struct registry_challenge *ret, struct vk_err *err);
/* URL of the token request; scope falls back to pulling `repository`. */
const char *registry_token_url(const struct registry_challenge *c, const char *repository,
                               struct vk_arena *arena);
