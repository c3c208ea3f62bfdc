/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds pieces of JSON text without building a tree: what a watch needs of each object (its
 * version, its name) before somebody decides to parse it. The text is trusted for nothing but its
 * end; keys are compared as written, so that an escaped spelling of a key is not found.
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"

/* The value of a member of an object, as it stands in the text. False when it is not there. */
bool json_span_member(struct vk_str object, const char *name, struct vk_str *ret_value);
/* As json_span_member; ret_key begins at the key's quote and ends before the value. */
bool json_span_member_with_key(struct vk_str object, const char *name, struct vk_str *ret_key,
                               struct vk_str *ret_value);
/* The text of a string value that holds no escapes; false for anything else. */
bool json_span_plain_string(struct vk_str value, struct vk_str *ret);
