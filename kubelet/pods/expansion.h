/* SPDX-License-Identifier: Apache-2.0 */
/*
 * $(VAR) in environment values, command and args. "$$" is a dollar; a reference to nothing stays as
 * it is written. Source: k8s v1.37.2 third_party/forked/golang/expansion, core/v1
 * Container.command.
 */
#pragma once

#include "base/buf.h"

/* The value of a variable, or NULL p when there is none. */
typedef struct vk_str (*expansion_lookup_fn)(void *user, struct vk_str name);
/* Appends the expanded text; out's limit is what stops values that multiply (out->failed). */
void expansion_expand(struct vk_str text, expansion_lookup_fn lookup, void *user,
                      struct vk_buf *out);
