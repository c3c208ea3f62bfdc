/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strictness of base/json.h, as one pass over the text before a tree is built: grammar of RFC
 * 8259, well-formed UTF-8, no \u0000, no lone surrogates, nesting and node limits. Private to
 * base/json*.c.
 */
#pragma once

#include <stddef.h>

#include "base/str.h"
#include "base/vk_err.h"

#define JSON_MAX_DEPTH 64
/* A node of a tree costs 64 bytes, its text as little as two: this keeps a hostile text at 32 MB.
 */
#define JSON_MAX_NODES 500000
/* cJSON copies a number into 64 bytes. */
#define JSON_MAX_NUMBER_BYTES 63

/* A number that a double does not hold exactly, or not as an integer. */
struct json_scan_number {
    size_t ordinal; /* which of all numbers of the text, from 0, in order of appearance */
    struct vk_str text;
};
struct json_scan_result {
    struct json_scan_number *numbers; /* owned: vk_free; `text` borrowed from the input */
    size_t number_count, number_cap;
};

/* ret must be zeroed; what is in it is to be freed also after an error. */
VK_MUST_CHECK int json_scan(struct vk_str text, struct json_scan_result *ret, struct vk_err *err);
