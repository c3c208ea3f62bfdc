/* SPDX-License-Identifier: Apache-2.0 */
/* URLs as far as we need them (RFC 3986): split, percent-coding, query reading and building. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/vk_err.h"

struct url {
    const char *scheme; /* lower case */
    const char *host;   /* without brackets for IPv6 */
    int port;           /* the scheme's default where absent */
    const char *path;   /* raw, "/" where empty, no trailing cut */
    const char *query;  /* raw, without '?', "" where absent */
};
VK_MUST_CHECK int url_parse(const char *text, struct vk_arena *arena, struct url *ret,
                            struct vk_err *err);
/* Appends s with everything but unreserved characters percent-encoded. */
void url_encode(struct vk_buf *out, struct vk_str s);
/* False on a bad escape or a decoded NUL; '+' means blank in queries only. */
bool url_decode(struct vk_str s, bool plus_is_blank, struct vk_arena *arena, const char **ret);
/*
 * Query parameter by name, decoded; NULL when absent or undecodable. The index-th of several
 * (`command=a&command=b`).
 */
const char *url_query_get(const char *query, const char *name, size_t index,
                          struct vk_arena *arena);
/* Appends "name=value" encoded, with '?' or '&' as what is in `out` already asks for. */
void url_query_add(struct vk_buf *out, const char *name, const char *value);
