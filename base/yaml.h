/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML 1.1 documents (libyaml) turned into the trees of base/json.h, so that the same decoders
 * serve: plain scalars are null, true/false or integers (0x1f, and 0644 or 0o644 in octal, as file
 * modes are written), all else is text; aliases repeat at most 10,000 nodes; tags, merge keys and
 * duplicate keys are refused. JSON is accepted too, being YAML.
 */
#pragma once

#include "base/json.h"

/* Errors: VK_INVALID "line 3, column 7: ...", VK_TOO_LARGE. The first document; NULL when there is
 * none or it is null. */
VK_MUST_CHECK int yaml_parse(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
                             const struct json **ret, struct vk_err *err);
/* As yaml_parse, but plain scalars other than null stay text as it is written (0123, 1.50, yes). */
VK_MUST_CHECK int yaml_parse_texts(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
                                   const struct json **ret, struct vk_err *err);
/* Each document of a stream in turn, null ones left out; a callback stops it by a negative number
 * (its error) or a positive one (no error). */
typedef int (*yaml_document_fn)(void *user, const struct json *doc, struct vk_err *err);
VK_MUST_CHECK int yaml_parse_stream(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
                                    yaml_document_fn fn, void *user, struct vk_err *err);
