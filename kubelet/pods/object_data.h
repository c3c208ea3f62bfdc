/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ConfigMap or Secret as pods use it: keys and bytes. Immutable, ref-counted; a Secret's bytes
 * are wiped when the last reference goes. Source: k8s v1.37.2 api/core/v1/types.go.
 */
#pragma once

#include "base/arena.h"
#include "base/vk_err.h"

/* Objects are at most 1 MiB in etcd by default; base64 and metadata come on top. */
#define OBJECT_MAX_BYTES (4u << 20)

enum object_kind { OBJECT_CONFIG_MAP, OBJECT_SECRET };

struct object_entry {
    const char *key;
    struct vk_str value; /* decoded; NUL-terminated behind its last byte */
    bool is_binary;      /* a ConfigMap's binaryData: files only, no environment */
};
struct object_data {
    enum object_kind kind;
    const char *name, *type; /* type: Secrets only */
    const struct object_entry *entries;
    size_t n;
    size_t bytes; /* of all values */
    struct vk_arena *arena_;
    unsigned refs_;
};
/* refs 1. Errors: VK_INVALID with the object's name, VK_TOO_LARGE; never a value. */
VK_MUST_CHECK int object_data_parse(enum object_kind kind, struct vk_str raw,
                                    struct object_data **ret, struct vk_err *err);
struct object_data *object_data_ref(struct object_data *o);
/* NULL is fine. */
void object_data_unref(struct object_data *o);
/* NULL when there is no such key. */
const struct object_entry *object_data_get(const struct object_data *o, const char *key);
/* "ConfigMap", "Secret" */
const char *object_kind_name(enum object_kind kind);
