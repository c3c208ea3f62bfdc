/* SPDX-License-Identifier: Apache-2.0 */
/* Labels as an option lists them. Pure. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "base/vk_err.h"

/*
 * Each of the list is KEY=VALUE, or KEY for an empty value. Keys are qualified names (a DNS
 * subdomain and '/', or nothing, then 1 to 63 characters), values have at most 63; source:
 * Kubernetes apimachinery/pkg/util/validation/validation.go@v1.37. ret: in their order, owned by
 * the arena. Errors: VK_INVALID says which one and why; a key that comes twice is one.
 */
VK_MUST_CHECK int label_list_parse(const struct json_strs *list, struct vk_arena *arena,
                                   struct json_pairs *ret, struct vk_err *err);
