/* SPDX-License-Identifier: Apache-2.0 */
/* What keys and values of labels may be, and labels as an option lists them. Pure. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "base/str.h"
#include "base/vk_err.h"

/* Source of all: Kubernetes apimachinery/pkg/util/validation/validation.go@v1.37. */

/* A DNS subdomain: the name of a node, the part of a key before '/'. */
bool label_is_subdomain(struct vk_str s);
/* A subdomain and '/', or nothing, then what a value may be. */
bool label_is_key(struct vk_str s);
/* 1 to 63 characters; a value may be empty, too. */
bool label_is_value(struct vk_str s);

/*
 * Each of the list is KEY=VALUE, or KEY for an empty value. ret: in their order, owned by
 * the arena. Errors: VK_INVALID says which one and why; a key that comes twice is one.
 */
VK_MUST_CHECK int label_list_parse(const struct json_strs *list, struct vk_arena *arena,
                                   struct json_pairs *ret, struct vk_err *err);
